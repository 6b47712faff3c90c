"""``explain`` from the outside: what is written, what is printed, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import exval
from exval.bench.results import Results
from exval.cli.app import main
from exval.errors import InputError, OutputError, UnitError
from exval.report import write_report

PAGE = (
    "The genes listed",
    "Is it more than an untrained network gives?",
    "Does the run fail without these genes?",
    "Do the first genes stand together in known sets?",
    "Methods, for a paper",
    "Sundararajan",
    "Adebayo",
    "SET0",
    "Labels were not permuted",
    "zero expression",
)
FAST = {"samples": 30, "networks": 1, "top": 10, "steps": 8}


@pytest.fixture(scope="module")
def cells(_baron_small, tmp_path_factory):
    """Thirty cells of the five types, a third of the run's genes, in a file."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    _baron_small[::2, ::3].copy().write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def written(tuned_run, cells, tmp_path_factory):
    """The folder of an explanation, made by the command line, and what was printed."""
    folder = tmp_path_factory.mktemp("explained")
    sets = folder / "sets.gmt"
    genes = list(exval.open_source(cells).var_names)
    sets.write_text("\n".join("\t".join([f"SET{i}", "", *genes[10 * i : 10 * i + 20]]) for i in range(5)))
    import contextlib
    import io

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        words = (
            f"explain {tuned_run} {cells} -o {folder / 'why'} --gene-sets {sets} --json --samples 30 --top 10 --steps 8"
        )
        code = main(words.split())
    assert code == 0
    return folder / "why", json.loads(printed.getvalue())


def test_the_folder_is_whole(written):
    folder, _ = written
    names = {path.name for path in folder.iterdir()}
    assert names >= {"importance.csv", "results.parquet", "predictions.parquet", "config.json", "report.html", "extras"}
    table = pd.read_csv(folder / "importance.csv")
    columns = (
        "class gene rank ig_mean ig_abs attention attention_rank univariate univariate_rank untrained_rank excess n"
    )
    assert list(table.columns) == columns.split()
    found = Results.load(folder)
    assert found.config["task"] == "explain" and found.config["verdict"] == found.verdict
    assert set(found.extras) == {"importance", "sanity", "agreement", "deletion", "lists", "gene_sets"}
    assert set(found.rows.metric) >= {"deletion_area", "difference:deletion_area", "spearman", "top_k_overlap"}
    whole = table[table["class"] == "beta"].excess.sum()
    assert abs(whole) < 1e-6  # shares of two lists


def test_json_lists_objects_with_names(written):
    _, printed = written
    assert printed["standing"] and printed["verdict"] and printed["method"] == "integrated gradients"
    first = [row for row in printed["genes"] if row["class"] == "beta"]
    assert [row["rank"] for row in first] == list(range(1, 11)) and all(row["name"] for row in first)
    assert {row["class"] for row in printed["lists"]} == {"(all classes)", "acinar", "alpha", "beta", "delta", "ductal"}


def test_the_page_says_it_all(written):
    folder, printed = written
    page = (folder / "report.html").read_text()
    for words in PAGE:
        assert words in page, words
    assert printed["verdict"][:60] in page and page.count("<svg") == 6  # five classes, one deletion figure
    before = page
    write_report(folder)
    assert (folder / "report.html").read_text() == before


def test_figures_from_the_folder(written):
    folder, _ = written
    ax = exval.pl.gene_importance(folder, name="alpha", top=5)
    assert len(ax.get_yticklabels()) == 5 and ax.get_title(loc="left") == "alpha"
    names = [text.get_text() for text in exval.pl.deletion_curve(folder).get_legend().get_texts()]
    assert names == ["integrated gradients", "attention", "univariate", "untrained network", "random"]


def test_without_gene_sets_the_page_says_how_to_get_them(tuned_run, cells, tmp_path):
    exval.explain(tuned_run, cells, out=tmp_path / "why", **FAST)
    page = (tmp_path / "why" / "report.html").read_text()
    assert "No gene sets were given" in page and "h.all.*.symbols.gmt" in page
    with pytest.raises(OutputError, match="exists already"):
        exval.explain(tuned_run, cells, out=tmp_path / "why", **FAST)


def test_a_run_that_learned_nothing_yet_is_told_which_command(small_run, cells, capsys, tmp_path):
    assert main(["explain", str(small_run), str(cells), "-o", str(tmp_path / "why")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "exval finetune" in told and "--label COLUMN" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"label": "celltype"}, InputError, "did you mean 'cell_type'"),
        ({"label": "donor"}, InputError, "column 'donor' holds none of the classes"),
        ({"time": "donor", "event": "donor"}, InputError, "was taught classes, not survival"),
        ({"top": 0}, InputError, "--top has to be at least 1"),
        ({"samples": 3}, InputError, "--samples has to be at least 4"),
        ({"gene_sets": "nowhere.gmt"}, InputError, "there is no file nowhere.gmt"),
        ({"species": "mouse"}, InputError, "."),
        ({"out": "no/such/folder"}, OutputError, "there is no folder no/such"),
    ],
)
def test_bad_use(tuned_run, cells, changes, error, message, tmp_path):
    with pytest.raises(error, match=message) as told:
        exval.explain(tuned_run, cells, **{"out": tmp_path / "why", **FAST, **changes})
    assert "\n" not in str(told.value) and list(tmp_path.iterdir()) == []


def test_units_and_genes_that_do_not_fit(tuned_run, baron_small):
    z = baron_small.copy()
    x = z.X.toarray()
    z.X = ((x - x.mean(0)) / (x.std(0) + 1)).astype(np.float32)
    with pytest.raises(UnitError):
        exval.explain(tuned_run, z, unit="z", **FAST)
    with pytest.raises(InputError, match="of the 300 genes"):
        exval.explain(tuned_run, baron_small[:, :10].copy(), **FAST)
    with pytest.raises(InputError, match="is no run folder"):
        exval.explain("nowhere", baron_small, **FAST)
