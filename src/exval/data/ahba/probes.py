"""From probes to genes: which probes are above background, and which one stands for a gene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from scipy import sparse
from scipy.stats import rankdata

from exval.errors import InputError

SELECTIONS = (
    "diff_stability",
    "average",
    "max_intensity",
    "max_variance",
    "pc_loading",
    "corr_intensity",
    "corr_variance",
    "rnaseq",
)
DONOR_PROBES = ("aggregate", "common", "independent")
ALL_DONORS_ONLY = ("diff_stability", "average", "rnaseq")
LEAST_SHARED = 3
_BLOCK = 4096

Profile = tuple[np.ndarray, np.ndarray]


def above_background(present_p: np.ndarray, n: int, threshold: float = 0.5) -> np.ndarray:
    """Intensity-based filter: probes whose presence call is 1 in at least a share of all samples of all donors.

    Every measured sample counts once; abagen, which mirrors first, counts mirror images too.

    Parameters
    ----------
    present_p
        (p,) number of samples with presence call 1.
    n
        Number of samples.
    threshold
        Share, 0 to 1; 0 keeps every probe.

    Examples
    --------
    >>> above_background(np.array([2, 1, 4]), 4).tolist()
    [True, False, True]
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"--ibf {threshold:g}: give a share of samples between 0 and 1")
    return present_p >= threshold * n - 1e-9


def structure_means(x_pn: np.ndarray, structure_n: np.ndarray) -> Profile:
    """(p, s) means over the samples of each structure, and the (s,) ids of the structures in ascending order.

    Examples
    --------
    >>> structure_means(np.array([[1.0, 3.0, 5.0]]), np.array([7, 7, 2]))[0].tolist()
    [[5.0, 2.0]]
    """
    id_s, which_n, count_s = np.unique(structure_n, return_inverse=True, return_counts=True)
    weights = sparse.csr_array(
        (1 / count_s[which_n], (which_n, np.arange(len(which_n)))), shape=(len(id_s), len(which_n))
    )
    return np.asarray((weights @ x_pn.T).T, dtype=np.float64), id_s


def spearman(a_ps: np.ndarray, b_ps: np.ndarray) -> np.ndarray:
    """(p,) Spearman correlation of each row of one matrix with that of the other; 0 where a row is constant.

    Examples
    --------
    >>> spearman(np.array([[1, 2, 9.0], [1, 1, 1]]), np.array([[3, 5, 4.0], [1, 2, 3]])).tolist()
    [0.5, 0.0]
    """
    out_p = np.zeros(len(a_ps))
    for start in range(0, len(a_ps), _BLOCK):
        part = slice(start, start + _BLOCK)
        a, b = rankdata(a_ps[part], axis=1), rankdata(b_ps[part], axis=1)
        a -= a.mean(1, keepdims=True)
        b -= b.mean(1, keepdims=True)
        norm = np.sqrt((a * a).sum(1) * (b * b).sum(1))
        out_p[part] = np.divide((a * b).sum(1), norm, out=np.zeros(len(a)), where=norm > 1e-9)
    return out_p


def diff_stability(profiles: Sequence[Profile]) -> np.ndarray:
    """Differential stability: mean over pairs of donors of the Spearman correlation over the structures both have.

    Hawrylycz et al., Nature Neuroscience 2015 (Methods, differential stability), as in abagen with averages over
    structures. Pairs that share fewer than three structures are left out.

    Parameters
    ----------
    profiles
        For each donor (p, s) means over structures and (s,) ids, see :func:`structure_means`.

    Raises
    ------
    InputError
        No two donors share three structures.

    Examples
    --------
    >>> one = (np.array([[1.0, 2, 3], [1, 2, 3]]), np.array([1, 2, 3]))
    >>> other = (np.array([[2.0, 4, 6], [3, 2, 1]]), np.array([1, 2, 3]))
    >>> diff_stability([one, other]).tolist()
    [1.0, -1.0]
    """
    total, n = np.zeros(len(profiles[0][0])), 0
    for (a_ps, a_id), (b_ps, b_id) in combinations(profiles, 2):
        _, at_a, at_b = np.intersect1d(a_id, b_id, return_indices=True)
        if len(at_a) >= LEAST_SHARED:
            total += spearman(a_ps[:, at_a], b_ps[:, at_b])
            n += 1
    if not n:
        raise InputError(
            "diff_stability needs two donors that share three structures; add donors, or choose another probe "
            "selection such as max_intensity"
        )
    return total / n


