"""How well a method restores what is known: a tenth of the measured values of a file is hidden, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from exval.bench.results import POOLED
from exval.methods.matrix import dense_values
from exval.tasks.completing.arms import Arm
from exval.tasks.completing.ask import ask, measured_genes
from exval.tasks.completing.conclude import conclude, misses
from exval.tasks.completing.evaluation import Tally, evaluate_completion, note
from exval.tasks.completing.scale import Scale
from exval.tasks.crossval import FAULTS
from exval.tasks.splits import Fold, Splits, make_splits

if TYPE_CHECKING:
    from anndata import AnnData

SHARE = 0.1


@dataclass
class Check:
    """What the hidden values said of a method.

    Parameters
    ----------
    sentence
        For the verdict; says so where nothing could be checked.
    figures
        ``rmse``, ``rmse_mean`` (of each gene's mean), ``coverage_95``: what goes into the record of the file.
    rows, tables
        For ``results.parquet`` and ``extras/``.
    better
        Whether the interval of the difference from the mean lies below zero; None where it cannot be told.
    sds
        ``"small"`` or ``"large"`` where the sds surely are too small or too large, else empty.
    """

    sentence: str
    figures: dict[str, float] = field(default_factory=dict)
    rows: list[dict] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    better: bool | None = None
    sds: str = ""


def held_out(
    method: Any,
    mean: Any,
    adata: AnnData,
    reference: AnnData | None = None,
    *,
    groups_n: np.ndarray | None = None,
    unit: str = "sample",
    share: float = SHARE,
    seed: int = 0,
) -> Check:
    """Hide a share of the measured values of a file at random, restore them, and compare with each gene's mean.

    Parameters
    ----------
    method, mean
        Unfitted completers: the one to be checked, and the mean of each gene.
    adata
        Prepared, dense: the file.
    reference
        Prepared, dense: what the methods are fitted on; None: the file itself, without what is hidden.
    groups_n, unit
        (n,) patient of every sample, and what an interval resamples.
    share, seed
        How much is hidden, and the draw.

    Returns
    -------
    Check
        Errors are in sds of each gene over the samples fitted on.

    Examples
    --------
    >>> import anndata
    >>> from exval.methods.completion import COMPLETERS
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 1)) * np.ones((1, 12)) + 0.3 * rng.normal(size=(60, 12))
    >>> file = anndata.AnnData(x.astype(np.float32), uns={"exval_unit": "z"})
    >>> found = held_out(COMPLETERS["ppca"](), COMPLETERS["mean"](), file)
    >>> found.better, found.figures["rmse"] < 0.5 < found.figures["rmse_mean"]
    (True, True)
    """
    arm = Arm("random", share)
    truth_ng = dense_values(adata)
    hidden_ng = arm.hide(np.where(np.isnan(truth_ng), np.nan, 0.0), [seed, 0, 0])
    case = adata.copy()
    case.X = np.where(hidden_ng, np.nan, truth_ng).astype(np.float32)
    basis = case if reference is None else reference
    scale = _scale_of(basis, adata)
    asked_ng = hidden_ng & scale.scored_g
    splits = Splits(unit, [], groups_n)
    tally = Tally(splits)
    methods = [method] if method.title == mean.title else [method, mean]
    try:
        answers = {one.title: ask(clone(one).fit(measured_genes(basis)), case, asked_ng) for one in methods}
        for answer in answers.values():
            asked_ng = asked_ng & ~answer.unknown_g
        if not asked_ng.any():
            raise ArithmeticError("no gene with a spread is left")
    except FAULTS as error:
        return Check(f"Not checked: {error or type(error).__name__}")
    for one in methods:
        note(tally, one.title, arm, Fold(np.arange(0), np.arange(adata.n_obs), 0, seed), adata, truth_ng,
             answers[one.title], asked_ng, scale)  # fmt: skip
        tally.costs.append({"method": one.title, "seconds": np.nan, "peak_mb": np.nan, "parameters": np.nan})
    found = conclude(tally, methods, splits, [arm], mean.title)
    tables = {name: found.tables[name] for name in ("completion_genes", "completion_calibration")}
    table = pd.DataFrame(found.rows)
    return _told(method.title, mean.title, table, tables, found.rows, unit, share)


def held_out_genes(
    method: Any,
    mean: Any,
    reference: AnnData,
    visible: Sequence[str],
    added: Sequence[str],
    *,
    groups_n: np.ndarray | None = None,
    unit: str = "sample",
    seed: int = 0,
) -> Check:
    """How well genes that a file lacks are restored, told from a reference: a third of it shows the file's genes alone.

    Parameters
    ----------
    method, mean
        Unfitted completers; they are fitted on the other two thirds.
    reference
        Prepared, dense.
    visible
        Genes of the file; all others are hidden.
    added
        Those of the others that are scored.
    groups_n, unit
        (n,) patient of every sample of the reference: no patient is on both sides.
    seed
        Of the division.

    Returns
    -------
    Check
        ``figures``: ``rmse_added``, ``rmse_added_mean``. Samples of another cohort may do worse.
    """
    splits = make_splits(reference.n_obs, groups_n=groups_n, name=unit, folds=3, seed=seed)
    splits = replace(splits, folds=splits.folds[:1])
    methods = [method] if method.title == mean.title else [method, mean]
    try:
        found = evaluate_completion(
            reference, methods, splits, arms=["panel"], panel=visible, against=mean.title, seed=seed
        )
    except FAULTS as error:
        return Check(f"The added genes were not checked: {error or type(error).__name__}")
    genes = found.extras["completion_genes"]
    genes = genes[genes.gene.isin([str(gene) for gene in added])]
    sums = genes.assign(square=genes.n * genes.rmse**2).groupby("method")[["square", "n"]].sum()
    value = np.sqrt(sums.square / sums.n)
    if method.title not in value or not np.isfinite(value[method.title]):
        return Check("The added genes could not be checked in the reference.")
    figures = {"rmse_added": float(value[method.title]), "rmse_added_mean": float(value.get(mean.title, np.nan))}
    text = f"The added genes: RMSE {figures['rmse_added']:.3f} sd in held-out samples of the reference"
    return Check(f"{text} (mean {figures['rmse_added_mean']:.3f}).", figures)


def _scale_of(basis: AnnData, adata: AnnData) -> Scale:
    """Of the samples fitted on, over the genes of the file."""
    return Scale.of(dense_values(basis, np.asarray(adata.var_names)))


def _told(title: str, mean: str, table: pd.DataFrame, tables: dict, rows: list[dict], unit: str, share: float) -> Check:
    pooled = table[table.fold == POOLED].set_index(["method", "metric"])
    own = pooled.loc[(title, "rmse")]
    figures = {"rmse": float(own.value), "rmse_mean": float(pooled.value[mean, "rmse"])}
    bounds = f" [{own.lo:.3f}, {own.hi:.3f}]" if np.isfinite(own.lo) else ""
    text = f"{100 * share:g} % of the measured values were hidden and restored: RMSE {own.value:.3f}{bounds} sd"
    better = None
    if title != mean:
        gap = table[(table.metric == "difference:rmse") & (table.method == title)].iloc[0]
        if np.isfinite(gap.lo):
            better = bool(gap.hi < 0)
            ends = sorted((abs(gap.lo), abs(gap.hi)))
            text += f", each gene's mean {figures['rmse_mean']:.3f}: "
            if better or gap.lo > 0:
                text += f"{'better' if better else 'WORSE'} by {abs(gap.value):.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"
            else:
                text += f"no sure difference ({gap.value:+.3f} [{gap.lo:+.3f}, {gap.hi:+.3f}])"
        else:
            text += f", each gene's mean {figures['rmse_mean']:.3f} (too few {unit}s for an interval)"
    sds = ""
    if (title, "coverage_95") in pooled.index:
        sds = misses(*pooled.loc[(title, "coverage_95"), ["value", "lo", "hi"]])
        figures["coverage_95"] = float(pooled.value[title, "coverage_95"])
        text += f"; its 95 % intervals hold {100 * figures['coverage_95']:.1f} %"
    return Check(f"{text}.", figures, rows, tables, better, sds)


def block_map(measured_ng: np.ndarray, most: tuple[int, int] = (90, 160)) -> pd.DataFrame:
    """What was measured, in blocks of samples and genes that are sorted by their share, most complete first.

    Parameters
    ----------
    measured_ng
        (n, g) bool.
    most
        Most blocks of samples and of genes.

    Returns
    -------
    DataFrame
        ``sample``, ``gene``: numbers of a block; ``measured``: share of it, 0 to 1.

    Examples
    --------
    >>> block_map(np.array([[False, True], [True, True]])).measured.tolist()
    [1.0, 1.0, 1.0, 0.0]
    """
    measured_ng = measured_ng[np.argsort(-measured_ng.mean(1), kind="stable")]
    measured_ng = measured_ng[:, np.argsort(-measured_ng.mean(0), kind="stable")]
    parts = [np.array_split(np.arange(size), min(size, top)) for size, top in zip(measured_ng.shape, most)]
    by_row = np.stack([measured_ng[rows].mean(0) for rows in parts[0]])
    blocks = np.stack([by_row[:, columns].mean(1) for columns in parts[1]], axis=1)
    sample, gene = np.indices(blocks.shape)
    return pd.DataFrame({"sample": sample.ravel(), "gene": gene.ravel(), "measured": blocks.ravel()})
