"""DrImpute against the authors' package: components of the distances, clusters, and what replaces zeros."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse, stats
from sklearn.metrics import adjusted_rand_score

from exval.data.source import open_source
from exval.errors import InputError
from exval.methods.imputation import clusters, drimpute
from exval.methods.imputation.base import Cells
from exval.methods.imputation.clusters import kmeans
from exval.methods.imputation.drimpute import DrImpute, distance_components, row_ranks


@pytest.fixture(scope="module")
def theirs() -> dict[str, np.ndarray]:
    found = dict(np.load(Path(__file__).parent / "fixtures" / "drimpute.npz"))
    found["log"] = np.log1p(found["counts"] / found["counts"].sum(1, keepdims=True) * 1e4)
    return found


def of(log_ng: np.ndarray) -> Cells:
    n, g = log_ng.shape
    x = sparse.csr_matrix(log_ng.astype(np.float32))
    return Cells(x, None, np.full(n, np.nan), np.arange(g), np.arange(n))


def written_out(x_ng: np.ndarray, kind: str, k: int) -> np.ndarray:
    """Components of the matrix of distances, by that matrix."""
    y = stats.rankdata(x_ng, axis=1) if kind == "spearman" else x_ng
    apart = 1 - np.corrcoef(y)
    z = (apart - apart.mean(0)) / apart.std(0, ddof=1)
    return np.linalg.svd(z)[2][:k].T


@pytest.mark.parametrize("kind", ["spearman", "pearson"])
@pytest.mark.parametrize("way", ["by genes", "by cells", "single"])
def test_components_equal_theirs(kind, way, theirs, monkeypatch):
    x = sparse.csr_matrix(theirs["log"].astype(np.float32))
    if way == "by cells":  # every gene twice: the same correlations, and more genes than cells
        x = sparse.hstack([x, x], format="csr")
    if way == "single":
        monkeypatch.setattr(drimpute, "DOUBLE_UP_TO", 0)
        monkeypatch.setattr(drimpute, "BLOCK_BYTES", 1)
    got = distance_components(x, kind, 6)
    np.testing.assert_allclose(np.abs(got), np.abs(theirs[kind]), atol=1e-3 if way == "single" else 1e-6)
    np.testing.assert_allclose(np.abs(got), np.abs(written_out(theirs["log"], kind, 6)), atol=1e-3)


def test_values_equal_theirs_on_the_same_clusters(theirs):
    method = DrImpute()
    method.cluster_cn = theirs["cluster_cn"].astype(int)
    method._remember(of(theirs["log"]).log_ng)
    got = method.block(np.arange(theirs["log"].shape[1]))
    np.testing.assert_allclose(got, theirs["values"], rtol=1e-5, atol=1e-6)
    assert (np.bincount(theirs["cluster_cn"][-1]) == 1).any()  # a cluster of one cell is among them


def test_clusters_are_nearly_as_tight_as_theirs_of_a_thousand_starts(theirs):
    rng = np.random.default_rng(0)
    ratio = []
    for at, k in enumerate(range(10, 16)):
        for shift, kind in enumerate(("spearman", "pearson")):
            points = theirs[kind]
            cluster = kmeans(points, k, 20, rng)
            assert cluster.max() == k - 1
            spread = sum(((points[cluster == c] - points[cluster == c].mean(0)) ** 2).sum() for c in range(k))
            ratio.append(spread / theirs["spread_c"][2 * at + shift])
    assert max(ratio) < 1.05 and np.mean(ratio) < 1.025


def test_the_whole_is_close_to_theirs(theirs):
    method = DrImpute()
    method.learn(of(theirs["log"]))
    got = method.block(np.arange(theirs["log"].shape[1]))
    zero = theirs["log"] == 0
    np.testing.assert_allclose(got[~zero], theirs["log"][~zero], rtol=1e-6)
    assert np.corrcoef(got[zero], theirs["values"][zero])[0, 1] > 0.95


def test_by_hand():
    """Two pairs of cells, one number of clusters: a zero becomes the mean of its pair."""
    log = np.array([[2.0, 0, 1, 0], [3.0, 1, 0, 0], [0, 0, 2, 4], [0, 0.5, 0, 5]])
    method = DrImpute(ks=(2,))
    method.learn(of(log))
    assert method.cluster_cn.tolist() == [[0, 0, 1, 1]] * 2
    want = [[2, 0.5, 1, 0], [3, 1, 0.5, 0], [0, 0.25, 2, 4], [0, 0.5, 1, 5]]
    np.testing.assert_allclose(method.block(np.arange(4)), want, rtol=1e-6)


def test_ranks_equal_scipys():
    x = np.random.default_rng(0).poisson(1.0, (40, 30)).astype(float)
    x[3], x[4] = 0, np.arange(1, 31)
    want = stats.rankdata(x, axis=1)
    zero = np.where((x == 0).any(1), (want * (x == 0)).max(1), 0)
    np.testing.assert_allclose(row_ranks(sparse.csr_matrix(x)).toarray(), want - zero[:, None])


def test_many_cells_and_genes_are_clustered_on_the_variable_genes(monkeypatch):
    monkeypatch.setattr(drimpute, "EXACT_UP_TO", 25)
    rng = np.random.default_rng(1)
    log = rng.random((80, 60)) * (rng.random((80, 60)) < 0.5)
    log[:, 20:45] *= 4
    method, on_these = DrImpute(restarts=3), DrImpute(restarts=3)
    method.learn(of(log))
    on_these.learn(of(log[:, 20:45]))
    np.testing.assert_array_equal(method.cluster_cn, on_these.cluster_cn)
    assert method.block(np.arange(60)).shape == (80, 60)


def test_kmeans_finds_what_is_there_also_from_a_sample(monkeypatch):
    rng = np.random.default_rng(2)
    label = rng.integers(5, size=400)
    points = rng.normal(size=(5, 8))[label] * 10 + rng.normal(size=(400, 8))
    assert adjusted_rand_score(label, kmeans(points, 5, 5, np.random.default_rng(0))) == 1
    monkeypatch.setattr(clusters, "SAMPLE", 60)
    monkeypatch.setattr(clusters, "AT_ONCE", 500)
    assert adjusted_rand_score(label, kmeans(points, 5, 5, np.random.default_rng(0))) == 1


def test_kmeans_is_at_a_minimum_that_no_single_move_lowers():
    points = np.random.default_rng(3).normal(size=(50, 3))
    cluster = kmeans(points, 4, 3, np.random.default_rng(0))

    def spread(labels):
        return sum(((points[labels == c] - points[labels == c].mean(0)) ** 2).sum() for c in set(labels))

    least = spread(cluster)
    for i in range(50):
        for c in range(4):
            moved = cluster.copy()
            moved[i] = c
            assert spread(moved) > least - 1e-9


def test_kmeans_of_equal_points_is_one_cluster_and_numbers_come_in_order():
    assert kmeans(np.ones((6, 2)), 3, 2, np.random.default_rng(0)).tolist() == [0] * 6
    first = [int(np.flatnonzero(kmeans(np.eye(5), 5, 2, np.random.default_rng(1)) == c)[0]) for c in range(5)]
    assert first == sorted(first)


@pytest.mark.parametrize("log", [np.tile([1.0, 0, 2], (20, 1)), np.ones((9, 1)), np.eye(3), np.ones((2, 4))])
def test_cells_without_anything_to_tell_them_apart(log):
    method = DrImpute(restarts=2)
    method.learn(of(log))
    got = method.block(np.arange(log.shape[1]))
    np.testing.assert_allclose(got[log > 0], log[log > 0])
    assert np.isfinite(got).all()


@pytest.mark.parametrize("wrong", [{"ks": ()}, {"ks": (0, 2)}, {"restarts": 0}])
def test_senseless_settings_are_refused(wrong, baron_small):
    with pytest.raises(InputError, match="drimpute"):
        DrImpute(**wrong).fit(open_source(baron_small).to_adata())
