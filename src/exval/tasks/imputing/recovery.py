"""Value recovery: how near the imputed values are to expected values, and to molecules held out."""

from __future__ import annotations

import numpy as np

from exval.metrics.regression import poisson_deviance_terms
from exval.tasks.imputing.analysis import Analysis, Figure, answer, units


class Recovery(Analysis):
    """Against expected values (simulation, RNA mixtures) and against held-out molecules (thinned arms).

    With expected CP10k :math:`\\mu_{ij}` and imputed :math:`x_{ij}`, both over all genes and cells of the case:

    ``rmse``
        :math:`\\sqrt{\\text{mean}_{ij} (\\log(1 + x_{ij}) - \\log(1 + \\mu_{ij}))^2}`; also by thirds of the genes by
        their mean expected value (slices ``low``, ``middle``, ``high``).
    ``pearson``, ``spearman``, slices ``per cell`` and ``per gene``
        Median over cells of the correlation over genes, and over genes of that over cells, in log1p. *Trap*: most of
        the variance over genes is that of their means, so that the mean of all cells, the same for every cell, reaches
        0.9 per cell. They are blind to scale and stand beside, never first. Per gene a constant counts 0.

    With held-out counts :math:`y_{ij}` and their exposure :math:`e_i` (visible total, times held over kept share, over
    10,000):

    ``poisson_deviance``
        Mean over all entries of :math:`2 (y \\log(y / r) - (y - r))` with :math:`r_{ij} = x_{ij} e_i`, truth first, the
        rate held above :math:`10^{-6}`. Batson, Royer and Webber 2019. (A published task calls it with the arguments
        exchanged; zeros then win, which is tested here.) An imputed zero claims certainty, and each held-out
        molecule there costs 25: values as read lose by this.
    ``rmse_counts``
        :math:`\\sqrt{\\text{mean}_{ij} (y_{ij} - r_{ij})^2}`: also least for the true rate, and mild about zeros.

    Log space is not used on held-out molecules: a log of a tenth of the counts is so biased that a shrunken truth beats
    the truth.
    """

    name = "recovery"
    task = "recovery"
    invariant = frozenset({"pearson/per cell", "pearson/per gene", "spearman/per cell", "spearman/per gene"})

    def applies(self, case):
        return case.null is None and (case.expected_ng is not None or case.held_ng is not None)

    def score(self, case, imputed):
        told = answer(case, imputed)
        figures = [] if case.expected_ng is None else _expected(told.log_ng, np.log1p(case.expected_ng))
        return figures + ([] if case.held_ng is None else _held(told.cp10k_ng, case))


def _expected(log_ng: np.ndarray, truth_ng: np.ndarray) -> list[Figure]:
    n, g = log_ng.shape
    square_ng = (log_ng - truth_ng) ** 2
    sums_n = square_ng.sum(1, dtype=np.float64)
    figures = [Figure("rmse", float(np.sqrt(sums_n.sum() / (n * g))), n=n, units=units(sums_n, g))]
    by_gene = square_ng.mean(0, dtype=np.float64)
    order = np.argsort(truth_ng.mean(0, dtype=np.float64), kind="stable")
    for name, third in zip(("low", "middle", "high"), np.array_split(order, 3)):
        if len(third):
            figures.append(
                Figure("rmse", float(np.sqrt(by_gene[third].mean())), f"{name} expression", len(third), "gene")
            )
    for axis, name, m in ((1, "per cell", n), (0, "per gene", g)):
        figures.append(Figure("pearson", _median_r(truth_ng, log_ng, axis), name, m, name.split()[1]))
        a, b = _ranks(truth_ng, axis), _ranks(log_ng, axis)
        figures.append(Figure("spearman", _median_r(a, b, axis), name, m, name.split()[1]))
    return figures


def _ranks(x_ng: np.ndarray, axis: int) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(np.round(x_ng, 5), axis=axis).astype(np.float32)


def _median_r(a_ng: np.ndarray, b_ng: np.ndarray, axis: int) -> float:
    """Median over rows (axis 1) or columns of Pearson's r; a constant answer counts 0, a constant truth not at all."""
    a = a_ng - a_ng.mean(axis, keepdims=True, dtype=np.float64)
    b = b_ng - b_ng.mean(axis, keepdims=True, dtype=np.float64)
    scale_a, scale_b = np.sqrt((a**2).sum(axis)), np.sqrt((b**2).sum(axis))
    asked = scale_a > 1e-6
    if not asked.any():
        return 0.0
    r = np.divide((a * b).sum(axis), scale_a * scale_b, out=np.zeros_like(scale_a), where=asked & (scale_b > 1e-6))
    return float(np.median(r[asked]))


def _held(cp10k_ng: np.ndarray, case) -> list[Figure]:
    n, g = cp10k_ng.shape
    rate_ng = cp10k_ng * case.exposure_n[:, None].astype(np.float64)
    deviance_n = held_deviance(case.held_ng, rate_ng)
    square_n = ((case.held_ng.toarray() - rate_ng) ** 2).sum(1)
    return [
        Figure("poisson_deviance", float(deviance_n.sum() / (n * g)), n=n, units=units(deviance_n, g)),
        Figure("rmse_counts", float(np.sqrt(square_n.sum() / (n * g))), n=n, units=units(square_n, g)),
    ]


def held_deviance(held_ng, rate_ng: np.ndarray) -> np.ndarray:
    """(n,) sums over genes of the Poisson deviance of held-out counts (a zero adds twice its rate).

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> held_deviance(sp.csr_matrix([[0.0, 2.0]]), np.array([[1.0, 2.0]])).tolist()
    [2.0]
    """
    held_ng = held_ng.tocsr()
    rate_ng = np.maximum(rate_ng, 1e-6)
    row = np.repeat(np.arange(held_ng.shape[0]), np.diff(held_ng.indptr))
    rate_m = rate_ng[row, held_ng.indices]
    terms_m = poisson_deviance_terms(held_ng.data, rate_m) - 2 * rate_m
    return 2 * rate_ng.sum(1) + np.bincount(row, weights=terms_m, minlength=held_ng.shape[0])
