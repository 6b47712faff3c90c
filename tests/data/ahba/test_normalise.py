"""Scales: values by hand, no NaN, and whose statistics are used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from exval.data.ahba.normalise import ALIASES, METHODS, NORMAL_IQR, Scale, WithinDonor, method_name, normalise_samples
from exval.errors import InputError

SINGLE = [method for method in METHODS if method != "batch"]
V = np.array([2.0, 4.0, 4.0, 5.0, 10.0])[:, None]


def fitted(method, x=V):
    return Scale(method).fit(x).transform(x)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_the_constant_is_the_interquartile_range_of_a_normal():
    assert pytest.approx(2 * stats.norm.ppf(0.75), rel=1e-12) == NORMAL_IQR
    x = np.random.default_rng(0).normal(size=99)
    scale = Scale("srs").fit(x[:, None])
    assert scale.spread_g[0] == pytest.approx(stats.iqr(x, scale="normal"), rel=1e-9)


def test_srs_by_hand():
    """Median 4, quartiles 4 and 5: q = 1 / 1.34898 = 0.741301."""
    curve = sigmoid(np.array([-2, 0, 0, 1, 6]) / 0.7413011)
    want = (curve - curve[0]) / (curve[-1] - curve[0])
    np.testing.assert_allclose(fitted("srs")[:, 0], want, rtol=1e-6)
    np.testing.assert_allclose(want, [0, 0.46648, 0.46648, 0.78034, 1], atol=2e-5)


@pytest.mark.parametrize(
    ("method", "want"),
    [
        ("none", [2, 4, 4, 5, 10]),
        ("centre", [-3, -1, -1, 0, 5]),
        ("zscore", [-1, -1 / 3, -1 / 3, 0, 5 / 3]),  # squares 9 + 1 + 1 + 0 + 25 = 36, / 4 = 9, sd 3
        ("minmax", [0, 0.25, 0.25, 0.375, 1]),
        ("sigmoid", sigmoid(np.array([-1, -1 / 3, -1 / 3, 0, 5 / 3]))),
        ("robust_sigmoid", sigmoid(np.array([-2, 0, 0, 1, 6]) / 0.7413011)),
    ],
)
def test_scales_by_hand(method, want):
    np.testing.assert_allclose(fitted(method)[:, 0], want, rtol=1e-6)


def test_scales_that_build_on_others():
    curve = fitted("sigmoid")
    np.testing.assert_allclose(fitted("scaled_sigmoid"), (curve - curve.min()) / np.ptp(curve))
    cut = np.clip(V, *np.percentile(V, [5, 95]))
    np.testing.assert_allclose(fitted("scaled_sigmoid_quantiles"), fitted("scaled_sigmoid", cut))
    flat = np.array([1.0, 1, 1, 1, 1, 1, 1, 5])[:, None]
    both = np.hstack([np.resize(V, (8, 1)), flat])
    np.testing.assert_allclose(fitted("mixed_sigmoid", both)[:, :1], fitted("srs", both[:, :1]))
    np.testing.assert_allclose(fitted("mixed_sigmoid", both)[:, 1:], fitted("scaled_sigmoid", flat))


matrices = arrays(
    float, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.sampled_from([0.0, 1.0, 1.5, 7.25, -3.0, 1e3])
)


@given(st.sampled_from(SINGLE), matrices)
def test_no_nan_appears_and_scaled_values_lie_between_0_and_1(method, x):
    got = fitted(method, x)
    assert got.shape == x.shape and np.isfinite(got).all()
    if method not in ("none", "centre", "zscore"):
        assert got.min() >= 0 and got.max() <= 1
    assert np.isfinite(Scale(method).fit(x[:1]).transform(x)).all()
    assert np.isfinite(normalise_samples(x, method)).all()


@pytest.mark.parametrize("method", SINGLE)
def test_constant_genes(method):
    want = {"none": 7.3, "centre": 0.0, "zscore": 0.0}.get(method, 0.5)
    np.testing.assert_allclose(fitted(method, np.full((3, 2), 7.3)), want)


@given(st.sampled_from(SINGLE), matrices, st.randoms())
def test_order_of_rows_and_columns_does_not_matter(method, x, random):
    rows, columns = random.sample(range(len(x)), len(x)), random.sample(range(x.shape[1]), x.shape[1])
    np.testing.assert_allclose(fitted(method, x[rows][:, columns]), fitted(method, x)[rows][:, columns], atol=1e-9)


def test_samples_are_scaled_by_themselves():
    x = np.random.default_rng(1).normal(size=(300, 20))
    whole = normalise_samples(x, "srs")
    np.testing.assert_array_equal(whole[270:], normalise_samples(x[270:], "srs"))
    np.testing.assert_allclose(whole[0], fitted("srs", x[0][:, None])[:, 0], rtol=1e-6)


DONOR = np.array(list("aaabbbcc"))
KIND = np.array(["cortex", "cortex", "other", "cortex", "other", "other", "cortex", "cortex"])
VALUES = np.random.default_rng(2).normal(5, 2, (8, 3))


@pytest.mark.parametrize("method", ["srs", "zscore", "centre"])
def test_a_donor_is_scaled_by_its_own_fitted_rows(method):
    got = WithinDonor(method).fit(VALUES, DONOR).transform(VALUES, DONOR)
    for donor in "abc":
        np.testing.assert_allclose(got[donor == DONOR], fitted(method, VALUES[donor == DONOR]), rtol=1e-5, atol=1e-6)


def test_what_was_not_fitted_has_no_say_in_what_was():
    """Held-out rows of a fitted donor, and held-out donors, may be anything: the training values stay."""
    train = np.array([True, True, False, True, True, True, False, False])
    changed = np.where(train[:, None], VALUES, VALUES * 100 + 3)
    scale = WithinDonor("zscore").fit(VALUES[train], DONOR[train])
    one, other = scale.transform(VALUES, DONOR), scale.transform(changed, DONOR)
    np.testing.assert_array_equal(one[train], other[train])
    a = VALUES[:2]
    np.testing.assert_allclose(one[2], (VALUES[2] - a.mean(0)) / a.std(0, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(one[6:], fitted("zscore", VALUES[6:]), rtol=1e-5)  # unseen: its own


def test_the_three_answers_for_a_donor_that_was_not_fitted():
    a, b, c = (VALUES[one == DONOR] for one in "abc")
    seen = DONOR != "c"
    mean = WithinDonor("zscore", unseen="mean").fit(VALUES[seen], DONOR[seen]).transform(c, DONOR[~seen])
    middle, spread = (a.mean(0) + b.mean(0)) / 2, (a.std(0, ddof=1) + b.std(0, ddof=1)) / 2
    np.testing.assert_allclose(mean, (c - middle) / spread, rtol=1e-5)
    with pytest.raises(InputError, match="donor c was not among those"):
        WithinDonor("zscore", unseen="refuse").fit(VALUES[seen], DONOR[seen]).transform(c, DONOR[~seen])
    with pytest.raises(InputError, match="choose own, mean or refuse"):
        WithinDonor("zscore", unseen="guess")


def test_within_classes_of_structure():
    got = WithinDonor("minmax", by_class=True).fit(VALUES, DONOR, KIND).transform(VALUES, DONOR, KIND)
    np.testing.assert_allclose(got[:2], fitted("minmax", VALUES[:2]), atol=1e-6)
    np.testing.assert_allclose(got[[2, 3]], 0.5)  # alone in donor and class
    with pytest.raises(InputError, match="need the class of every sample"):
        WithinDonor("minmax", by_class=True).fit(VALUES, DONOR)


def test_batch_takes_out_the_least_squares_effect_of_donors():
    got = WithinDonor("batch").fit(VALUES, DONOR).transform(VALUES, DONOR)
    design = (DONOR[:, None] == np.unique(DONOR)).astype(float)
    residual = VALUES - design @ np.linalg.lstsq(design, VALUES, rcond=None)[0]
    np.testing.assert_allclose(got - got.mean(0), residual - residual.mean(0), atol=1e-5)
    means = np.stack([VALUES[one == DONOR].mean(0) for one in "abc"])
    for donor in "abc":
        np.testing.assert_allclose(got[donor == DONOR].mean(0), means.mean(0), rtol=1e-5)


def test_names():
    assert {method_name(alias) for alias in ALIASES} <= set(METHODS) and method_name("rs") == "robust_sigmoid"
    with pytest.raises(InputError, match="--normalise 'quantile' is not known; choose one of none, centre"):
        Scale("quantile")
    with pytest.raises(InputError, match="needs donors"):
        Scale("batch")
