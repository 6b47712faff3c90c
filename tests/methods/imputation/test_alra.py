"""ALRA against the R script, against a plain re-computation, and on data that are hardly any."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from exval.methods.imputation.alra import ALRA, spacing_rank

FIXTURES = Path(__file__).parent / "fixtures"


def prepared(log_ng: np.ndarray) -> anndata.AnnData:
    names = [f"g{i:04d}" for i in range(log_ng.shape[1])]  # alphabetical: the base sorts genes
    return anndata.AnnData(sp.csr_matrix(log_ng.astype(np.float32)), var=pd.DataFrame(index=names))


def log_cp10k(counts_ng: np.ndarray) -> np.ndarray:
    return np.log1p(counts_ng / counts_ng.sum(1, keepdims=True) * 1e4)


@pytest.fixture(scope="module")
def r():
    """See fixtures/ALRA.md."""
    with np.load(FIXTURES / "alra_r.npz") as a, np.load(FIXTURES / "alra_r_exact.npz") as b:
        return {**dict(a), **dict(b)}


def plainly(x_ng: np.ndarray, rank: int, quantile: float = 0.001) -> np.ndarray:
    """The method in float64, dense, one gene after the other."""
    u, s, vt = np.linalg.svd(x_ng, full_matrices=False)
    low = u[:, :rank] * s[:rank] @ vt[:rank]
    out = np.zeros_like(x_ng)
    for g in range(x_ng.shape[1]):
        column, measured = low[:, g], x_ng[:, g]
        keep = column > abs(np.quantile(column, quantile)) * (1 + 1e-6)
        kept, there = column[keep], measured[measured > 0]
        if len(kept) > 1 and len(there) > 1 and kept.std() > 1e-9:
            kept = (kept - kept.mean()) * there.std(ddof=1) / kept.std(ddof=1) + there.mean()
        out[keep, g] = np.maximum(kept, 0)
        back = (measured > 0) & (out[:, g] == 0)
        out[back, g] = measured[back]
    return out


def test_equals_the_unchanged_r_script_where_its_decomposition_is_converged(r):
    cells = prepared(log_cp10k(r["counts_ng"]))
    got = ALRA(rank=4).fit(cells).impute(cells).values_nq
    np.testing.assert_allclose(got, r["script_rank4_ng"], atol=2e-5)


def test_equals_the_r_script_with_an_exact_svd_at_a_rank_within_the_noise(r):
    cells = prepared(log_cp10k(r["counts_ng"]))
    got = ALRA(rank=12).fit(cells).impute(cells).values_nq
    np.testing.assert_allclose(got, r["exact_rank12_ng"], atol=2e-5)


def test_rank_rule_equals_the_one_in_r(r):
    rank, z_k = spacing_rank(r["singular_k"])
    assert rank == int(r["rank"])
    np.testing.assert_allclose(z_k, r["z_k"], rtol=1e-8, atol=1e-8)


def test_singular_values_are_exact(r):
    cells = prepared(log_cp10k(r["counts_ng"]))
    want = np.linalg.svd(log_cp10k(r["counts_ng"]), compute_uv=False)
    method = ALRA().fit(cells)
    np.testing.assert_allclose(method.singular_, want[: len(method.singular_)], rtol=1e-5)
    assert len(method.singular_) == 55  # half of 110: the smallest would spoil the noise estimate


@pytest.mark.parametrize(
    "n,g,rank,quantile", [(70, 40, 3, 0.001), (40, 70, 5, 0.05), (1001, 12, 2, 0.001), (9, 6, 2, 0.3)]
)
def test_equals_a_plain_computation(n, g, rank, quantile):
    """1,001 cells: the quantile is then an order statistic, and the cell that holds it goes to zero."""
    rng = np.random.default_rng(n)
    x_ng = np.log1p(rng.poisson(np.outer(rng.gamma(3, 1, n), rng.gamma(1, 1, g))) * 3.0).astype(np.float32)
    x_ng = x_ng[(x_ng > 0).any(1)]
    cells = prepared(x_ng)
    seen = (x_ng > 0).any(0)
    got = ALRA(rank=rank, quantile=quantile).fit(cells).impute(cells).values_nq
    np.testing.assert_allclose(got[:, seen], plainly(x_ng[:, seen].astype(float), rank, quantile), atol=2e-5)


def test_measured_values_never_become_zero_and_moments_are_kept(r):
    x_ng = log_cp10k(r["counts_ng"])
    cells = prepared(x_ng)
    method = ALRA(rank=4).fit(cells)
    got = method.impute(cells).values_nq
    assert (got[x_ng > 0] > 0).all()
    low = method.scores_ @ method.axes_.T
    clean = [g for g in range(x_ng.shape[1]) if (got[low[:, g] <= method.floor_[g], g] == 0).all() and got[:, g].any()]
    clean = [g for g in clean if ((low[:, g] > method.floor_[g]) == (got[:, g] > 0)).all()]
    assert len(clean) > 5
    for g in clean:
        there, told = x_ng[x_ng[:, g] > 0, g], got[got[:, g] > 0, g]
        assert told.mean() == pytest.approx(there.mean(), rel=1e-4)
        assert told.std() * np.sqrt(len(told) / (len(told) - 1)) == pytest.approx(there.std(ddof=1), rel=1e-4)


def test_rank_rule_by_hand():
    wave = 0.1 * np.sin(np.arange(100))
    falling = 100 - np.arange(100.0) + wave  # spacings 1 +- 0.1, whose sd is about 0.068
    assert spacing_rank(falling)[0] == 1  # nothing stands out
    falling[:7] += 1.0  # the seventh spacing is 2: 14 sd above
    assert spacing_rank(falling)[0] == 7
    assert spacing_rank(falling, threshold=20)[0] == 1
    assert spacing_rank(falling[:50])[0] == 7  # the last fifth of 50 is the noise
    assert spacing_rank(np.array([9.0, 1, 1, 1, 1]))[0] == 1  # too few to tell
    assert spacing_rank(np.array([9.0, 5] + [0.0] * 30))[0] == 2  # no noise at all


@pytest.mark.parametrize("rows", ["equal", "two", "duplicates", "one gene"])
def test_hardly_any_data(rows):
    rng = np.random.default_rng(1)
    x_ng = np.log1p(rng.poisson(1.5, (30, 8))).astype(np.float32) + np.eye(30, 8, dtype=np.float32)
    if rows == "equal":
        x_ng = np.repeat(x_ng[:1], 20, 0)
    elif rows == "two":
        x_ng = x_ng[:2]
    elif rows == "duplicates":
        x_ng = np.repeat(x_ng, 3, 0)
    else:
        x_ng = x_ng[:, :1]
    cells = prepared(x_ng)
    got = ALRA().fit(cells).impute(cells).values_nq
    assert (got[x_ng > 0] > 0).all() and np.isfinite(got).all()
    if rows == "equal":
        np.testing.assert_allclose(got, x_ng)


def test_seed_is_of_no_account_where_the_decomposition_is_exact(r):
    cells = prepared(log_cp10k(r["counts_ng"]))
    one, two = (ALRA(rank=6, seed=seed).fit(cells).impute(cells).values_nq for seed in (0, 1))
    np.testing.assert_array_equal(one, two)
