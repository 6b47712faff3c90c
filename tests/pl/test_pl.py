"""Figures show the numbers they are given, on the axes they are given, without global state."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from exval import pl
from exval.bench.results import Results, make_rows
from exval.errors import InputError
from exval.pl import _canvas, _palette

LABEL = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)

TABLES = {
    "per_class": pd.DataFrame({"method": ["a", "b"], "label": ["x", "x"], "precision": 1.0, "recall": 1.0,
                               "f1": [0.25, 0.75], "support": [9, 9]}),
    "confusion": pd.DataFrame({"method": "a", "truth": ["x", "x", "y"], "prediction": ["x", "z", "y"], "n": [1, 3, 5]}),
    "reliability": pd.DataFrame({"method": "a", "bin_lo": [0.0, 0.5], "bin_hi": [0.5, 1.0], "confidence": [0.4, 0.9],
                                 "accuracy": [0.3, 0.8], "n": [1, 9]}),
    "scores": pd.DataFrame({"bin_lo": [0.0, 0.5], "bin_hi": [0.5, 1.0], "n": [1, 3], "kind": "query"}),
    "unknown_types": pd.DataFrame({"label": ["x"], "n": [4], "caught": [1], "share_caught": [0.25],
                                   "false_unsure_share": [0.1]}),
    "map2d": pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 0.0], "label": ["x", "y"], "kind": "pca",
                           "unsure": [True, False]}),
    "recovered": pd.DataFrame({"gene": "g", "true": [0.0, 1.0], "predicted": [0.5, 1.5], "method": "a"}),
    "gene_mapping": pd.DataFrame({"how": ["symbol", "unknown"], "n": [9, 1], "examples": ["A", "B"]}),
    "curves": pd.DataFrame({"step": [1, 2, 2], "split": ["train", "train", "validation"], "loss": [3.0, 2.0, 2.5]}),
}  # fmt: skip
DRAW = {name: getattr(pl, "per_class_f1" if name == "per_class" else name) for name in TABLES}


@pytest.fixture(scope="module")
def results():
    rows = make_rows([
        {"method": "b", "metric": "macro_f1", "value": 0.75, "lo": 0.7, "hi": 0.8, "seconds": 2.0},
        {"method": "a", "metric": "macro_f1", "value": 0.25, "seconds": 1.0},
        {"method": "c", "status": "failed", "note": "no memory", "metric": "macro_f1"},
    ])  # fmt: skip
    return Results(rows, pd.DataFrame(), {"task": "annotate"}, "b.", TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_from_results_table_or_folder_and_onto_given_axes(name, results, tmp_path):
    results.save(tmp_path)
    given = Figure().subplots()
    assert DRAW[name](TABLES[name], ax=given) is given
    for data in (results, tmp_path, str(tmp_path), TABLES):
        ax = DRAW[name](data)
        assert ax is not given and ax.has_data()
        ax.figure.canvas.draw_idle()


@pytest.mark.parametrize("name", TABLES)
def test_faults_are_one_line(name):
    for data in (TABLES[name].iloc[:0], TABLES[name].iloc[:, :1].rename(columns=lambda _: "other"), {}):
        with pytest.raises(InputError) as caught:
            DRAW[name](data)
        assert "\n" not in str(caught.value)


def test_f1_dots_stand_at_their_values(results):
    ax = pl.per_class_f1(results)
    xs = sorted(
        float(c.get_offsets()[0, 0]) for c in ax.collections if len(c.get_offsets()) and c.get_label()[0] != "_"
    )
    assert xs == [0.25, 0.75]


def test_confusion_shares_are_of_the_true_class_even_when_capped(results):
    texts = {t.get_text() for t in pl.confusion(results).texts}
    assert texts == {"25", "75", "100"}
    assert {t.get_text() for t in pl.confusion(results, top=2).texts} == {"25", "100"}


def test_names_that_no_cell_has_get_a_column(results):
    assert [t.get_text() for t in pl.confusion(results).get_xticklabels()] == ["y", "x", "z"]


def test_unknown_method_of_a_confusion_is_refused(results):
    with pytest.raises(InputError, match="empty"):
        pl.confusion(results, method="nobody")


def test_methods_draws_whiskers_only_where_there_is_an_interval(results):
    ax = pl.methods(results)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["b", "a"]
    whiskers = [line.get_xdata().tolist() for line in ax.lines if len(line.get_xdata()) == 2]
    assert whiskers == [[0.7, 0.8]]


def test_cost_is_on_a_logarithmic_axis(results):
    ax = pl.cost(results)
    assert ax.get_xscale() == "log" and sorted(t.get_text() for t in ax.texts) == ["a", "b"]


def test_threshold_is_drawn(results):
    ax = pl.scores(results, threshold=0.5)
    assert any(line.get_xdata()[0] == 0.5 for line in ax.lines)


def test_labels_of_adata_use_its_colours():
    cells = AnnData(np.ones((4, 2), np.float32), obsm={"X_umap": np.arange(8.0).reshape(4, 2)})
    cells.obs["kind"] = pd.Categorical(["b", "a", "b", "a"])
    cells.uns["kind_colors"] = ["#102030", "#a0b0c0"]
    ax = pl.labels(cells, "kind")
    drawn = {tuple(np.round(row[:3] * 255).astype(int)) for row in ax.collections[0].get_facecolors()}
    assert drawn == {(0x10, 0x20, 0x30), (0xA0, 0xB0, 0xC0)}
    for arguments in (("absent",), ("kind", "X_absent")):
        with pytest.raises(InputError, match="there"):
            pl.labels(cells, arguments[0], basis=arguments[1] if len(arguments) > 1 else None)


def test_one_name_has_one_colour_whatever_else_is_there():
    names = [f"label {i}" for i in range(300)]
    assert len(set(_palette.assign(names).values())) == 300
    assert _palette.assign(["depth", "x"])["x"] == _palette.assign(["x"])["x"]


def test_no_figure_registers_with_pyplot(results):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    for name in TABLES:
        DRAW[name](results)
    assert plt.get_fignums() == before


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@settings(max_examples=15, deadline=None)
@given(st.lists(LABEL, min_size=1, max_size=4, unique=True))
def test_any_label_can_be_drawn(labels):
    table = pd.DataFrame({"method": "a", "label": labels, "f1": 0.5, "support": 3})
    figure = pl.per_class_f1(table).figure
    with _canvas.detached():
        figure.draw_without_rendering()


def test_log_lines_of_every_shape_are_read(tmp_path):
    from exval.pl.training import read_log

    (tmp_path / "log.jsonl").write_text(
        '{"step": 0, "valid": {"loss": 9.0, "values": 9.0}}\n{"step": 1, "loss": 3.0, "parts": {}}\n'
        '{"step": 2, "loss": 2.0, "valid": 2.5}\n{"step": 3, "loss": NaN}\n{"step": 3, "loss": 1.5, "valid": true}\n'
        '[1]\n{"st'
    )
    found = read_log(tmp_path).values.tolist()
    assert [0, "validation", 9.0] in found and [1, "train", 3.0] in found
    assert [2, "validation", 2.5] in found and [3, "validation", 1.5] in found
    assert all(loss == loss for _, _, loss in found)


def test_importing_the_package_does_not_import_matplotlib():
    code = "import sys, exval, exval.pl, exval.report, exval.verbs.report; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
