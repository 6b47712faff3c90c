"""Compare methods that fill values which were not measured: fitted on training patients, asked about test patients."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from exval.bench.cost import Cost
from exval.bench.results import Results, config_hash, make_rows
from exval.data.patient_ids import patients_of
from exval.errors import InputError
from exval.methods.matrix import dense_values
from exval.progress import track
from exval.tasks.completing import score
from exval.tasks.completing.arms import Arm, as_arms, panel_mask
from exval.tasks.completing.ask import Answer, as_dense, ask, measured_genes
from exval.tasks.completing.conclude import conclude
from exval.tasks.completing.scale import Scale
from exval.tasks.crossval import FAULTS, blind_spots, seen_cells
from exval.tasks.splits import Fold, Splits, make_splits

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger("exval")


def evaluate_completion(
    adata: AnnData,
    methods: Sequence[Any],
    splits: Splits | None = None,
    *,
    arms: Iterable[Arm | str] | None = None,
    panel: Sequence[str] | None = None,
    against: str = "ppca",
    data: str = "AnnData",
    config: dict[str, Any] | None = None,
    seed: int = 0,
) -> Results:
    """Score methods by hiding what was measured of patients that they were not fitted on.

    The training patients of a fold stay as they are. Of its test patients measured values are hidden, arm by arm
    (:mod:`exval.tasks.completing.arms`), and every method restores the same ones. Errors are counted in sds of each
    gene among the training patients of the fold, where ten sds count as ten; genes without a spread there are not
    scored, and neither is anything that the file has not measured. Every method is scored on the same values: genes
    that one of them does not know (a run with another vocabulary) are left out for all, and counted in the warnings.

    Parameters
    ----------
    adata
        Prepared; not measured is NaN (CSR: absent is zero).
    methods
        Unfitted completers (:mod:`exval.methods.completion`); each fold fits a clone.
    splits
        Who is held out; by default five folds of whole patients.
    arms
        Ways of hiding, or their names; default :data:`~exval.tasks.completing.arms.ARMS`.
    panel
        Genes that stay visible in the arm ``panel``, which then replaces the random sets of genes.
    against
        Title of the method that the others are compared with; the first of ``methods`` if it is absent or failed.
    data, config
        Name of the file and what else was asked for.
    seed
        Of the hiding; with the repeat and the fold it names every draw.

    Returns
    -------
    Results
        ``rows``: for every method and arm (slice ``arm=...``) ``rmse``, ``mae``, ``pearson`` (median over genes) and,
        where the method gives an sd, ``coverage_50``, ``coverage_80``, ``coverage_95``, ``interval_width_95``,
        ``interval_score_95``; ``difference:rmse`` from ``against``, paired over patients. ``predictions``: one row for
        each patient's sample, method and arm with the sums behind them. ``extras``: ``cost``, ``completion_genes``,
        ``completion_calibration``, ``splits``.

    Raises
    ------
    InputError
        Two methods of the same title; no method could be scored.

    Examples
    --------
    >>> import anndata
    >>> from exval.methods.completion import COMPLETERS
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 1)) * np.ones((1, 12)) + 0.3 * rng.normal(size=(60, 12))
    >>> cohort = anndata.AnnData(x.astype(np.float32), uns={"exval_unit": "z"})
    >>> methods = [COMPLETERS["mean"](), COMPLETERS["ppca"]()]
    >>> found = evaluate_completion(cohort, methods, arms=["random 50 %"])
    >>> found.table().method.tolist()
    ['ppca', 'mean']
    """
    titles = [method.title for method in methods]
    if len(set(titles)) < len(titles) or not titles:
        raise InputError("give at least one method, and methods of different titles")
    adata = as_dense(adata)
    arms = as_arms(arms, panel is not None)
    panel_g = panel_mask(adata.var_names, panel)
    if splits is None:
        splits = patient_splits(adata, seed=seed)
    tally = Tally(splits)
    for fold in track(splits.folds, "Cross-validating", total=len(splits.folds)):
        _one_fold(adata, methods, fold, arms, panel_g, seed, tally)
    if len(tally.failed) == len(titles):
        raise InputError("no method could be scored: " + "; ".join(f"{k}: {v}" for k, v in tally.failed.items()))
    config = {
        **(config or {}), "task": "impute", "family": "completion", "arms": [arm.name for arm in arms], "seed": seed,
        "n_folds": len({fold.fold for fold in splits.folds}), "repeats": len({fold.seed for fold in splits.folds}),
        "panel": None if panel is None else list(map(str, panel)), "method": titles,
    }  # fmt: skip
    config.setdefault("dataset", {"name": data, "n": adata.n_obs, "genes": adata.n_vars, "split_by": splits.name,
                                  "unit": str(adata.uns["exval_unit"]), "label": None, "classes": []})  # fmt: skip
    config.setdefault("cards", {m.title: vars(m.card) for m in methods if hasattr(m, "card")})
    found = conclude(tally, methods, splits, arms, against)
    config["against"] = found.against
    config["warnings"] = [
        *config.get("warnings", []), *(f"{r.what}: {r.note}" for r in splits.notes.itertuples()), *found.warnings,
        *blind_spots(methods, adata, tally.seen),
    ]  # fmt: skip
    rows = make_rows([{"seed": seed, **row} for row in found.rows], task="impute", data=data,
                     config_hash=config_hash(config))  # fmt: skip
    predictions = found.samples.drop(columns="row").reset_index(drop=True)
    extras = {name: table for name, table in found.tables.items() if len(table)}
    if len(splits.notes):
        extras["splits"] = splits.notes
    return Results(rows, predictions, config, found.verdict, extras)


def patient_splits(adata: AnnData, *, folds: int = 5, repeats: int = 1, seed: int = 0) -> Splits:
    """Folds that hold out whole patients (:func:`exval.data.patient_ids.patients_of`).

    Examples
    --------
    >>> import anndata
    >>> obs = pd.DataFrame(index=[f"TCGA-AA-{i // 2:04d}-0{i % 2}" for i in range(12)])
    >>> made = patient_splits(anndata.AnnData(np.zeros((12, 2)), obs=obs), folds=2)
    >>> first, patient = made.folds[0], made.groups_n
    >>> made.unit, len(set(patient)), set(patient[first.train]) & set(patient[first.test])
    ('patient', 6, set())
    """
    told = patients_of(adata.obs_names, adata.obs)
    return make_splits(adata.n_obs, groups_n=told.id_n, name=told.unit, folds=folds, repeats=repeats, seed=seed)


@dataclass
class Tally:
    """What the folds left behind."""

    splits: Splits
    samples: list[pd.DataFrame] = field(default_factory=list)
    genes: list[pd.DataFrame] = field(default_factory=list)
    curves: list[pd.DataFrame] = field(default_factory=list)
    costs: list[dict] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    flat: int = 0

    def fail(self, title: str, error: Exception) -> None:
        self.failed[title] = " ".join(f"{error or type(error).__name__}".split())
        logger.info("%s failed: %s", title, self.failed[title])


def _one_fold(
    adata: AnnData,
    methods: Sequence[Any],
    fold: Fold,
    arms: Sequence[Arm],
    panel_g: np.ndarray | None,
    seed: int,
    tally: Tally,
) -> None:
    train, test = adata[fold.train].copy(), adata[fold.test].copy()
    truth_ng = dense_values(test)
    scale = Scale.of(dense_values(train))
    tally.flat = max(tally.flat, int((~scale.scored_g & ~np.isnan(truth_ng).all(0)).sum()))
    shown_ng = np.where(np.isnan(truth_ng), np.nan, np.nan_to_num(scale.z(truth_ng)))
    fitted: dict[str, Any] = {}
    for method in methods:
        if method.title in tally.failed:
            continue
        try:
            with Cost() as cost:
                fitted[method.title] = one = clone(method).fit(measured_genes(train))
        except FAULTS as error:
            tally.fail(method.title, error)
            continue
        tally.costs.append({"method": method.title, "seconds": cost.seconds, "peak_mb": cost.peak_mb,
                            "parameters": one.n_parameters() if hasattr(one, "n_parameters") else np.nan})  # fmt: skip
        tally.seen[method.title] = tally.seen.get(method.title, 0) + seen_cells(one, test)
    for arm in arms:
        hidden_ng = arm.hide(shown_ng, [seed, fold.seed, fold.fold], panel_g)
        case = test.copy()
        case.X = np.where(hidden_ng, np.nan, truth_ng).astype(np.float32)
        asked_ng = hidden_ng & scale.scored_g
        answers = {}
        for title, one in fitted.items():
            if title in tally.failed:
                continue
            try:
                with Cost() as cost:
                    answers[title] = ask(one, case, asked_ng)
            except FAULTS as error:
                tally.fail(title, error)
                continue
            tally.costs.append({"method": title, "seconds": cost.seconds, "peak_mb": cost.peak_mb})
        for title, answer in answers.items():
            tally.unknown[title] = max(tally.unknown.get(title, 0), int(answer.unknown_g.sum()))
            asked_ng = asked_ng & ~answer.unknown_g
        for title, answer in answers.items():
            note(tally, title, arm, fold, test, truth_ng, answer, asked_ng, scale)


def note(
    tally: Tally,
    title: str,
    arm: Arm,
    fold: Fold,
    test: AnnData,
    truth_ng: np.ndarray,
    answer: Answer,
    asked_ng: np.ndarray,
    scale: Scale,
) -> None:
    """Keep the sums of one method, arm and fold: for every sample, for every gene, for the calibration curve."""
    sums = score.entry_errors(truth_ng, answer.values_ng, answer.sd_ng, asked_ng, scale)
    groups_n = tally.splits.groups_n
    head = {"method": title, "arm": arm.name, "fold": fold.fold, "seed": fold.seed}
    rows_n = asked_ng.any(1)
    samples = pd.DataFrame({
        "sample": test.obs_names.astype(str), **head, "row": fold.test,
        "group": test.obs_names.astype(str) if groups_n is None else groups_n[fold.test],
        **score.sample_table(sums, asked_ng),
    })  # fmt: skip
    tally.samples.append(samples[rows_n])
    genes = score.gene_table(sums, truth_ng, answer.values_ng, asked_ng)
    genes = pd.DataFrame({"gene": np.asarray(test.var_names, dtype=str), **head, **genes})
    tally.genes.append(genes[genes.n > 0])
    if answer.sd_ng is not None:
        curve = score.calibration(truth_ng, answer.values_ng, answer.sd_ng, asked_ng)
        tally.curves.append(curve.assign(**head))
