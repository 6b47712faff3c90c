"""Groups of risk and their curves, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from exval.errors import InputError
from exval.tasks.survival.strata import assign, curves, cut_offs, logrank_p, stratum_names, summary


def test_cut_offs():
    assert cut_offs(np.arange(9.0), 3) == pytest.approx([8 / 3, 16 / 3])
    assert cut_offs(np.arange(9.0)).tolist() == [4.0]
    assert len(cut_offs(np.full(5, 2.0))) == 0 and len(cut_offs(np.zeros(0))) == 0
    with pytest.raises(InputError, match="2 or 3 groups"):
        cut_offs(np.arange(9.0), 4)


def test_a_risk_at_the_cut_is_low():
    assert assign(np.array([3.9, 4.0, 4.1]), np.array([4.0])).tolist() == [0, 0, 1]
    assert stratum_names(np.array([0, 1, 2]), 3).tolist() == ["low", "middle", "high"]
    assert stratum_names(np.array([0, 0]), 2, divided=False).tolist() == ["all", "all"]


def test_curve_by_hand():
    """Times 1, 2, 2 (censored), 4: 3/4, then one of three dies: 1/2, then one of one: 0."""
    time, event = np.array([1.0, 2.0, 2.0, 4.0]), np.array([True, True, False, True])
    table = curves(time, event, np.array(["a"] * 4, dtype=object))
    assert table.time.tolist() == [0, 1, 2, 4]
    assert table.survival.tolist() == pytest.approx([1, 0.75, 0.5, 0])
    assert table.at_risk.tolist() == [4, 4, 3, 1]


def test_summary_by_hand():
    time, event = np.arange(1.0, 9.0), np.array([True] * 4 + [False] * 4)
    group = np.array(["low", "high"] * 4, dtype=object)
    table = summary(time, event, group).set_index("group")
    assert table.n.tolist() == [4, 4] and table.events.tolist() == [2, 2]
    assert table["median"].to_dict() == {"low": 3.0, "high": 4.0}
    longer = summary(time, np.zeros(8, dtype=bool), group)
    assert longer["median"].isna().all()


def test_logrank_of_one_group_is_not_defined():
    time, event = np.arange(1.0, 7.0), np.ones(6, dtype=bool)
    assert np.isnan(logrank_p(time, event, np.array(["a"] * 6, dtype=object)))
    assert logrank_p(time, event, np.array(list("aaabbb"), dtype=object)) == pytest.approx(0.0246, abs=1e-4)
