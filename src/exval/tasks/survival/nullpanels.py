"""Is a panel of genes better than genes picked at random? Most random panels foretell survival in most cancers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exval.errors import DivergedError, InputError
from exval.methods.survival.cox import CoxPH
from exval.methods.survival.design import ExpressionDesign
from exval.methods.survival.ridge import leading_components
from exval.methods.survival.risksets import RiskSets
from exval.metrics.survival.concordance import outranks
from exval.progress import Progress
from exval.tasks.splits import Fold, Splits
from exval.tasks.survival.cohort import Cohort

MOST = 20  # directions of a panel that are fitted
PRIOR_SD = 0.5  # of the log hazard of a whole panel, which sets the ridge


@dataclass(frozen=True)
class NullPanels:
    """A panel beside random panels of its size.

    Parameters
    ----------
    c
        Harrell's C of the panel, out of fold.
    random_c
        (r,) C of the random panels.
    size, pool
        Genes in a panel, and genes that random panels are drawn from.
    """

    c: float
    random_c: np.ndarray
    size: int
    pool: int

    @property
    def beaten(self) -> float:
        """Share of random panels with a lower C; ties count half."""
        return float(((self.random_c < self.c) + 0.5 * (self.random_c == self.c)).mean())

    @property
    def p(self) -> float:
        """Share of panels, this one included, that are as good or better."""
        return float((1 + (self.random_c >= self.c).sum()) / (1 + len(self.random_c)))

    @property
    def sentence(self) -> str:
        """What it says, in words."""
        drawn = f"{len(self.random_c):,} random panels of equal size"
        text = f"Your panel of {self.size} genes beats {self.beaten:.0%} of {drawn}"
        middle = f"C {self.c:.3f}; random panels {np.median(self.random_c):.3f} in the middle"
        if self.beaten >= 0.95:
            return f"{text} ({middle})."
        return f"{text} ({middle}): genes picked at random would do."


def random_panels(
    cohort: Cohort, panel: tuple[str, ...], splits: Splits, n_random: int = 1000, seed: int = 0
) -> NullPanels:
    """C of a panel and of random panels of equal size, same folds, same method (Venet et al. 2011, PLoS Comput Biol 7).

    The method is a Cox regression on the standardised genes of the panel (on their 20 leading components where it is
    larger) with a ridge under which the log hazard of the whole panel has an SD of 0.5: it needs no inner
    cross-validation, and is the same for all panels. Folds of the first repeat.

    Parameters
    ----------
    cohort
        Samples with an outcome.
    panel
        Genes of the cohort.
    splits
        Folds.
    n_random
        Random panels, drawn from the cohort's other genes that vary and are measured in half of the samples.
    seed
        Of the draws.

    Raises
    ------
    InputError
        The cohort has too few other genes, or no fold has two patients that can be compared.

    Examples
    --------
    >>> import exval
    >>> from exval.data.patients import simulated_patients
    >>> from exval.tasks.survival.cohort import read_cohort
    >>> from exval.tasks.survival.folds import survival_splits
    >>> data = simulated_patients(120, 80)
    >>> cohort = read_cohort(exval.open_source(data, missing=True), time="os_months", event="os_event")
    >>> good = tuple(data.var_names[data.var["programme"] == 0][:6])
    >>> random_panels(cohort, good, survival_splits(cohort, 3), n_random=50).beaten > 0.9
    True
    """
    whole = ExpressionDesign().fit(cohort.adata)
    pool = np.array([gene for gene in whole.genes_ if gene not in set(panel)], dtype=object)
    kept = [gene for gene in panel if gene in set(whole.genes_)]
    size = len(kept)
    if not size:
        raise InputError("no gene of the panel varies and is measured in half of the samples")
    if len(pool) < 2 * size:
        raise InputError(
            f"the cohort has {len(pool)} genes beside a panel of {size}: too few to draw random panels of its size from"
        )
    rng = np.random.default_rng([seed, 17, size])
    panels = [np.array(kept, dtype=object)]
    panels += [rng.choice(pool, size, replace=False) for _ in range(n_random)]
    first = [fold for fold in splits.folds if fold.seed == splits.folds[0].seed]
    top, bottom = np.zeros(len(panels)), 0.0
    with Progress("Random panels", total=len(first) * len(panels)) as progress:
        for fold in first:
            own_top, own_bottom = _fold(cohort, fold, panels, progress)
            top, bottom = top + own_top, bottom + own_bottom
    if not bottom:
        raise InputError("no two patients of one fold can be compared: use fewer folds")
    c = top / bottom
    return NullPanels(float(c[0]), c[1:], size, len(pool))


def _fold(cohort: Cohort, fold: Fold, panels: list[np.ndarray], progress: Progress) -> tuple[np.ndarray, float]:
    """Concordant pairs of each panel and comparable pairs, among the test patients of one fold."""
    import pandas as pd

    train, test = cohort.adata[fold.train], cohort.adata[fold.test]
    design = ExpressionDesign().fit(train)
    z_train, z_test = design.transform(train), design.transform(test)
    where = pd.Index(design.genes_)
    time, event = cohort.time_n[fold.train], cohort.event_n[fold.train]
    sets = RiskSets(time, event)
    own_time, own_event = cohort.time_n[fold.test], cohort.event_n[fold.test]
    rows = np.flatnonzero(own_event)
    comparable = (own_time > own_time[rows, None]) | ((own_time == own_time[rows, None]) & ~own_event)
    top = np.zeros(len(panels))
    for i, panel in enumerate(panels):
        at = where.get_indexer(panel)
        risk = panel_risk(z_train[:, at[at >= 0]], z_test[:, at[at >= 0]], time, event, sets)
        top[i] = (outranks(risk[rows], risk) * comparable).sum()
        progress.advance()
    return top, float(comparable.sum())


def panel_risk(
    z_train: np.ndarray, z_test: np.ndarray, time_n: np.ndarray, event_n: np.ndarray, sets: RiskSets | None = None
) -> np.ndarray:
    """(m,) risk of test patients by a ridge Cox regression on the genes of one panel.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal((50, 2))
    >>> risk = panel_risk(z, z, rng.exponential(np.exp(-z[:, 0])), np.ones(50, dtype=bool))
    >>> bool(np.corrcoef(risk, z[:, 0])[0, 1] > 0.9)
    True
    """
    p = z_train.shape[1]
    if not p:
        return np.zeros(len(z_test))
    ridge = p / PRIOR_SD**2
    if p > MOST:
        directions, _ = leading_components(z_train, MOST)
        z_test, z_train = (z_test - z_train.mean(0)) @ directions, (z_train - z_train.mean(0)) @ directions
    try:
        return CoxPH(ridge, max_iter=8, tol=1e-5).fit(z_train, time_n, event_n, sets=sets).predict(z_test)
    except (DivergedError, np.linalg.LinAlgError):
        return np.zeros(len(z_test))
