"""One method on one case: fit, impute, and every analysis that applies. The benchmark engine calls this."""

from __future__ import annotations

from typing import Any

import pandas as pd

from exval.errors import InputError
from exval.methods.imputation.base import Imputed, Imputer
from exval.tasks.imputing.analysis import Figure, answer
from exval.tasks.imputing.cases import ImputeCase, make_case

HEADLINE = {
    "recovery": "rmse", "molecules": "poisson_deviance", "clustering": "ari", "diffexp": "auprc", "markers": "auprc",
    "trajectory": "kendall", "annotation": "macro_f1", "null": "false_discoveries",
}  # fmt: skip
"""Task of the benchmark -> the figure that counts, in the slice ``all``."""


def run_cell(params: dict[str, Any]) -> dict[str, Any]:
    """Make the case, run the method, score it.

    Parameters
    ----------
    params
        ``method`` (as in :func:`made`), ``settings`` (dictionary, over those of the preset), ``preset``, ``data`` (name
        of a data set), ``data_dir`` (folder with its file), ``arm``, ``seed``, ``genes``, ``cells``.

    Returns
    -------
    dict
        ``rows``: columns of :data:`exval.bench.results.COLUMNS`, one a figure; figures of held-out molecules have the
        task ``molecules``, those of known expected values ``recovery``. ``units``: DataFrame with ``task``, ``slice``,
        ``metric``, ``unit``, ``value``, ``weight`` (:data:`exval.tasks.imputing.analysis.KINDS`) of the figure that
        counts in each task, so that paired intervals can be made.

    Raises
    ------
    InputError
        The method needs labels, which no method is given here: it could not be judged by them afterwards.

    Examples
    --------
    >>> found = run_cell({"method": "nothing", "data": "simulated-types", "arm": "null: permuted", "genes": 50})
    >>> [row["metric"] for row in found["rows"]][:2], found["rows"][0]["task"]
    (['false_discoveries', 'false_positive_rate'], 'null')
    """
    from exval.tasks.imputing.data import find_data

    seed = int(params.get("seed", 0))
    method = made(params["method"], params.get("settings"), params.get("preset", "cpu"), seed)
    case = make_case(
        find_data(params["data"]), params["arm"], seed=seed, genes=params.get("genes", 2000),
        folder=params.get("data_dir"), cells=params.get("cells"),
    )  # fmt: skip
    found = scored(case, method)
    for row in found["rows"]:
        row["task"] = _task(row["task"], row["metric"])
    units = found["units"]
    if units is not None:
        units = units.assign(task=[_task(*pair) for pair in zip(units.task, units.metric)])
        kept = [HEADLINE.get(task) == metric and part == "all"
                for task, metric, part in zip(units.task, units.metric, units["slice"])]  # fmt: skip
        units = units[kept].astype({"unit": "int32", "value": "float32", "weight": "float32"}).reset_index(drop=True)
    return {"rows": found["rows"], "units": units}


def _task(task: str, metric: str) -> str:
    return "molecules" if task == "recovery" and metric in ("poisson_deviance", "rmse_counts") else task


def made(spec: str, settings: dict[str, Any] | None, preset: str, seed: int) -> Imputer:
    """A method with the settings of a preset and its own, and the seed where it has one.

    Parameters
    ----------
    spec
        Registry name, ``cmd:...`` for an external program, or the folder of a pretraining run.
    settings
        Parameters of the method, over those of the preset.
    preset, seed
        ``"cpu"``, ``"paper"`` or ``"tiny"``, and what a stochastic method draws from.

    Examples
    --------
    >>> made("magic", {"t": 2}, "cpu", 3).get_params()["t"]
    2
    """
    from exval.methods.imputation.pretrained import as_imputer

    method = as_imputer(spec)
    if method.labels == "required":
        raise InputError(f"{method.title} needs the types of the cells, which no method is given here: they judge it")
    return as_imputer(spec, {**method.presets.get(preset, {}), **(settings or {})}, seed=seed)


def scored(case: ImputeCase, method: Imputer) -> dict[str, Any]:
    """Rows and units of one method on one case; see :func:`run_cell`."""
    from exval.bench.cost import Cost
    from exval.tasks.imputing.truth import gene_truth

    adata = case.with_truth() if method.name == "oracle" else case.adata
    with Cost() as cost:
        imputed = method.fit(adata).impute(adata, sd=method.has_sd)
    dropped = answer(case, imputed).dropped
    notes = [f"{dropped} genes dropped, zero in all figures"] if dropped else []
    common = {"method": method.title, "data": case.name, "split": case.arm, "seed": case.seed, "seconds": cost.seconds,
              "peak_mb": cost.peak_mb}  # fmt: skip
    rows, tables = [], []
    for task, figure in figures_of(case, imputed):
        truth = [f"truth: {gene_truth(case)}"] if task in ("diffexp", "markers") else []
        rows.append({**common, "task": task, "slice": figure.slice, "metric": figure.metric, "value": figure.value,
                     "n": figure.n, "unit": figure.unit, "note": "; ".join(notes + truth)})  # fmt: skip
        if figure.units is not None:
            tables.append(figure.units.assign(task=task, slice=figure.slice, metric=figure.metric))
    if not rows:
        raise InputError(f"no analysis applies to {case.name}, {case.arm}: no types, no paths and no known values")
    return {"rows": rows, "units": pd.concat(tables, ignore_index=True) if tables else None}


def figures_of(case: ImputeCase, imputed: Imputed) -> list[tuple[str, Figure]]:
    """(task, figure) of every analysis that applies to the case."""
    from exval.tasks.imputing import ANALYSES

    found = []
    for _, cls in ANALYSES.items():
        analysis = cls()
        if analysis.applies(case):
            found += [(analysis.task, figure) for figure in analysis.score(case, imputed)]
    return found
