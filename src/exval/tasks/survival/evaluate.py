"""The whole of it: folds, risks out of fold, comparison, random panels, kept models, another cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from exval.bench.intervals import MIN_UNITS
from exval.bench.results import Results, config_hash, make_rows
from exval.errors import InputError
from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.embedding import EmbeddingCox
from exval.progress import track
from exval.tasks.crossval import FAULTS, blind_spots
from exval.tasks.splits import Splits
from exval.tasks.survival.cohort import Cohort
from exval.tasks.survival.compare import Comparison, compare, say
from exval.tasks.survival.crossval import OutOfFold, out_of_fold, reason
from exval.tasks.survival.external import External, score_external
from exval.tasks.survival.features import feature_table
from exval.tasks.survival.folds import common_times, pick_horizons, survival_splits
from exval.tasks.survival.lineup import NULL
from exval.tasks.survival.nullpanels import NullPanels, random_panels
from exval.tasks.survival.panel import Panel
from exval.tasks.survival.runs import TaughtRun, embed_once
from exval.tasks.survival.saved import FittedMethod, Terms, fit_on_all
from exval.tasks.survival.score import Judge
from exval.tasks.survival.tables import (
    calibration_table,
    curves_over_time,
    figure_rows,
    fold_rows,
    km_tables,
    prediction_table,
    survival_table,
)

FEW = 50  # events below which figures are said to be uncertain


@dataclass
class Asked:
    """How a comparison is to be made.

    Parameters
    ----------
    folds, repeats, seed
        Of the split.
    n_groups
        Groups of risk, 2 or 3.
    horizons
        Times at which survival is told; None: three that fit.
    n_random
        Random panels beside a panel.
    time
        Column of times, for words.
    """

    folds: int = 5
    repeats: int = 1
    seed: int = 0
    n_groups: int = 2
    horizons: Sequence[float] | None = None
    n_random: int = 1000
    time: str = ""


@dataclass
class Prognosis:
    """Results and the fitted methods.

    Parameters
    ----------
    results
        Tables, figures, verdict.
    fitted
        Title -> method fitted on all patients.
    terms
        What a prognosis of new patients needs to know.
    """

    results: Results
    fitted: dict[str, FittedMethod] = field(default_factory=dict)
    terms: Terms | None = None


def evaluate_survival(
    cohort: Cohort,
    methods: Sequence[SurvivalMethod],
    asked: Asked,
    config: Mapping[str, Any],
    panel: Panel | None = None,
    external: Cohort | None = None,
) -> Prognosis:
    """Compare survival methods on a cohort and fit each on all of it.

    Parameters
    ----------
    cohort
        From :func:`exval.tasks.survival.cohort.read_cohort`.
    methods
        From :func:`exval.tasks.survival.lineup.line_up`.
    asked
        Folds, groups, horizons.
    config
        What was asked for, for the record.
    panel
        Genes that were named: held against random panels.
    external
        Another cohort to be scored on.

    Raises
    ------
    InputError
        If every method failed; the line is that of the first.
    """
    splits = survival_splits(cohort, asked.folds, asked.repeats, asked.seed)
    times_t = common_times(cohort.time_n, cohort.event_n, [fold.train for fold in splits.folds])
    horizons = pick_horizons(times_t, asked.time, cohort.time_n, cohort.event_n, asked.horizons)
    embed_once(cohort.adata, methods, None if panel is None else panel.genes)
    oof = out_of_fold(cohort, methods, splits, times_t, horizons, asked.n_groups)
    if not [title for title in oof.titles if title != NULL]:
        why = "; ".join(f"{title}: {line}" for title, line in oof.failed.items())
        raise InputError(f"no method could be scored: {why or 'none was named beside the control'}")
    judge = judge_of(cohort, oof, times_t, horizons, asked.seed)
    cost = oof.cost()
    seconds = cost.seconds.to_dict()
    found = compare(oof.answers, judge, seconds, [title for title, n in oof.taught.items() if n])
    km, groups, p = km_tables(oof.answers, judge, asked.n_groups)
    head = {title: _head(title, splits, oof, cost) for title in oof.titles}
    rows, figures = figure_rows(oof.answers, judge, found, p, head)
    rows += fold_rows(oof, judge, head)
    rows += [{"method": title, "split": splits.name, "status": "failed", "metric": "harrell_c", "value": np.nan,
              "note": why} for title, why in oof.failed.items()]  # fmt: skip
    fitted, unfit = _fit_all(cohort, [m for m in methods if m.title in oof.answers], asked.n_groups)
    null = _against_random(cohort, panel, splits, asked)
    extras = {
        "survival_table": survival_table(found, figures, cost, oof.failed), "km": km, "km_groups": groups,
        "over_time": curves_over_time(oof.answers, judge), "calibration": calibration_table(oof.answers, judge),
        "features": _features(fitted, oof), "left_out": _left_out(cohort, splits, panel),
        "cost": cost.rename_axis("method").reset_index(),
    }  # fmt: skip
    if isinstance(null, NullPanels):
        kinds = ["panel"] + ["random"] * len(null.random_c)
        extras["null_panels"] = pd.DataFrame({"kind": kinds, "c": np.append(null.c, null.random_c)})
        note = f"C {null.c:.3f}, p {null.p:.3g}"
        rows.append({"method": "panel", "split": splits.name, "metric": "panel_percentile", "value": null.beaten,
                     "n": len(null.random_c), "unit": "random panel", "note": note})  # fmt: skip
    caution = {title: f"{title} has seen test samples in training" for title, n in oof.seen.items() if n}
    verdict = [say(found, seconds, splits.unit, caution)]
    if isinstance(null, NullPanels):
        verdict.append(null.sentence)
    warnings = _warnings(cohort, splits, oof, found, figures, null, panel) + blind_spots(
        [_embedder(m) for m in methods], cohort.adata, oof.seen
    )
    warnings += [f"{title} could not be fitted on all patients: {why}" for title, why in unfit.items()]
    if external is not None:
        other = score_external(external, fitted, times_t, horizons, seconds, asked.seed)
        more, tables = _external_tables(other, asked.n_groups, seconds)
        rows, extras = rows + more, extras | tables
        verdict.append(_external_words(other, found.chosen))
        warnings += external.warnings + [
            f"{title} failed on {external.name}: {why}" for title, why in other.failed.items()
        ]
    chosen = found.chosen if found.chosen in fitted else next(iter(fitted), found.chosen)
    terms = Terms(cohort.name, len(cohort.time_n), int(cohort.event_n.sum()), cohort.space, cohort.unit,
                  cohort.covariates, tuple(horizons), asked.time, asked.n_groups, chosen)  # fmt: skip
    full = {
        **config, "task": "survival", "chosen": chosen, "reference": found.reference, "horizons": list(horizons),
        "times": [float(times_t[0]), float(times_t[-1])], "n_folds": len({f.fold for f in splits.folds}),
        "cards": {m.title: _card(m) for m in methods if not m.title.endswith("+ clinical")},
        "warnings": list(dict.fromkeys(warnings)), "method": [m.title for m in methods], "seed": asked.seed,
    }  # fmt: skip
    shared = {"task": "survival", "data": cohort.name, "seed": asked.seed, "config_hash": config_hash(full)}
    predictions = prediction_table(oof, cohort, tuple(horizons), asked.n_groups)
    results = Results(make_rows(rows, **shared), predictions, full, " ".join(verdict), extras)
    return Prognosis(results, fitted, terms)


def judge_of(cohort: Cohort, oof: OutOfFold, times_t: np.ndarray, horizons: Sequence[float], seed: int = 0) -> Judge:
    """The judge of answers out of fold: weights for censoring from the training patients of each fold."""
    time, event = cohort.time_n, cohort.event_n
    censoring = {f"{s}:{f}": (time[rows], event[rows]) for (s, f), rows in oof.training.items()}
    return Judge(time[oof.row_m], event[oof.row_m], oof.model_m, cohort.group_n[oof.row_m], censoring, times_t,
                 tuple(horizons), seed, oof.seed_m)  # fmt: skip


def _embedder(method: SurvivalMethod) -> Any:
    return method.embedder if isinstance(method, (EmbeddingCox, TaughtRun)) else method


def _head(title: str, splits: Splits, oof: OutOfFold, cost: pd.DataFrame) -> dict[str, Any]:
    seen, taught = oof.seen.get(title, 0), oof.taught.get(title, 0)
    note = f"{seen} test samples were seen in pretraining" if seen else ""
    return {
        "method": title, "unit": splits.unit, "seconds": cost.seconds[title], "peak_mb": cost.peak_mb[title],
        "split": splits.name + (", labels taught" if taught else ", seen in pretraining" if seen else ""),
        "note": f"the outcome of {taught} of the test samples was taught" if taught else note,
    }  # fmt: skip


def _card(method: SurvivalMethod) -> dict[str, Any]:
    card = asdict(_embedder(method).card)
    if isinstance(method, EmbeddingCox):
        card["summary"] = f"{card['summary'].rstrip('.')}; a ridge Cox regression on it"
    return card


def _fit_all(
    cohort: Cohort, methods: Sequence[SurvivalMethod], n_groups: int
) -> tuple[dict[str, FittedMethod], dict[str, str]]:
    fitted, failed = {}, {}
    for method in track(methods, "Fitting on all patients"):
        try:
            fitted[method.title] = fit_on_all(cohort.adata, method, n_groups)
        except FAULTS as error:
            failed[method.title] = reason(error)
    return fitted, failed


def _against_random(cohort: Cohort, panel: Panel | None, splits: Splits, asked: Asked) -> NullPanels | str | None:
    """The panel beside random ones; a sentence where that cannot be done."""
    if panel is None or not asked.n_random:
        return None
    try:
        return random_panels(cohort, panel.genes, splits, asked.n_random, asked.seed)
    except InputError as error:
        return f"The panel was not held against random panels: {error}."


def _features(fitted: Mapping[str, FittedMethod], oof: OutOfFold) -> pd.DataFrame:
    tables = []
    for title, one in fitted.items():
        table = feature_table(one.method, oof.weights.get(title, ()))
        if len(table):
            tables.append(table.assign(method=title))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["method", "name"])


def _left_out(cohort: Cohort, splits: Splits, panel: Panel | None) -> pd.DataFrame:
    rows = [*cohort.notes, *(panel.notes if panel is not None else []), *splits.notes.to_dict("records")]
    return pd.DataFrame(rows, columns=["what", "n", "note"])


def _warnings(
    cohort: Cohort, splits: Splits, oof: OutOfFold, found: Comparison, figures: Mapping[str, Mapping[str, float]],
    null: NullPanels | str | None, panel: Panel | None,
) -> list[str]:  # fmt: skip
    lines = list(cohort.warnings)
    lines += [
        f"{note['what']}: {note['note']}"
        for note in cohort.notes
        if note["what"] in ("repeated patients", "no clinical row")
    ]
    if panel is not None and panel.absent:
        lines.append(f"{len(panel.absent)} genes of {panel.name} are not in the cohort: {panel.notes[0]['note']}.")
    events = int(cohort.event_n.sum())
    if events < FEW:
        lines.append(f"Only {events} events: intervals are wide, and a difference is hard to see.")
    if len(set(cohort.group_n)) < MIN_UNITS:
        lines.append(f"Fewer than {MIN_UNITS} values of {splits.name}: no interval is given.")
    if isinstance(null, str):
        lines.append(null)
    elif null is not None and null.beaten < 0.95:
        lines.append(f"The panel is not better than 95 % of random panels of its size (it beats {null.beaten:.0%}).")
    p = figures[found.chosen]["d_calibration_p"]
    if p < 0.05:
        lines.append(f"Survival probabilities of {found.chosen} are not calibrated (D-calibration p = {p:.2g}).")
    scaled = figures[found.chosen].get("scaled_brier", 1.0)
    if found.chosen != NULL and scaled <= 0:
        lines.append(
            f"The curves of {found.chosen} are no better than one curve for everybody (integrated Brier score)."
        )
    lines += [
        f"{title} was taught the outcome of {oof.taught[title]} test samples: its figures are worthless."
        if oof.taught.get(title)
        else f"{title} saw {n} of the test samples in pretraining."
        for title, n in oof.seen.items()
        if n or oof.taught.get(title)
    ]
    lines += [f"{title} failed: {why}" for title, why in oof.failed.items()]
    return lines


def _external_tables(
    other: External, n_groups: int, seconds: Mapping[str, float]
) -> tuple[list[dict], dict[str, pd.DataFrame]]:
    km, groups, p = km_tables(other.answers, other.judge, n_groups)
    split = f"external: {other.cohort.name}"
    head = {title: {"method": title, "split": split, "unit": other.cohort.split_by or "patient", "slice": "external",
                    "seconds": seconds.get(title, np.nan)} for title in other.answers}  # fmt: skip
    rows, figures = figure_rows(other.answers, other.judge, other.comparison, p, head)
    for row in rows:
        if row["slice"].startswith("time="):
            row["slice"] = f"external,{row['slice']}"
    cost = pd.DataFrame({"seconds": pd.Series(dict(seconds), dtype=float)})
    table = survival_table(other.comparison, figures, cost, other.failed).drop(columns="chosen")
    over_time = curves_over_time(other.answers, other.judge)
    tables = {"external": table.merge(other.missing, on="method", how="left"), "external_km": km,
              "external_groups": groups, "external_over_time": over_time}  # fmt: skip
    if other.cohort.notes:
        tables["external_left_out"] = pd.DataFrame(other.cohort.notes)
    return rows, tables


def _external_words(other: External, chosen: str) -> str:
    title = chosen if chosen in other.answers else next(iter(other.answers))
    c = other.comparison.c[title]
    bounds = f" [{c.lo:.3f}, {c.hi:.3f}]" if np.isfinite(c.lo) else ""
    n, events = len(other.cohort.time_n), int(other.cohort.event_n.sum())
    return f"On {other.cohort.name} ({n} samples, {events} events) {title} reaches C {c.value:.3f}{bounds}."
