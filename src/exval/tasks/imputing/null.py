"""The null arm: how many differences and correlations a method makes up."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_matrix

from exval.metrics.correlation import correlation_p, gene_correlations
from exval.metrics.diffexp import benjamini_hochberg, rank_sum
from exval.tasks.imputing.analysis import Analysis, Figure, answer, units

FDR, LEVEL = 0.05, 0.05
ALLOWED = 0.01
"""How much above the values as read the share of false discoveries may be.

Where no gene differs at all, the procedure of Benjamini and Hochberg calls any gene different in one draw of twenty,
and then very few: the expected share is near 0, not 5 %. Values as read show what depth and ties add.
"""


def invents(share: float, as_read: float = 0.0, n: int | None = None) -> bool:
    """Whether a share of false discoveries is more than the values as read and chance account for.

    Parameters
    ----------
    share, as_read
        Of the imputed values, and of the same cells as read.
    n
        Number of genes tested: among few, a single one is no finding.

    Examples
    --------
    >>> invents(0.005), invents(0.02), invents(0.02, as_read=0.015), invents(float("nan"))
    (False, True, False, True)
    >>> invents(1 / 24, n=24), invents(2 / 24, n=24)
    (False, True)
    """
    return not share <= as_read + max(ALLOWED, 1.001 / n if n else 0.0)


class NullArm(Analysis):
    """Genes that differ nowhere (:mod:`exval.tasks.imputing.nullcase`), tested as if they might.

    ``false_discoveries``
        Share of the null genes with a Benjamini-Hochberg q of at most 5 % in the rank-sum test of log1p(CP10k) between
        the two groups, q taken over the null genes alone: any is false, and none is right. ``n`` is how many null genes
        there are.
    ``false_positive_rate``
        Share with p of at most 5 %: to be 5 % and no more.
    ``correlation_inflation``
        (permuted) Mean :math:`|r|` over all pairs of null genes, over all cells, minus that of the values as read.
    ``significant_pairs``
        (permuted) Share of these pairs with a q of at most 5 % in the test of :math:`r = 0` for independent cells.
    ``power``
        (halves) Share of the planted genes with q of at most 5 %, q over all genes: silence is no virtue by itself, and
        a method that finds neither false nor true differences shows here.

    The values as read, and a truth without differences, have no false discoveries, or next to none (:data:`ALLOWED`).
    A method that learns the groups from other genes and smooths within them makes one value out of many cells and hands
    it to each of them, so that a test counts the same evidence again and again.
    """

    name = "null"
    task = "null"

    def applies(self, case):
        return case.null is not None

    def score(self, case, imputed):
        null, log_ng = case.null, answer(case, imputed).log_ng
        test = rank_sum(log_ng, null.first_n, null.second_n)
        p_q = test.p_g[null.genes_g]
        false = benjamini_hochberg(p_q) <= FDR
        g = int(null.genes_g.sum())
        where = np.flatnonzero(null.genes_g)
        figures = [
            Figure("false_discoveries", float(false.mean()), n=g, unit="gene", units=units(false, 1.0, where)),
            Figure("false_positive_rate", float((p_q <= LEVEL).mean()), n=g, unit="gene"),
        ]
        if null.kind == "permuted" and g >= 2:
            after = gene_correlations(log_ng[:, null.genes_g])
            before = gene_correlations(csc_matrix(case.adata.X)[:, where].toarray())
            inflation = float(np.abs(after).mean() - np.abs(before).mean())
            share = float((benjamini_hochberg(correlation_p(after, case.n)) <= FDR).mean())
            figures.append(Figure("correlation_inflation", inflation, n=len(after), unit="pair"))
            figures.append(Figure("significant_pairs", share, n=len(after), unit="pair"))
        if null.planted_g is not None and null.planted_g.any():
            called = benjamini_hochberg(test.p_g) <= FDR
            m = int(null.planted_g.sum())
            figures.append(Figure("power", float(called[null.planted_g].mean()), n=m, unit="gene"))
        return figures
