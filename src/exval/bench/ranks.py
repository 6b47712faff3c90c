"""Many methods on many data sets: ranks, and what may be said from them.

Scores of different data sets lie on different scales, and scaling them between the best and the worst makes every
figure depend on who else is in the table. Methods are therefore ranked within each case, and the ranks are compared:
mean ranks with a bootstrap over data sets, the test of Friedman, the critical difference of Nemenyi, and pairs by
Wilcoxon's test with Holm's correction, as Demšar recommends (2006, *Statistical Comparisons of Classifiers over
Multiple Data Sets*, JMLR 7, section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from exval.bench.intervals import MIN_UNITS, resampled
from exval.errors import InputError

ALPHA = 0.05
LEAST_TRIED = 0.75


def rank_cases(scores_cm: pd.DataFrame, higher_is_better: bool | Sequence[bool] = True) -> pd.DataFrame:
    """(c, m) rank of each method within each case, 1 the best; equals share the mean of their places.

    Parameters
    ----------
    scores_cm
        One row for each case, one column for each method; a method that failed has NaN, and comes last.
    higher_is_better
        For all cases, or for each of them.

    Examples
    --------
    >>> rank_cases(pd.DataFrame({"a": [0.9, None], "b": [0.5, 0.2], "c": [0.5, None]})).values.tolist()
    [[1.0, 2.5, 2.5], [2.5, 1.0, 2.5]]
    """
    sign_c = np.broadcast_to(np.where(higher_is_better, -1.0, 1.0), len(scores_cm))
    return (scores_cm.astype(float).mul(sign_c, axis=0)).fillna(np.inf).rank(axis=1, method="average")


@dataclass(frozen=True)
class Friedman:
    """The hypothesis that all methods are the same.

    Parameters
    ----------
    chi2, p
        Friedman's statistic, corrected for ties, and its p-value.
    f, f_p
        The less conservative one of Iman and Davenport, with k - 1 and (k - 1)(n - 1) degrees of freedom.
    """

    chi2: float
    p: float
    f: float
    f_p: float


def friedman(ranks_bm: np.ndarray, ties: bool = True) -> Friedman:
    """Test whether mean ranks differ more than chance allows.

    Parameters
    ----------
    ranks_bm
        (b, m) ranks within each block (data set), or means of several ranks: the statistic with the correction for ties
        holds for any scores within blocks.
    ties
        False: the uncorrected formula of Demšar's equation 3.

    Examples
    --------
    >>> ranks = np.array([[1, 2, 3], [1, 2, 3], [1, 3, 2], [2, 1, 3]])
    >>> round(friedman(ranks).chi2, 3)
    4.5
    """
    from scipy.stats import chi2 as chi2_of
    from scipy.stats import f as f_of

    b, m = ranks_bm.shape
    if b < 2 or m < 2:
        return Friedman(*[float("nan")] * 4)
    middle = (m + 1) / 2
    between = b * float(((ranks_bm.mean(0) - middle) ** 2).sum())
    spread = float(((ranks_bm - middle) ** 2).sum()) / (b * (m - 1)) if ties else m * (m + 1) / 12
    chi2 = between / spread if spread > 0 else 0.0
    rest = b * (m - 1) - chi2
    f = (b - 1) * chi2 / rest if rest > 1e-9 else float("inf")
    return Friedman(chi2, float(chi2_of.sf(chi2, m - 1)), f, float(f_of.sf(f, m - 1, (m - 1) * (b - 1))))


def critical_difference(n_methods: int, n_blocks: int, alpha: float = ALPHA) -> float:
    """Mean ranks that lie further apart than this differ (Nemenyi; Demšar's equation 4).

    Examples
    --------
    >>> round(critical_difference(4, 14), 2), round(critical_difference(4, 14, alpha=0.1), 2)
    (1.25, 1.12)
    """
    from scipy.stats import studentized_range

    if n_methods < 2 or n_blocks < 1:
        return float("nan")
    q = float(studentized_range.ppf(1 - alpha, n_methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(n_methods * (n_methods + 1) / (6 * n_blocks))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values of several tests, corrected for their number (Holm 1979).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(raised, 1.0)
    return out


def pairs(scores_bm: pd.DataFrame, higher_is_better: bool = True) -> pd.DataFrame:
    """Every pair of methods: Wilcoxon's signed rank test over the blocks, corrected by Holm.

    Parameters
    ----------
    scores_bm
        (b, m) a score of each method on each block; NaN: it failed there, which is worse than any score.
    higher_is_better
        Which end is good.

    Returns
    -------
    pandas.DataFrame
        ``method, other, wins, losses, p, p_holm``. Differences of zero are shared between both sides, as Demšar does.

    Examples
    --------
    >>> pairs(pd.DataFrame({"a": range(2, 10), "b": range(1, 9)}))[["method", "other", "wins", "p"]].values.tolist()
    [['a', 'b', 8, 0.0078125]]
    """
    sign = 1.0 if higher_is_better else -1.0
    found, names = [], list(scores_bm.columns)
    for i, method in enumerate(names):
        for other in names[i + 1 :]:
            d_b = _differences(sign * scores_bm[method].to_numpy(float), sign * scores_bm[other].to_numpy(float))
            found.append((method, other, int((d_b > 0).sum()), int((d_b < 0).sum()), _wilcoxon(d_b)))
    table = pd.DataFrame(found, columns=["method", "other", "wins", "losses", "p"])
    table["p_holm"] = holm(table.p)
    return table


def _differences(a_b: np.ndarray, b_b: np.ndarray) -> np.ndarray:
    """a - b; a failure on one side is a difference larger than all others."""
    d_b = np.round(a_b - b_b, 12)
    far = 1.0 + 2.0 * float(np.nanmax(np.abs(d_b), initial=0.0))
    d_b[np.isnan(a_b) & ~np.isnan(b_b)] = -far
    d_b[~np.isnan(a_b) & np.isnan(b_b)] = far
    d_b[np.isnan(a_b) & np.isnan(b_b)] = 0.0
    return d_b


def _wilcoxon(d_b: np.ndarray) -> float:
    """Two-sided p-value of the signed rank test; exact, ties or not, for up to 50 differences that are not zero."""
    from scipy.stats import rankdata, wilcoxon

    free = d_b != 0
    if not free.any():
        return 1.0
    if free.sum() > 50:
        return float(wilcoxon(d_b, zero_method="zsplit", method="approx").pvalue)
    twice_b = np.rint(2 * rankdata(np.abs(d_b))).astype(int)  # means of places: halves at most
    chance = np.ones(1)  # of every sum of the ranks of positive differences, when each sign is tossed
    for rank in twice_b[free]:
        longer = np.zeros(len(chance) + rank)
        longer[: len(chance)] += chance / 2
        longer[rank:] += chance / 2
        chance = longer
    seen = twice_b[free & (d_b > 0)].sum()
    return float(min(1.0, 2 * min(chance[: seen + 1].sum(), chance[seen:].sum())))


def against(mean_rank_m: pd.Series, control: str, n_blocks: int) -> pd.DataFrame:
    """Every method against one control, by the distance of mean ranks (Demšar, section 3.2.2), corrected by Holm.

    Returns
    -------
    pandas.DataFrame
        ``method, difference`` (of the mean ranks; negative: better than the control)``, z, p, p_holm``.

    Examples
    --------
    >>> ranks = pd.Series({"C4.5": 3.143, "m": 2.0, "cf": 2.893, "m+cf": 1.964})
    >>> against(ranks, "C4.5", 14).round(3)[["method", "z", "p"]].values.tolist()
    [['m', -2.342, 0.019], ['cf', -0.512, 0.608], ['m+cf', -2.416, 0.016]]
    """
    from scipy.stats import norm

    m = len(mean_rank_m)
    others = mean_rank_m.drop(control)
    difference = others - mean_rank_m[control]
    z = difference / math.sqrt(m * (m + 1) / (6 * n_blocks))
    p = 2 * norm.sf(np.abs(z))
    columns = {"method": others.index, "difference": difference.to_numpy(), "z": z.to_numpy(), "p": p}
    return pd.DataFrame(columns | {"p_holm": holm(p)})


@dataclass(frozen=True)
class Ranking:
    """Methods in order, and what the order is worth.

    Parameters
    ----------
    table
        ``method, mean_rank, lo, hi, first, failed, n_cases``, best first; lo and hi are the 95 % bootstrap interval
        over blocks, NaN below six of them. ``first``: in how many cases it was best (shared places count as parts).
    ranks_cm
        (c, m) ranks, columns in the order of the table.
    n_blocks
        Independent data sets.
    friedman
        The overall test.
    cd
        Critical difference of mean ranks; NaN below six blocks.
    pairs, against
        See :func:`pairs` and :func:`against`; empty below six blocks, or without a control.
    left_out
        Method -> why it takes no part.
    """

    table: pd.DataFrame
    ranks_cm: pd.DataFrame
    n_blocks: int
    friedman: Friedman
    cd: float
    pairs: pd.DataFrame
    against: pd.DataFrame
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def level_with_first(self) -> list[str]:
        """The methods that cannot be told from the first: within the critical difference of it."""
        if not len(self.table) or not np.isfinite(self.cd):
            return []
        best = self.table.mean_rank.iloc[0]
        return [str(name) for name in self.table.method[1:][self.table.mean_rank[1:] - best < self.cd]]


def ranking(
    scores_cm: pd.DataFrame,
    *,
    higher_is_better: bool | Sequence[bool] = True,
    blocks_c: Sequence | None = None,
    tried_cm: pd.DataFrame | None = None,
    control: str | None = None,
    n_boot: int = 2000,
    seed: int = 0,
) -> Ranking:
    """Rank methods over cases.

    Parameters
    ----------
    scores_cm
        (c, m) scores; NaN where a method failed, or was not tried. A case in which all of them failed says nothing.
    higher_is_better
        For all cases, or for each of them.
    blocks_c
        The independent unit of each case (its data set). Several cases of one block are averaged before anything is
        tested or resampled: they are no new evidence. Default: each case is one.
    tried_cm
        Where a method was tried at all. A method that was not tried on at least three quarters of the cases is left
        out; then the cases are those on which every remaining one was tried.
    control
        The method to hold all others against, if it is ranked.

    Examples
    --------
    >>> scores = pd.DataFrame({"a": [0.9, 0.8, 0.7], "b": [0.8, 0.9, None]})
    >>> found = ranking(scores)
    >>> found.table[["method", "mean_rank", "lo", "failed"]].values.tolist(), found.cd
    ([['a', 1.3333333333333333, nan, 0], ['b', 1.6666666666666667, nan, 1]], nan)
    """
    tried_cm = pd.DataFrame(True, scores_cm.index, scores_cm.columns) if tried_cm is None else tried_cm.astype(bool)
    blocks_c = np.arange(len(scores_cm)) if blocks_c is None else np.asarray(blocks_c, dtype=object)
    higher_c = np.broadcast_to(np.asarray(higher_is_better, dtype=bool), len(scores_cm))
    seen = tried_cm.to_numpy().any(1) & scores_cm.notna().to_numpy().any(1)
    share = tried_cm[seen].mean() if seen.any() else pd.Series(0.0, scores_cm.columns)
    left_out = {
        str(name): f"tried in {tried_cm[name].sum()} of {seen.sum()} cases" for name in share.index[share < LEAST_TRIED]
    }
    kept = [name for name in scores_cm.columns if str(name) not in left_out]
    whole = seen & tried_cm[kept].to_numpy().all(1) if kept else np.zeros(len(scores_cm), bool)
    scores_cm, blocks_c, higher_c = scores_cm.loc[whole, kept], blocks_c[whole], higher_c[whole]
    if not len(scores_cm) or not kept:
        raise InputError(
            "there is no case that every method was tried on and some method solved: nothing can be ranked"
        )
    ranks_cm = rank_cases(scores_cm, higher_c)
    codes, names = pd.factorize(blocks_c)
    ranks_bm = ranks_cm.groupby(codes).mean().to_numpy()
    b, m = ranks_bm.shape
    mean_m = ranks_bm.mean(0)
    lo_m = hi_m = np.full(m, np.nan)
    if b >= MIN_UNITS:
        lo_m, hi_m = np.quantile(resampled(np.ones(b, int), n_boot, seed) @ ranks_bm / b, [0.025, 0.975], axis=0)
    best_cm = ranks_cm.eq(ranks_cm.min(axis=1), axis=0)
    first_m = best_cm.div(best_cm.sum(axis=1), axis=0).sum()
    table = pd.DataFrame({
        "method": kept, "mean_rank": mean_m, "lo": lo_m, "hi": hi_m, "first": first_m.to_numpy(),
        "failed": scores_cm.isna().sum().to_numpy(), "n_cases": len(scores_cm),
    }).sort_values("mean_rank", kind="stable").reset_index(drop=True)  # fmt: skip
    enough = b >= MIN_UNITS and m > 1
    single = len(names) == len(scores_cm) and (higher_c == higher_c[0]).all()
    compared = scores_cm if single else pd.DataFrame(-ranks_bm, columns=kept)
    held = enough and control in kept
    return Ranking(
        table,
        ranks_cm[list(table.method)],
        b,
        friedman(ranks_bm),
        critical_difference(m, b) if enough else float("nan"),
        pairs(compared[list(table.method)], bool(higher_c[0]) if single else True) if enough else pd.DataFrame(),
        against(pd.Series(mean_m, index=kept), str(control), b) if held else pd.DataFrame(),
        left_out,
    )
