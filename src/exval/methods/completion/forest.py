"""Chained forests: every gene with gaps is predicted from the genes that go with it, again and again."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.completion.base import Completer
from exval.methods.completion.held_out import HeldOut, coverage_scale, hold_out
from exval.methods.completion.mean import Mean
from exval.methods.completion.ppca import ProbabilisticPCA
from exval.progress import track

BLOCK = 512  # genes whose correlations are looked at together
CHECKED = 40  # genes whose forests are grown for the width of the intervals


class ChainedForest(Completer):
    """A gap is the mean over the trees of a forest that predicts the gene from those most correlated with it.

    Gaps are first filled by a simple method. Then the genes with gaps are gone through in turn, those with the fewest
    gaps in training first: a forest learns the gene on the training samples that measured it, from ``predictors`` other
    genes, and its predictions replace the gaps, so that later forests see them. A forest is grown when a file lacks the
    gene, and forgotten afterwards: it depends on the training samples and the seed alone.

    The variance of a gap is half that of the trees plus their out-of-bag error, and half that of the first filling,
    which knows how much the sample lacks; entries hidden from a fifth of the training samples give one factor for its
    root (forests of 40 genes).

    Parameters
    ----------
    start
        What fills first: ``"ppca"`` or ``"mean"``.
    predictors
        Genes a forest sees: those of largest absolute correlation in training.
    trees, leaf
        Trees of a forest, and the fewest training samples in a leaf.
    sweeps
        How often the genes are gone through.
    seed
        Of trees, of the first filling and of the hidden entries.

    Attributes
    ----------
    predictors_gq_
        (g, q) positions of the genes each forest sees.
    scale_
        Factor for the sd.

    Examples
    --------
    >>> import anndata
    >>> rng = np.random.default_rng(0)
    >>> x = np.abs(rng.normal(size=(80, 1))) * np.array([[1.0, 2.0, -1.0]]) + 0.1 * rng.normal(size=(80, 3))
    >>> samples = anndata.AnnData(x.astype(np.float32))
    >>> hidden = samples[60:].copy()
    >>> hidden.X[:, 1] = np.nan
    >>> found = ChainedForest(start="mean", sweeps=1).fit(samples[:60]).complete(hidden)
    >>> bool(np.corrcoef(found.values_ng[:, 1], x[60:, 1])[0, 1] > 0.9)
    True
    """

    name = "forest"
    card = Card(
        category="forest",
        sees=("expression",),
        space_in="log2, z or log1p",
        space_out="as given",
        cost="a forest for every gene that a file lacks, at complete, for every sweep",
        reference="Stekhoven and Buhlmann 2012, Bioinformatics 28:112 (missForest)",
        summary="A small forest for every gene with gaps, on the genes most correlated with it.",
        departures="Learns on training samples and fills others; published for one matrix. A forest sees the 30 most "
        "correlated genes (of the published: all), has 30 extremely randomised trees (100 random forest trees), and "
        "there is a fixed number of sweeps (until the change grows). Gaps are first filled by ppca (the mean). "
        "The sd is not part of the publication.",
    )
    has_sd = True
    stochastic = True
    presets = {"tiny": {"trees": 4, "predictors": 6}}

    def __init__(
        self,
        start: str = "ppca",
        predictors: int = 30,
        trees: int = 30,
        leaf: int = 3,
        sweeps: int = 1,
        seed: int = 0,
    ) -> None:
        self.start = start
        self.predictors = predictors
        self.trees = trees
        self.leaf = leaf
        self.sweeps = sweeps
        self.seed = seed

    def learn(self, z_ng: np.ndarray) -> None:
        if self.start not in ("ppca", "mean"):
            raise InputError(f"start of forest is ppca or mean, not {self.start!r}")
        if min(self.predictors, self.trees, self.leaf, self.sweeps) < 1:
            raise InputError("predictors, trees, leaf and sweeps of forest are at least 1")
        self.start_ = Mean() if self.start == "mean" else ProbabilisticPCA(seed=self.seed)
        self.start_.learn(z_ng)
        self._train(z_ng, self.start_)
        self.scale_ = 1.0
        held = hold_out(z_ng, self.seed, group_n=self._group_n)
        if held is not None and len(held.genes) >= 2:
            self.scale_ = self._checked(held)

    def fill(self, z_mg: np.ndarray, sd: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        gap_mg = np.isnan(z_mg)
        first_mg, spread_mg = self.start_.fill(z_mg, sd=True) if sd else (self.start_.fill(z_mg), None)
        values_mg = np.where(gap_mg, first_mg, z_mg)
        needed = gap_mg.any(0)
        for sweep in range(self.sweeps):
            last = sweep == self.sweeps - 1
            for gene in track([gene for gene in self._order if needed[gene]], "Growing forests"):
                rows = np.flatnonzero(gap_mg[:, gene])
                told_r, var_r = self._predicted(gene, values_mg[np.ix_(rows, self.predictors_gq_[gene])])
                values_mg[rows, gene] = told_r
                if spread_mg is not None and last:
                    spread_mg[rows, gene] = self.scale_ * np.sqrt(0.5 * (var_r + spread_mg[rows, gene] ** 2))
        return values_mg if spread_mg is None else (values_mg, spread_mg)

    def _train(self, z_ng: np.ndarray, start: Completer) -> None:
        """What forests are grown from."""
        self._measured_ng = ~np.isnan(z_ng)
        whole = bool(self._measured_ng.all())
        self._filled_ng = (z_ng if whole else np.where(self._measured_ng, z_ng, start.fill(z_ng))).astype(np.float32)
        self._order = np.argsort(-self._measured_ng.sum(0), kind="stable")
        self.predictors_gq_ = most_correlated(self._filled_ng, self.predictors)

    def _predicted(self, gene: int, x_rq: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean over the trees of a gene's forest, and their variance plus the out-of-bag error."""
        from sklearn.ensemble import ExtraTreesRegressor

        rows = np.flatnonzero(self._measured_ng[:, gene])
        known_nq = self._filled_ng[np.ix_(rows, self.predictors_gq_[gene])]
        truth_n = self._filled_ng[rows, gene]
        state = int(np.random.SeedSequence([self.seed, gene]).generate_state(1)[0])
        forest = ExtraTreesRegressor(self.trees, min_samples_leaf=self.leaf, bootstrap=True, random_state=state)
        forest.fit(known_nq, truth_n)
        x_rq = np.ascontiguousarray(x_rq, np.float32)
        told_tr = np.stack([tree.predict(x_rq, check_input=False) for tree in forest.estimators_])
        own_tn = np.stack([tree.predict(known_nq, check_input=False) for tree in forest.estimators_])
        for own_n, drawn in zip(own_tn, forest.estimators_samples_):
            own_n[drawn] = np.nan
        seen_n = ~np.isnan(own_tn).all(0)
        error_n = np.nanmean(own_tn[:, seen_n], axis=0) - truth_n[seen_n]
        error = float((error_n**2).mean()) if seen_n.any() else float(truth_n.var())
        return told_tr.mean(0), told_tr.var(0) + error

    def _checked(self, held: HeldOut) -> float:
        """Factor for the sd, from the forests of some genes on samples that neither they nor their start have seen."""
        inner = clone(self)
        inner.start_ = clone(self.start_)
        if isinstance(self.start_, ProbabilisticPCA):
            inner.start_.set_params(rank=self.start_.rank_, noise=self.start_.noise_, calibrate=False)
        inner.start_.learn(held.fit_ng)
        inner._train(held.fit_ng, inner.start_)
        first_mg, spread_mg = inner.start_.fill(held.seen_mg, sd=True)
        if isinstance(self.start_, ProbabilisticPCA):
            spread_mg = spread_mg * self.start_.scale_
        values_mg = np.where(np.isnan(held.seen_mg), first_mg, held.seen_mg)
        hidden_mg, ratios = ~np.isnan(held.truth_mg), []
        for gene in np.random.default_rng(self.seed).permutation(len(held.genes))[:CHECKED]:
            rows = np.flatnonzero(hidden_mg[:, gene])
            told_r, var_r = inner._predicted(gene, values_mg[np.ix_(rows, inner.predictors_gq_[gene])])
            sd_r = np.sqrt(0.5 * (var_r + spread_mg[rows, gene] ** 2))
            ratios.append(np.abs(told_r - held.truth_mg[rows, gene]) / sd_r)
        return coverage_scale(np.concatenate(ratios))


def most_correlated(x_ng: np.ndarray, q: int) -> np.ndarray:
    """(g, q) positions, ascending, of the genes of largest absolute correlation with each gene (itself left out).

    Examples
    --------
    >>> x = np.array([[1.0, -1.0, 0.2], [2.0, -2.1, 0.1], [3.0, -2.9, 0.3]])
    >>> most_correlated(x, 1).ravel().tolist()
    [1, 0, 0]
    """
    n, g = x_ng.shape
    centred_ng = x_ng - x_ng.mean(0)
    unit_ng = centred_ng / np.maximum(np.linalg.norm(centred_ng, axis=0), 1e-12)
    q = min(q, g - 1)
    out = np.empty((g, q), np.intp)
    for start in range(0, g, BLOCK):
        rows = np.arange(start, min(start + BLOCK, g))
        size_bg = np.abs(unit_ng[:, rows].T @ unit_ng)
        size_bg[np.arange(len(rows)), rows] = -1.0
        out[rows] = np.sort(np.argsort(-size_bg, axis=1, kind="stable")[:, :q], axis=1)
    return out
