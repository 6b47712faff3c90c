"""Predicted groups: communities of graphs whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from exval.methods.imputation.controls import Nothing
from exval.methods.imputation.deep.groups import groups_of, louvain, merged, neighbour_graph
from exval.metrics.clustering import ari


def planted(sizes=(40, 30, 20), inside=0.5, between=0.03, seed=0):
    """A random graph with more edges inside groups than between them."""
    rng = np.random.default_rng(seed)
    group_n = np.repeat(np.arange(len(sizes)), sizes)
    chance = np.where(group_n[:, None] == group_n, inside, between)
    upper = np.triu(rng.random(chance.shape) < chance, 1)
    return sparse.csr_matrix((upper | upper.T).astype(float)), group_n


def modularity(graph, group_n) -> float:
    """As Newman and Girvan define it, the long way."""
    a = graph.toarray()
    strength, total = a.sum(1), a.sum()
    same = group_n[:, None] == group_n
    return float(((a - np.outer(strength, strength) / total) * same).sum() / total)


@pytest.mark.parametrize("seed", range(3))
def test_planted_groups_are_found_and_numbered_by_size(seed):
    graph, group_n = planted(seed=seed)
    found = louvain(graph, seed=seed)
    np.testing.assert_array_equal(found, group_n)


def test_modularity_is_no_worse_than_that_of_the_truth_in_a_noisy_graph():
    graph, group_n = planted(inside=0.3, between=0.12)
    assert modularity(graph, louvain(graph)) >= modularity(graph, group_n)


def test_weights_count():
    graph, group_n = planted(inside=0.6, between=0.6)
    heavy = graph.multiply(np.where(group_n[:, None] == group_n, 5.0, 0.5)).tocsr()
    assert ari(group_n, louvain(heavy)) > 0.95


def test_a_higher_resolution_gives_more_groups():
    graph, _ = planted()
    assert louvain(graph, resolution=4.0).max() > louvain(graph).max() > louvain(graph, resolution=0.1).max()


def test_nodes_without_edges_are_alone():
    assert louvain(sparse.csr_matrix((3, 3))).tolist() == [0, 1, 2]


def test_a_graph_of_neighbours_is_symmetric_and_has_no_loops():
    index = np.array([[0, 1, 2], [1, 0, 2], [2, 3, 1], [3, 2, 1]])
    graph = neighbour_graph(index).toarray()
    want = np.zeros((4, 4))
    for row in index:
        want[row[0], row[1:]] += 0.5
        want[row[1:], row[0]] += 0.5
    np.testing.assert_array_equal(graph, want)


def test_small_groups_join_the_nearest_and_all_small_become_one():
    scores = np.array([[0.0]] * 5 + [[10.0]] * 5 + [[9.0]])
    assert merged(np.repeat([0, 1, 2], [5, 5, 1]), scores, 5).tolist() == [0] * 5 + [1] * 6
    assert merged(np.arange(3), np.zeros((3, 1)), 5).tolist() == [0, 0, 0]


def test_labels_are_taken_where_given_and_groups_predicted_elsewhere(umi):
    kind_n = umi.cells.obs["kind"].to_numpy()
    method = Nothing()
    method.labels = "optional"
    np.testing.assert_array_equal(groups_of(method._cells(umi.cells, "kind"), 0), kind_n.astype(int))
    assert ari(kind_n, groups_of(method._cells(umi.cells, None), 0)) > 0.9
