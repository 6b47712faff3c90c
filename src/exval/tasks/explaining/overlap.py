"""Do the first genes of a list stand together in known sets more than like genes do?"""

from __future__ import annotations

import numpy as np
import pandas as pd

PER_STRATUM = 20
PERMUTATIONS = 1000


def strata(x_ng: np.ndarray, per_stratum: int = PER_STRATUM) -> np.ndarray:
    """(g,) stratum of each gene: alike in how often it is detected, in mean and in variance.

    Genes are ordered by detection (the share of samples in which it is measured and not zero), then mean, and cut into
    equal parts; each part is cut again by variance. Both cuts are as many as leave about ``per_stratum`` genes.

    Parameters
    ----------
    x_ng
        (n, g) values, NaN where not measured.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(30, 180))
    >>> np.bincount(strata(x)).tolist()
    [20, 20, 20, 20, 20, 20, 20, 20, 20]
    """
    there = ~np.isnan(x_ng)
    n_g = np.maximum(there.sum(0), 1)
    filled = np.where(there, x_ng, 0.0)
    mean = filled.sum(0) / n_g
    variance = (np.where(there, x_ng - mean, 0.0) ** 2).sum(0) / n_g
    detected = (filled != 0).sum(0) / max(len(x_ng), 1)
    g = x_ng.shape[1]
    parts = max(1, int(np.sqrt(g / per_stratum)))
    out = np.zeros(g, int)
    for i, level in enumerate(np.array_split(np.lexsort((mean, detected)), parts)):
        for j, group in enumerate(np.array_split(level[np.argsort(variance[level], kind="stable")], parts)):
            out[group] = i * parts + j
    return out


def enrichment(
    score_g: np.ndarray,
    member_gs: np.ndarray,
    stratum_g: np.ndarray,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Mean score of the genes of each set, against scores permuted among like genes.

    With the score 1 for the first K genes and 0 for the others this counts an overlap, and the permutations draw K
    random genes matched to them, stratum by stratum. Sets differ in size, so that each is counted in sds of its own
    permutations, and the family-wise p compares it with the largest of all sets in each permutation (maxT; Westfall and
    Young 1993): a list of random genes has one set below 5 % in 5 % of cases, however many sets there are.

    Parameters
    ----------
    score_g
        (g,) finite scores.
    member_gs
        (g, s) bool: who is in which set.
    stratum_g
        (g,) from :func:`strata`.
    permutations
        How many.
    seed
        Of them.

    Returns
    -------
    pandas.DataFrame
        A row for each set: ``size``, ``sum`` of the scores (the overlap), ``expected`` by the permutations, ``z``,
        ``p`` of this set alone, ``p_family``. ``attrs["p"]``: that of the whole family, the smallest.

    Examples
    --------
    >>> score = np.r_[np.ones(5), np.zeros(95)]
    >>> member = np.zeros((100, 2), bool); member[:6, 0] = True; member[50:60, 1] = True
    >>> found = enrichment(score, member, np.zeros(100, int), permutations=200)
    >>> found["sum"].tolist(), bool(found["p_family"][0] < 0.01), bool(found["p_family"][1] > 0.5)
    ([5.0, 0.0], True, True)
    """
    rng = np.random.default_rng([seed, 83])
    member = member_gs.astype(np.float32)
    observed_s = score_g @ member
    groups = [np.flatnonzero(stratum_g == s) for s in np.unique(stratum_g)]
    drawn = np.empty((permutations, member.shape[1]))
    block = max(1, min(permutations, 8_000_000 // max(len(score_g), 1)))
    for start in range(0, permutations, block):
        size = min(block, permutations - start)
        shuffled = np.empty((size, len(score_g)), np.float32)
        for group in groups:
            shuffled[:, group] = rng.permuted(np.tile(score_g[group], (size, 1)), axis=1)
        drawn[start : start + size] = shuffled @ member
    mean_s, sd_s = drawn.mean(0), drawn.std(0)
    scale_s = np.where(sd_s > 1e-6 * (1 + np.abs(mean_s)), sd_s, np.inf)
    z_s, z_bs = (observed_s - mean_s) / scale_s, (drawn - mean_s) / scale_s
    slack = 1e-6  # equal sums in single precision are equal
    p_s = (1 + (z_bs >= z_s - slack).sum(0)) / (permutations + 1)
    most_b = z_bs.max(1)
    family_s = (1 + (most_b[:, None] >= z_s - slack).sum(0)) / (permutations + 1)
    table = pd.DataFrame({"size": member_gs.sum(0), "sum": observed_s, "expected": mean_s, "z": z_s, "p": p_s,
                          "p_family": family_s})  # fmt: skip
    table.attrs["p"] = float(family_s.min())
    return table
