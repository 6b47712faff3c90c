"""Recover hidden values of held-out cells: two arms, controls in the same table, paired intervals."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from exval.bench.cost import Cost
from exval.bench.intervals import Interval, in_words, mean_interval
from exval.bench.results import POOLED, Results, config_hash, make_rows
from exval.errors import InputError
from exval.methods.base import Method
from exval.metrics.regression import poisson_deviance_terms
from exval.progress import track
from exval.tasks.crossval import FAULTS, blind_spots, caution, seen_cells
from exval.tasks.hiding import Case, hide_entries, thin_molecules
from exval.tasks.splits import Splits

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger("exval")
CONTROLS = ("noop", "hidden-mean")
BASELINES = ("gene-mean", "low-rank", "low-rank-hidden")
ADMITTED = {
    "entries": {"rmse": ("squared", True), "poisson_deviance": ("deviance", False)},
    "molecules": {"poisson_deviance": ("deviance", False), "rmse_counts": ("squared_counts", True)},
}
"""Arm -> metric -> (sum it is made of, whether a root is taken); each passed the propriety test."""


def evaluate_recovery(
    adata: AnnData,
    methods: list[Method],
    splits: Splits,
    *,
    data: str,
    config: dict[str, Any],
    share: float = 0.2,
    keep: float = 0.9,
    n_calibrate: int = 200,
) -> Results:
    """Fit on training cells, recover what is hidden of test cells.

    Arm ``entries`` hides a share of the non-zeros and as many zeros (:func:`exval.tasks.hiding.hide_entries`), arm
    ``molecules`` a tenth of the molecules (:func:`exval.tasks.hiding.thin_molecules`; needs counts). A method that
    learned from values hidden in the same way knows that half of them are non-zero; the mean over all cells does not.
    Two things show how much of a gain is that: the control ``hidden-mean``, and the slice ``calibrated``, in which
    every method's answer is mapped by ``a + b x`` (by one factor for deviances) fitted on training cells.

    Parameters
    ----------
    adata
        Prepared AnnData.
    methods
        Unfitted methods with ``recover``.
    splits
        Who is held out.
    data, config
        Name of the file and what was asked for.
    share, keep
        See the two arms.
    n_calibrate
        Training cells of a fold on which the calibration is fitted.

    Raises
    ------
    InputError
        If every method failed; the line is that of the first.
    """
    seed = config.get("seed", 0)
    cells, points, costs, failed, seen = [], [], [], {}, {}
    warnings = [*config.get("warnings", []), *(f"{r.what}: {r.note}" for r in splits.notes.itertuples())]
    arms = ["entries"] + (["molecules"] if "counts" in adata.layers else [])
    if len(arms) == 1:
        warnings.append("The file holds no counts: molecules cannot be held out, and no Poisson deviance is given.")
    jobs = [(fold, method) for fold in splits.folds for method in methods]
    last, cases, again = None, {}, {}
    for fold, method in track(jobs, "Recovering", total=len(jobs)):
        title = method.title
        if title in failed:
            continue
        if last is not fold:
            train, test = adata[fold.train].copy(), adata[fold.test].copy()
            some = np.random.default_rng(fold.seed).permutation(train.n_obs)[:n_calibrate]
            cases = {arm: _case(test, arm, share, keep, fold.seed * 1000 + fold.fold) for arm in arms}
            again = {arm: _case(train[np.sort(some)].copy(), arm, share, keep, fold.seed * 1000 + 500 + fold.fold)
                     for arm in arms}  # fmt: skip
            last = fold
        try:
            with Cost() as cost:
                fitted = clone(method).fit(train)
                answers = {arm: _ask(fitted, *cases[arm], title) for arm in arms}
            tuned = {arm: _calibration(_ask(fitted, *again[arm], title), again[arm][1], arm) for arm in arms}
        except FAULTS as error:
            failed[title] = " ".join(f"{error or type(error).__name__}".split())
            logger.info("%s failed: %s", title, failed[title])
            continue
        for arm in arms:
            case = cases[arm][1]
            for name, answer in ((arm, answers[arm]), (f"{arm}, calibrated", answers[arm])):
                calibration = tuned[arm] if name != arm else (0.0, 1.0, 1.0)
                sums = _sums(case, answer, calibration)
                where = {"sample": test.obs_names.astype(str), "method": title, "arm": name, "fold": fold.fold,
                         "seed": fold.seed, "row": fold.test,
                         "group": "" if splits.groups_n is None else splits.groups_n[fold.test]}  # fmt: skip
                cells.append(pd.DataFrame({**where, **sums}))
        if fold is splits.folds[0]:
            points.append(_points(cases["entries"][1], answers["entries"], test, title))
        costs.append({"method": title, "seconds": cost.seconds, "peak_mb": cost.peak_mb,
                      "parameters": fitted.n_parameters()})  # fmt: skip
        seen[title] = seen.get(title, 0) + seen_cells(method, test)
    titles = [m.title for m in methods if m.title not in failed]
    if not titles:
        raise InputError("no method could be scored: " + "; ".join(f"{k}: {v}" for k, v in failed.items()))
    table = pd.concat([t for t in cells if t.method.iloc[0] in titles], ignore_index=True)
    cost = pd.DataFrame(costs).groupby("method", sort=False).agg(
        seconds=("seconds", "sum"), peak_mb=("peak_mb", "max"), parameters=("parameters", "last")
    )  # fmt: skip
    cost["seconds"] += pd.Series({m.title: m.spent_seconds for m in methods}, dtype=float).reindex(cost.index)
    rows = [row for title in titles for row in _rows(table, title, splits, cost, seen.get(title, 0))]
    sentences = []
    contests = _contests(titles, arms)
    # All differences stand in the table; the verdict holds each method against the best baseline of an arm.
    best = {
        arm: min(
            (o for _, o, a, _ in contests if a == arm),
            key=lambda o, arm=arm, metric=metric: figure(table, o, arm, metric, None, splits).value,
        )
        for _, _, arm, metric in contests
    }
    for name, other, arm, metric in contests:
        gap = figure(table, name, arm, metric, other, splits)
        rows.append({"method": name, "split": splits.name, "slice": f"arm={arm}", "metric": f"difference:{metric}",
                     "value": gap.value, "lo": gap.lo, "hi": gap.hi, "n": gap.n_units, "unit": splits.unit,
                     "note": f"against {other}"})  # fmt: skip
        if other != best[arm]:
            continue
        ratio = cost.seconds[name] / max(cost.seconds[other], 1e-9)
        what = {"rmse": "RMSE in log1p(CP10k)", "poisson_deviance": "Poisson deviance of held-out molecules"}[metric]
        sentences.append(in_words(name, other, gap, unit=splits.unit, metric=what, cost_ratio=ratio,
                                  higher_is_better=False, caution=caution(splits, name, seen)))  # fmt: skip
    rows += [{"method": title, "split": splits.name, "status": "failed", "metric": "rmse", "slice": "arm=entries",
              "value": np.nan, "note": why} for title, why in failed.items()]  # fmt: skip
    warnings += _cautions(table, titles, list(dict.fromkeys(name for name, *_ in contests)), splits)
    warnings += [f"{title} failed: {why}" for title, why in failed.items()]
    warnings += blind_spots(methods, adata, seen)
    extras = {"cost": cost.loc[titles].reset_index(), "recovered": pd.concat(points, ignore_index=True)}
    if len(splits.notes):
        extras["splits"] = splits.notes
    common = {"task": "recover", "data": data, "config_hash": config_hash(config)}
    full = {**config, "task": "recover", "share": share, "keep": keep, "warnings": warnings}
    rows = make_rows([{"seed": seed, **row} for row in rows], **common)
    return Results(rows, table.drop(columns="row"), full, " ".join(sentences) or f"{titles[0]} alone.", extras)


def _case(adata: AnnData, arm: str, share: float, keep: float, seed: int) -> tuple[AnnData, Case]:
    """The AnnData a method sees and the questions put to it."""
    counts = adata.layers.get("counts")
    total = None
    if counts is not None:
        total = np.asarray(counts.sum(1), dtype=np.float64).ravel()
        if "exval_total" in adata.obs and np.isfinite(adata.obs["exval_total"]).all():
            total = adata.obs["exval_total"].to_numpy(dtype=np.float64)
    if arm == "molecules":
        case = thin_molecules(counts, keep=keep, seed=seed)
    else:
        case = hide_entries(adata.X, share=share, seed=seed, counts=counts, total_n=total)
    seen = adata.copy()
    seen.X = case.visible
    if case.visible_counts is not None:
        seen.layers["counts"] = case.visible_counts
        seen.obs["exval_total"] = np.asarray(case.visible_counts.sum(1), dtype=np.float64).ravel()
    return seen, case


def _ask(fitted: Method, seen: AnnData, case: Case, title: str) -> np.ndarray:
    """(m,) answers in log1p(CP10k), in the order of ``case.hidden``; not below zero, since values are not."""
    answer = fitted.recover(seen, case.hidden)
    values = np.asarray(answer.data if hasattr(answer, "indptr") else answer, dtype=np.float64)
    if values.shape != case.truth_m.shape:
        raise ValueError(f"{title} answered {values.size} of {case.truth_m.size} questions")
    if not np.isfinite(values).all():
        raise ArithmeticError(f"{title} returned NaN or inf for {int((~np.isfinite(values)).sum())} entries")
    return np.maximum(values, 0.0)


def _calibration(answer_m: np.ndarray, case: Case, arm: str) -> tuple[float, float, float]:
    """Intercept and slope for values, and the factor for expected counts, that suit the training cells best."""
    intercept, slope, factor = 0.0, 1.0, 1.0
    if np.ptp(answer_m) > 1e-9:
        slope, intercept = np.polyfit(answer_m, case.truth_m, 1)
    elif len(answer_m):
        intercept, slope = float(case.truth_m.mean()), 0.0
    if case.counts_m is not None:
        expected = (np.expm1(answer_m) * case.exposure_m).sum()
        factor = case.counts_m.sum() / expected if expected > 0 else 1.0
    return float(intercept), float(slope), float(factor)


def _sums(case: Case, answer_m: np.ndarray, calibration: tuple[float, float, float]) -> dict[str, np.ndarray]:
    """Per cell: entries asked for, and the sums that the metrics are made of."""
    intercept, slope, factor = calibration
    n = case.hidden.shape[0]

    def per_cell(error_m: np.ndarray) -> np.ndarray:
        return np.bincount(case.row_m, weights=error_m, minlength=n)

    sums = {
        "n_hidden": np.diff(case.hidden.indptr),
        "squared": per_cell((np.maximum(intercept + slope * answer_m, 0.0) - case.truth_m) ** 2),
    }
    if case.counts_m is not None:
        expected = factor * np.expm1(answer_m) * case.exposure_m
        sums["deviance"] = per_cell(poisson_deviance_terms(case.counts_m, expected))
        sums["squared_counts"] = per_cell((expected - case.counts_m) ** 2)
    return sums


def figure(table: pd.DataFrame, name: str, arm: str, metric: str, other: str | None, splits: Splits) -> Interval:
    """A metric of one arm with its interval, or the paired difference to another method.

    Units are the groups of the split, else cells; repeats of the same cell are summed, not counted as further units.
    """
    column, root = ADMITTED[arm.split(",")[0]][metric]
    key = "row" if splits.groups_n is None else "group"
    sums = table[(table.arm == arm) & (table.method == name)].groupby(key)[[column, "n_hidden"]].sum()
    against = None
    if other is not None:
        against = (
            table[(table.arm == arm) & (table.method == other)].groupby(key)[column].sum().loc[sums.index].to_numpy()
        )
    return mean_interval(sums[column].to_numpy(), sums.n_hidden.to_numpy(dtype=float), against, root=root)


def _rows(table: pd.DataFrame, title: str, splits: Splits, cost: pd.DataFrame, seen: int) -> list[dict]:
    rows = []
    head = {"method": title, "split": splits.name + (", seen in pretraining" if seen else ""), "unit": splits.unit,
            "seconds": cost.seconds[title], "peak_mb": cost.peak_mb[title],
            "note": f"{seen} of the test cells were seen in pretraining" if seen else ""}  # fmt: skip
    for arm, part in table[table.method == title].groupby("arm", sort=False):
        for metric, (column, root) in ADMITTED[arm.split(",")[0]].items():
            if column not in part or part[column].isna().all():
                continue
            found = figure(table, title, arm, metric, None, splits)
            rows.append({**head, "slice": f"arm={arm}", "metric": metric, "fold": POOLED, "value": found.value,
                         "lo": found.lo, "hi": found.hi, "n": found.n_units})  # fmt: skip
            for (seed, fold), piece in part.groupby(["seed", "fold"]):
                value = piece[column].sum() / max(piece.n_hidden.sum(), 1)
                rows.append({**head, "slice": f"arm={arm}", "metric": metric, "fold": fold, "seed": seed,
                             "value": np.sqrt(value) if root else value, "n": len(piece), "unit": "cell"})  # fmt: skip
    return rows


def _contests(titles: list[str], arms: list[str]) -> list[tuple[str, str, str, str]]:
    contenders = [t for t in titles if t not in CONTROLS + BASELINES] or [t for t in titles if t == "low-rank"]
    against = BASELINES if set(contenders) - set(BASELINES) else BASELINES[:1]
    pairs = [(name, other) for name in contenders for other in against if other in titles and other != name]
    headline = {"entries": "rmse", "molecules": "poisson_deviance"}
    return [(name, other, arm, headline[arm]) for arm in arms for name, other in pairs]


def _cautions(table: pd.DataFrame, titles: list[str], judged: list[str], splits: Splits) -> list[str]:
    """A judged method that a control beats is said to be beaten, whatever it is worth against the baselines."""
    lines = []
    for control, arm, metric, what in (
        ("hidden-mean", "entries", "rmse", "a gene's mean over entries hidden in the same way"),
        ("noop", "molecules", "poisson_deviance", "the visible molecules as they are"),
    ):
        if control not in titles or arm not in set(table.arm):
            continue
        least = figure(table, control, arm, metric, None, splits).value
        worse = [t for t in judged if figure(table, t, arm, metric, None, splits).value > least]
        lines += [f"{t} does not beat {control} ({arm}), {what}." for t in worse]
    return lines


def _points(case: Case, answer_m: np.ndarray, test: AnnData, title: str, most: int = 5000) -> pd.DataFrame:
    pick = np.sort(np.random.default_rng(0).permutation(len(answer_m))[:most])
    genes = np.asarray(test.var_names, dtype=object)[case.hidden.indices[pick]]
    return pd.DataFrame({"gene": genes, "true": case.truth_m[pick], "predicted": answer_m[pick], "method": title})
