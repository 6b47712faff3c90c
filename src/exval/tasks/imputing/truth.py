"""What is true of genes: which differ between two types and which mark one, from values that were never imputed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exval.metrics.diffexp import benjamini_hochberg, rank_sum
from exval.tasks.imputing.cases import ImputeCase, largest

PAIRS_OF, TYPES = 3, 8
FDR, SHIFT, MARKERS = 0.05, 0.5, 50


@dataclass(eq=False)
class Contrast:
    """Two types, and the genes that truly differ.

    Parameters
    ----------
    name
        ``"A against B"``.
    first_n, second_n
        (n,) bool: the cells of the case.
    sign_g
        (g,) +1 higher in the first, -1 lower, 0 no difference.
    effect_g
        (g,) true difference of the logarithms, log1p of mean CP10k.
    """

    name: str
    first_n: np.ndarray
    second_n: np.ndarray
    sign_g: np.ndarray
    effect_g: np.ndarray


def gene_truth(case: ImputeCase) -> str:
    """Where the truth about genes comes from, in words; empty where there is none."""
    if case.null is not None or case.groups_n is None:
        return ""
    if case.exact and case.expected_ng is not None:
        return "the means that the cells were drawn from"
    if case.protocol_reference:
        return "cells of another protocol, as measured"
    return "the molecules held out" if case.share_held >= 0.5 else ""


def _known(case: ImputeCase, most: int) -> tuple[list[str], np.ndarray | None, np.ndarray, np.ndarray]:
    """Types, values that the method did not see (None where means are known), their types, and (k, g) mean CP10k.

    Means are of CP10k and not of logarithms: the mean of a log falls with the depth, that of CP10k does not.
    """
    kinds_n, values = case.groups_n.astype(str), None
    if case.exact and case.expected_ng is not None:
        linear, kinds_m = case.expected_ng, kinds_n
    elif case.protocol_reference:
        values, kinds_m = case.reference.X.toarray(), np.asarray(case.reference_groups).astype(str)
        linear = np.expm1(values)
    else:
        linear = (case.held_ng.toarray() / np.maximum(case.exposure_n, 1e-12)[:, None]).astype(np.float32)
        values, kinds_m = np.log1p(linear), kinds_n
    there = set(largest(kinds_m, len(kinds_m)))
    names = [name for name in largest(kinds_n, len(kinds_n)) if name in there][:most]
    means = [linear[kinds_m == name].mean(0, dtype=np.float64) for name in names]
    return names, values, kinds_m, np.stack(means) if means else np.zeros((0, linear.shape[1]))


def contrasts(case: ImputeCase) -> list[Contrast]:
    """Pairs of the three largest types with the genes that truly differ.

    A gene differs if the logarithms, log1p of mean CP10k, differ by at least 0.5. Where the means are not known but
    measured, on cells of another protocol or on held-out molecules, a rank-sum test has to find it too
    (Benjamini-Hochberg at 5 %). Such a truth misses what its cells cannot show; a gene missed counts as not different,
    for all methods alike.
    """
    kinds_n, found = case.groups_n.astype(str), []
    names, values, kinds_m, mean_kg = _known(case, PAIRS_OF)
    for i, a in enumerate(names):
        for j in range(i + 1, len(names)):
            b, effect_g = names[j], np.log1p(mean_kg[i]) - np.log1p(mean_kg[j])
            differs_g = np.abs(effect_g) >= SHIFT
            if values is not None:
                test = rank_sum(values, kinds_m == a, kinds_m == b)
                differs_g &= (benjamini_hochberg(test.p_g) <= FDR) & (np.sign(test.z_g) == np.sign(effect_g))
            sign_g = np.where(differs_g, np.sign(effect_g), 0)
            found.append(Contrast(f"{a} against {b}", kinds_n == a, kinds_n == b, sign_g, effect_g))
    return [contrast for contrast in found if contrast.sign_g.any()]


def markers(case: ImputeCase) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Types (at most eight, the largest), (k, g) bool whether a gene marks the type, (k, g) true marker score.

    The score is log1p of the type's mean CP10k minus the highest of the other types'. A marker has at least 0.5, is
    among the 50 highest, and, where means are measured and not known, a rank-sum test of the type against all other
    cells finds it (Benjamini-Hochberg at 5 %).
    """
    names, values, kinds_m, mean_kg = _known(case, TYPES)
    if len(names) < 2:
        return [], np.zeros((0, case.adata.n_vars), bool), np.zeros((0, case.adata.n_vars))
    log_kg = np.log1p(mean_kg)
    score_kg = log_kg - np.stack([np.delete(log_kg, i, axis=0).max(0) for i in range(len(names))])
    marks_kg = (score_kg >= SHIFT) & ((-score_kg).argsort(1, kind="stable").argsort(1) < MARKERS)
    if values is not None:
        for i, name in enumerate(names):
            test = rank_sum(values, kinds_m == name)
            marks_kg[i] &= (benjamini_hochberg(test.p_g) <= FDR) & (test.z_g > 0)
    return names, marks_kg, score_kg
