"""Fit on the training cells of every fold, ask about the test cells, and note what it cost."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import clone

from exval.bench.cost import Cost
from exval.errors import ExvalError
from exval.methods.base import Method
from exval.methods.probe import Probe, as_classifier
from exval.progress import track
from exval.tasks.splits import Fold, Splits

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.tasks.sharing import Thinner

logger = logging.getLogger("exval")
FAULTS = (ExvalError, ValueError, ArithmeticError, RuntimeError, MemoryError, OSError)
"""What turns a method into a row with status ``failed`` instead of ending the evaluation; a bug still ends it."""


@dataclass
class OutOfFold:
    """What the methods said of cells they had not seen.

    Parameters
    ----------
    predictions
        Columns of ``predictions.parquet``; sorted by method (order of the request), seed and row of the file.
    costs
        ``method, fold, seed, seconds, peak_mb, parameters``.
    failed
        Method -> one line on why.
    seen
        Method -> number of test cells that its pretraining had seen.
    taught
        Method -> number of test cells whose labels it was taught.
    spent
        Method -> CPU-seconds spent before (the training of a run); NaN where unknown.
    """

    predictions: pd.DataFrame
    costs: pd.DataFrame
    failed: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    taught: dict[str, int] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)

    def cost(self) -> pd.DataFrame:
        """``seconds`` over all folds and of what was spent before, ``peak_mb`` and ``parameters`` of each method."""
        table = self.costs.groupby("method", sort=False).agg(
            seconds=("seconds", "sum"), peak_mb=("peak_mb", "max"), parameters=("parameters", "last")
        )
        table["seconds"] += pd.Series(self.spent, dtype=float).reindex(table.index).to_numpy()
        return table

    def of(self, title: str) -> pd.DataFrame:
        """The predictions of one method."""
        return self.predictions[self.predictions.method == title]


def out_of_fold(
    adata: AnnData, label: str, methods: list[Method], splits: Splits, thin: Thinner | None = None
) -> OutOfFold:
    """Cross-validate methods that name cells.

    Parameters
    ----------
    adata
        Prepared AnnData (see :class:`exval.methods.Method`).
    label
        Column of obs with the truth.
    methods
        Unfitted methods; each fold fits a clone. An embedding is judged by a logistic regression on it.
    splits
        From :func:`exval.tasks.splits.make_splits`.
    thin
        Shows test cells at another depth, and training cells at both (:class:`exval.tasks.sharing.Thinner`).

    Returns
    -------
    OutOfFold
    """
    from exval.methods.base import labels_of

    tables: list[pd.DataFrame] = []
    costs: list[dict] = []
    failed: dict[str, str] = {}
    seen: dict[str, int] = {}
    taught: dict[str, int] = {}
    jobs = [(fold, method) for fold in splits.folds for method in methods]
    training: tuple[Fold | None, AnnData | None, AnnData | None] = (None, None, None)
    for fold, method in track(jobs, "Cross-validating", total=len(jobs)):
        title = method.title
        if title in failed:
            continue
        if training[0] is not fold:
            train, test = adata[fold.train].copy(), adata[fold.test].copy()
            training = (fold, train, test) if thin is None else (fold, thin.augment(train), thin(test, fold))
        _, train, test = training
        try:
            with Cost() as cost:
                fitted = as_classifier(clone(method)).fit(train, label)
                proba = checked(fitted.predict_proba(test), title)
        except FAULTS as error:
            failed[title] = " ".join(f"{error or type(error).__name__}".split())
            logger.info("%s failed: %s", title, failed[title])
            continue
        values = proba.to_numpy()
        best = values.argmax(1)
        tables.append(
            pd.DataFrame(
                {
                    "sample": test.obs_names.astype(str),
                    "truth": labels_of(test, label),
                    "prediction": np.asarray(proba.columns, dtype=object)[best],
                    "score": values[np.arange(len(best)), best],
                    "method": title,
                    "fold": fold.fold,
                    "seed": fold.seed,
                    "group": "" if splits.groups_n is None else splits.groups_n[fold.test],
                    "row": fold.test,
                }
            )
        )
        costs.append(
            {"method": title, "fold": fold.fold, "seed": fold.seed, "seconds": cost.seconds, "peak_mb": cost.peak_mb,
             "parameters": fitted.n_parameters()}
        )  # fmt: skip
        seen[title] = seen.get(title, 0) + seen_cells(method, test)
        taught[title] = taught.get(title, 0) + seen_cells(method, test, "taught")
    columns = ["sample", "truth", "prediction", "score", "method", "fold", "seed", "group", "row"]
    predictions = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    predictions = predictions[~predictions.method.isin(list(failed))]
    order = {method.title: i for i, method in enumerate(methods)}
    predictions = predictions.sort_values(
        ["method", "seed", "row"], key=lambda c: c.map(order) if c.name == "method" else c
    )
    cost_columns = ["method", "fold", "seed", "seconds", "peak_mb", "parameters"]
    costs = pd.DataFrame(costs, columns=cost_columns)
    spent = {method.title: method.spent_seconds for method in methods if method.title not in failed}
    return OutOfFold(predictions.reset_index(drop=True), costs, failed, seen, taught, spent)


def checked(proba: pd.DataFrame, title: str) -> pd.DataFrame:
    """Probabilities, or an ``ArithmeticError`` where a method returned NaN or inf."""
    if not np.isfinite(proba.to_numpy()).all():
        raise ArithmeticError(
            f"{title} returned NaN or inf for {int((~np.isfinite(proba.to_numpy())).any(1).sum())} cells"
        )
    return proba


def caution(splits: Splits, name: str, seen: dict[str, int], taught: dict[str, int] | None = None) -> str:
    """What the verdict on a method has to say in brackets: a split that shares donors, test cells seen in training,
    test cells whose labels were taught.

    Examples
    --------
    >>> caution(Splits("donor", [], np.array(["a"])), "run", {"run": 3})
    'run has seen test cells in training'
    """
    told = ""
    if seen.get(name):
        told = f"{name} has seen test cells in training"
    if taught and taught.get(name):
        told = f"{name} WAS TAUGHT THE LABELS of {taught[name]} test cells, so this says nothing of new cells"
    return "; ".join(filter(None, [splits.caution, told]))


def blind_spots(methods: list[Method], adata: AnnData, seen: dict[str, int]) -> list[str]:
    """A line for each pretrained method of which nobody can tell whether it saw these cells."""
    return [m.blind_spot for m in methods if hasattr(m, "blind_spot")] + [
        f"whether {m.title} saw these cells in training cannot be told: the file has gaps, other genes or another unit "
        "than its training data"
        for m in methods
        if hasattr(m, "recognises") and not seen.get(m.title) and not m.recognises(adata)
    ]


def seen_cells(method: Method, adata: AnnData, what: str = "seen") -> int:
    """How many of the cells a pretrained method has seen, or was ``taught`` the labels of; 0 for methods that keep no
    record."""
    method = method.embedder if isinstance(method, Probe) else method
    ask = getattr(method, what, None)
    mask = ask(adata) if callable(ask) else None
    return 0 if mask is None else int(np.sum(mask))
