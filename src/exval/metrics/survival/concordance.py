"""Concordance of risks and times: Harrell's C, Uno's C, and C of many weightings at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from exval.errors import InputError
from exval.metrics.survival.censoring import censoring_weights
from exval.metrics.survival.checks import check_risk, check_survival
from exval.metrics.survival.groups import codes

TIED = 1e-8
"""Risks that differ by no more count as tied, as in scikit-survival."""

BLOCK = 4_000_000
"""Pairs held at once."""

NO_PAIRS = "no two patients can be compared (an event has to come before another patient's time): C is not defined"


def outranks(risk_m: np.ndarray, risk_n: np.ndarray) -> np.ndarray:
    """(m, n) float32: 1 where the first risk is higher, 1/2 where both are tied, else 0.

    Examples
    --------
    >>> outranks(np.array([1.0]), np.array([0.0, 1.0, 2.0])).tolist()
    [[1.0, 0.5, 0.0]]
    """
    gap_mn = risk_m[:, None] - risk_n[None]
    return np.where(np.abs(gap_mn) <= TIED, np.float32(0.5), (gap_mn > 0).astype(np.float32))


def _tables(
    time_n: np.ndarray, event_n: np.ndarray, risk_n: np.ndarray, rows_e: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(e, n) which patients each event can be compared with, and to what part they are concordant."""
    time_e1 = time_n[rows_e, None]
    comparable_en = (time_n > time_e1) | ((time_n == time_e1) & ~event_n)
    return comparable_en, outranks(risk_n[rows_e], risk_n) * comparable_en


def _sums(time_n: np.ndarray, event_n: np.ndarray, risk_n: np.ndarray, rows_e: np.ndarray) -> Iterator[tuple]:
    """Rows of events, their concordant and their comparable pairs, a block at a time."""
    step = max(1, BLOCK // len(time_n))
    for start in range(0, len(rows_e), step):
        part = rows_e[start : start + step]
        comparable_en, concordant_en = _tables(time_n, event_n, risk_n, part)
        yield slice(start, start + step), concordant_en.sum(1, dtype=np.float64), comparable_en.sum(1)


def harrell_c(time_n: np.ndarray, event_n: np.ndarray, risk_n: np.ndarray) -> float:
    """Share of comparable pairs of patients in which the higher risk had the event first; tied risks count half.

    A pair is comparable where the patient with the shorter time had the event, or where both times are equal and just
    one of them had it (who was censored then lived longer). Two events at one time are not comparable. Risks within
    1e-8 of each other are tied. The figure is that of scikit-survival's ``concordance_index_censored``.

    Harrell et al. 1996, Stat. Med. 15:361. It depends on the censoring: see :func:`uno_c`.

    Parameters
    ----------
    time_n, event_n
        See :func:`~exval.metrics.survival.checks.check_survival`.
    risk_n
        (n,) the higher, the earlier the event is expected.

    Raises
    ------
    InputError
        Missing risks, or no comparable pair.

    Notes
    -----
    Time grows with events x patients: about 0.2 s for 5,000 patients.

    Examples
    --------
    >>> harrell_c([1.0, 2.0, 3.0], [True, True, False], [0.9, 0.1, 0.5])
    0.6666666666666666
    """
    time_n, event_n = check_survival(time_n, event_n)
    risk_n = check_risk(risk_n, len(time_n))
    top = bottom = 0.0
    for _, concordant_e, comparable_e in _sums(time_n, event_n, risk_n, np.flatnonzero(event_n)):
        top, bottom = top + concordant_e.sum(), bottom + comparable_e.sum()
    if not bottom:
        raise InputError(NO_PAIRS)
    return float(top / bottom)


def uno_c(
    train_time: np.ndarray,
    train_event: np.ndarray,
    time_n: np.ndarray,
    event_n: np.ndarray,
    risk_n: np.ndarray,
    tau: float | None = None,
) -> float:
    r"""Concordance that does not depend on the censoring of the test patients.

    Every comparable pair of :func:`harrell_c` is weighted by :math:`1 / G(t_i)^2` of its event, and events from ``tau``
    on are left out. Uno et al. 2011, Stat. Med. 30:1105; the figure is that of scikit-survival's
    ``concordance_index_ipcw``. Censoring is taken to be independent of the patient.

    Parameters
    ----------
    train_time, train_event
        Training patients, from whom :func:`~exval.metrics.survival.censoring.censoring_survival` estimates G.
    time_n, event_n, risk_n
        Test patients.
    tau
        Count events before this time only. Default: all of them.

    Raises
    ------
    InputError
        No comparable pair, or a counted event at a time at which the training patients do not give G: choose ``tau``.

    Notes
    -----
    An event after all other test patients is in no pair and needs no weight: such an event beyond the training times is
    no error here, unlike in scikit-survival.

    Examples
    --------
    >>> time, event = [1.0, 2.0, 3.0, 4.0], [True, False, True, True]
    >>> round(uno_c(time, event, time, event, [4.0, 1.0, 2.0, 3.0]), 3)
    0.571
    """
    time_n, event_n = check_survival(time_n, event_n, whose="test")
    risk_n = check_risk(risk_n, len(time_n))
    last = time_n.max()
    paired_n = event_n & ((time_n < last) | (not event_n[time_n == last].all()))
    if tau is not None:
        paired_n &= time_n < tau
    rows_e = np.flatnonzero(paired_n)
    if not len(rows_e):
        raise InputError(NO_PAIRS)
    weight_e = censoring_weights(train_time, train_event, time_n[rows_e]) ** 2
    top = bottom = 0.0
    for part, concordant_e, comparable_e in _sums(time_n, event_n, risk_n, rows_e):
        top, bottom = top + weight_e[part] @ concordant_e, bottom + weight_e[part] @ comparable_e
    return float(top / bottom)


@dataclass(frozen=True, eq=False)
class PairUnits:
    """Harrell's C of any weighting of the same patients, from tables of their pairs; made by :func:`paired_c_units`.

    Parameters
    ----------
    blocks
        For each fold the rows of its events, the rows of its patients, and two (e, n) float32 tables: comparable, and
        concordant among those.

    Notes
    -----
    Products are in float32: exact for whole weights (draws of a bootstrap) whose sum is below 8 million. The tables
    take 8 bytes for each pair of an event and a patient of its fold: 100 MB for 2,500 events of 5,000 patients.
    """

    blocks: tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], ...]

    def __call__(self, weights_bn: np.ndarray) -> np.ndarray:
        """(b,) C values of (b, n) weights; NaN where no pair is left.

        Examples
        --------
        >>> units = paired_c_units([1.0, 2.0, 3.0], [True, True, False], [0.9, 0.1, 0.5])
        >>> units(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 3.0]])).round(3).tolist()
        [0.667, 1.0, nan]
        """
        weights_bn = np.asarray(weights_bn, dtype=np.float32)
        top_b, bottom_b = np.zeros(len(weights_bn)), np.zeros(len(weights_bn))
        for rows_e, columns_n, comparable_en, concordant_en in self.blocks:
            event_be = weights_bn[:, rows_e].astype(np.float64)
            other_bn = weights_bn[:, columns_n]
            top_b += np.einsum("be,be->b", event_be, other_bn @ concordant_en.T)
            bottom_b += np.einsum("be,be->b", event_be, other_bn @ comparable_en.T)
        return np.divide(top_b, bottom_b, out=np.full(len(top_b), np.nan), where=bottom_b > 0)


