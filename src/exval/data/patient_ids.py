"""Who is one patient: the rule that every split follows, so that no patient stands on both sides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exval.data.clinical import known_column
from exval.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_BARCODE = re.compile(r"^TCGA[-.]\w{2}[-.]\w{4}(?=$|[-.])", re.IGNORECASE)
COLUMNS = (
    "patient",
    "patient_id",
    "patient_barcode",
    "case_id",
    "case_submitter_id",
    "subject_id",
    "donor",
    "donor_id",
    "individual",
)
SAMPLES_EACH = {"donor": 4, "donor_id": 4, "individual": 4}
MOST_EACH = 50
"""Of files that may hold single cells: samples of a patient, on average, up to which a column is believed to name
patients. A donor of thousands of cells is held out by name (``--split-by``)."""


class Patients(NamedTuple):
    """(n,) the patient of each sample; ``patient`` or ``sample`` (nothing says that a sample is one); what told it."""

    id_n: np.ndarray
    unit: str
    told_by: str


def patients_of(
    names: Sequence[str], obs: pd.DataFrame | None = None, column: str | None = None, names_tell: bool = True
) -> Patients:
    """The patient of every sample: the one rule for every split.

    A column that the user names decides. Otherwise the first twelve characters of TCGA barcodes do; without any, a
    column of ``obs`` with a usual name; where the samples may be cells, only if a patient has few of them. Otherwise
    samples of one name are one patient, and all others stand alone.

    Parameters
    ----------
    names
        (n,) names of the samples as they stand in the file, repeats included.
    obs
        What is known about them.
    column
        Column that names the patients; a sample without a value is told by its name.
    names_tell
        Whether the samples are bulk samples, of which those of one name are one patient. Names of cells repeat and
        mean nothing.

    Raises
    ------
    InputError
        No such column, or all samples are of the one patient that it names.

    Examples
    --------
    >>> patients_of(["TCGA-AA-3519-01", "TCGA-AA-3519-11", "TCGA-AA-3520-01"]).id_n.tolist()
    ['TCGA-AA-3519', 'TCGA-AA-3519', 'TCGA-AA-3520']
    >>> patients_of(["s1", "s2"]).unit, patients_of(["s1", "s1"]).told_by
    ('sample', 'equal names')
    """
    from exval.data.columns import texts

    name_n = np.array([str(name) for name in names], dtype=object)
    own_n = np.array([barcode(name) for name in name_n], dtype=object)
    if column is not None:
        words = texts(known_column(obs, column, "--patient"))
        found = np.array([own if word is None else word for own, word in zip(own_n, words)], dtype=object)
        if len(found) > 1 and len(set(found)) == 1:
            raise InputError(f"all {len(found)} samples are of one patient ({found[0]}): nothing can be held out")
        return Patients(found, "patient", f"column {column!r}")
    if len(own_n) and all(_BARCODE.match(name) for name in name_n):
        return Patients(own_n, "patient", "barcodes")
    usual = _usual_column(obs, len(name_n), bulk=names_tell)
    if usual is not None:
        return Patients(obs[usual].astype(str).to_numpy(dtype=object), "patient", f"column {usual!r}")
    if len(set(own_n)) == len(own_n):
        return Patients(own_n, "sample", "")
    if names_tell:
        return Patients(own_n, "patient", "equal names")
    barcoded = np.array([bool(_BARCODE.match(name)) for name in name_n])
    alone = np.array([f"{name} ({row + 1})" for row, name in enumerate(name_n)], dtype=object)
    return Patients(np.where(barcoded, own_n, alone), "sample", "")


def _usual_column(obs: pd.DataFrame | None, n: int, bulk: bool) -> str | None:
    """A column with a usual name, a value everywhere, two values or more, and of cells few a value."""
    lower = {} if obs is None else {str(column).lower(): column for column in obs.columns}
    for wanted in COLUMNS:
        if wanted not in lower or not obs[lower[wanted]].notna().all():
            continue
        n_values = obs[lower[wanted]].nunique()
        most = n if bulk else n_values * SAMPLES_EACH.get(wanted, MOST_EACH)
        if n_values >= 2 and n <= most:
            return lower[wanted]
    return None


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
