"""mcImpute against its script (run in Octave) and against plain soft-impute; CMF-Impute against its script."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from exval.errors import InputError
from exval.methods.imputation.cmf_impute import CMFImpute
from exval.methods.imputation.mcimpute import McImpute, _State, as_published

FIXTURES = Path(__file__).parent / "fixtures"


def prepared(log_ng: np.ndarray) -> anndata.AnnData:
    names = [f"g{i:04d}" for i in range(log_ng.shape[1])]
    return anndata.AnnData(sp.csr_matrix(log_ng.astype(np.float32)), var=pd.DataFrame(index=names))


@pytest.fixture(scope="module")
def octave():
    """See fixtures/README.md."""
    with np.load(FIXTURES / "completion_octave.npz") as file:
        found = dict(file)
    found["log_ng"] = np.log1p(found["counts_ng"] / found["counts_ng"].sum(1, keepdims=True) * 1e4)
    return found


def holes(n: int = 90, g: int = 70, rank: int = 3, share: float = 0.5, noise: float = 0.05, seed: int = 0):
    """A positive low-rank matrix, and what is seen of it."""
    rng = np.random.default_rng(seed)
    clean_ng = rng.gamma(2, 0.7, (n, rank)) @ rng.gamma(2, 0.7, (rank, g))
    seen_ng = np.maximum(clean_ng + noise * rng.standard_normal(clean_ng.shape), 0.01)
    return clean_ng, seen_ng * (rng.random(clean_ng.shape) < share)


def plainly(y_ng: np.ndarray, penalty: float, steps: int) -> np.ndarray:
    """Soft-impute with full decompositions."""
    x_ng = np.zeros_like(y_ng)
    for _ in range(steps):
        u, s, vt = np.linalg.svd(np.where(y_ng > 0, y_ng, np.maximum(x_ng, 0)), full_matrices=False)
        x_ng = (u * np.maximum(s - penalty, 0)) @ vt
    return np.maximum(x_ng, 0)


def test_the_script_is_followed_step_by_step(octave):
    np.testing.assert_allclose(as_published(octave["log_ng"]), octave["mcimpute_ng"], atol=1e-5)
    cells = prepared(octave["log_ng"])
    method = McImpute(**McImpute.presets["paper"]).fit(cells)
    np.testing.assert_allclose(method.impute(cells).values_nq, octave["mcimpute_ng"], atol=1e-3)


@pytest.mark.parametrize("shape", [(90, 70), (40, 110)])
@pytest.mark.parametrize("penalty", [20.0, 5.0, 3.0])
def test_factors_settle_where_full_decompositions_do(shape, penalty):
    _, y_ng = holes(*shape)
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.standard_normal((shape[1], 40)))[0]
    state = _State(np.zeros((shape[0], 0), np.float32), basis[:, :0], basis)
    for _ in range(200):
        state.step(sp.csr_matrix(y_ng.astype(np.float32)), penalty)
    want = plainly(y_ng, penalty, 200)
    assert 0 < state.rank < 40
    np.testing.assert_allclose(np.maximum(state.scores_nk @ state.axes_gk.T, 0), want, atol=2e-3 * want.max())


def test_the_objective_falls():
    _, y_ng = holes()
    state = _State(np.zeros((90, 0), np.float32), np.eye(70)[:, :0], np.linalg.qr(y_ng.T @ y_ng[:, :30])[0])
    told = [state.step(sp.csr_matrix(y_ng.astype(np.float32)), 4.0) for _ in range(30)]
    assert told[0] == pytest.approx(0.5 * (y_ng**2).sum(), rel=1e-5)
    assert (np.diff(told) < 1e-5 * told[0]).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_holes_are_filled_and_noise_is_lessened(seed):
    clean_ng, seen_ng = holes(noise=0.3, seed=seed)
    method = McImpute().fit(prepared(seen_ng))
    told = method.impute(prepared(seen_ng)).values_nq
    hole = seen_ng == 0
    mean_ng = np.broadcast_to(seen_ng.sum(0) / (~hole).sum(0), clean_ng.shape)
    assert np.abs(told - clean_ng)[hole].mean() < 0.35 * np.abs(mean_ng - clean_ng)[hole].mean()
    assert np.abs(told - clean_ng)[~hole].mean() < np.abs(seen_ng - clean_ng)[~hole].mean()


def test_the_penalty_is_the_one_with_the_least_error_of_hidden_values():
    _, seen_ng = holes(noise=0.3)
    method = McImpute().fit(prepared(seen_ng))
    penalties, _, errors = map(np.array, zip(*method.path_))
    assert method.penalty_ == penalties[errors.argmin()]
    assert 0 < errors.argmin() < len(errors) - 1  # both more and less were tried
    np.testing.assert_allclose(penalties[1:] / penalties[:-1], 0.7)


def test_an_unknown_solver_is_refused(octave):
    with pytest.raises(InputError, match="factors and script"):
        McImpute(solver="best").fit(prepared(octave["log_ng"]))


def test_cmf_equals_the_script_but_for_its_similarities(octave):
    cells = prepared(octave["log_ng"])
    got = CMFImpute().fit(cells).impute(cells).values_nq / np.log(10)
    filled = octave["counts_ng"] == 0
    np.testing.assert_allclose(got, octave["cmf_ng"], atol=5e-4)
    assert octave["cmf_ng"][filled].mean() > 0.3  # there is something to agree on


def test_cmf_minimises_its_objective(octave):
    """The closed form beats every nearby pair of factors."""
    a_ng = octave["log_ng"] / np.log(10)
    method = CMFImpute(rank=4).fit(prepared(octave["log_ng"]))
    low_ng = (method.scores_ @ method.axes_.T).astype(float) / np.log(10)
    u, s, vt = np.linalg.svd(low_ng, full_matrices=False)
    h, w = u[:, :4] * np.sqrt(s[:4]), vt[:4].T * np.sqrt(s[:4])

    def objective(h, w):
        return ((a_ng - h @ w.T) ** 2).sum() + (h**2).sum() + (w**2).sum()

    rng, best = np.random.default_rng(0), objective(h, w)
    for size in (1e-1, 1e-2, 1e-3):
        assert objective(h + size * rng.standard_normal(h.shape), w + size * rng.standard_normal(w.shape)) > best


def test_cmf_leaves_measured_values_alone(octave):
    cells = prepared(octave["log_ng"])
    got = CMFImpute().fit(cells).impute(cells, ["g0007", "g0003"]).values_nq
    want = octave["log_ng"][:, [7, 3]].astype(np.float32)
    np.testing.assert_array_equal(got[want > 0], want[want > 0])
    assert CMFImpute().fit(cells).rank_ == 6 and CMFImpute(max_rank=3).fit(cells).rank_ == 3


@pytest.mark.parametrize("cls", [McImpute, CMFImpute])
@pytest.mark.parametrize("rows", ["equal", "two", "duplicates", "one gene"])
def test_hardly_any_data(cls, rows):
    _, seen_ng = holes(30, 8)
    seen_ng = seen_ng[(seen_ng[:, 0] > 0)]
    keep = {"equal": np.zeros(20, int), "two": np.arange(2), "duplicates": np.repeat(np.arange(5), 3)}
    x_ng = seen_ng[:, :1] if rows == "one gene" else seen_ng[keep[rows]]
    for settings in ({}, {"solver": "script"}) if cls is McImpute else ({},):
        assert np.isfinite(cls(**settings).fit(prepared(x_ng)).impute(prepared(x_ng)).values_nq).all()
