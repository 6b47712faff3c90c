"""Who is one patient: samples of one patient never stand on both sides of a split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from exval.data.clinical import known_column
from exval.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from exval.tasks.splits import Splits

_BARCODE = re.compile(r"^TCGA[-.]\w{2}[-.]\w{4}(?=$|[-.])", re.IGNORECASE)
COLUMNS = ("patient", "patient_id", "patient_barcode", "case_id", "case", "subject", "donor", "individual")


def patient_ids(names: Sequence[str], obs: pd.DataFrame | None = None, column: str | None = None) -> np.ndarray:
    """(n,) the patient of each sample.

    Parameters
    ----------
    names
        Names of the samples as they stand in the file, repeats included. Of a TCGA barcode the first twelve characters
        are the patient; any other name is a patient of its own.
    obs, column
        Where a column names the patients, it decides; a sample without a value is a patient of its own.

    Raises
    ------
    InputError
        No such column, or all samples are of one patient.

    Examples
    --------
    >>> patient_ids(["TCGA-BL-A13J-01A", "TCGA-BL-A13J-11A", "p7"]).tolist()
    ['TCGA-BL-A13J', 'TCGA-BL-A13J', 'p7']
    """
    from exval.data.columns import texts

    found = np.array([barcode(name) for name in names], dtype=object)
    if column is not None:
        words = texts(known_column(obs, column, "--patient"))
        found = np.array([own if word is None else word for own, word in zip(found, words)], dtype=object)
    if len(found) > 1 and len(set(found)) == 1:
        raise InputError(f"all {len(found)} samples are of one patient ({found[0]}): nothing can be held out")
    return found


def barcode(name: str) -> str:
    """The patient's part of a TCGA barcode; another name as it is.

    Examples
    --------
    >>> barcode("tcga.bl.a13j.01"), barcode("T01-0145")
    ('TCGA-BL-A13J', 'T01-0145')
    """
    match = _BARCODE.match(str(name))
    return match.group().upper().replace(".", "-") if match else str(name)


def repeated(patient_n: np.ndarray) -> list[str]:
    """Patients with more than one sample, in sorted order.

    Examples
    --------
    >>> repeated(np.array(["b", "a", "b"], dtype=object))
    ['b']
    """
    names, counts = np.unique(patient_n.astype(str), return_counts=True)
    return names[counts > 1].tolist()


def joined(patient_n: np.ndarray, group_n: np.ndarray) -> np.ndarray:
    """(n,) groups that no patient stands astride of: groups that share a patient become one.

    Examples
    --------
    >>> joined(np.array(list("ppq"), dtype=object), np.array(["x", "y", "z"], dtype=object)).tolist()
    ['x+y', 'x+y', 'z']
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    patient = np.unique(patient_n.astype(str), return_inverse=True)[1]
    names, group = np.unique(group_n.astype(str), return_inverse=True)
    total = patient.max() + 1 + len(names)
    graph = coo_array((np.ones(len(group)), (patient, patient.max() + 1 + group)), shape=(total, total))
    part = connected_components(graph, directed=False)[1][patient.max() + 1 :]
    label = {p: "+".join(names[part == p]) for p in np.unique(part)}
    return np.array([label[part[g]] for g in group], dtype=object)


def patients_of(names: Sequence[str], obs: pd.DataFrame | None = None) -> tuple[np.ndarray, str]:
    """The patient of every sample, and what the unit is called.

    Barcodes of TCGA are cut to the 12 characters of the patient. Without any a column of ``obs`` with a usual name
    decides, where every sample has a value in it. Otherwise samples of the same name are one patient, and all others
    stand alone.

    Parameters
    ----------
    names
        (n,) names of the samples, as in the file (not made unique).
    obs
        What is known about them.

    Returns
    -------
    patient_n
        (n,) names.
    unit
        ``patient``, or ``sample`` where every sample stands alone and nothing says that it is a patient.

    Examples
    --------
    >>> patients_of(["TCGA-AA-3519-01", "TCGA-AA-3519-11", "TCGA-AA-3520-01"])[0].tolist()
    ['TCGA-AA-3519', 'TCGA-AA-3519', 'TCGA-AA-3520']
    >>> patients_of(["s1", "s2"])[1]
    'sample'
    """
    name_n = np.array([str(name) for name in names], dtype=object)
    patient_n = np.array([barcode(name) for name in name_n], dtype=object)
    if all(name.startswith("TCGA-") for name in patient_n):
        return patient_n, "patient"
    lower = {} if obs is None else {str(column).lower(): column for column in obs.columns}
    for wanted in COLUMNS:
        if wanted in lower and obs[lower[wanted]].notna().all():
            return obs[lower[wanted]].astype(str).to_numpy(dtype=object), "patient"
    return patient_n, "sample" if len(set(patient_n)) == len(patient_n) else "patient"


def patient_splits(
    adata: AnnData, *, folds: int = 5, repeats: int = 1, seed: int = 0, names: Sequence[str] | None = None
) -> Splits:
    """Folds that hold out whole patients (:func:`patients_of`).

    Parameters
    ----------
    adata
        The samples.
    folds, repeats, seed
        See :func:`exval.tasks.splits.make_splits`.
    names
        (n,) names as in the file, where those of ``adata`` were made unique.

    Examples
    --------
    >>> import anndata, pandas as pd
    >>> obs = pd.DataFrame(index=[f"TCGA-AA-{i // 2:04d}-0{i % 2}" for i in range(12)])
    >>> made = patient_splits(anndata.AnnData(np.zeros((12, 2)), obs=obs), folds=2)
    >>> first, patient = made.folds[0], made.groups_n
    >>> made.unit, len(set(patient)), set(patient[first.train]) & set(patient[first.test])
    ('patient', 6, set())
    """
    from exval.tasks.splits import make_splits

    patient_n, unit = patients_of(adata.obs_names if names is None else names, adata.obs)
    return make_splits(len(patient_n), groups_n=patient_n, name=unit, folds=folds, repeats=repeats, seed=seed)
