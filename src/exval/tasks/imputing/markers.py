"""Marker genes: whether imputed values name the genes that mark a type."""

from __future__ import annotations

import numpy as np

from exval.metrics.diffexp import auprc, one_against_rest, ordered, top_k_overlap
from exval.tasks.imputing.analysis import Analysis, Figure, answer, units
from exval.tasks.imputing.truth import MARKERS, gene_truth, markers


class Markers(Analysis):
    """AUROC of each gene, one type against all other cells, against markers that were found without imputation.

    Genes are ranked for each type by their AUROC, equal ones by the difference of means in log1p(CP10k), and what is
    still tied counts as drawn at random. The true markers (:func:`exval.tasks.imputing.truth.markers`) come from known
    means, another protocol, or held-out molecules; genes that these leave undecided are not ranked.

    ``auprc``
        Average precision of the ranking, mean of the types. Units are genes with their shares of it. Slice ``by
        difference``: the same with genes ranked by the difference of means alone, as in
        :class:`exval.tasks.imputing.diffexp.DiffExp`.
    ``top_k_overlap``
        Share of the 50 genes of highest true score among the 50 ranked first, mean of the types. That markers of
        two protocols agree less after imputation is the finding of Andrews and Hemberg 2018 (F1000Research 7:1740).
    """

    name = "markers"
    task = "markers"
    invariant = frozenset({"auprc", "auprc/by difference", "top_k_overlap"})

    def applies(self, case):
        return case.types and bool(gene_truth(case)) and bool(markers(case)[1].any())

    def score(self, case, imputed):
        log_ng = answer(case, imputed).log_ng
        names, true_kg, score_kg, decided_kg = markers(case)
        kinds, g = case.groups_n.astype(str), log_ng.shape[1]
        code_n = np.array([names.index(kind) if kind in names else -1 for kind in kinds])
        auroc_kg, shift_kg = one_against_rest(log_ng, code_n, len(names))
        shares, overlap = {"all": np.zeros(g), "by difference": np.zeros(g)}, []
        for true_g, score_g, decided_g, auroc_g, shift_g in zip(true_kg, score_kg, decided_kg, auroc_kg, shift_kg):
            if not true_g.any():
                continue
            size = np.round(shift_g[decided_g], 6)
            key = ordered(np.round(auroc_g[decided_g], 9), size)
            overlap.append(top_k_overlap(score_g[decided_g], key, MARKERS))
            for name, order in (("all", key), ("by difference", size)):
                shares[name][decided_g] += auprc(true_g[decided_g], order, credit=True)
        m = len(overlap)
        return [
            *(Figure("auprc", float(x.sum() / m), name, g, "gene", units(x * g / m)) for name, x in shares.items()),
            Figure("top_k_overlap", float(np.mean(overlap)), n=g, unit="gene"),
        ]
