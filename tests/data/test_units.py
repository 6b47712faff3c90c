"""Units: what is told from numbers alone, conversions by hand, and impossible declarations."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from exval.data.units import UNITS, check_unit, detect_unit, to_log1p
from exval.errors import InputError, UnitError

rng = np.random.default_rng(0)
COUNTS = rng.poisson(rng.gamma(0.4, 3.0, size=(80, 60))).astype(np.float32)
COUNTS[:, 0] += 1
CP10K = COUNTS / COUNTS.sum(1, keepdims=True) * 1e4
counts_strategy = arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 50))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix], ids=["dense", "csr", "csc"])
@pytest.mark.parametrize(
    ("values", "unit", "words"),
    [
        (COUNTS, "counts", "integers"),
        (CP10K, "cp10k", "every row sums to 10,000"),
        (CP10K * 100, "cp10k", "every row sums to 1,000,000"),
        (np.log1p(CP10K), "log1p", "sums to 10,000"),
        (np.log1p(CP10K)[:, 5:30], "log1p", "part of the genes"),
        (np.log2(CP10K * 100 + 1), "log2", "2\\^x - 1 sums to 1,000,000"),
        (np.log2(CP10K + 0.001)[:, :40], "log2", "floor at -9.966"),
        ((COUNTS - COUNTS.mean(0)) / COUNTS.std(0), "z", "centred"),
        (6 + 2 * rng.normal(size=(30, 40)).clip(-2.5, 2.5), "log2", "dense"),
    ],
)
def test_detected(values, unit, words, form):
    guess = detect_unit(form(values))
    assert guess.unit == unit
    assert re.search(words, guess.why), guess.why
    assert 0 < guess.confidence <= 1


def test_nothing_but_zeros_counts_as_counts():
    assert detect_unit(np.zeros((3, 4))).unit == "counts"


def test_no_unit_fits():
    with pytest.raises(UnitError, match="neither counts"):
        detect_unit(np.array([[-500.5, 4000.0], [300.0, 20000.0]]))


@pytest.mark.parametrize(
    ("unit", "values", "words"),
    [
        ("counts", [[0.5]], "fractions"),
        ("counts", [[-1.0]], "negative"),
        ("cp10k", [[-1.0]], "negative"),
        ("log1p", [[-0.1]], "negative"),
        ("log1p", [[5000.0]], "no logarithm"),
        ("log2", [[5000.0]], "no logarithm"),
        ("z", [[0.0, 3.0]], "nothing was centred"),
    ],
)
def test_impossible_declarations(unit, values, words):
    with pytest.raises(UnitError, match=words):
        check_unit(np.array(values), unit)


def test_possible_declarations_pass():
    for unit, values in (("counts", COUNTS), ("cp10k", CP10K), ("log1p", np.log1p(CP10K)), ("z", COUNTS - 1)):
        check_unit(sparse.csr_matrix(values), unit)
    with pytest.raises(InputError, match="not known"):
        check_unit(COUNTS, "tpm")


def test_by_hand():
    x = to_log1p(np.array([[1, 3], [2, 0]]), "counts").toarray()
    np.testing.assert_allclose(x, [[np.log(2501), np.log(7501)], [np.log(10001), 0]], rtol=1e-6)
    part = to_log1p(np.array([[1], [2]]), "counts", total_n=np.array([4, 2])).toarray()
    np.testing.assert_allclose(part, x[:, :1], rtol=1e-6)


def test_log1p_is_never_normalised_twice_and_is_a_copy():
    x = sparse.csr_matrix(np.log1p(CP10K).astype(np.float32))
    y = to_log1p(x, "log1p")
    np.testing.assert_array_equal(x.toarray(), y.toarray())
    y.data[:] = 0
    assert x.data.any()


@pytest.mark.parametrize("unit", ["log2", "z", "tpm"])
def test_what_cannot_be_turned_back(unit):
    with pytest.raises(InputError):
        to_log1p(COUNTS, unit)


@settings(max_examples=60, deadline=None)
@given(counts_strategy)
def test_round_trip(x):
    total = x.sum(1)
    back = np.expm1(to_log1p(x, "counts").toarray().astype(np.float64)) * total[:, None] / 1e4
    np.testing.assert_allclose(back, x, atol=1e-3)
    assert (to_log1p(x, "counts").getnnz(1) == (x > 0).sum(1)).all()
    with np.errstate(invalid="ignore", divide="ignore"):
        cp10k = np.where(total[:, None] > 0, x / np.maximum(total[:, None], 1) * 1e4, 0)
    np.testing.assert_allclose(to_log1p(cp10k, "cp10k").toarray(), to_log1p(x, "counts").toarray(), rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(counts_strategy, st.randoms(use_true_random=False))
def test_unit_does_not_depend_on_the_order(x, random):
    rows, columns = list(range(x.shape[0])), list(range(x.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    for values in (x, np.log1p(x * 1.7)):
        assert detect_unit(values).unit == detect_unit(values[rows][:, columns]).unit
    assert detect_unit(x).unit in UNITS


@pytest.mark.parametrize("total", [1.0, 100.0])
def test_shares_of_a_whole_are_no_logarithms(total):
    counts = np.random.default_rng(0).poisson(0.4, (40, 2000))
    guess = detect_unit(counts / counts.sum(1, keepdims=True) * total)
    assert guess.unit == "cp10k" and guess.target == pytest.approx(total)


@pytest.mark.parametrize("target", [1e6, 5192.0])
@pytest.mark.parametrize("declared", [None, "log1p"])
def test_logarithms_of_another_total_are_brought_to_ten_thousand(target, declared):
    """As scanpy's default leaves them: scaled to the median depth, then log1p."""
    import exval

    cells = exval.datasets.baron()[:40].copy()
    counts = cells.X.toarray()
    shares = counts / counts.sum(1, keepdims=True)
    cells.X = np.log1p(shares * target)
    source = exval.open_source(cells.copy(), unit=declared)
    assert source.unit == "log1p" and f"rescaled from {target:,.0f} to 10,000" in source.choice
    cells.X = np.log1p(shares * 1e4)
    expected = exval.open_source(cells).to_adata().X.toarray()
    np.testing.assert_allclose(source.to_adata().X.toarray(), expected, rtol=2e-3, atol=2e-4)
    assert not any("as is" in line for line in source.warnings)