def rnaseq_agreement(gene_p: np.ndarray, pairs: Sequence[tuple[Profile, Profile, np.ndarray]]) -> np.ndarray:
    """(p,) mean over donors of the Spearman correlation of a probe with its gene's RNA-seq over shared structures.

    Parameters
    ----------
    gene_p
        (p,) gene of each probe.
    pairs
        For each donor with RNA-seq: the probes' profile, the RNA-seq profile (genes x structures, TPM) and its genes.

    Returns
    -------
    numpy.ndarray
        NaN for probes whose gene was not sequenced, or is constant in it, in every donor.
    """
    total, n = np.zeros(len(gene_p)), np.zeros(len(gene_p), int)
    for (x_ps, x_id), (tpm_gs, tpm_id), genes in pairs:
        _, at_x, at_tpm = np.intersect1d(x_id, tpm_id, return_indices=True)
        if len(at_x) < LEAST_SHARED:
            continue
        row_of = {gene: i for i, gene in enumerate(genes) if tpm_gs[i].std() > 1e-8}
        row_p = np.array([row_of.get(gene, -1) for gene in gene_p])
        has = row_p >= 0
        total[has] += spearman(x_ps[has][:, at_x], tpm_gs[row_p[has]][:, at_tpm])
        n[has] += 1
    return np.divide(total, n, out=np.full(len(gene_p), np.nan), where=n > 0)


def best_of_gene(score_p: np.ndarray, gene_p: np.ndarray, id_p: np.ndarray) -> np.ndarray:
    """(g,) row of the probe with the highest score of each gene, genes in ascending order; the smaller id wins a tie.

    Genes none of whose probes has a finite score are left out.

    Examples
    --------
    >>> best_of_gene(np.array([0.1, 0.5, 0.2]), np.array(["B", "B", "A"]), np.array([1, 2, 3])).tolist()
    [2, 1]
    """
    row_p = np.flatnonzero(np.isfinite(score_p))
    gene, which = np.unique(gene_p[row_p].astype(str), return_inverse=True)
    order = np.lexsort((id_p[row_p], -score_p[row_p], which))
    first = np.searchsorted(which[order], np.arange(len(gene)))
    return row_p[order[first]]


def scores(method: str, x_pn: np.ndarray, gene_p: np.ndarray) -> np.ndarray:
    """Score of each probe, by which the best of a gene is taken, from the values over all samples of all donors.

    Parameters
    ----------
    method
        ``max_intensity``: mean. ``max_variance``: variance. ``pc_loading``: score on the first principal component of
        the gene's probes, samples being centred over probes; its sign makes the largest loading of a sample positive.
        ``corr_intensity`` and ``corr_variance``: mean correlation with the gene's probes where there are three or
        more, else mean or variance.
    x_pn
        (p, n) values.
    gene_p
        (p,) genes.

    Examples
    --------
    >>> scores("max_intensity", np.array([[1.0, 3.0], [4.0, 4.0]]), np.array(["A", "A"])).tolist()
    [2.0, 4.0]
    """
    if method in ("max_intensity", "corr_intensity"):
        out_p = x_pn.mean(1, dtype=np.float64)
    else:
        out_p = x_pn.var(1, dtype=np.float64)
    if method in ("max_intensity", "max_variance"):
        return out_p
    score, least = (_loading, 2) if method == "pc_loading" else (_mean_correlation, 3)
    for rows in _groups(gene_p, least):
        out_p[rows] = score(x_pn[rows].astype(np.float64))
    return out_p


