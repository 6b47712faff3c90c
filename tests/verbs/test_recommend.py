"""``recommend`` and ``impute --method auto``: an answer from the user's own cells, which may be to do nothing."""

from __future__ import annotations

import functools
import json

import anndata
import pandas as pd
import pytest

from exval.cli.app import main
from exval.data.genes import GeneTable
from exval.data.source import open_source
from exval.errors import InputError
from exval.tasks.imputing import choose
from exval.tasks.imputing.simulate import simulate
from exval.verbs.impute import impute
from exval.verbs.recommend import recommend, with_untried


@pytest.fixture(scope="module")
def cells():
    made = simulate("types", 240, 120)
    adata = anndata.AnnData(made.adata.layers["counts"].copy(), obs=made.adata.obs[[]].copy())
    adata.var_names = GeneTable.load("human").symbols[:120]
    adata.obs["kind"] = pd.Categorical(made.groups_n.astype(str))
    return adata


def test_a_method_that_helps_is_found_and_the_rest_is_listed(cells):
    found = recommend(cells, "recovery", method="zeros,knn-smoothing,cluster-mean", seconds=600)
    status = found.table.set_index("method").status
    assert found.method in ("knn-smoothing", "cluster-mean") and status[found.method] == "tried"
    listed = with_untried(found.table).set_index("method")
    assert listed.status["scigans"] == "not tried" and "--method" in listed.why["scigans"]
    row = found.table.set_index("method").loc[found.method]
    assert row.lo > 0 and row.held_out_difference > 0
    assert any(f"exval impute FILE -m {found.method}" in line for line in found.lines())


def test_zeros_are_never_recommended(cells):
    assert recommend(cells, "recovery", method="zeros").method == "nothing"


def test_nothing_is_recommended_where_nothing_is_clearly_better(cells):
    found = recommend(cells, "de", method="cluster-mean", label="kind")
    assert found.method == "nothing" and found.table.method[0] == "nothing"
    assert not found.table.set_index("method").lo["cluster-mean"] > 0


def test_auto_imputes_with_what_was_recommended(cells, monkeypatch):
    monkeypatch.setattr(choose, "recommend", functools.partial(choose.recommend, methods=["mean", "zeros"]))
    some = cells.copy()
    impute(some, "auto", goal="recovery", check=False)
    assert some.uns["exval"]["impute_method"] == "mean"
    impute(some, "auto", goal="de", label="kind", check=False)
    assert some.uns["exval"]["impute_method"] == "nothing"


def test_command_line(cells, tmp_path, capsys):
    cells.write_h5ad(tmp_path / "in.h5ad")
    words = ["recommend", str(tmp_path / "in.h5ad"), "--goal", "plot", "-m", "mean,zeros"]
    assert main([*words, "--json", "-q"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in told["candidates"]} == {"nothing", "mean", "zeros"} and told["name"] == "mean"
    assert main([*words, "-o", str(tmp_path / "r"), "-q"]) == 0
    assert "What was tried" in (tmp_path / "r" / "report.html").read_text()
    assert main([*words, "-o", str(tmp_path / "r"), "-q"]) == 2


def test_log_values_get_an_answer_and_the_reason(cells):
    logs = open_source(cells).to_adata()
    del logs.layers["counts"]
    found = recommend(logs, "plot")
    assert found.method == "nothing" and "no counts" in found.sentence
    with pytest.raises(InputError, match="no goal"):
        recommend(cells, "everything")
    with pytest.raises(InputError, match="kinds"):
        recommend(cells, "de", label="kinds")
