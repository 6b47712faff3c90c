"""Figures of ranks show the numbers that they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval import pl
from exval.bench.results import Results
from exval.errors import InputError
from exval.pl.ranks import cliques

RANKS = pd.DataFrame({
    "scope": "all", "method": ["a", "b", "c", "d"], "mean_rank": [1.2, 1.9, 3.1, 3.8], "lo": [1.0, 1.5, 2.8, 3.5],
    "hi": [1.5, 2.3, 3.3, 4.0], "first": [5.0, 1.0, 0.0, 0.0], "failed": [0, 0, 2, 0], "n_cases": 6,
})  # fmt: skip
TABLES = {
    "ranks": RANKS,
    "rank_tests": pd.DataFrame({"scope": ["all"], "n_methods": 4, "n_blocks": 6, "cd": [1.5]}),
    "cost": pd.DataFrame({"method": list("abcd"), "seconds": [0.1, 10.0, 0.01, 1000.0], "peak_mb": 1.0}),
}


def test_ranks_stand_at_their_places():
    ax = pl.mean_ranks(TABLES)
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == RANKS.mean_rank.tolist()
    whiskers = [tuple(line.get_xdata()) for line in ax.lines if line.get_marker() != "o"]
    assert whiskers == list(zip(RANKS.lo, RANKS.hi))
    assert [text.get_text() for text in ax.get_yticklabels()] == list("abcd")
    assert "2 failed" in [text.get_text() for text in ax.texts]
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (round(band.x0, 6), round(band.x1, 6)) == (1.2, 2.7)


def test_without_intervals_every_data_set_is_a_mark():
    few = RANKS.assign(lo=np.nan, hi=np.nan)
    cases = pd.DataFrame({"scope": "all", "data": ["x", "y"] * 4, "method": list("aabbccdd"), "rank": [1, 1.4] * 4})
    ax = pl.mean_ranks({"ranks": few, "rank_cases": cases})
    marks = [line.get_xdata().tolist() for line in ax.lines if len(line.get_xdata()) == 2]
    assert marks == [[1.0, 1.4]] * 4 and not ax.patches


def test_from_results_and_folder(tmp_path):
    rows = pd.DataFrame({"method": ["a"]})
    Results(rows, pd.DataFrame(), {"task": "bench"}, "a.", TABLES).save(tmp_path)
    for draw in (pl.mean_ranks, pl.critical_difference, pl.rank_cost):
        for data in (tmp_path, TABLES):
            assert draw(data).has_data() or draw(data).texts
        given = draw(TABLES).figure.subplots()
        assert draw(TABLES, ax=given) is given


@pytest.mark.parametrize("cd, want", [
    (0.5, []), (0.75, [(0, 1), (2, 3)]), (1.3, [(0, 1), (1, 2), (2, 3)]), (2.0, [(0, 2), (1, 3)]), (9.0, [(0, 3)]),
])  # fmt: skip
def test_cliques(cd, want):
    assert cliques([1.2, 1.9, 3.1, 3.8], cd) == want


def test_critical_difference_draws_a_bar_for_each_clique():
    ax = pl.critical_difference(RANKS, cd=1.3)
    bars = [line for line in ax.lines if line.get_linewidth() == 3.2]
    assert [tuple(np.round(bar.get_xdata(), 1)) for bar in bars] == [(1.2, 1.9), (1.9, 3.1), (3.1, 3.8)]
    assert len({bar.get_ydata()[0] for bar in bars}) > 1  # those that touch lie on different rows
    with pytest.raises(InputError, match="six data sets"):
        pl.critical_difference(RANKS)


def test_rank_cost_joins_what_nothing_beats():
    ax = pl.rank_cost(TABLES)
    front = next(line for line in ax.lines if line.get_linestyle() != "-")
    assert list(zip(front.get_xdata(), front.get_ydata())) == [(0.01, 3.1), (0.1, 1.2)]
    assert ax.yaxis_inverted() and len(ax.texts) == 4
    points = ax.collections[0].get_offsets()
    assert sorted(map(tuple, np.asarray(points).tolist())) == [(0.01, 3.1), (0.1, 1.2), (10.0, 1.9), (1000.0, 3.8)]


def test_names_of_many_methods_do_not_overlap():
    n = 25
    rng = np.random.default_rng(0)
    many = pd.DataFrame({"method": [f"method-{i:02d}" for i in range(n)], "mean_rank": 1 + 0.8 * np.arange(n),
                         "lo": np.nan, "hi": np.nan, "seconds": 10 ** rng.uniform(-1, 3, n)})  # fmt: skip
    for ax in (pl.mean_ranks(many), pl.critical_difference(many, cd=3.0), pl.rank_cost(many)):
        ax.figure.canvas.draw()
        words = [text for text in [*ax.texts, *ax.get_yticklabels()] if "method-" in text.get_text()]
        boxes = [text.get_window_extent() for text in words]
        assert len(boxes) == n
        crossing = [
            (a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.shrunk(0.98, 0.8).overlaps(b.shrunk(0.98, 0.8))
        ]
        assert crossing == []
