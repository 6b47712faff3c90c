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
    decided_g
        (g,) bool: genes of which it is known that they differ, or that they do not. Only these are scored.
    """

    name: str
    first_n: np.ndarray
    second_n: np.ndarray
    sign_g: np.ndarray
    effect_g: np.ndarray
    decided_g: np.ndarray


def gene_truth(case: ImputeCase) -> str:
    """Where the truth about genes comes from, in words; empty where there is none."""
    if case.null is not None or case.groups_n is None:
        return ""
    if case.exact and case.expected_ng is not None:
        return "the means that the cells were drawn from"
    if case.protocol_reference:
        return "cells of another protocol, as measured"
    return "the molecules held out" if case.share_held >= 0.5 else ""


@dataclass(eq=False)
class _Known:
    """Types, (k, g) log1p of mean CP10k with its standard error, and values with their types where it was measured.

    Means are of CP10k and not of logarithms: the mean of a log falls with the depth, that of CP10k does not.
    """

    names: list[str]
    log_kg: np.ndarray
    error_kg: np.ndarray
    values: np.ndarray | None
    kinds_m: np.ndarray


def _known(case: ImputeCase, most: int) -> _Known:
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
    log_kg, error_kg = np.zeros((len(names), linear.shape[1])), np.zeros((len(names), linear.shape[1]))
    for i, name in enumerate(names):
        part = linear[kinds_m == name]
        mean_g = part.mean(0, dtype=np.float64)
        log_kg[i] = np.log1p(mean_g)
        if values is not None:
            error_kg[i] = np.sqrt(part.var(0, dtype=np.float64) / len(part)) / (1 + mean_g)
    return _Known(names, log_kg, error_kg, values, kinds_m)


def contrasts(case: ImputeCase) -> list[Contrast]:
    """Pairs of the three largest types, with the genes that truly differ and those that truly do not.

    A gene differs if the logarithms, log1p of mean CP10k, differ by at least 0.5. Where the means are not known but
    measured, on cells of another protocol or on held-out molecules, a rank-sum test has to find it too
    (Benjamini-Hochberg at 5 %); a gene does not differ if the difference and twice its standard error stay below 0.5;
    of the others nothing is known, and they are left out. Without that, what counts as true would be what noisy values
    can show: genes with many molecules. Values as noisy rank these first, and would beat the truth.
    """
    kinds_n, found, known = case.groups_n.astype(str), [], _known(case, PAIRS_OF)
    for i, a in enumerate(known.names):
        for j in range(i + 1, len(known.names)):
            b, effect_g = known.names[j], known.log_kg[i] - known.log_kg[j]
            differs_g = np.abs(effect_g) >= SHIFT
            same_g = np.abs(effect_g) + 2 * np.hypot(known.error_kg[i], known.error_kg[j]) < SHIFT
            if known.values is not None:
                test = rank_sum(known.values, known.kinds_m == a, known.kinds_m == b)
                differs_g &= (benjamini_hochberg(test.p_g) <= FDR) & (np.sign(test.z_g) == np.sign(effect_g))
            sign_g = np.where(differs_g, np.sign(effect_g), 0)
            found.append(Contrast(f"{a} against {b}", kinds_n == a, kinds_n == b, sign_g, effect_g, differs_g | same_g))
    return [contrast for contrast in found if contrast.sign_g.any()]


def markers(case: ImputeCase) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Types (at most eight, the largest) and, (k, g) each, whether a gene marks the type, its true score, is decided.

    The score is log1p of the type's mean CP10k minus the highest of the other types'. A marker has at least 0.5, is
    among the 50 highest, and, where means are measured and not known, a rank-sum test of the type against all other
    cells finds it (Benjamini-Hochberg at 5 %). A gene is no marker if its score and twice its standard error stay below
    0.5. Others are undecided, as in :func:`contrasts`.
    """
    known = _known(case, TYPES)
    if len(known.names) < 2:
        none = np.zeros((0, case.adata.n_vars))
        return [], none.astype(bool), none, none.astype(bool)
    score_kg, error_kg = np.empty_like(known.log_kg), np.empty_like(known.log_kg)
    for i in range(len(known.names)):
        others = np.delete(known.log_kg, i, axis=0)
        highest = others.argmax(0)
        error_g = np.take_along_axis(np.delete(known.error_kg, i, axis=0), highest[None], 0)[0]
        score_kg[i], error_kg[i] = known.log_kg[i] - others.max(0), np.hypot(known.error_kg[i], error_g)
    marks_kg = score_kg >= SHIFT
    if known.values is not None:
        for i, name in enumerate(known.names):
            test = rank_sum(known.values, known.kinds_m == name)
            marks_kg[i] &= (benjamini_hochberg(test.p_g) <= FDR) & (test.z_g > 0)
    ranked_kg = np.where(marks_kg, score_kg, -np.inf)
    top_kg = marks_kg & ((-ranked_kg).argsort(1, kind="stable").argsort(1) < MARKERS)
    return known.names, top_kg, score_kg, top_kg | (score_kg + 2 * error_kg < SHIFT)
