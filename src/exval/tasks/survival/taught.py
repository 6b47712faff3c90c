"""A run that was taught survival, asked for a prognosis as the models of ``exval survival`` are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from exval.errors import InputError
from exval.methods.run import RunMethod
from exval.tasks.survival.runs import TaughtRun
from exval.tasks.survival.saved import FittedMethod, SavedModels, Terms
from exval.tasks.survival.strata import cut_offs

NOTE = (
    "percentiles and groups are those of the patients that the run was taught, for whom a network's risks are "
    "further apart than for new ones; `exval survival OTHER --method RUN` compares it with simple models on patients "
    "that it was not taught"
)


def is_run(folder: str | Path) -> bool:
    """Whether a folder is that of a training."""
    return (Path(folder) / "model.safetensors").is_file()


def models_of_run(folder: str | Path) -> SavedModels:
    """The run as the only model of its cohort.

    Raises
    ------
    InputError
        If it was not taught survival.
    """
    method = RunMethod(str(folder))
    run = method.run
    known = run.described.get("prognosis")
    if run.outcome is not None and known is None:
        raise InputError(f"{folder} was taught survival by an older exval; teach it again (exval finetune --force)")
    if run.outcome is None:
        raise InputError(
            f"{folder} was not taught survival; run exval finetune {folder} COHORT --time COLUMN --event COLUMN first, "
            "or give the folder that exval survival wrote"
        )
    risk_q = np.asarray(known["risks"])
    terms = Terms(
        cohort=run.described["data"],
        n=run.described["n_train"],
        events=known["events"],
        space=run.unit,
        unit=run.described["unit"],
        covariates=(),
        horizons=tuple(known["horizons"]),
        time=run.outcome["time"],
        n_groups=2,
        chosen=method.title,
    )
    return SavedModels(run.folder, terms, {method.title: ""}, {method.title: _fitted(method, risk_q)})


def _fitted(method: RunMethod, risk_q: np.ndarray) -> FittedMethod:
    from anndata import AnnData

    return FittedMethod(TaughtRun(method).fit(AnnData(np.zeros((1, 1)))), cut_offs(risk_q), risk_q)
