"""How alike a contrast and genes are, and how alike smooth maps and other genes are by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, rankdata
from scipy.stats import t as student

from exval.errors import GeneError, InputError
from exval.tasks.correlating.randomlists import matched_lists
from exval.tasks.correlating.surrogates import surrogate_maps

LEAST_PLACES = 20
LEAST_DRAWN = 100


@dataclass(frozen=True, eq=False)
class Related:
    """What was found.

    Parameters
    ----------
    genes
        A row for each gene of the list that can be told: ``gene, r2, r, spearman, p_surrogates, q_surrogates,
        p_surrogates_spearman, p_naive, q_naive``, the smallest ``p_surrogates`` first.
    dropped
        ``gene, r2`` of those that cannot.
    whole
        The same figures of the mean of the list, and ``p_lists``, ``p_lists_spearman``: NaN where no random lists could
        be drawn.
    mean_n
        (n,) mean of the list, standard deviations of the genes.
    null
        ``kind`` (surrogate, list), ``r`` and ``spearman`` of the list with every surrogate, of the contrast with every
        random list.
    bins, why
        In how many bins of R2 lists were matched, or why there are none.
    """

    genes: pd.DataFrame
    dropped: pd.DataFrame
    whole: dict[str, float]
    mean_n: np.ndarray
    null: pd.DataFrame
    bins: int
    why: str


def relate(
    contrast_n: np.ndarray,
    xyz_n3: np.ndarray,
    values_ng: np.ndarray,
    genes: Sequence[str],
    listed_g: np.ndarray,
    r2_g: np.ndarray,
    *,
    surrogates: int = 1000,
    lists: int = 1000,
    least_r2: float = 0.0,
    seed: int = 0,
) -> Related:
    r"""Correlate a contrast with genes over places.

    The list is its mean of standardised genes. Chance is looked at in three ways, all two-sided:

    - surrogates: the contrast is replaced by maps of its own smoothness (:func:`surrogate_maps`), the same for all
      genes; :math:`p = (1 + \#\{|r_s| \ge |r|\}) / (1 + S)`.
    - random lists: the list is replaced by others that can be told as well (:func:`matched_lists`); p likewise.
    - naive: the t distribution with n - 2 degrees of freedom, as if places knew nothing of each other.

    q are p adjusted over the genes of the list (Benjamini and Hochberg 1995).

    Parameters
    ----------
    contrast_n, xyz_n3
        Values and positions (mm) of the n places.
    values_ng, genes
        Genes, of the list and others.
    listed_g
        (g,) bool: those of the list.
    r2_g
        (g,) how well each gene is told at places that a field did not see; the list and the random lists are taken from
        those above ``least_r2``.
    surrogates, lists, least_r2, seed
        How many of each, the threshold, and the seed of both.

    Raises
    ------
    InputError, GeneError
        Fewer than 20 places, a contrast that does not vary, no gene left.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> xyz = rng.uniform(-50, 50, (80, 3))
    >>> values = np.sin(xyz[:, [1, 2]] / 20) + 0.1 * rng.normal(size=(80, 2))
    >>> found = relate(np.sin(xyz[:, 1] / 20), xyz, values, ["A", "B"], np.array([True, True]), np.array([0.9, 0.9]),
    ...                surrogates=100)
    >>> found.genes.gene.tolist(), bool(found.genes.r[0] > 0.98), found.why[:28]
    (['A', 'B'], True, 'the file has 0 other genes t')
    """
    n, names = len(contrast_n), np.asarray(genes, dtype=object)
    if n < LEAST_PLACES:
        raise InputError(f"{n} places have a value of the contrast and of the genes; {LEAST_PLACES} are needed")
    if min(surrogates, lists) < LEAST_DRAWN:
        raise InputError(f"--surrogates and --random-lists are {LEAST_DRAWN} or more: no small p can be told of fewer")
    told_g = np.nan_to_num(r2_g, nan=-np.inf) > least_r2
    kept = np.flatnonzero(listed_g & told_g)
    if not len(kept):
        raise GeneError(
            f"no gene of the list ({int(listed_g.sum())}) is told at held-out samples (R2 above {least_r2:g}): "
            "nothing to correlate; lower --least-r2 if you know why"
        )
    maps_sn = surrogate_maps(contrast_n, xyz_n3, surrogates, seed)
    z_ng = _standardised(values_ng)
    mean_n = z_ng[:, kept].mean(1)
    x_nk = np.column_stack([z_ng[:, kept], mean_n])
    r_k, drawn_sk = correlations(contrast_n[:, None], x_nk)[0], correlations(maps_sn.T, x_nk)
    rank_nk, rank_ns = rankdata(x_nk, axis=0), rankdata(maps_sn.T, axis=0)
    s_k, drawn_rank_sk = correlations(rankdata(contrast_n)[:, None], rank_nk)[0], correlations(rank_ns, rank_nk)
    p_k, ps_k, naive_k = share_beyond(r_k, drawn_sk), share_beyond(s_k, drawn_rank_sk), naive_p(r_k, n)
    table = pd.DataFrame({
        "gene": names[kept].astype(str), "r2": r2_g[kept], "r": r_k[:-1], "spearman": s_k[:-1],
        "p_surrogates": p_k[:-1], "q_surrogates": false_discovery_control(p_k[:-1]), "p_surrogates_spearman": ps_k[:-1],
        "p_naive": naive_k[:-1], "q_naive": false_discovery_control(naive_k[:-1]),
    })  # fmt: skip
    order = np.lexsort((-np.abs(table.r.to_numpy()), table.p_surrogates.to_numpy()))
    whole = {"r": r_k[-1], "spearman": s_k[-1], "p_surrogates": p_k[-1], "p_surrogates_spearman": ps_k[-1],
             "p_naive": naive_k[-1], "p_lists": np.nan, "p_lists_spearman": np.nan}  # fmt: skip
    null = [pd.DataFrame({"kind": "surrogate", "r": drawn_sk[:, -1], "spearman": drawn_rank_sk[:, -1]})]
    drawn, bins = matched_lists(np.where(told_g, r2_g, np.nan), listed_g & told_g, lists, seed)
    if drawn is not None:
        of_nl = np.column_stack([z_ng[:, one].mean(1) for one in drawn])
        r_l = correlations(contrast_n[:, None], of_nl)[0]
        s_l = correlations(rankdata(contrast_n)[:, None], rankdata(of_nl, axis=0))[0]
        whole["p_lists"] = share_beyond(r_k[-1:], r_l[:, None])[0]
        whole["p_lists_spearman"] = share_beyond(s_k[-1:], s_l[:, None])[0]
        null.append(pd.DataFrame({"kind": "list", "r": r_l, "spearman": s_l}))
    lost = np.flatnonzero(listed_g & ~told_g)
    dropped = pd.DataFrame({"gene": names[lost].astype(str), "r2": r2_g[lost]}).sort_values("r2", ignore_index=True)
    return Related(
        table.iloc[order].reset_index(drop=True), dropped, {key: float(value) for key, value in whole.items()}, mean_n,
        pd.concat(null, ignore_index=True), 0 if drawn is None else int(bins), "" if drawn is not None else str(bins),
    )  # fmt: skip


def without_donors(values_ng: np.ndarray, donor_n: np.ndarray) -> np.ndarray:
    """Values less the mean of their donor; of samples that name none, less the mean of those.

    Examples
    --------
    >>> without_donors(np.array([[1.0], [3.0], [8.0]]), np.array(["a", "a", None], object)).ravel().tolist()
    [-1.0, 1.0, 0.0]
    """
    out = np.array(values_ng, dtype=np.float64)
    name_n = np.array(["" if one is None else f"donor {one}" for one in donor_n])
    for name in np.unique(name_n):
        out[name_n == name] -= out[name_n == name].mean(0)
    return out


def correlations(a_nk: np.ndarray, b_nm: np.ndarray) -> np.ndarray:
    """(k, m) Pearson correlation of every column with every other one; 0 with what does not vary.

    Examples
    --------
    >>> correlations(np.array([[0.0], [1], [2]]), np.array([[0.0, 5], [2, 5], [4, 5]])).round(3).tolist()
    [[1.0, 0.0]]
    """
    n = len(a_nk)
    return np.clip(_standardised(a_nk).T @ _standardised(b_nm) / n, -1, 1)


def naive_p(r_k: np.ndarray, n: int) -> np.ndarray:
    """Two-sided p of correlations over n independent places.

    Examples
    --------
    >>> naive_p(np.array([0.0, 0.5]), 20).round(4).tolist()
    [1.0, 0.0248]
    """
    with np.errstate(divide="ignore"):
        return 2 * student.sf(np.abs(r_k) * np.sqrt((n - 2) / (1 - r_k**2)), n - 2)


def share_beyond(r_k: np.ndarray, drawn_sk: np.ndarray) -> np.ndarray:
    """(k,) two-sided p: share of the draws that are at least as far from 0, the figure itself counted as one.

    Examples
    --------
    >>> share_beyond(np.array([0.5]), np.array([[0.1], [-0.6], [0.2]])).tolist()
    [0.5]
    """
    beyond = np.abs(drawn_sk) >= np.abs(r_k) - 1e-12
    return (1 + beyond.sum(0)) / (1 + len(drawn_sk))


def _standardised(x_nk: np.ndarray) -> np.ndarray:
    centred = x_nk - x_nk.mean(0)
    sd_k = centred.std(0)
    flat_k = sd_k <= 1e-9 * (1e-9 + np.abs(x_nk).max(0))
    return centred / np.where(flat_k, np.inf, sd_k)
