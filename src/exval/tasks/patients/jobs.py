"""One job of the benchmark of patients: one method, one draw of who is held out, every question that it can answer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.bench.cost import Cost
from exval.tasks.patients.cohorts import COHORTS, folds_of, load
from exval.tasks.splits import Fold, Splits

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.run import Run

ARMS = ("random 10 %", "random 50 %", "random 90 %", "genes 50 %", "genes 90 %", "low 30 %")
MEMBERS = {"tcga-3": ("blca", "coadread", "stad")}  # cohorts that one pretraining may serve


def run_cell(params: dict[str, Any]) -> dict[str, Any]:
    """Rows and units of one job; the engine calls this.

    Parameters
    ----------
    params
        ``job``: the name of a function below (``classify``, ``complete``, ``survive``, ``beside``, ``model``,
        ``outlook``); ``data``, ``data_dir``, ``folds``, ``draw`` (repeat x folds + fold), ``method``, and what the job
        needs further.

    Examples
    --------
    >>> asked = {"job": "classify", "data": "simulated", "folds": 2, "draw": 0, "method": "logreg", "sizes": [4]}
    >>> [row["task"] for row in run_cell(asked)["rows"]][::2]
    ['classify-random-4', 'classify-chosen-4']
    """
    jobs = {job.__name__: job for job in (classify, complete, survive, beside, model, outlook)}
    with Cost() as cost:
        found = jobs[params["job"]](params)
    rows = [row for part, _ in found for row in part]
    units = [table for _, table in found if table is not None]
    for row in rows:
        row.setdefault("seconds", cost.seconds)
    return {"rows": rows, "units": pd.concat(units, ignore_index=True) if units else None}


def divided(params: dict[str, Any], adata: AnnData, stratum: str) -> tuple[Fold, AnnData, AnnData]:
    """The fold of a draw, and both sides of it."""
    repeat, number = divmod(int(params["draw"]), int(params["folds"]))
    fold = folds_of(adata, adata.obs[stratum].to_numpy(object), int(params["folds"]), repeat)[number]
    return fold, adata[fold.train].copy(), adata[fold.test].copy()


def classify(params: dict[str, Any]) -> list[tuple]:
    """A simple method, fitted anew to every panel unless it integrates what was not measured."""
    from exval.methods import resolve
    from exval.tasks.patients.fewgenes import SIZES, panels, score_panels

    label = COHORTS[params["data"]].label
    _, train, test = divided(params, load(params["data"], params.get("data_dir")), label)
    drawn = panels(train, label, int(params["draw"]), params.get("sizes") or SIZES)
    method = resolve(params["method"])
    method = method.fit(train, label) if method.integrates else method
    return [score_panels(method, train, test, label, drawn, refit=not method.integrates)]


def complete(params: dict[str, Any]) -> list[tuple]:
    """A method for missing values."""
    from exval.methods.completion.run import as_completer

    adata = load(params["data"], params.get("data_dir"))
    fold, _, _ = divided(params, adata, COHORTS[params["data"]].label)
    return completed(as_completer(params["method"], seed=int(params["draw"])), adata, fold, params)


def completed(method: Any, adata: AnnData, fold: Fold, params: dict[str, Any]) -> list[tuple]:
    """Figures of one completer on one fold, the same values hidden for every method."""
    from exval.tasks.completing import evaluate_completion

    splits = Splits("patient", [fold], adata.obs["exval_patient"].to_numpy(object))
    found = evaluate_completion(adata, [method], splits, arms=params.get("arms") or ARMS, seed=0)
    kept = found.rows[(found.rows.fold == -1) & ~found.rows.metric.str.startswith("difference:")]
    rows = [
        {"task": task_of(row.slice), "metric": row.metric, "value": row.value, "n": int(row.n)}
        for row in kept.itertuples()
    ]
    table = found.predictions
    units = pd.DataFrame({"patient": table.group, "task": table.arm.map(lambda arm: task_of(f"arm={arm}")),
                          "metric": "squared", "value": table.squared, "weight": table.n_hidden})  # fmt: skip
    return [(rows, units)]


def task_of(part: str) -> str:
    """The name of the task of an arm, e.g. ``restore-random-10``."""
    return "restore-" + part.removeprefix("arm=").replace(" %", "").replace(" ", "-")


def survive(params: dict[str, Any]) -> list[tuple]:
    """A survival method without a network, with or without clinical columns."""
    from exval.methods import resolve
    from exval.tasks.patients.outlook import score_survival

    cohort = COHORTS[params["data"]]
    _, train, test = divided(params, load(params["data"], params.get("data_dir")), "exval_event")
    method = resolve(params["method"])
    known = method.get_params(deep=False)
    settings = {"covariates": cohort.clinical if params.get("clinical") else (), "seed": int(params["draw"])}
    method.set_params(**{key: value for key, value in settings.items() if key in known})
    return [score_survival(method.fit(train), train, test)]


def model(params: dict[str, Any]) -> list[tuple]:
    """A network pretrained once on the training patients: classes from few genes, missing values, survival."""
    from exval.methods.completion.run import RunCompleter
    from exval.methods.run import RunMethod
    from exval.tasks.patients.fewgenes import SIZES, panels, score_panels
    from exval.tasks.patients.models import pretrained, stripped
    from exval.verbs.finetune import finetune

    cohort, draw = COHORTS[params["data"]], int(params["draw"])
    adata = load(params["data"], params.get("data_dir"))
    fold, train, test = divided(params, adata, cohort.label)
    with tempfile.TemporaryDirectory(prefix="exval-") as room:
        with Cost() as cost:
            run = pretrained(stripped(train), params["method"], Path(room) / params["method"], steps=params["steps"],
                             preset=params["preset"], seed=draw)  # fmt: skip
        found = [([{"task": "pretraining", "metric": "seconds", "value": cost.seconds, "n": len(train)}], None)]
        found += completed(RunCompleter(str(run.folder)), adata, fold, params)
        with Cost() as cost:
            tuned = finetune(run, train, label=cohort.label, out=Path(room) / "tuned", steps=params["tune_steps"],
                             unit=str(train.uns["exval_unit"]), seed=draw)  # fmt: skip
        found.append(([{"task": "fine-tuning", "metric": "seconds", "value": cost.seconds, "n": len(train)}], None))
        drawn = panels(train, cohort.label, draw, params.get("sizes") or SIZES)
        found.append(score_panels(RunMethod(str(tuned.folder)), train, test, cohort.label, drawn, refit=False))
        for name, known, new in members(params, test):
            found += embedded(run, known, new, (), f"survival-{name}", draw)
    return found


def members(params: dict[str, Any], test: AnnData) -> Iterator[tuple[str, AnnData, AnnData]]:
    """The cohorts with an outcome within the one that was divided, on the same two sides."""
    held = set(test.obs["exval_patient"])
    for name in MEMBERS.get(params["data"], ()):
        part = load(name, params.get("data_dir"))
        out_n = part.obs["exval_patient"].isin(held).to_numpy()
        yield name, part[~out_n].copy(), part[out_n].copy()


def beside(params: dict[str, Any]) -> list[tuple]:
    """A survival method without a network on the folds of :func:`model`: what its embedding is held against."""
    from exval.methods import resolve
    from exval.tasks.patients.outlook import score_survival

    cohort, found = COHORTS[params["data"]], []
    _, _, test = divided(params, load(params["data"], params.get("data_dir")), cohort.label)
    for name, known, new in members(params, test):
        columns = COHORTS[name].clinical if params.get("clinical") else ()
        method = resolve(params["method"]).set_params(covariates=columns)
        found.append(score_survival(method.fit(known), known, new, f"survival-{name}"))
    return found


def embedded(
    run: Run, train: AnnData, test: AnnData, clinical: tuple[str, ...], task: str, seed: int
) -> list[tuple[list[dict[str, Any]], pd.DataFrame]]:
    """A Cox regression on the embedding of a run."""
    from exval.methods.run import RunMethod
    from exval.methods.survival.embedding import as_survival
    from exval.tasks.patients.outlook import score_survival

    method = as_survival(RunMethod(str(run.folder)), clinical, seed=seed)
    return [score_survival(method.fit(train), train, test, task)]


def outlook(params: dict[str, Any]) -> list[tuple]:
    """Survival by networks: pretrained on one cohort, on all of its group, or not at all; and the anchor genes.

    All cohorts of a group have the same draw, so that one pretraining on the training patients of all of them serves
    every one. Rows name their cohort and arm in ``data`` and ``method``.
    """
    from anndata import concat

    from exval.methods.completion.run import RunCompleter, as_completer
    from exval.tasks.patients.anchors import score_anchors
    from exval.tasks.patients.models import BARE, pretrained, stripped

    draw, names = int(params["draw"]), params["cohorts"]
    sides = {}
    for name in names:
        _, train, test = divided(params, load(name, params.get("data_dir")), "exval_event")
        sides[name] = (train, test)
    settings = {"steps": params["steps"], "preset": params["preset"], "seed": draw}
    found: list[tuple] = []
    with tempfile.TemporaryDirectory(prefix="exval-") as folder:
        room = Path(folder)
        pooled = concat([stripped(train) for train, _ in sides.values()], join="outer", fill_value=np.nan)
        first = next(iter(sides.values()))[0]
        pooled.uns["exval_unit"] = first.uns["exval_unit"]
        several = pretrained(pooled, "gexbert", room / "several", **settings) if len(names) > 1 else None
        for name, (train, test) in sides.items():
            clinical = COHORTS[name].clinical
            one = pretrained(stripped(train), "gexbert", room / f"one-{name}", **settings)
            runs = {"gexbert, one cohort": one} | ({} if several is None else {"gexbert, several cohorts": several})
            for title, run in runs.items():
                for asked in ((), clinical):
                    label = title + (" + clinical" if asked else "")
                    found += _named(embedded(run, train, test, asked, "survival", draw), label, name)
            # One thing changes from each arm to the next: the cohorts, the steps, the fitted Gaussian.
            one_step = {**settings, "steps": 1}
            heads = {} if several is None else {"gexbert, several cohorts": several}
            heads |= {
                "gexbert, one cohort": one,
                "gexbert, not pretrained": pretrained(stripped(train), "gexbert", room / f"none-{name}", **one_step),
                "from scratch": pretrained(stripped(train), BARE, room / f"scratch-{name}", **one_step),
            }
            for title, run in heads.items():
                found += _named(taught(run, train, test, room / f"{name}-{title}", params, draw),
                                f"{title}, Cox head", name)  # fmt: skip
            restorers: dict[str, Any] = {"gexbert": RunCompleter(str(one.folder)).fit(train)}
            restorers |= {kind: as_completer(kind, seed=draw).fit(stripped(train)) for kind in ("mean", "ppca")}
            if several is not None:  # what more patients bring, to both
                restorers["gexbert, several cohorts"] = RunCompleter(str(several.folder)).fit(train)
                restorers["ppca, several cohorts"] = as_completer("ppca", seed=draw).fit(pooled)
            for arm, rows, units in score_anchors(restorers, train, test):
                found += _named([(rows, units)], arm, name)
    return found


def taught(run: Run, train: AnnData, test: AnnData, folder: Path, params: dict[str, Any], seed: int) -> list[tuple]:
    """A Cox head on the run, taught on the training patients."""
    from exval.methods.run import RunMethod
    from exval.tasks.patients.outlook import score_survival
    from exval.verbs.finetune import finetune

    tuned = finetune(
        run, train, time="exval_time", event="exval_event", out=folder, steps=params["tune_steps"],
        unit=str(train.uns.get("exval_unit", "log1p")), seed=seed,
    )  # fmt: skip
    return [score_survival(RunMethod(str(tuned.folder)), train, test)]


def _named(found: list[tuple], method: str, data: str) -> list[tuple]:
    return [
        ([{**row, "method": method, "data": data} for row in rows], units.assign(method=method, data=data))
        for rows, units in found
    ]
