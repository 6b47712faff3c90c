"""Differential expression: whether imputed values rank the genes that differ between two types first."""

from __future__ import annotations

import numpy as np

from exval.metrics.diffexp import auprc, ordered, precision_area, rank_sum
from exval.metrics.regression import spearman
from exval.tasks.imputing.analysis import Analysis, Figure, answer, units
from exval.tasks.imputing.truth import contrasts, gene_truth


class DiffExp(Analysis):
    """Wilcoxon's rank-sum test of log1p(CP10k) between types, against a truth that was never imputed.

    The truth (:func:`exval.tasks.imputing.truth.contrasts`) comes from known means, from the same types by another
    protocol, or from the molecules held out. Genes are ranked by :math:`|z|`; equal ones by the difference of means;
    what is still tied counts as drawn at random. Genes that separate the types without overlap are equal, whatever ties
    they have within (smoothing makes many of these, and neither row order nor ties may decide). A gene with the wrong
    sign is no hit. Only genes of which the truth is known are ranked.

    ``auprc``
        Average precision, mean of the pairs. Units are genes with their shares of it, the ranks held fixed. Slice ``by
        difference``: the same with genes ranked by the difference of means alone. Values free of noise make any
        difference significant, however small, and then an order by p says little: that the first figure falls and the
        second does not is what smoothing does to a test, and not a loss of what is known of the genes.
    ``precision_area``
        Area under precision at k = 10, 20, ..., 1,000 of the same ranking
        (:func:`exval.metrics.diffexp.precision_area`). With fewer true genes than 1,000 the best is below 1.
    ``spearman``, slice ``log fold change``
        Between the differences of means and the true ones, over genes.

    Not scored here is how many genes a method calls: that the values differ more clearly is no truth, and the null arm
    counts what is false.
    """

    name = "diffexp"
    task = "diffexp"
    invariant = frozenset({"precision_area", "auprc", "auprc/by difference", "spearman/log fold change"})

    def applies(self, case):
        return bool(gene_truth(case)) and bool(contrasts(case))

    def score(self, case, imputed):
        log_ng, figures, others = answer(case, imputed).log_ng, [], []
        g = log_ng.shape[1]
        shares = {"all": np.zeros(g), "by difference": np.zeros(g)}
        pairs = contrasts(case)
        for pair in pairs:
            test = rank_sum(log_ng[:, pair.decided_g], pair.first_n, pair.second_n)
            sign_q, effect_q = pair.sign_g[pair.decided_g], pair.effect_g[pair.decided_g]
            size = np.round(np.abs(test.shift_g), 6)
            apart = np.abs(test.auroc_g - 0.5) >= 0.5 - 1e-9
            by_p = ordered(np.where(apart, np.inf, np.round(np.abs(test.z_g), 9)), size)
            said = np.sign(np.where(test.z_g != 0, test.z_g, test.shift_g))
            hit = (sign_q != 0) & (said == sign_q)
            recalled = hit.sum() / (sign_q != 0).sum()  # those of the wrong sign are never found
            for name, key in (("all", by_p), ("by difference", size)):
                credit = auprc(hit, key, credit=True) * recalled if hit.any() else np.zeros(len(hit))
                shares[name][pair.decided_g] += credit / len(pairs)
                if name == "all":
                    figures.append(Figure("auprc", float(credit.sum()), pair.name, g, "gene"))
            fold = spearman(effect_q, test.shift_g)
            others.append((precision_area(hit, by_p), fold if np.isfinite(fold) else 0.0))
        area, fold = np.mean(others, axis=0)
        return [
            *(Figure("auprc", float(x.sum()), name, g, "gene", units(x * g)) for name, x in shares.items()),
            Figure("precision_area", float(area), n=g, unit="gene"),
            Figure("spearman", float(fold), "log fold change", g, "gene"),
            *figures,
        ]
