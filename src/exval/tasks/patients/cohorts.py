"""The cohorts of the benchmark by name, and their folds of whole patients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exval.errors import InputError
from exval.tasks.splits import Fold, make_splits

if TYPE_CHECKING:
    from anndata import AnnData

XENA = "tcga_blca_stad_coadread_log2tpm_1577genes.h5ad"
SIMULATED = "simulated"


@dataclass(frozen=True)
class Cohort:
    """A file, which part of it, and where the outcome stands.

    Parameters
    ----------
    name, file
        What it is called; the file within the folder of data sets.
    part
        (column, value) of the samples that belong to it; None for all.
    time, flag, censored
        Columns of the outcome; whether 1 in ``flag`` means censored. ``time`` None: only classes are asked.
    label
        Column of the classes.
    clinical
        Columns known at diagnosis.
    group
        Cohorts on one scale, which may be pooled for pretraining.
    """

    name: str
    file: str | None
    part: tuple[str, str] | None = None
    time: str | None = None
    flag: str = ""
    censored: bool = True
    label: str | None = None
    clinical: tuple[str, ...] = ("age", "is_female")
    group: str = ""


def _z(name: str) -> Cohort:
    file = f"tcga_{name}_rnaseq_z_survival.h5ad"
    return Cohort(name, file, time="survival_months", flag="censorship", group="tcga-z")


COHORTS = {
    cohort.name: cohort
    for cohort in (
        Cohort("tcga-3", XENA, label="cancer", group="tcga-3"),
        *(
            Cohort(name.lower(), XENA, ("cancer", name), "os_months", "os_censored", group="tcga-3")
            for name in ("BLCA", "COADREAD", "STAD")
        ),
        *(_z(name) for name in ("kirc", "lihc")),
        Cohort(SIMULATED, None, None, "os_months", "os_event", False, "site", ("age", "is_female"), "simulated"),
    )
}


def load(name: str, folder: str | None) -> AnnData:
    """A cohort, prepared: genes that are recognised, ``obs["exval_patient"]``, and the outcome where there is one.

    Patients without an outcome are left out where one is asked.

    Examples
    --------
    >>> cohort = load("simulated", None)
    >>> cohort.obs["exval_event"].dtype.name, bool((cohort.obs["exval_time"] > 0).all())
    ('bool', True)
    """
    return _load(name, folder).copy()


@cache
def _load(name: str, folder: str | None) -> AnnData:
    from exval.data.clinical import read_outcome
    from exval.data.source import open_source

    if name not in COHORTS:
        raise InputError(f"no cohort of the benchmark is called {name!r}; known: {', '.join(COHORTS)}")
    cohort = COHORTS[name]
    if cohort.file is None:
        from exval.data.patients import simulated_patients

        source = open_source(simulated_patients(n=240, g=200, seed=0), missing=True)
    else:
        source = open_source(Path(folder or ".") / cohort.file, missing=True)
    adata = source.to_adata(obsm=False, measured=True)
    adata.obs["exval_patient"] = source.patients.id_n
    keep = np.ones(adata.n_obs, bool)
    if cohort.part is not None:
        keep &= (adata.obs[cohort.part[0]].astype(str) == cohort.part[1]).to_numpy()
    if cohort.time is not None:
        flags = {"censored": cohort.flag} if cohort.censored else {"event": cohort.flag}
        found = read_outcome(adata.obs, cohort.time, **flags)
        adata.obs["exval_time"], adata.obs["exval_event"] = found.time_n, found.event_n
        keep &= found.known_n
        rows = np.flatnonzero(keep)
        twice = adata.obs["exval_patient"].iloc[rows].duplicated().to_numpy()
        keep[rows[twice]] = False  # one row a patient: an outcome counts once
    return adata[keep][:, adata.var["recognised"].to_numpy(bool)].copy()


def folds_of(adata: AnnData, stratum_n: np.ndarray, k: int, repeat: int) -> list[Fold]:
    """``k`` folds of whole patients, spread over classes or events."""
    splits = make_splits(
        adata.n_obs, labels_n=stratum_n.astype(str), groups_n=adata.obs["exval_patient"].to_numpy(object),
        name="patient", folds=k, seed=repeat, min_cells=k,
    )  # fmt: skip
    return splits.folds
