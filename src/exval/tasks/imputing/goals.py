"""What each goal is judged by on cells without any truth: molecules that no method has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from exval.bench.intervals import Interval
from exval.errors import InputError
from exval.methods.imputation.values import Imputed
from exval.tasks.imputing.analysis import answer, components, units
from exval.tasks.imputing.cases import ImputeCase, cut, largest, most_variable
from exval.tasks.imputing.clustering import k_means
from exval.tasks.imputing.molecules import prepared, split_molecules
from exval.tasks.imputing.paired import interval, value_of
from exval.tasks.imputing.trajectory import PATH_OFFSET, pseudotime

if TYPE_CHECKING:
    from anndata import AnnData

ROOTED = 600


@dataclass(frozen=True)
class Goal:
    """A goal, and the figure that stands for it.

    Parameters
    ----------
    name
        As the user asks for it.
    metric
        Kind of the units (:data:`exval.tasks.imputing.analysis.KINDS`).
    higher
        Whether more is better.
    shares
        Of the molecules: given to the methods, for the choice, for the score of what was chosen, and for the groups
        where no column names them.
    words
        The figure in words.
    unit
        What an interval resamples.
    tested
        Values are to be tested between groups, so that the null arm decides too.
    """

    name: str
    metric: str
    higher: bool
    shares: tuple[float, float, float, float]
    words: str
    unit: str = "cell"
    tested: bool = False


_DEVIANCE = "Poisson deviance of held-out molecules"
GOALS = {
    goal.name: goal
    for goal in (
        Goal("recovery", "poisson_deviance", False, (0.8, 0.1, 0.1, 0.0), _DEVIANCE),
        Goal("plot", "poisson_deviance", False, (0.8, 0.1, 0.1, 0.0), _DEVIANCE),
        Goal("clustering", "accuracy", True, (0.5, 0.25, 0.25, 0.0),
             "share of the variance of held-out molecules that the clusters explain"),
        Goal("de", "auprc", True, (0.4, 0.2, 0.2, 0.2),
             "average precision for genes that differ by held-out molecules", "gene", True),
        Goal("markers", "auprc", True, (0.4, 0.2, 0.2, 0.2),
             "average precision for markers by held-out molecules", "gene", True),
        Goal("trajectory", "kendall", True, (0.5, 0.25, 0.25, 0.0),
             "Kendall's tau with the pseudotime of held-out molecules"),
    )
}  # fmt: skip


@dataclass(eq=False)
class Trial:
    """A user's cells divided for one goal: what the methods see, and two cases that judge what they make of it.

    Parameters
    ----------
    goal
        The goal.
    choose, score
        Cases with the same visible cells and different held-out molecules: the first chooses, the second is not
        looked at before the choice is made.
    labels_n
        (n,) types of the user's column, or None.
    notes
        Sentences on how it was done.
    """

    goal: Goal
    choose: ImputeCase
    score: ImputeCase
    labels_n: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def by_labels(self) -> bool:
        """Clusters are judged by the user's types: then by the ARI, on one half of the cells and then on the other."""
        return self.goal.name == "clustering" and self.labels_n is not None

    @property
    def metric(self) -> str:
        """Kind of the units."""
        return "ari" if self.by_labels else self.goal.metric

    @property
    def words(self) -> str:
        """The figure in words."""
        return "ARI of clusters with the types given" if self.by_labels else self.goal.words

    @property
    def visible(self) -> AnnData:
        """What the methods see."""
        return self.choose.adata

    def blind(self) -> str:
        """Why nothing can be judged, in words; empty where it can."""
        from exval.tasks.imputing import ANALYSES

        name = {"de": "diffexp", "markers": "markers"}.get(self.goal.name)
        if name is None or all(ANALYSES[name]().applies(case) for case in (self.choose, self.score)):
            return ""
        what = "differs between" if name == "diffexp" else "marks one of"
        return f"the molecules held out show no gene that {what} the groups, so that nothing can be judged"

    def units(self, imputed: Imputed, case: ImputeCase) -> pd.DataFrame:
        """Units of the goal's figure."""
        make = _labelled if self.by_labels else _UNITS[self.goal.name]
        return make(self, imputed, case)

    def value(self, table: pd.DataFrame) -> float:
        """The figure that units add up to."""
        return value_of(self.metric, table)

    def gain(self, table: pd.DataFrame, other: pd.DataFrame, seed: int = 0) -> Interval:
        """How much better (positive) a method is than another, with its paired interval."""
        found = interval(self.metric, table, other, seed=seed)
        if self.goal.higher:
            return found
        return Interval(-found.value, -found.hi, -found.lo, found.n_units)


