"""A cohort that survival can be learned from: expression, outcome, clinical columns, and who is one patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.data.clinical import known_column, read_outcome
from exval.data.columns import names_of, texts
from exval.data.patient_ids import joined, patients_of, repeated
from exval.errors import ExvalError, InputError, UnitError
from exval.methods.survival.base import EVENT, TIME
from exval.tasks.survival.covariates import check_covariates, join_table

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.data.source import Source


@dataclass
class Cohort:
    """Samples with an outcome, ready for :class:`exval.methods.survival.base.SurvivalMethod`.

    Parameters
    ----------
    name
        Of the file.
    adata
        Prepared; ``obs["exval_time"]`` and ``obs["exval_event"]`` are set.
    patient_n, group_n
        (n,) the patient of each sample, and what is held out as a whole: the patient, or the value of the column split
        by, where a patient who has two of them joins them.
    unit
        Of the file: ``counts``, ``log2``, ...
    covariates
        Clinical columns.
    split_by
        The column split by; empty if patients are.
    notes
        Rows ``what, n, note`` on who and what was left out.
    warnings
        Sentences for the user.
    """

    name: str
    adata: AnnData
    patient_n: np.ndarray
    group_n: np.ndarray
    unit: str
    covariates: tuple[str, ...] = ()
    split_by: str = ""
    notes: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def time_n(self) -> np.ndarray:
        """(n,) float64."""
        return self.adata.obs[TIME].to_numpy(dtype=np.float64)

    @property
    def event_n(self) -> np.ndarray:
        """(n,) bool."""
        return self.adata.obs[EVENT].to_numpy(dtype=bool)

    @property
    def space(self) -> str:
        """The scale of the prepared values: log1p (of CP10k), log2 or z."""
        return space_of(self.adata)


def space_of(adata: AnnData) -> str:
    """The scale of a prepared AnnData.

    Examples
    --------
    >>> import anndata
    >>> space_of(anndata.AnnData(np.zeros((1, 1))))
    'log1p'
    """
    return str(adata.uns.get("exval_unit", "log1p"))


def read_cohort(
    source: Source,
    *,
    time: str | None,
    event: str | None = None,
    censored: str | None = None,
    clinical: str | Sequence[str] = (),
    clinical_table: Any = None,
    patient: str | None = None,
    split_by: str | None = None,
    obsm: bool = False,
) -> Cohort:
    """Outcome, clinical columns and patients of an opened file; samples without an outcome are left out and counted.

    Parameters
    ----------
    source
        Opened with ``missing=True``.
    time, event, censored
        Columns of obs, or of the table beside the file; see :func:`exval.data.clinical.read_outcome`.
    clinical, clinical_table
        Columns of obs, a csv beside the file, or columns of either.
    patient
        Column that names the patient of a sample; see :func:`exval.data.patient_ids.patients_of`.
    split_by
        Column held out as a whole, such as the hospital.
    obsm
        Read the embeddings of the file too.

    Raises
    ------
    InputError
        The first fault found, in one line.

    Examples
    --------
    >>> import exval
    >>> from exval.data.patients import simulated_patients
    >>> source = exval.open_source(simulated_patients(60, 20), missing=True)
    >>> cohort = read_cohort(source, time="os_months", event="os_event", clinical="age,is_female")
    >>> cohort.adata.n_obs, cohort.covariates, cohort.space
    (60, ('age', 'is_female'), 'log2')
    """
    obs, notes = source.obs, []
    covariates = names_of(clinical)
    if clinical_table is not None:
        besides = [one for one in (time, event, censored, patient, split_by) if one]
        obs, covariates, notes = join_table(obs, clinical_table, covariates, besides)
    outcome = read_outcome(obs, time, event, censored)
    keep = np.flatnonzero(outcome.known_n)
    if len(keep) < len(obs):
        columns = f"{time!r} or {(event or censored)!r}"
        note = f"samples without a value in {columns} are left out"
        notes.append({"what": "no outcome", "n": len(obs) - len(keep), "note": note})
    told = patients_of(source.file_names, obs, patient)
    patients = told.id_n[keep]
    groups = patients
    if split_by is not None:
        groups = _groups(obs, split_by, keep, patients)
    check_covariates(obs.iloc[keep], covariates, outcome.time_n[keep], outcome.event_n[keep],
                     [one for one in (time, event, censored) if one])  # fmt: skip
    adata = source.to_adata(keep, obsm=obsm, measured=True)
    for name in covariates:
        adata.obs[name] = obs[name].iloc[keep].array
    adata.obs["exval_patient"] = patients
    adata.obs[TIME], adata.obs[EVENT] = outcome.time_n[keep], outcome.event_n[keep]
    warnings = [f"{one['n']} {one['note']}" for one in notes] + list(outcome.warnings)
    warnings += _two_outcomes(patients, outcome.time_n[keep], outcome.event_n[keep])
    twice = repeated(patients)
    if twice:
        several = int(np.isin(patients.astype(str), twice).sum())
        who = ", ".join(twice[:3]) + (", ..." if len(twice) > 3 else "")
        have = f"{len(twice)} patients have" if len(twice) > 1 else "1 patient has"
        note = f"{have} {several} samples ({who}; told by {told.told_by}): they stay on one side of every split"
        notes.append({"what": "repeated patients", "n": several, "note": note})
    return Cohort(source.name, adata, patients, groups, source.unit, tuple(covariates), split_by or "", notes,
                  [*source.warnings, *warnings])  # fmt: skip


def _two_outcomes(patient_n: np.ndarray, time_n: np.ndarray, event_n: np.ndarray) -> list[str]:
    """A warning where samples of one patient have different outcomes."""
    by = pd.DataFrame({"time": time_n, "event": event_n}).groupby(patient_n.astype(str)).nunique().max(axis=1)
    odd = by.index[by > 1]
    if not len(odd):
        return []
    who = f"{len(odd)} patients ({', '.join(odd[:3])}{', ...' if len(odd) > 3 else ''}) have"
    who = f"the patient {odd[0]} has" if len(odd) == 1 else who
    return [f"{who} samples with different times or events: is one outcome wrong, or --patient the wrong column?"]


def read_external(source: Source, home: Cohort, **columns: Any) -> Cohort:
    """Another cohort on the terms of the first: same columns, same scale, no patient of the first.

    Parameters
    ----------
    source
        The opened second file.
    home
        The cohort that methods are fitted on.
    columns
        As for :func:`read_cohort`.

    Raises
    ------
    InputError, UnitError
        As :func:`read_cohort`, with the name of the file; another scale; nobody who is not in the first cohort.
    """
    try:
        found = read_cohort(source, **columns)
    except ExvalError as error:
        raise type(error)(f"--external {source.name}: {error}") from None
    refuse_other_space(found.adata, home.space, f"--external {source.name}", home.name)
    shared = np.isin(found.patient_n.astype(str), np.unique(home.patient_n.astype(str)))
    if shared.all():
        raise InputError(f"--external {source.name}: all of its patients are in {home.name} too; give another cohort")
    if shared.any():
        kept = np.flatnonzero(~shared)
        found.notes.append({"what": "in both cohorts", "n": int(shared.sum()), "note": "samples of patients whom the "
                            "methods are fitted on are left out of the external cohort"})  # fmt: skip
        found.adata, found.patient_n = found.adata[kept].copy(), found.patient_n[kept]
        found.group_n = found.group_n[kept]
        if not found.event_n.any():
            raise InputError(f"--external {source.name}: no event is left among patients who are not in {home.name}")
    ratio = float(np.median(found.time_n) / np.median(home.time_n))
    if not 0.1 <= ratio <= 10:
        found.warnings.append(
            f"The median time of {source.name} is {ratio:.3g} times that of {home.name}: are both in one unit of time?"
        )
    if home.space == "z":
        found.warnings.append(
            f"Both cohorts hold z-scores, each relative to its own patients: a shift between {home.name} and "
            f"{source.name} cannot be seen."
        )
    return found


def refuse_other_space(adata: AnnData, space: str, what: str, home: str) -> None:
    """A ``UnitError`` where values are on another scale than those that were learned from.

    Examples
    --------
    >>> import anndata
    >>> refuse_other_space(anndata.AnnData(np.zeros((1, 1)), uns={"exval_unit": "z"}), "log2", "new.csv", "brca.h5ad")
    Traceback (most recent call last):
    exval.errors.UnitError: new.csv holds z values and brca.h5ad log2 values: risks ... (--unit if one was misread)
    """
    found = space_of(adata)
    if found != space:
        raise UnitError(
            f"{what} holds {found} values and {home} {space} values: risks would mean nothing; give values on the "
            "scale of the cohort (--unit if one was misread)"
        )


def _groups(obs: pd.DataFrame, name: str, keep: np.ndarray, patients: np.ndarray) -> np.ndarray:
    words = texts(known_column(obs, name, "--split-by"))[keep]
    missing = int(sum(word is None for word in words))
    if missing:
        raise InputError(f"{missing} samples have no value in {name!r}, which is split by; fill it, or leave them out")
    if len(set(words)) < 2:
        raise InputError(
            f"--split-by: column {name!r} has one value only ({words[0]!r}): nothing can be held out by it"
        )
    found = joined(patients, words)
    if len(set(found)) < 2:
        raise InputError(f"--split-by: patients with samples in several values of {name!r} join them all into one")
    return found
