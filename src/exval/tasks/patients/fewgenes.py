"""Classes from few genes: random panels and chosen ones, one model for all of them beside one fitted to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.methods.base import Method, labels_of
from exval.methods.matrix import dense_values

if TYPE_CHECKING:
    from anndata import AnnData

SIZES = (4, 8, 16, 32, 64, 256, 1024)
PANELS = 3


def panels(train: AnnData, label: str, seed: int, sizes=SIZES, repeats: int = PANELS) -> list[tuple[str, list[str]]]:
    """(name, genes): random panels of each size, and the genes that differ most between the classes in training.

    Examples
    --------
    >>> from exval.tasks.patients.cohorts import load
    >>> [name for name, _ in panels(load("simulated", None), "site", 0, sizes=(4,), repeats=2)]
    ['random 4', 'random 4', 'chosen 4']
    """
    from sklearn.feature_selection import f_classif

    names = np.asarray(train.var_names, dtype=object)
    found: list[tuple[str, list[str]]] = []
    x_ng = dense_values(train)
    x_ng = np.where(np.isnan(x_ng), np.nanmean(x_ng, 0), x_ng)
    varies = x_ng.std(0) > 1e-6
    score_g = np.zeros(len(names))
    score_g[varies] = np.nan_to_num(f_classif(x_ng[:, varies], labels_of(train, label))[0])
    for size in sizes:
        if size > len(names):
            continue
        for nth in range(repeats):
            rng = np.random.default_rng([seed, size, nth])
            found.append((f"random {size}", sorted(rng.choice(names, size, replace=False))))
        found.append((f"chosen {size}", sorted(names[np.argsort(-score_g, kind="stable")[:size]])))
    return found


def score_panels(
    method: Method, train: AnnData, test: AnnData, label: str, drawn: list[tuple[str, list[str]]], refit: bool
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Accuracy and macro-F1 for every panel, averaged over the panels of one name, and who was right.

    Parameters
    ----------
    method
        Unfitted where ``refit``: it is fitted to the training samples on each panel. Otherwise one that answers for
        any panel.

    Returns
    -------
    rows
        ``task``, ``slice``, ``metric``, ``value``, ``n``.
    units
        One row for each patient and panel name: the share of panels for which the answer was right.
    """
    from sklearn.base import clone

    from exval.metrics.classification import macro_f1

    truth = labels_of(test, label)
    right: dict[str, list[np.ndarray]] = {}
    f1: dict[str, list[float]] = {}
    for name, genes in drawn:
        fitted = clone(method).fit(train[:, genes].copy(), label) if refit else method
        said = fitted.predict(test[:, genes].copy()).to_numpy()
        right.setdefault(name, []).append((said == truth).astype(float))
        f1.setdefault(name, []).append(macro_f1(truth, said))
    rows, units = [], []
    for name, parts in right.items():
        share_n = np.mean(parts, 0)
        task = f"classify-{name.replace(' ', '-')}"
        rows.append({"task": task, "metric": "accuracy", "value": float(share_n.mean()), "n": len(share_n)})
        rows.append({"task": task, "metric": "macro_f1", "value": float(np.mean(f1[name])), "n": len(share_n)})
        units.append(pd.DataFrame({"patient": test.obs["exval_patient"].to_numpy(object), "task": task,
                                   "metric": "accuracy", "value": share_n}))  # fmt: skip
    return rows, pd.concat(units, ignore_index=True)