def divide(adata: AnnData, goal: Goal, labels_n: np.ndarray | None, *, genes: int, rng: np.random.Generator) -> Trial:
    """Divide the molecules of prepared cells with counts for one goal; genes are chosen by what the methods see.

    Raises
    ------
    InputError
        Groups are needed, and there are no two of ten cells.

    Examples
    --------
    >>> from exval.tasks.imputing.simulate import simulate
    >>> trial = divide(simulate("types", 80, 60).adata, GOALS["recovery"], None, genes=50, rng=np.random.default_rng(0))
    >>> trial.visible.shape, round(trial.score.share_held, 1)
    ((80, 50), 0.1)
    """
    shares = goal.shares
    if labels_n is not None and shares[3]:
        shares = (0.5, 0.25, 0.25, 0.0)
    parts = split_molecules(adata.layers["counts"], [s for s in shares if s], rng)
    seen = prepared(parts[0], adata.obs_names, adata.var_names)
    columns = most_variable(seen.X, genes)
    visible, total_n = cut(seen, columns), seen.obs["exval_total"].to_numpy()
    notes, groups_n = [], None
    if goal.tested:
        groups_n = labels_n
        if groups_n is None:
            groups_n = clusters(parts[3][:, columns].tocsr(), int(rng.integers(1 << 31)))
            notes.append("groups: clusters of a fifth of the molecules, which serve nothing else")
        if len(largest(groups_n, 2)) < 2:
            raise InputError(f"{goal.name} compares groups, and there are no two of at least ten cells")
    made = []
    for part, share in zip(parts[1:3], shares[1:3]):
        exposure_n = total_n * share / shares[0] / 1e4
        made.append(ImputeCase("yours", "divided", 0, visible, groups_n, held_ng=part[:, columns].tocsr(),
                               exposure_n=exposure_n, share_held=0.5 if goal.tested else share))  # fmt: skip
    return Trial(goal, *made, labels_n, notes)


