"""How well regions could be told at all: what donors agree on, from structures that were sampled in several of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from exval.fields.places import Places, codes
from exval.tasks.field.score import correlations

LEAST = 10  # structures that two donors, or all, have to share


def ceiling(places: Places, values_ng: np.ndarray, genes: Sequence[str], least: int = LEAST) -> pd.DataFrame | None:
    r"""Agreement of donors, and the R2 of someone who knows the expected value of every region.

    A value of a sample i of donor d in structure s is

    .. math:: x_{sdi} = \mu + a_s + w_{sdi},

    with the structure's expected value :math:`\mu + a_s` and a deviation w of variance :math:`\sigma_w^2` whose draws
    are independent *between donors* (one-way random effects; Searle, Casella and McCulloch 1992, Variance components,
    chapter 3). Of two samples of one structure and different donors therefore :math:`E (x - x')^2 / 2 = \sigma_w^2`,
    whatever samples of one donor have in common. Whoever knows :math:`\mu + a_s` errs by w, so that

    .. math:: R^2_\text{regions} = 1 - \hat\sigma_w^2 / \hat v,\qquad
              \hat\sigma_w^2 = \frac 1n \sum_i \frac{1}{|J_i|} \sum_{j \in J_i} \tfrac 12 (x_i - x_j)^2,

    where :math:`J_i` are the samples of other donors in the structure of sample i, and v is the variance of the n
    samples that have any. Each sample counts once, as it does in the R2 of a field.

    What it assumes: a name means the same structure in every donor; a held-out donor is nobody in particular, so that
    its own level is part of w; w has one variance everywhere. It is a ceiling for telling *regions*. Expression also
    varies within a structure, and that is signal: a field that knows the position may pass it.

    The agreement is differential stability (Hawrylycz et al. 2015, Nature Neuroscience 18): the Pearson correlation of
    the means of structures between two donors, averaged over all pairs of donors.

    Parameters
    ----------
    places
        Of the n samples; the structure is the last level of their regions.
    values_ng, genes
        (n, g) values and (g,) names.
    least
        Structures that two donors have to share for their correlation to count, and that have to be there in two
        donors for a ceiling to be told.

    Returns
    -------
    pandas.DataFrame or None
        A row for each gene: ``gene, stability, pairs, r2, structures, samples``. None where there is one donor, or
        fewer structures than that.

    Examples
    --------
    >>> places = Places.of(np.zeros((4, 3)) + [[0], [1], [2], [3]], list("dede"), [["A"], ["A"], ["B"], ["B"]])
    >>> ceiling(places, np.array([[0.0], [2.0], [10.0], [12.0]]), ["GFAP"], least=2).r2.round(3).tolist()
    [0.923]
    """
    if not places.regions_nk.shape[1]:
        return None
    donors, donor_n, _ = codes(places.donor_n, places.donor_n[:0])
    structures, structure_n, _ = codes(places.regions_nk[:, -1], places.regions_nk[:0, -1])
    known = (donor_n >= 0) & (structure_n >= 0)
    if len(donors) < 2 or not known.any():
        return None
    d_n, s_n = donor_n[known], structure_n[known]
    x_ng = np.asarray(values_ng, dtype=np.float64)[known]
    x_ng = x_ng - x_ng.mean(0)
    cell_n, shape = d_n * len(structures) + s_n, (len(donors), len(structures))
    count_ds = np.bincount(cell_n, minlength=shape[0] * shape[1]).reshape(shape)
    repeated = int(((count_ds > 0).sum(0) > 1).sum())
    if repeated < least:
        return None
    sum_dsg = _totals(x_ng, cell_n, shape)
    stability_g, pairs = _stability(sum_dsg, count_ds, least)

    square_dsg = _totals(x_ng**2, cell_n, shape)
    others_n = count_ds.sum(0)[s_n] - count_ds[d_n, s_n]
    kept = others_n > 0
    d_n, s_n, x_ng, others_n1 = d_n[kept], s_n[kept], x_ng[kept], others_n[kept][:, None]
    mean_ng = (sum_dsg.sum(0)[s_n] - sum_dsg[d_n, s_n]) / others_n1
    mean_square_ng = (square_dsg.sum(0)[s_n] - square_dsg[d_n, s_n]) / others_n1
    within_g = 0.5 * (x_ng**2 - 2 * x_ng * mean_ng + mean_square_ng).mean(0)
    total_g = x_ng.var(0)
    r2_g = np.where(total_g > 0, 1 - within_g / np.where(total_g > 0, total_g, 1), np.nan)
    return pd.DataFrame({
        "gene": np.asarray(genes, dtype=str), "stability": stability_g, "pairs": pairs, "r2": r2_g,
        "structures": repeated, "samples": len(x_ng),
    })  # fmt: skip


def _totals(x_ng: np.ndarray, cell_n: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(d, s, g) sums over the samples of each donor and structure."""
    n = len(cell_n)
    members = sparse.csr_matrix((np.ones(n), (cell_n, np.arange(n))), shape=(shape[0] * shape[1], n))
    return (members @ x_ng).reshape(*shape, -1)


def _stability(sum_dsg: np.ndarray, count_ds: np.ndarray, least: int) -> tuple[np.ndarray, int]:
    """(g,) mean over pairs of donors of the correlation of structure means, and the number of pairs."""
    mean_dsg = sum_dsg / np.maximum(count_ds, 1)[:, :, None]
    found = []
    for a in range(len(count_ds)):
        for b in range(a):
            both = (count_ds[a] > 0) & (count_ds[b] > 0)
            if both.sum() >= least:
                found.append(correlations(mean_dsg[a, both], mean_dsg[b, both]))
    if not found:
        return np.full(sum_dsg.shape[2], np.nan), 0
    return np.mean(found, axis=0), len(found)
