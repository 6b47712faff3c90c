"""kNN-smoothing against the authors' script without noise, round by round and as a whole, and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from exval.data.source import open_source
from exval.errors import InputError
from exval.methods.imputation import knn_smoothing, pca
from exval.methods.imputation.base import Cells
from exval.methods.imputation.knn_smoothing import KnnSmoothing, _Search
from exval.methods.imputation.neighbours import nearest


@pytest.fixture(scope="module")
def theirs() -> dict[str, np.ndarray]:
    return dict(np.load(Path(__file__).parent / "fixtures" / "knn_smoothing.npz"))


def of(counts: np.ndarray) -> Cells:
    x = sparse.csr_matrix(counts.astype(np.float32))
    return Cells(x, x, counts.sum(1).astype(np.float64), np.arange(x.shape[1]), np.arange(x.shape[0]))


def sums(counts: np.ndarray, neighbours_nk: np.ndarray) -> np.ndarray:
    return np.stack([counts[row].sum(0) for row in neighbours_nk])


def test_sums_equal_the_scripts(theirs):
    counts = theirs["exact_counts"]
    method = KnnSmoothing(k=int(theirs["exact_k"]), d=int(theirs["exact_d"]), dither=0)
    method.learn(of(counts))
    np.testing.assert_array_equal(sums(counts, method.neighbours_nk), theirs["exact_sums"])
    rate = theirs["exact_sums"] / theirs["exact_sums"].sum(1, keepdims=True) * 1e4
    np.testing.assert_allclose(method.block(np.arange(counts.shape[1])), rate, rtol=1e-5)


@pytest.mark.parametrize("kind", ["exact", "ties"])
def test_each_round_equals_the_scripts_up_to_ties(kind, theirs):
    """From the script's neighbours of the round before. Cells with the same neighbours are copies of each other: which
    of them comes last is decided there by the rounding of distances, here by index."""
    counts, d = theirs[f"{kind}_counts"], int(theirs[f"{kind}_d"])
    search = _Search(sparse.csr_matrix(counts.astype(np.float32)), counts.sum(1).astype(float))
    before = np.arange(len(counts))[:, None]
    rounds = sorted(key for key in theirs if key.startswith(f"{kind}_round"))
    differ = 0
    for key in rounds:
        scores, want = search.scores(before, d).astype(np.float64), theirs[key]
        got = nearest(scores, want.shape[1])[0]
        for cell in range(len(counts)):
            if set(got[cell]) != set(want[cell]):
                far, near = (np.sort(np.linalg.norm(scores[i] - scores[cell], axis=1)) for i in (want[cell], got[cell]))
                np.testing.assert_allclose(far, near, rtol=1e-6, atol=1e-6)
                differ += 1
        before = want
    np.testing.assert_array_equal(sums(counts, before), theirs[f"{kind}_sums"])
    assert differ <= 0.02 * len(counts) * len(rounds)


def test_by_hand():
    """k=2: the nearest cell of each in one component; rates of the two together."""
    counts = np.array([[9, 1, 0], [8, 2, 0], [0, 2, 8], [0, 1, 19]])
    method = KnnSmoothing(k=2, d=1, dither=0)
    method.learn(of(counts))
    assert method.neighbours_nk.tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]
    want = np.array([[8500, 1500, 0], [8500, 1500, 0], [0, 1000, 9000], [0, 1000, 9000]])
    np.testing.assert_allclose(method.block(np.arange(3)), want, rtol=1e-5)


def test_freeman_tukey_of_median_scaled_values():
    counts = np.random.default_rng(0).poisson(3.0, (30, 8))
    total = counts.sum(1)
    scaled = counts * np.median(total) / total[:, None]
    values = np.sqrt(scaled) + np.sqrt(scaled + 1)
    left, singular, _ = np.linalg.svd(values - values.mean(0), full_matrices=False)
    got = _Search(of(counts).counts_ng, total.astype(float)).scores(np.arange(30)[:, None], 4)
    np.testing.assert_allclose(np.abs(got), np.abs(left[:, :4] * singular[:4]), atol=1e-4)


@pytest.mark.parametrize("way", ["held", "made twice", "more genes than cells"])
def test_every_way_of_making_components_is_the_same(way, monkeypatch):
    counts = np.random.default_rng(1).poisson(1.0, (90, 140 if way == "more genes than cells" else 40))
    before = nearest(np.random.default_rng(2).normal(size=(90, 2)), 4)[0]
    scaled = sums(counts, before) * np.median(counts.sum(1)[before].sum(1)) / counts.sum(1)[before].sum(1)[:, None]
    values = np.sqrt(scaled) + np.sqrt(scaled + 1)
    want = np.linalg.svd(values - values.mean(0), full_matrices=False)
    if way == "made twice":
        monkeypatch.setattr(knn_smoothing, "HELD", 0)
        monkeypatch.setattr(knn_smoothing, "BLOCK_BYTES", 1)
    got = _Search(of(counts).counts_ng, counts.sum(1).astype(float)).scores(before, 3)
    np.testing.assert_allclose(np.abs(got), np.abs(want[0][:, :3] * want[1][:3]), atol=1e-4)


def test_many_cells_and_genes_are_compared_on_the_variable_genes(monkeypatch):
    monkeypatch.setattr(knn_smoothing, "EXACT_UP_TO", 20)
    rng = np.random.default_rng(3)
    counts = rng.poisson(2.0, (60, 50))
    counts[:30, 7] += 40  # one gene tells the halves apart
    method = KnnSmoothing(k=8, dither=0)
    method.learn(of(counts))
    assert (method.neighbours_nk[:30] < 30).all() and (method.neighbours_nk[30:] >= 30).all()
    assert method.block(np.arange(50)).shape == (60, 50)
    assert _Search(of(counts).counts_ng, counts.sum(1).astype(float)).counts_ng.shape == (60, 20)


@pytest.mark.parametrize("n, want", [(2, 2), (30, 2), (60, 3), (400, 20), (640, 32), (900, 32)])
def test_default_k_grows_with_the_cells(n, want):
    method = KnnSmoothing()
    method.learn(of(np.random.default_rng(n).poisson(2.0, (n, 6)) + 1))
    assert method.k_ == want and method.neighbours_nk.shape == (n, want)


def test_noise_depends_on_the_seed_and_k_beyond_the_cells_is_all_of_them(baron_small):
    cells = open_source(baron_small).to_adata()
    runs = [KnnSmoothing(k=8, seed=seed).fit(cells).impute(cells).values_nq for seed in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()
    everything = KnnSmoothing(k=1000).fit(cells).impute(cells).values_nq
    np.testing.assert_allclose(everything, np.broadcast_to(everything[0], everything.shape), rtol=1e-5)


def test_one_cell_summed_is_what_was_read(baron_small):
    cells = open_source(baron_small).to_adata()
    got = KnnSmoothing(k=1).fit(cells).impute(cells).to("log1p").values_nq
    np.testing.assert_allclose(got, cells.X.toarray(), rtol=1e-4, atol=1e-5)


def test_equal_cells_and_cells_of_one_gene():
    for counts in (np.tile([3, 0, 1], (40, 1)), np.arange(1, 41)[:, None]):
        method = KnnSmoothing(k=4)
        method.learn(of(counts))
        got = method.block(np.arange(counts.shape[1]))
        np.testing.assert_allclose(got, np.broadcast_to(counts[0] / counts[0].sum() * 1e4, counts.shape), rtol=1e-5)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"d": 0}, {"dither": -0.1}])
def test_senseless_settings_are_refused(wrong, baron_small):
    with pytest.raises(InputError, match="knn-smoothing"):
        KnnSmoothing(**wrong).fit(open_source(baron_small).to_adata())


def test_blockwise_components_are_those_of_the_whole():
    x = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    blocks = [(slice(start, start + 20), x[start : start + 20]) for start in (0, 20, 40)]
    scores, axes, singular = pca.blockwise_components(lambda: blocks, 50, 3)
    want = pca.leading_components(sparse.csr_matrix(x), 3)
    for got, expected in zip((scores, axes, singular), want):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