def clusters(counts: sp.csr_matrix, seed: int, most: int = 8) -> np.ndarray:
    """(n,) names of k-means clusters of counts as read, about one for each 60 cells, 2 to ``most``.

    Examples
    --------
    >>> counts = sp.csr_matrix(np.repeat([[9.0, 1.0], [1.0, 9.0]], 20, axis=0))
    >>> sorted(set(clusters(counts, 0)))
    ['cluster 0', 'cluster 1']
    """
    n = counts.shape[0]
    k = int(np.clip(n // 60, 2, most))
    found = k_means(components(pearson_residuals(counts), min(20, k + 4)), k, seed)
    return np.array([f"cluster {c}" for c in found], dtype=object)


def pearson_residuals(counts: sp.csr_matrix, theta: float = 100.0) -> np.ndarray:
    """(n, g) how far counts are from what depth alone predicts, in standard deviations, clipped at the root of n.

    .. math:: r_{ij} = (y_{ij} - \\mu_{ij}) / \\sqrt{\\mu_{ij} + \\mu_{ij}^2 / \\theta}, \\quad
        \\mu_{ij} = y_{i+} y_{+j} / y_{++}

    Lause, Berens and Kobak 2021, Genome Biology 22:258. Two parts of a cell's molecules share its depth, and the log of
    normalised counts follows depth: agreement in it would be no agreement in expression.

    Examples
    --------
    >>> pearson_residuals(sp.csr_matrix([[1.0, 3.0], [2.0, 6.0]])).round(6).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    y = counts.toarray().astype(np.float64)
    mean = np.outer(y.sum(1), y.sum(0)) / max(y.sum(), 1e-12)
    spread = np.sqrt(mean + mean**2 / theta)
    r = np.divide(y - mean, spread, out=np.zeros_like(y), where=spread > 0)
    return np.clip(r, -np.sqrt(len(y)), np.sqrt(len(y))).astype(np.float32)


def _deviance(trial: Trial, imputed: Imputed, case: ImputeCase) -> pd.DataFrame:
    from exval.tasks.imputing.recovery import held_deviance

    rate_ng = answer(case, imputed).cp10k_ng * case.exposure_n[:, None]
    return units(held_deviance(case.held_ng, rate_ng), case.adata.n_vars)


def _explained(trial: Trial, imputed: Imputed, case: ImputeCase) -> pd.DataFrame:
    """Clusters of the imputed values; per cell, the part of the variance of held-out values that they explain.

    The held-out values are Pearson residuals (:func:`pearson_residuals`) on their 20 leading components, so that
    neither depth nor noise drowns the sum. A cell is predicted by the mean of the *other* cells of its cluster. The
    number of clusters is the same for all methods, about one for each 60 cells.
    """
    n = case.n
    cluster_n = k_means(answer(case, imputed).scores(20), int(np.clip(n // 60, 2, 15)), 0, starts=5)
    target = components(pearson_residuals(case.held_ng), 20)
    size_n = np.bincount(cluster_n)[cluster_n].astype(np.float64)
    sums = np.stack([np.bincount(cluster_n, weights=column) for column in target.T], axis=1)[cluster_n]
    mean_others = (sums - target) / np.maximum(size_n - 1, 1)[:, None]
    left_n = ((target - mean_others) ** 2).sum(1)
    total = (target**2).sum() / n  # the components are centred
    return units(1 - left_n / total)


def _labelled(trial: Trial, imputed: Imputed, case: ImputeCase) -> pd.DataFrame:
    """Clusters of the imputed values against the user's types: partition units of one half of the cells."""
    names = largest(trial.labels_n, case.n)
    cluster_n = k_means(answer(case, imputed).scores(20), max(2, len(names)), 0)
    half = np.random.default_rng(11).random(case.n) < 0.5
    rows = np.flatnonzero(half if case is trial.choose else ~half)
    truth_n = np.unique(trial.labels_n.astype(str), return_inverse=True)[1]
    return units(cluster_n[rows], truth_n[rows], rows)


def _order(trial: Trial, imputed: Imputed, case: ImputeCase) -> pd.DataFrame:
    """Pseudotimes of imputed values and of held-out ones from the same three roots: the ends of the first component of
    the values that the methods saw, and one of the second. At most 600 cells."""
    rows = np.sort(np.random.default_rng(5).permutation(case.n)[:ROOTED])
    ends = components(case.adata.X.toarray()[rows], 2)
    roots = [ends[:, 0].argmin(), ends[:, 0].argmax(), ends[:, -1].argmax()]
    told = components(answer(case, imputed).log_ng[rows], 10)
    held = components(pearson_residuals(case.held_ng[rows]), 10)
    here = np.arange(len(rows))
    tables = [
        units(pseudotime(told, here == root), pseudotime(held, here == root), number * PATH_OFFSET + rows)
        for number, root in enumerate(roots)
    ]
    return pd.concat(tables, ignore_index=True)


def _from_analysis(name: str) -> Callable[[Trial, Imputed, ImputeCase], pd.DataFrame]:
    """Units of an analysis, genes in the better of its two orders (by the test, by the difference of means).

    Which order that is, the molecules that choose say for both.
    """

    def make(trial: Trial, imputed: Imputed, case: ImputeCase) -> pd.DataFrame:
        from exval.tasks.imputing import ANALYSES

        def by_order(one: ImputeCase) -> dict[str, Any]:
            return {fig.slice: fig for fig in ANALYSES[name]().score(one, imputed) if fig.units is not None}

        chosen = by_order(trial.choose)
        best = max(chosen, key=lambda order: chosen[order].value)
        return (chosen if case is trial.choose else by_order(case))[best].units

    return make


_UNITS: dict[str, Callable[[Trial, Imputed, ImputeCase], pd.DataFrame]] = {
    "recovery": _deviance, "plot": _deviance, "clustering": _explained, "trajectory": _order,
    "de": _from_analysis("diffexp"), "markers": _from_analysis("markers"),
}  # fmt: skip
