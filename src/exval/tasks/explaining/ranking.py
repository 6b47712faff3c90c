"""From attributions of samples to a table of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exval.tasks.explaining.question import ALL

if TYPE_CHECKING:
    from exval.tasks.explaining.listing import Listed


def class_means(values_ng: np.ndarray, there_ng: np.ndarray, code_n: np.ndarray, k: int) -> np.ndarray:
    """(k, g) mean over the samples of each class in which a gene is there; NaN where it is in none.

    Examples
    --------
    >>> there = np.array([[True, False], [True, True]])
    >>> class_means(np.array([[2.0, 9.0], [4.0, 1.0]]), there, np.array([0, 0]), 1).tolist()
    [[3.0, 1.0]]
    """
    out = np.full((k, values_ng.shape[1]), np.nan)
    for c in range(k):
        there = there_ng[code_n == c]
        n_g = there.sum(0)
        total = np.where(there, values_ng[code_n == c], 0).sum(0, dtype=np.float64)
        out[c] = np.where(n_g > 0, total / np.maximum(n_g, 1), np.nan)
    return out


def over_classes(values_kg: np.ndarray) -> np.ndarray:
    """(g,) mean over the classes, each weighing the same; NaN where a gene is in none."""
    there = ~np.isnan(values_kg)
    n_g = there.sum(0)
    return np.where(n_g > 0, np.where(there, values_kg, 0).sum(0) / np.maximum(n_g, 1), np.nan)


def ranks(score_g: np.ndarray) -> np.ndarray:
    """(g,) 1 for the largest absolute value; ties to the first, NaN to the end.

    Examples
    --------
    >>> ranks(np.array([0.5, -2.0, np.nan, 0.5])).tolist()
    [2, 1, 4, 3]
    """
    key = np.nan_to_num(np.abs(score_g), nan=-1.0)
    out = np.empty(len(key), int)
    out[np.argsort(-key, kind="stable")] = np.arange(1, len(key) + 1)
    return out


def shares(values_kg: np.ndarray) -> np.ndarray:
    """(k, g) each row over its sum, as far as that is positive.

    Examples
    --------
    >>> shares(np.array([[1.0, 3.0, np.nan], [0.0, 0.0, 0.0]])).tolist()
    [[0.25, 0.75, nan], [0.0, 0.0, 0.0]]
    """
    total_k1 = np.nansum(values_kg, axis=1, keepdims=True)
    return values_kg / np.where(total_k1 > 0, total_k1, 1.0)


def importance_table(listed: Listed, untrained_kg: np.ndarray) -> pd.DataFrame:
    """Rows of ``importance.csv``: the genes of each list, the most important first.

    With more than one class ``(all classes)`` comes first: means over the classes, each weighing the same, of absolute
    values where a sign means something else in each.

    Parameters
    ----------
    listed
        All rankings.
    untrained_kg
        (k, g) share of each gene in the absolute importances by networks of random weights.

    Returns
    -------
    pandas.DataFrame
        ``class, gene, rank, ig_mean, ig_abs, attention, attention_rank, univariate, univariate_rank, untrained_rank,
        excess, n``. ``ig_mean`` and ``ig_abs`` are means of signed and of absolute attributions, also where these are
        of occlusion. ``excess`` is the share of the gene in all absolute attributions of the class, less its share by
        networks of random weights: what training made of it. ``n``: samples of the class in which the gene had a say.
    """
    excess_kg = shares(listed.absolute_kp) - untrained_kg
    parts = {
        name: (listed.signed_kp[c], listed.absolute_kp[c], listed.attention_kp[c], listed.statistic_kp[c],
               untrained_kg[c], excess_kg[c], listed.n_kp[c])
        for c, name in enumerate(listed.names)
    }  # fmt: skip
    if len(listed.names) > 1:
        nothing = np.full(len(listed.genes_p), np.nan)
        means = [over_classes(x) for x in (listed.absolute_kp, listed.attention_kp, np.abs(listed.statistic_kp))]
        parts = {
            ALL: (nothing, *means, over_classes(untrained_kg), over_classes(excess_kg), listed.n_kp.sum(0)),
            **parts,
        }
    tables = []
    for name, (signed, absolute, attention, univariate, untrained, excess, n) in parts.items():
        table = pd.DataFrame({
            "class": name, "gene": listed.genes_p, "rank": ranks(absolute), "ig_mean": signed, "ig_abs": absolute,
            "attention": attention, "attention_rank": ranks(attention), "univariate": univariate,
            "univariate_rank": ranks(univariate), "untrained_rank": ranks(untrained), "excess": excess, "n": n,
        })  # fmt: skip
        tables.append(table.sort_values("rank", kind="stable"))
    return pd.concat(tables, ignore_index=True)
