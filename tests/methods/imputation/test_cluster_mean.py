"""The mean of the predicted cluster: means by hand, and a number of clusters that follows the data."""

from __future__ import annotations

import numpy as np

from exval.methods import METHODS
from exval.metrics.clustering import ari
from exval.tasks.imputing.molecules import prepared
from exval.tasks.imputing.simulate import simulate


def test_means_of_the_clusters_by_hand():
    made = simulate("types", 200, 120, depth=1500, share_different=0.3)
    method = METHODS["cluster-mean"](k=5).fit(made.adata)
    told = method.impute(made.adata)
    assert told.unit == "cp10k" and ari(made.groups_n, method.cluster_) > 0.9
    linear = np.expm1(made.adata.X.toarray())
    rows = method.cluster_ == method.cluster_[0]
    np.testing.assert_allclose(told.values_nq[0], linear[rows].mean(0), rtol=1e-4, atol=1e-4)
    assert (told.values_nq[rows] == told.values_nq[0]).all()


def test_the_number_of_clusters_follows_the_data():
    found = [METHODS["cluster-mean"]().fit(simulate("types", 400, 300, depth=1500, n_types=k, share_different=0.3,
                                                    seed=k).adata).mean_.shape[0] for k in (2, 4, 6)]  # fmt: skip
    assert found[0] < found[1] < found[2] and all(abs(a - b) <= 1 for a, b in zip(found, (2, 4, 6)))


def test_without_structure_two_clusters_at_most_change_little():
    counts = np.random.default_rng(0).poisson(3.0, (400, 60)).astype(np.float32)
    cells = prepared(counts, map(str, range(400)), map(str, range(60)))
    method = METHODS["cluster-mean"]().fit(cells)
    assert method.mean_.shape[0] <= 3
    weighted = method.impute(cells).values_nq.mean(0)
    np.testing.assert_allclose(weighted, np.expm1(cells.X.toarray()).mean(0), rtol=1e-4)
