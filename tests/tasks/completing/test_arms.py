"""Which values are hidden."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.errors import GeneError, InputError
from exval.tasks.completing.arms import ARMS, Arm, as_arms, panel_mask

ARM = st.sampled_from([*ARMS, Arm("panel")])


@settings(max_examples=60)
@given(ARM, st.integers(1, 12), st.integers(2, 15), st.sampled_from([0.0, 0.3, 1.0]), st.integers(0, 999))
def test_only_what_was_measured_is_hidden(arm, n, g, gaps, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, g))
    z[rng.random((n, g)) < gaps] = np.nan
    panel = np.arange(g) < g // 2
    hidden = arm.hide(z, [seed, 0], panel)
    assert hidden.shape == z.shape and not (hidden & np.isnan(z)).any()
    if arm.kind == "panel":
        assert (hidden == ~np.isnan(z) & ~panel).all()
    if arm.kind == "genes" and n > 1:
        whole = hidden.any(0)
        assert (hidden[:, whole] == ~np.isnan(z[:, whole])).all() and not hidden[:, ~whole].any()


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_the_share_is_what_was_asked(arm):
    z = np.random.default_rng(1).standard_t(4, size=(300, 100))
    z[:, :20] = np.nan
    measured = ~np.isnan(z)
    share = arm.hide(z, [0, 0]).sum() / measured.sum()
    assert share == pytest.approx(arm.share, abs=0.06 if arm.kind == "genes" else 0.01)


def test_low_values_are_missing_more_often_and_by_the_slope():
    z = np.random.default_rng(0).normal(size=(2000, 50))
    hidden = Arm("low", 0.5).hide(z, [0])
    low, high = hidden[z < -1].mean(), hidden[z > 1].mean()
    assert low > 0.85 and high < 0.15
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=1e6).fit(z.reshape(-1, 1), hidden.ravel()).coef_[0, 0]
    assert found == pytest.approx(-1.5, abs=0.06)
    random = Arm("random", 0.5).hide(z, [0])
    assert abs(random[z < -1].mean() - random[z > 1].mean()) < 0.02


def test_draws_are_keyed():
    z = np.zeros((30, 40))
    assert (Arm("random", 0.5).hide(z, [3, 1]) == Arm("random", 0.5).hide(z, [3, 1])).all()
    assert (Arm("random", 0.5).hide(z, [3, 1]) != Arm("random", 0.5).hide(z, [3, 2])).any()
    assert (Arm("genes", 0.5).hide(z, [3, 1]) != Arm("genes", 0.5).hide(z, [4, 1])).any()


def test_names_and_back():
    for arm in ARMS:
        assert Arm.of(arm.name) == arm
    assert Arm.of("panel").name == "panel" and Arm.of("random 2.5%").share == 0.025
    assert [arm.kind for arm in as_arms(None, panel=True)].count("panel") == 1
    assert not [arm for arm in as_arms(None, panel=True) if arm.kind == "genes"]


@pytest.mark.parametrize(
    "text", ["", "random", "random 0 %", "random 100 %", "sometimes 10 %", "genes many", "low -5 %"]
)
def test_unknown_arms_are_refused(text):
    with pytest.raises(InputError, match="no arm is called"):
        Arm.of(text)


def test_arms_that_cannot_be(tmp_path):
    with pytest.raises(InputError, match="needs the genes"):
        as_arms(["panel"], panel=False)
    for arms in ([], ["random 10 %", Arm("random", 0.1)]):
        with pytest.raises(InputError, match="each of them once"):
            as_arms(arms, panel=False)
    genes = np.array(["A", "B", "C"])
    with pytest.raises(GeneError, match="none of the 2 genes"):
        panel_mask(genes, ["X", "Y"])
    with pytest.raises(GeneError, match="every gene"):
        panel_mask(genes, ["C", "B", "A"])
