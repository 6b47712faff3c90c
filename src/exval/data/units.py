"""What the numbers of a matrix are: counts, CP10k, log1p(CP10k), log2 or z; and the way to log1p(CP10k)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from exval.errors import InputError, UnitError

BULK = ("log2", "z")  # of bulk samples: 0 is a value there, and what is absent was not measured
UNITS = ("counts", "cp10k", "log1p", *BULK)
_LOG_LIMIT = 20.0  # log2 of a million is 19.9: no logarithm of a normalised count is larger
_LN_MILLION = 14.0  # ln(1 + 1e6) is 13.8, the largest log1p of any usual scaling
_LN_TEN_THOUSAND = 9.3  # ln(1 + 1e4) is 9.2


@dataclass(frozen=True)
class UnitGuess:
    """A unit, how sure that is (0 to 1) and the observation that it rests on.

    ``target`` is the row sum that the values were scaled to (10,000 for CP10k), None where rows have no common sum.
    """

    unit: str
    confidence: float
    why: str
    target: float | None = None


@dataclass(frozen=True)
class _Facts:
    """What a sample of rows shows."""

    n: int
    low: float
    high: float
    integer: bool
    zero_share: float
    negative_share: float
    floor_share: float  # share of entries that equal the minimum
    centre: float  # median over genes of |mean| / sd
    sum_cv: float  # of row sums as they are
    sum_mean: float
    expm1_cv: float
    expm1_mean: float
    exp2_cv: float
    exp2_mean: float


def detect_unit(x: Any, n_probe: int = 512) -> UnitGuess:
    """Tell the unit of a matrix from a sample of its rows.

    Parameters
    ----------
    x
        (n, g) array or sparse matrix, samples as rows, finite.
    n_probe
        Rows looked at, evenly spread.

    Returns
    -------
    UnitGuess
        ``unit`` is one of ``UNITS``; ``why`` is a phrase for people.

    Raises
    ------
    UnitError
        The values fit no unit (negative and neither centred nor a logarithm).

    Examples
    --------
    >>> counts = np.array([[0, 3, 1], [2, 0, 5]])
    >>> detect_unit(counts).unit
    'counts'
    >>> cp10k = counts / counts.sum(1, keepdims=True) * 1e4
    >>> detect_unit(cp10k).unit, detect_unit(np.log1p(cp10k)).unit
    ('cp10k', 'log1p')
    """
    rows = np.unique(np.linspace(0, x.shape[0] - 1, min(n_probe, x.shape[0])).astype(int)) if x.shape[0] else []
    facts = _look(x[rows] if x.shape[0] > n_probe else x)
    return _judge(facts)


def check_unit(x: Any, unit: str) -> None:
    """Refuse a declared unit that the values cannot have.

    Raises
    ------
    UnitError
        E.g. fractions or negative values declared as counts. InputError for a unit that does not exist.

    Examples
    --------
    >>> check_unit(np.array([[0.5, 1.0]]), "counts")
    Traceback (most recent call last):
    exval.errors.UnitError: declared as counts, but the matrix has fractions (0.5): ...
    """
    if unit not in UNITS:
        raise InputError(f"unit {unit!r} is not known; use one of {', '.join(UNITS)}")
    values = x.data if sparse.issparse(x) else np.asarray(x).ravel()
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    if unit in ("counts", "cp10k", "log1p") and low < 0:
        raise UnitError(f"declared as {unit}, but the matrix has negative values ({low:g}); declare log2 or z")
    if unit == "counts":
        broken = values[np.rint(values) != values]
        if len(broken):
            raise UnitError(
                f"declared as counts, but the matrix has fractions ({float(broken[0]):g}): name the layer that holds "
                "raw counts, or declare cp10k or log1p (estimated counts: round them first)"
            )
    if unit in ("log1p", "log2") and high > 2 * _LOG_LIMIT:
        raise UnitError(f"declared as {unit}, but a value of {high:g} is no logarithm; declare counts or cp10k")
    if unit == "z" and low >= 0:
        raise UnitError("declared as z, but no value is negative, so nothing was centred; declare the unit it has")


def family(unit: str) -> str:
    """The scale on which values of a unit are compared: counts and CP10k become log1p(CP10k), log2 and z stay.

    >>> family("counts"), family("z")
    ('log1p', 'z')
    """
    return unit if unit in BULK else "log1p"


def row_name(unit: str | None) -> str:
    """What a row of a matrix in this unit is: a sample of bulk tissue or a cell.

    >>> row_name("z"), row_name("counts")
    ('sample', 'cell')
    """
    return "sample" if unit in BULK else "cell"


def to_log1p(x: Any, unit: str, total_n: np.ndarray | None = None) -> sparse.csr_matrix:
    """Values as log1p(CP10k), sparse.

    Parameters
    ----------
    x
        (n, g) array or sparse matrix in ``unit``.
    unit
        ``counts``: scaled by ``total_n`` (row sums by default) to 10,000, then log(1 + x). ``cp10k``: log(1 + x).
        ``log1p``: returned as it is, never normalised twice.
    total_n
        (n,) total counts per sample over the whole file, where ``x`` is only a part of its genes.

    Returns
    -------
    csr_matrix
        (n, g) float32. A sample without any count stays all zero.

    Raises
    ------
    UnitError
        log2 and z: centred or shifted values cannot be turned back.

    Examples
    --------
    >>> to_log1p(np.array([[1, 3], [0, 0]]), "counts").toarray().astype(float).round(2).tolist()
    [[7.82, 8.92], [0.0, 0.0]]
    """
    if unit in BULK:
        raise UnitError(f"values in unit {unit} cannot be turned into log1p(CP10k); give raw counts or log1p values")
    if unit not in UNITS:
        raise InputError(f"unit {unit!r} is not known; use one of {', '.join(UNITS)}")
    out = sparse.csr_matrix(x, dtype=np.float32, copy=True)
    if unit == "log1p":
        return out
    if unit == "counts":
        total_n = np.asarray(out.sum(1, dtype=np.float64)).ravel() if total_n is None else np.asarray(total_n, float)
        scale_n = np.divide(1e4, total_n, out=np.zeros_like(total_n, dtype=np.float64), where=total_n > 0)
        out.data *= np.repeat(scale_n, np.diff(out.indptr)).astype(np.float32)
    np.log1p(out.data, out=out.data)
    return out


def rescaled(x: Any, unit: str, factor: float) -> sparse.csr_matrix:
    """Normalised values as if rows had been scaled to ``factor`` times their sum.

    Parameters
    ----------
    x
        (n, g) matrix in cp10k, or log1p of such values.
    unit
        ``cp10k`` or ``log1p``.
    factor
        E.g. 10,000 over the sum that the rows were scaled to.

    Examples
    --------
    >>> halves = sparse.csr_matrix(np.log1p([[20.0, 0.0]]))
    >>> np.expm1(rescaled(halves, "log1p", 0.5).toarray()).round(4).tolist()
    [[10.0, 0.0]]
    """
    out = sparse.csr_matrix(x, dtype=np.float32, copy=True)
    if unit == "log1p":
        out.data = np.log1p(np.expm1(out.data.astype(np.float64)) * factor).astype(np.float32)
    else:
        out.data *= np.float32(factor)
    return out


def _look(x: Any) -> _Facts:
    csr = sparse.csr_matrix(x, dtype=np.float64)
    n_entries = csr.shape[0] * csr.shape[1]
    csr.eliminate_zeros()
    data = csr.data
    n_zero = n_entries - len(data)
    low = min(float(data.min(initial=0.0)), 0.0) if n_zero else float(data.min(initial=np.inf))
    high = float(data.max(initial=0.0)) if n_zero else float(data.max(initial=-np.inf))
    if not n_entries or not len(data):
        low = high = 0.0
    sums = np.asarray(csr.sum(1)).ravel()
    small = high < 30
    expm1 = _row_sums(csr, np.expm1) if small else sums
    exp2 = _row_sums(csr, lambda v: np.exp2(v) - 1) if small else sums
    mean = np.asarray(csr.mean(0)).ravel()
    second = np.asarray(csr.multiply(csr).mean(0)).ravel()
    sd = np.sqrt(np.maximum(second - mean**2, 0))
    centre = float(np.median(np.abs(mean[sd > 0]) / sd[sd > 0])) if (sd > 0).any() else np.inf
    return _Facts(
        n=csr.shape[0],
        low=low,
        high=high,
        integer=bool((np.rint(data) == data).all()),
        zero_share=n_zero / max(n_entries, 1),
        negative_share=float((data < 0).sum()) / max(n_entries, 1),
        floor_share=float((data == low).sum()) / max(n_entries, 1),
        centre=centre,
        sum_cv=_cv(sums),
        sum_mean=_middle(sums),
        expm1_cv=_cv(expm1),
        expm1_mean=_middle(expm1),
        exp2_cv=_cv(exp2),
        exp2_mean=_middle(exp2),
    )


def _row_sums(csr: sparse.csr_matrix, function) -> np.ndarray:
    return np.asarray(sparse.csr_matrix((function(csr.data), csr.indices, csr.indptr), csr.shape).sum(1)).ravel()


def _middle(sums: np.ndarray) -> float:
    return float(np.median(sums[sums != 0])) if (sums != 0).any() else 0.0


def _cv(sums: np.ndarray) -> float:
    sums = sums[sums != 0]
    return float(sums.std() / abs(sums.mean())) if len(sums) > 1 and sums.mean() else np.inf


def _judge(f: _Facts) -> UnitGuess:
    if f.low < 0:
        return _judge_negative(f)
    if f.integer:
        return UnitGuess("counts", 1.0, f"non-negative integers, largest {f.high:,.0f}")
    if f.high < _LOG_LIMIT:
        return _judge_log(f)
    if f.sum_cv < 0.01:
        return UnitGuess("cp10k", 0.98, f"fractions, and every row sums to {f.sum_mean:,.0f}", target=f.sum_mean)
    return UnitGuess(
        "cp10k",
        0.4,
        f"fractions up to {f.high:,.0f}, too large for logarithms, and row sums differ: taken for normalised values of "
        "a part of the genes",
    )


def _judge_log(f: _Facts) -> UnitGuess:
    # First, for exp(x) - 1 is nearly x where shares of a whole are small. Logarithms have no common sum.
    if f.sum_cv < 0.0001 and f.sum_mean > 0.99:
        return UnitGuess("cp10k", 0.9, f"fractions, and every row sums to {f.sum_mean:,.0f}", target=f.sum_mean)
    if f.expm1_cv < 0.01:
        why = f"exp(x) - 1 sums to {f.expm1_mean:,.0f} in every row"
        return UnitGuess("log1p", 0.99, why, target=f.expm1_mean)
    if f.exp2_cv < 0.01:
        return UnitGuess("log2", 0.95, f"2^x - 1 sums to {f.exp2_mean:,.0f} in every row", target=f.exp2_mean)
    seen = f"fractions up to {f.high:.1f}, {100 * f.zero_share:.0f} % zeros"
    dense = f.zero_share < 0.05 and (f.high > _LN_TEN_THOUSAND or f.zero_share < 0.005)
    if f.high > _LN_MILLION or dense:
        return UnitGuess("log2", 0.7, f"{seen}: dense, as log2 intensities or log2(TPM) are")
    return UnitGuess("log1p", 0.8, f"{seen}: logarithms of normalised counts, part of the genes")


def _judge_negative(f: _Facts) -> UnitGuess:
    if f.centre < 0.25 and f.floor_share < 0.02:
        return UnitGuess("z", 0.9, f"negative values ({100 * f.negative_share:.0f} %), genes centred on zero")
    if f.high <= 2 * _LOG_LIMIT and f.low >= -_LOG_LIMIT:
        floor = f", with a floor at {f.low:.4g}" if f.floor_share > 0.001 else ""
        return UnitGuess("log2", 0.85, f"values from {f.low:.1f} to {f.high:.1f}, not centred{floor}: log2")
    raise UnitError(
        f"values from {f.low:g} to {f.high:g} are neither counts (negative) nor logarithms (too large) nor centred; "
        "declare the unit or give another layer"
    )
