"""A survival forest as arrays: what is kept of one, and enough to predict without the package that grew it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse


@dataclass
class Trees:
    """All trees of a forest, one after the other.

    Parameters
    ----------
    left_v, right_v
        Children of each node, counted over all trees; -1 in a leaf.
    feature_v, threshold_v
        A row with ``x[feature] <= threshold`` goes left; x is rounded to float32 as it was when the forest grew.
    root_b
        First node of each tree.
    unique_times_
        (t,) times of the curves.
    is_event_t
        Which of them are times of events: over these the cumulative hazard is summed to a risk.
    hazard_data, hazard_at, hazard_start
        Steps of each node's cumulative hazard along the times, as the parts of a CSR matrix (nodes, t).
    survival_data, survival_at, survival_start
        Steps of each node's survival minus one.

    Notes
    -----
    Curves are kept as their steps, since a leaf of ten patients has at most ten; leaves alone have any.
    """

    left_v: np.ndarray
    right_v: np.ndarray
    feature_v: np.ndarray
    threshold_v: np.ndarray
    root_b: np.ndarray
    unique_times_: np.ndarray
    is_event_t: np.ndarray
    hazard_data: np.ndarray
    hazard_at: np.ndarray
    hazard_start: np.ndarray
    survival_data: np.ndarray
    survival_at: np.ndarray
    survival_start: np.ndarray

    @classmethod
    def of(cls, forest: Any) -> Trees:
        """Read the trees of a fitted ``sksurv.ensemble.RandomSurvivalForest``."""
        parts: dict[str, list] = {name: [] for name in ("left", "right", "feature", "threshold", "hazard", "survival")}
        roots, start = [], 0
        for grown in forest.estimators_:
            tree = grown.tree_
            leaf = tree.children_left < 0
            parts["left"].append(np.where(leaf, -1, tree.children_left + start))
            parts["right"].append(np.where(leaf, -1, tree.children_right + start))
            parts["feature"].append(np.where(leaf, 0, tree.feature))
            parts["threshold"].append(tree.threshold)
            hazard, survival = np.array(tree.value[..., 0]), np.array(tree.value[..., 1])
            hazard[~leaf], survival[~leaf] = 0.0, 1.0
            parts["hazard"].append(sparse.csr_array(np.diff(hazard, axis=1, prepend=0.0)))
            parts["survival"].append(sparse.csr_array(np.diff(survival, axis=1, prepend=1.0)))
            roots.append(start)
            start += tree.node_count
        hazard, survival = (sparse.vstack(parts[name], format="csr") for name in ("hazard", "survival"))
        return cls(
            *(np.concatenate(parts[name]) for name in ("left", "right", "feature", "threshold")), np.array(roots),
            np.asarray(forest.unique_times_, dtype=np.float64), np.asarray(forest.is_event_time_, dtype=bool),
            hazard.data, hazard.indices, hazard.indptr, survival.data, survival.indices, survival.indptr,
        )  # fmt: skip

    def leaves(self, x_np: np.ndarray) -> np.ndarray:
        """(n, b) the leaf of each row in each tree."""
        x = np.asarray(x_np, dtype=np.float32)
        rows = np.arange(len(x))[:, None]
        node = np.repeat(self.root_b[None], len(x), axis=0)
        while True:
            inner = self.left_v[node] >= 0
            if not inner.any():
                return node
            low = x[rows, self.feature_v[node]] <= self.threshold_v[node]
            node = np.where(inner, np.where(low, self.left_v[node], self.right_v[node]), node)

    def _mean_steps(self, x_np: np.ndarray, parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        node = self.leaves(x_np)
        n, b = node.shape
        which = sparse.csr_array(
            (np.ones(n * b), node.ravel(), np.arange(0, n * b + 1, b)), shape=(n, len(self.left_v))
        )
        steps = sparse.csr_array(parts, shape=(len(self.left_v), len(self.unique_times_)))
        return (which @ steps).toarray().cumsum(1) / b

    def predict(self, x_np: np.ndarray) -> np.ndarray:
        """(n,) risk: the cumulative hazard, mean over trees, summed over the times of events."""
        hazard = self._mean_steps(x_np, (self.hazard_data, self.hazard_at, self.hazard_start))
        return hazard[:, self.is_event_t].sum(1)

    def predict_survival_function(self, x_np: np.ndarray, return_array: bool = True) -> np.ndarray:
        """(n, t) survival at ``unique_times_``, mean over trees."""
        return 1.0 + self._mean_steps(x_np, (self.survival_data, self.survival_at, self.survival_start))