def choose(
    method: str,
    x_pn: np.ndarray,
    gene_p: np.ndarray,
    id_p: np.ndarray,
    donors: Sequence[slice],
    structure_n: np.ndarray,
    donor_probes: str = "aggregate",
    rnaseq: Callable[[], np.ndarray] | None = None,
) -> list[np.ndarray]:
    """For each donor the rows of the probes that stand for the genes, which are the same for all, ascending.

    Parameters
    ----------
    method
        One of ``SELECTIONS`` but ``average``.
    x_pn
        (p, n) log2 values of all samples, donor after donor.
    gene_p, id_p
        (p,) genes and probe ids.
    donors
        Columns of each donor.
    structure_n
        (n,) ids of structures.
    donor_probes
        ``aggregate``: one probe by the values of all donors. ``independent``: for each donor its own. ``common``: the
        probe that most donors would choose (the smaller id on a tie). ``diff_stability`` and ``rnaseq`` compare donors
        and always aggregate.
    rnaseq
        Gives the scores for ``rnaseq``, see :func:`rnaseq_agreement`.

    Raises
    ------
    InputError
        An unknown method, or too few donors for it.
    """
    check_selection(method, donor_probes)
    if method == "diff_stability":
        profiles = [structure_means(x_pn[:, one], structure_n[one]) for one in donors]
        row_g = best_of_gene(diff_stability(profiles), gene_p, id_p)
    elif method == "rnaseq":
        row_g = best_of_gene(rnaseq(), gene_p, id_p)
    elif donor_probes == "aggregate":
        row_g = best_of_gene(scores(method, x_pn, gene_p), gene_p, id_p)
    else:
        own = [best_of_gene(scores(method, x_pn[:, one], gene_p), gene_p, id_p) for one in donors]
        if donor_probes == "independent":
            return own
        votes = [Counter(rows) for rows in zip(*own)]
        row_g = np.array([min(vote, key=lambda row: (-vote[row], id_p[row])) for vote in votes], dtype=np.int64)
    return [row_g] * len(donors)


def average(x_pn: np.ndarray, gene_p: np.ndarray) -> np.ndarray:
    """(g, n) float32 means over the probes of each gene, genes in ascending order."""
    gene, which, count = np.unique(gene_p.astype(str), return_inverse=True, return_counts=True)
    weights = sparse.csr_array((1 / count[which], (which, np.arange(len(which)))), shape=(len(gene), len(which)))
    return np.asarray(weights @ x_pn, dtype=np.float32)


def check_selection(method: str, donor_probes: str) -> None:
    """An ``InputError`` for a selection that there is not."""
    if method not in SELECTIONS:
        raise InputError(f"--probe-selection {method!r} is not known; choose one of {', '.join(SELECTIONS)}")
    if donor_probes not in DONOR_PROBES:
        raise InputError(f"--donor-probes {donor_probes!r} is not known; choose one of {', '.join(DONOR_PROBES)}")
    if donor_probes != "aggregate" and method in ALL_DONORS_ONLY:
        raise InputError(f"--probe-selection {method} uses all donors at once; leave --donor-probes at aggregate")


def _groups(gene_p: np.ndarray, least: int) -> list[np.ndarray]:
    """Rows of every gene that has at least ``least`` probes."""
    _, which, count = np.unique(gene_p.astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(which, kind="stable")
    return [rows for rows in np.split(order, np.cumsum(count)[:-1]) if len(rows) >= least]


def _loading(x_kn: np.ndarray) -> np.ndarray:
    """Through the (k, k) matrix of inner products: k is a handful, n thousands."""
    centred = x_kn - x_kn.mean(0)
    value, vector = np.linalg.eigh(centred @ centred.T)
    if value[-1] <= 1e-12:
        return np.zeros(len(x_kn))
    loading_n = centred.T @ vector[:, -1]
    sign = np.sign(loading_n[np.argmax(np.abs(loading_n))])
    return sign * vector[:, -1] * np.sqrt(value[-1])


def _mean_correlation(x_kn: np.ndarray) -> np.ndarray:
    centred = x_kn - x_kn.mean(1, keepdims=True)
    norm = np.sqrt((centred * centred).sum(1))
    unit = np.divide(centred, norm[:, None], out=np.zeros_like(centred), where=norm[:, None] > 1e-9)
    return (unit @ unit.T).mean(1)
