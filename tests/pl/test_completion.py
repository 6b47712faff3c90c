"""Figures of values that were not measured show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from exval import pl
from exval.bench.results import make_rows
from exval.errors import InputError

ROWS = make_rows(
    [
        {"method": m, "slice": f"arm={kind} {s} %", "metric": "rmse", "value": v + s / 1000, "lo": v, "hi": v + 0.2}
        for m, v in (("mean", 1.0), ("ppca", 0.5))
        for kind, s in (("random", 10), ("random", 90), ("low", 30), ("low", 50))
    ]
)
CURVES = pd.DataFrame({"method": "ppca", "arm": "random 10 %", "level": [50, 95], "inside": [40, 90], "n": 100})
GENES = pd.DataFrame({"method": "ppca", "arm": "random 10 %", "gene": list("ABCD"), "rmse": [0.3, 0.31, 0.9, 40.0]})
BLOCKS = pd.DataFrame({"sample": [0, 0, 1, 1], "gene": [0, 1, 0, 1], "measured": [1.0, 0.5, 0.25, 0.0]})


def test_a_line_for_each_method_at_its_values():
    ax = pl.completion_error(ROWS)
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert lines == {"mean": [[10, 1.01], [90, 1.09]], "ppca": [[10, 0.51], [90, 0.59]]}
    assert ax.get_ylim()[0] == 0 and len(ax.collections) == 2
    assert len(pl.completion_error(ROWS, kind="low").lines) == 2
    with pytest.raises(InputError, match="empty"):
        pl.completion_error(ROWS, kind="genes")


def test_shares_inside():
    ax = pl.completion_coverage(CURVES)
    assert ax.lines[1].get_xydata().tolist() == [[50, 40], [95, 90]]
    with pytest.raises(InputError, match="empty"):
        pl.completion_coverage(CURVES, arm="low 50 %")


def test_a_gene_far_out_stands_in_the_last_bar():
    ax = pl.gene_errors(GENES)
    counts = ax.patches[0].get_data().values
    assert counts.sum() == 4 and counts[-1] == 1 and counts.max() == 2


def test_the_map_has_the_first_sample_on_top():
    ax = pl.missing_map(BLOCKS)
    np.testing.assert_array_equal(ax.images[0].get_array(), [[100, 50], [25, 0]])


@pytest.mark.parametrize(
    ("draw", "table"),
    [("completion_error", ROWS), ("completion_coverage", CURVES), ("gene_errors", GENES), ("missing_map", BLOCKS)],
)
def test_onto_given_axes_and_faults_in_one_line(draw, table):
    given = Figure().subplots()
    assert getattr(pl, draw)(table, ax=given) is given
    for bad in (table.iloc[:0], table.iloc[:, :1], {}):
        with pytest.raises(InputError) as caught:
            getattr(pl, draw)(bad)
        assert "\n" not in str(caught.value)
