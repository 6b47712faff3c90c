"""A run that was taught survival, asked for a prognosis as the models of ``exval survival`` are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from exval.errors import InputError
from exval.methods.run import RunMethod
from exval.methods.survival.risksets import RiskSets
from exval.objectives.survival import risk_of
from exval.rng import Draw
from exval.tasks.survival.folds import pick_horizons
from exval.tasks.survival.runs import TaughtRun
from exval.tasks.survival.saved import FittedMethod, SavedModels, Terms
from exval.tasks.survival.strata import cut_offs

if TYPE_CHECKING:
    from exval.data.store import Store
    from exval.models.encdec import EncoderDecoder
    from exval.recipes.config import RunConfig
    from exval.train.targets import SurvivalTarget

QUANTILES = 1001  # most that are kept of the risks of training patients
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


@torch.inference_mode()
def prognosis(
    model: EncoderDecoder,
    store: Store,
    target: SurvivalTarget,
    train: np.ndarray,
    config: RunConfig,
    device: torch.device,
) -> dict[str, Any]:
    """What :func:`models_of_run` needs of the patients that a run was taught, to stand in its ``config.json``.

    Parameters
    ----------
    model, config
        The run.
    store, target
        Values and outcome of all patients.
    train
        Rows that it was taught.
    device
        Where the model is.

    Returns
    -------
    dict
        ``prognosis``: quantiles of their risks, horizons in the unit of the time, events. Of a Cox head also
        ``baseline``: Breslow's cumulative hazard at the times of the events.
    """
    parts = []
    for rows in np.array_split(train, -(-len(train) // 64)):
        split = config.show.split(store.batch(rows), Draw(0)).to(device)
        parts.append(model(split).logits_nc.float().cpu().numpy())
    time_m, event_m = target.time_m[train], target.event_m[train]
    head = target.described["outcome"]["head"]
    risk_m = risk_of(np.concatenate(parts), head)
    horizons = pick_horizons(np.quantile(time_m, (0.05, 0.95)), target.described["label"], time_m, event_m)
    risk_q = np.quantile(risk_m, np.linspace(0, 1, min(len(risk_m), QUANTILES)))
    found = {"prognosis": {"risks": risk_q.tolist(), "horizons": list(horizons), "events": int(event_m.sum())}}
    if head == "cox":
        sets = RiskSets(time_m, event_m)
        times, hazard = sets.breslow(risk_m[sets.order_n])
        found["baseline"] = {"times": times.tolist(), "hazard": hazard.tolist()}
    return found
