"""The table of genes: the probe that stands for each, and what is known about it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exval.data.ahba import probes as choice
from exval.data.ahba.layout import DonorFiles
from exval.data.ahba.rnaseq import agreement
from exval.errors import InputError


def represent(
    x_pn: np.ndarray,
    annotated: pd.DataFrame,
    donor_n: np.ndarray,
    structure_n: np.ndarray,
    deciding: set[str],
    selection: str,
    donor_probes: str = "aggregate",
    sequenced: dict[str, DonorFiles] | None = None,
) -> tuple[np.ndarray, pd.DataFrame]:
    """From probes to genes.

    Parameters
    ----------
    x_pn
        (p, n) log2 values, donor after donor.
    annotated
        (p rows) ``probe_id``, ``probe_name``, ``gene``, ``entrez_id``, ``recognised``.
    donor_n, structure_n
        (n,) donors and ids of structures.
    deciding
        Donors by which probes are chosen; with ``independent`` and ``common`` each donor chooses.
    selection, donor_probes
        See :func:`exval.data.ahba.probes.choose`.
    sequenced
        RNA-seq files of donors, for ``rnaseq``.

    Returns
    -------
    (numpy.ndarray, pandas.DataFrame)
        (g, n) float32, and ``var`` with one row a gene, in ascending order of their names.
    """
    gene_p, id_p = annotated["gene"].to_numpy(dtype=object).astype(str), annotated["probe_id"].to_numpy()
    columns = columns_of(donor_n)
    if selection == "average":
        x_gn, own = choice.average(x_pn, gene_p), None
        names = np.unique(gene_p)
    else:
        own = _chosen(x_pn, gene_p, id_p, columns, structure_n, deciding, selection, donor_probes, sequenced or {})
        names = gene_p[own[0]]
        x_gn = np.empty((len(names), x_pn.shape[1]), np.float32)
        for part, row_g in zip(columns.values(), own):
            x_gn[:, part] = x_pn[row_g, part]
    first, size = annotated.drop_duplicates("gene").set_index("gene"), annotated["gene"].value_counts()
    single = own is not None and all(np.array_equal(own[0], row_g) for row_g in own)
    var = pd.DataFrame(index=pd.Index(names, dtype=object))
    var["entrez"] = first.loc[names, "entrez_id"].to_numpy()
    var["probe_id"] = id_p[own[0]] if single else np.int64(-1)
    var["probe_name"] = annotated["probe_name"].to_numpy()[own[0]] if single else ""
    var["n_probes"] = size[names].to_numpy()
    try:
        profiles = [choice.structure_means(x_gn[:, one], structure_n[one]) for one in columns.values()]
        var["diff_stability"] = choice.diff_stability(profiles)
    except InputError:
        var["diff_stability"] = np.nan
    var["recognised"] = first.loc[names, "recognised"].to_numpy()
    if own is not None and not single:
        for name, row_g in zip(columns, own):
            var[f"probe_id_{name}"] = id_p[row_g]
    return x_gn, var


def columns_of(donor_n: np.ndarray) -> dict[str, slice]:
    """Donor -> its columns, of samples that stand donor after donor.

    Examples
    --------
    >>> columns_of(np.array(["b", "b", "a"]))
    {'b': slice(0, 2, None), 'a': slice(2, 3, None)}
    """
    names, first, size = np.unique(donor_n.astype(str), return_index=True, return_counts=True)
    return {str(names[i]): slice(int(first[i]), int(first[i] + size[i])) for i in np.argsort(first)}


def _chosen(
    x_pn: np.ndarray,
    gene_p: np.ndarray,
    id_p: np.ndarray,
    columns: dict[str, slice],
    structure_n: np.ndarray,
    deciding: set[str],
    selection: str,
    donor_probes: str,
    sequenced: dict[str, DonorFiles],
) -> list[np.ndarray]:
    """For each donor the rows of its probes; donors that do not decide follow the others."""
    if donor_probes == "independent" or deciding == set(columns):
        voters = list(columns)
    else:
        voters = [name for name in columns if name in deciding]
    whole = len(voters) == len(columns)
    at_n = np.concatenate([np.arange(columns[name].start, columns[name].stop) for name in voters])
    inner = dict(zip(voters, np.cumsum([0, *(columns[name].stop - columns[name].start for name in voters)])))
    slices = {name: slice(at, at + columns[name].stop - columns[name].start) for name, at in inner.items()}
    x_pm = x_pn if whole else x_pn[:, at_n]
    own = choice.choose(
        selection, x_pm, gene_p, id_p, list(slices.values()), structure_n[at_n], donor_probes,
        rnaseq=lambda: agreement(sequenced, x_pm, gene_p, slices, structure_n[at_n], set(voters)),
    )  # fmt: skip
    return own if whole else [own[0]] * len(columns)
