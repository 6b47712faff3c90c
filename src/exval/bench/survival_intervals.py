"""Interval of Harrell's C, or of the difference of two, over patients or groups of patients."""

from __future__ import annotations

import numpy as np

from exval.bench.intervals import Interval, bootstrap
from exval.metrics.survival.concordance import BLOCK, paired_c_units
from exval.metrics.survival.groups import codes


def c_interval(
    time_n: np.ndarray,
    event_n: np.ndarray,
    risk_n: np.ndarray,
    other_n: np.ndarray | None = None,
    groups_n: np.ndarray | None = None,
    fold_n: np.ndarray | None = None,
    n_boot: int = 2000,
    seed: int = 0,
) -> Interval:
    """Interval of Harrell's C, or of the difference ``risk - other`` of two risks of the same patients.

    Patients are drawn with replacement, both risks with the same draws, and C is that of
    :func:`exval.metrics.survival.concordance.harrell_c` on the patients drawn.

    Parameters
    ----------
    time_n, event_n
        See :func:`~exval.metrics.survival.checks.check_survival`.
    risk_n, other_n
        Risks, out of fold; higher means an earlier event.
    groups_n
        The unit of generalisation of each row (its site; its patient where patients have several rows). Without it rows
        are drawn. Needed where predictions of a repeated split are stacked: then a patient has a row in each repeat,
        and rows are no independent units.
    fold_n
        Whose model gave the risk of each row: a name that differs between folds and between repeats. Risks of
        different models are not comparable, so that only pairs within a fold count; C is the sum of concordant over
        the sum of comparable pairs.
    n_boot, seed
        Of the bootstrap.

    Returns
    -------
    Interval
        Percentiles at 95 %; without bounds below six units.

    Raises
    ------
    InputError
        As :func:`exval.metrics.survival.concordance.paired_c_units`.

    Examples
    --------
    >>> time, event = np.arange(1.0, 41.0), np.arange(40) % 3 > 0
    >>> found = c_interval(time, event, -time, np.zeros(40))
    >>> found.value, found.lo, found.hi, found.n_units
    (0.5, 0.5, 0.5, 40)
    """
    sides = [paired_c_units(time_n, event_n, risk_n, fold_n)]
    if other_n is not None:
        sides.append(paired_c_units(time_n, event_n, other_n, fold_n))
    n = len(np.asarray(time_n))
    unit_n = np.arange(n) if groups_n is None else codes(groups_n, n)

    def statistic(weight_bu: np.ndarray) -> np.ndarray:
        found = []
        for weights in np.array_split(weight_bu, 1 + len(weight_bu) * n // BLOCK):
            c = [side(weights[:, unit_n]) for side in sides]
            found.append(c[0] if other_n is None else c[0] - c[1])
        return np.concatenate(found)

    return bootstrap(statistic, np.ones(unit_n.max() + 1, dtype=np.int64), n_boot=n_boot, seed=seed)