def paired_c_units(
    time_n: np.ndarray, event_n: np.ndarray, risk_n: np.ndarray, fold_n: np.ndarray | None = None
) -> PairUnits:
    r"""Tables with which Harrell's C of thousands of weightings of the patients takes two matrix products.

    .. math:: C(w) = \frac{\sum_{ij} w_i w_j\, [\text{comparable}]\, [\text{concordant}]}
        {\sum_{ij} w_i w_j\, [\text{comparable}]}

    The result is a function of (b, n) weights that :func:`exval.bench.intervals.bootstrap` takes as its ``statistic``;
    for patients in groups, give every patient the weight of its group. Copies of one patient are never comparable.

    Parameters
    ----------
    time_n, event_n, risk_n
        As for :func:`harrell_c`.
    fold_n
        (n,) name of the fold (and repeat) whose model gave the risk: only pairs within one count, and the sums run
        over all folds. Default: one model.

    Raises
    ------
    InputError
        Missing risks or folds, or no comparable pair.

    Examples
    --------
    >>> units = paired_c_units([1.0, 2.0, 3.0], [True, True, False], [0.9, 0.1, 0.5])
    >>> units(np.ones((1, 3))).round(3).tolist()
    [0.667]
    """
    time_n, event_n = check_survival(time_n, event_n)
    risk_n = check_risk(risk_n, len(time_n))
    fold_n = np.zeros(len(time_n), dtype=int) if fold_n is None else codes(fold_n, len(time_n), "fold")
    blocks = []
    for fold in range(fold_n.max() + 1):
        at = np.flatnonzero(fold_n == fold)
        events = np.flatnonzero(event_n[at])
        comparable_en, concordant_en = _tables(time_n[at], event_n[at], risk_n[at], events)
        if comparable_en.any():
            blocks.append((at[events], at, comparable_en.astype(np.float32), concordant_en))
    if not blocks:
        raise InputError(NO_PAIRS if fold_n.max() == 0 else NO_PAIRS.replace("patients", "patients of one fold"))
    return PairUnits(tuple(blocks))
