"""scGNN beyond the contract: the graph, the clusters, and the weights of the last loss."""

from __future__ import annotations

import numpy as np
import pytest

from exval.methods.imputation.deep.scgnn import ScGnn, pruned_graph

QUICK = {
    "hidden": 64, "bottleneck": 16, "epochs": 20, "em_epochs": 4, "cluster_epochs": 4, "impute_epochs": 10, "rounds": 2,
    "batch": 32,
}  # fmt: skip


def test_far_neighbours_are_cut():
    state = np.random.default_rng(0).normal(size=(30, 4))
    distance = np.sqrt(((state[:, None] - state[None]) ** 2).sum(2))
    want = np.zeros((30, 30))
    for i in range(30):
        near = np.argsort(distance[i])[1:6]
        limit = distance[i, near].mean() + distance[i, near].std()
        want[i, near[distance[i, near] <= limit]] = 1
    assert want.sum() < 30 * 5
    np.testing.assert_array_equal(pruned_graph(state, 5).toarray(), (want + want.T) / 2)


def test_no_cluster_mixes_groups(umi):
    kind_n = umi.cells.obs["kind"].to_numpy().astype(int)
    method = ScGnn(**QUICK).fit(umi.cells)
    counts = np.array([np.bincount(kind_n[method.cluster_n_ == c], minlength=3) for c in np.unique(method.cluster_n_)])
    assert 3 <= len(counts) < 12 and counts.max(1).sum() > 0.97 * len(kind_n)


def test_without_rounds_only_the_last_autoencoder_is_trained(umi):
    method = ScGnn(**{**QUICK, "rounds": 0, "epochs": 1}).fit(umi.cells)
    assert not hasattr(method, "cluster_n_")
    assert len(method.history_.train) == 10 and method.history_.train[-1] < method.history_.train[0]


def test_small_values_become_zero(umi):
    told = ScGnn(**{**QUICK, "rounds": 0}).fit(umi.cells).impute(umi.cells).values_nq
    assert (told == 0).any() and told[told > 0].min() >= 0.01


@pytest.mark.parametrize("penalty", [0.0, 30.0])
def test_the_penalty_shrinks_the_weights(umi, penalty):
    settings = {**QUICK, "rounds": 0, "epochs": 1, "graph_weight": 0.0, "cluster_weight": 1.0}
    bound = ScGnn(**settings, penalty=penalty).fit(umi.cells).weights_["out"]
    free = ScGnn(**settings, penalty=1.0).fit(umi.cells).weights_["out"]
    assert (np.abs(bound).mean() < np.abs(free).mean()) == (penalty > 1)
