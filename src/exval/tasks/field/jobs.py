"""One job of the benchmark of brain fields: one field, one draw of what is held out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from exval.fields import FIELDS
from exval.fields.base import Field
from exval.fields.newgene import Factors, Loading
from exval.fields.places import Places
from exval.tasks.field.collection import load
from exval.tasks.field.conclude import METRICS
from exval.tasks.field.evaluation import ARMS, one_fold
from exval.tasks.field.score import gene_scores
from exval.tasks.field.splits import field_splits, range_buffer
from exval.tasks.splits import Fold

FEW, GROUPS = 50, 5


def run_cell(params: dict[str, Any]) -> dict[str, Any]:
    """Rows and units of one job; the engine calls this.

    Parameters
    ----------
    params
        ``job``: ``hold``, ``new_gene`` or ``new_donor``; ``data``, ``data_dir``, ``by``, ``folds``, ``draw`` (repeat x
        folds + fold), ``method``, ``settings`` of the field, and ``way`` (see the functions below).

    Examples
    --------
    >>> asked = {"job": "hold", "data": "simulated", "by": "donor", "folds": 6, "draw": 0, "method": "knn"}
    >>> found = run_cell(asked)
    >>> sorted({row["slice"] for row in found["rows"]}), len(found["units"])
    (['arm=position alone', 'arm=regions told'], 24)
    """
    jobs = {job.__name__: job for job in (hold, new_gene, new_donor)}
    table, cost = jobs[params["job"]](params)
    rows = [
        {"slice": f"arm={arm}", "metric": metric, "value": float(part[metric].mean()), "n": int(part.n.iloc[0]), **cost}
        for arm, part in table.groupby("arm", sort=False)
        for metric in METRICS
        if metric in part and part[metric].notna().any()
    ]
    return {"rows": rows, "units": table.assign(metric="r2", value=table.r2).drop(columns=["method", "seed"])}


def drawn(params: dict[str, Any]) -> tuple[Any, Fold]:
    """The samples, and the fold of a draw."""
    samples = load(params["data"], params.get("data_dir"))
    repeat, number = divmod(int(params["draw"]), int(params["folds"]))
    buffer = range_buffer(samples.places, samples.values_ng) if params["by"] == "block" else 0.0
    made = field_splits(samples.places, params["by"], folds=int(params["folds"]), seed=repeat, buffer=buffer)
    return samples, made.folds[number]


def field_of(params: dict[str, Any]) -> Field:
    """The field of a job, with its settings and the seed of the repeat."""
    field = FIELDS[params["method"]](**params.get("settings", {}))
    seed = int(params["draw"]) // int(params["folds"])
    return field.set_params(seed=seed) if "seed" in field.get_params() else field


def hold(params: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Fit to the training samples, and ask about the others."""
    samples, fold = drawn(params)
    several = bool(samples.places.told().any())
    tables, cost = one_fold(samples.places, samples.values_ng, samples.genes, field_of(params), fold, several)
    return pd.concat(tables, ignore_index=True), {key: cost[key] for key in ("seconds", "peak_mb")}


def new_gene(params: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Every gene in turn is known at fifty training samples only.

    ``way``: ``borrowed`` fits the field to the other genes at all training samples and solves for the loading of the
    new one (:class:`~exval.fields.newgene.Loading`); ``alone`` fits the field to the fifty samples of the gene.
    Genes are left out in five groups, so that no gene of the group is among the others.
    """
    samples, fold = drawn(params)
    places, x_ng, rng = samples.places, samples.values_ng, np.random.default_rng(int(params["draw"]))
    train, asked = places.take(fold.train).without_donor(), places.take(fold.test).without_donor()
    group_g = rng.permutation(x_ng.shape[1]) % GROUPS
    told = {
        arm: (np.empty((len(asked), x_ng.shape[1])), np.empty((len(asked), x_ng.shape[1]))) for arm in _arms(places)
    }
    few_g = [rng.permutation(len(fold.train))[:FEW] for _ in range(GROUPS)]
    ask = {arm: asked.without_regions() if arm == ARMS[1] else asked for arm in told}
    for group in range(GROUPS):
        others, field = np.flatnonzero(group_g != group), field_of(params)
        if params["way"] == "borrowed":
            known_ng = x_ng[np.ix_(fold.train, others)]
            z_ng = field.take_up(train, known_ng, None).standardised(known_ng)
            field.learn(train, z_ng)
            factors = Factors(field, train)
            at_n = factors.at_samples(field, train, z_ng, train.take(few_g[group]))
            at_m = {arm: factors.at(field, places) for arm, places in ask.items()}
        for gene in np.flatnonzero(group_g == group):
            rows = few_g[group]
            value_n = x_ng[fold.train[rows], gene]
            if params["way"] == "borrowed":
                one = Loading.fitted(at_n, value_n)
                for arm, (mean_mg, sd_mg) in told.items():
                    mean_mg[:, gene], sd_mg[:, gene] = one.tell(at_m[arm])
                continue
            alone = field_of(params).fit(train.take(rows), value_n[:, None])
            for arm, (mean_mg, sd_mg) in told.items():
                answer = alone.predict(ask[arm], sd=True)
                mean_mg[:, gene], sd_mg[:, gene] = answer.mean_mg[:, 0], answer.sd_mg[:, 0]
    return _scored(params, samples, fold, fold.test, x_ng[fold.train].mean(0), told), {}


def new_donor(params: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Fifty samples of the held-out donor are given, the others of that donor are asked.

    ``way``: ``without`` leaves them away, ``added`` adds them to the training samples, ``told`` adds them and tells
    the field whose samples are asked.
    """
    samples, fold = drawn(params)
    places, x_ng, rng = samples.places, samples.values_ng, np.random.default_rng(int(params["draw"]))
    order, few = rng.permutation(fold.test), min(FEW, len(fold.test) // 2)
    train = fold.train if params["way"] == "without" else np.concatenate([fold.train, order[:few]])
    rest, field = np.sort(order[few:]), field_of(params)
    field.fit(places.take(train), x_ng[train])
    asked = places.take(rest) if params["way"] == "told" else places.take(rest).without_donor()
    told = {}
    for arm in _arms(places):
        answer = field.predict(asked.without_regions() if arm == ARMS[1] else asked, sd=True)
        told[arm] = (answer.mean_mg, answer.sd_mg)
    return _scored(params, samples, fold, rest, x_ng[fold.train].mean(0), told), {}


def _arms(places: Places) -> tuple[str, ...]:
    return ARMS if places.told().any() else ARMS[1:]


def _scored(params, samples, fold: Fold, rows_m: np.ndarray, level_g: np.ndarray, told) -> pd.DataFrame:
    """Figures of every gene, arm by arm."""
    tables = []
    for arm, (mean_mg, sd_mg) in told.items():
        figures = gene_scores(samples.values_ng[rows_m], mean_mg, sd_mg, None, level_g)
        head = {"gene": samples.genes.astype(str), "arm": arm, "method": params["method"], "fold": fold.fold,
                "seed": fold.seed, "n": len(rows_m)}  # fmt: skip
        tables.append(pd.DataFrame({**head, **figures}))
    return pd.concat(tables, ignore_index=True)
