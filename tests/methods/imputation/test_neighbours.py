"""Nearest neighbours against all distances written out, on every path: direct, in blocks, with copies of points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from exval.methods.imputation import neighbours
from exval.methods.imputation.neighbours import nearest


def written_out(points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Itself first, then by distance, ties by index: a full stable sort of every row."""
    points = points.astype(np.float64)
    apart = cdist(points, points)
    np.fill_diagonal(apart, -1)
    index = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return index, np.maximum(np.take_along_axis(apart, index, 1), 0)


def clusters(n: int, d: int, many: int, spread: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(scale=spread, size=(many, d))[rng.integers(many, size=n)] + rng.normal(size=(n, d))


@pytest.fixture
def blocks(monkeypatch):
    """The search by blocks, with blocks of 64 points."""
    monkeypatch.setattr(neighbours, "DIRECT_UP_TO", 100)
    monkeypatch.setattr(neighbours, "BLOCK", 64)


@pytest.mark.parametrize("n, d, k", [(2, 3, 2), (60, 1, 7), (300, 20, 16), (300, 100, 1), (5, 2, 5)])
def test_direct(n, d, k):
    points = clusters(n, d, 3, 2.0)
    index, distance = nearest(points, k)
    want, apart = written_out(points, k)
    np.testing.assert_array_equal(index, want)
    np.testing.assert_allclose(distance, apart, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n", [101, 128, 500, 803])
@pytest.mark.parametrize("d, many, spread", [(2, 5, 20.0), (30, 8, 3.0), (30, 1, 0.0), (100, 40, 30.0)])
def test_blocks(n, d, many, spread, blocks):
    points = clusters(n, d, many, spread)
    points[7] += 1000  # far from all: its limit proves nothing
    index, distance = nearest(points, 9)
    want, apart = written_out(points, 9)
    np.testing.assert_array_equal(index, want)
    np.testing.assert_allclose(distance, apart, rtol=1e-4, atol=1e-4)


def test_blocks_skip_what_a_plane_proves_far(blocks, monkeypatch):
    offered = []
    rows = neighbours._Blocks._rows
    monkeypatch.setattr(neighbours._Blocks, "_rows", lambda *a: (offered.append(1), rows(*a)))
    points = clusters(1024, 3, 16, 200.0)
    want, _ = written_out(points, 5)
    np.testing.assert_array_equal(nearest(points, 5)[0], want)
    assert len(offered) < 120  # of the 240 that 16 blocks have


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("k", [1, 3, 8, 40])
def test_copies_come_in_order_of_index(k, big, request):
    if big:
        request.getfixturevalue("blocks")
    points = clusters(400, 6, 4, 3.0)
    rng = np.random.default_rng(1)
    points[rng.choice(400, 150, replace=False)] = points[3]  # 150 copies of one point
    points[50:60] = points[60:70]
    index, distance = nearest(points, k)
    want, apart = written_out(points, k)
    np.testing.assert_array_equal(index, want)
    np.testing.assert_allclose(distance, apart, atol=1e-5)


def test_equal_points_a_lattice_and_points_without_coordinates():
    index, distance = nearest(np.full((6, 4), 3.7), 4)
    assert index.tolist() == [[i, *[j for j in range(6) if j != i][:3]] for i in range(6)] and not distance.any()
    two = np.repeat(clusters(2, 3, 2, 5.0), 6, axis=0)
    np.testing.assert_array_equal(nearest(two, 9)[0], written_out(two, 9)[0])
    line = np.array([[-2.0], [-1.0], [0.0], [1.0], [2.0]])
    assert nearest(line, 5)[0].tolist() == written_out(line, 5)[0].tolist()
    assert nearest(np.zeros((3, 0)), 2)[0].tolist() == [[0, 1], [1, 0], [2, 0]]


def test_no_more_than_there_are():
    for n in (1, 2, 7):
        index, distance = nearest(clusters(n, 3, 2, 1.0), 50)
        assert index.shape == distance.shape == (n, n)
        assert (np.sort(index, axis=1) == np.arange(n)).all()


@pytest.mark.parametrize("big", [False, True])
def test_order_of_points_does_not_matter(big, request):
    if big:
        request.getfixturevalue("blocks")
    points = clusters(300, 12, 3, 2.0)
    order = np.random.default_rng(2).permutation(300)
    index, distance = nearest(points, 6)
    turned, apart = nearest(points[order], 6)
    np.testing.assert_array_equal(order[turned], index[order])
    np.testing.assert_allclose(apart, distance[order], rtol=1e-5)


def test_many_neighbours_of_many_points(monkeypatch):
    monkeypatch.setattr(neighbours, "DIRECT_UP_TO", 10)
    points = clusters(700, 4, 2, 1.0)
    want, _ = written_out(points, 600)
    assert (nearest(points, 600)[0] == want).mean() > 0.999  # rounding swaps pairs that are nearly as far
