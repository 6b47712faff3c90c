"""Are cells of a type that the reference lacks marked unsure? Leave each type out once and see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import clone

from exval.methods.base import Method
from exval.methods.probe import as_classifier
from exval.metrics.classification import auroc
from exval.progress import track

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.tasks.sharing import Thinner

UNSURE_QUANTILE = 0.05


def leave_one_type_out(
    adata: AnnData,
    label: str,
    method: Method,
    *,
    thin: Thinner | None = None,
    most_types: int = 30,
    most_cells: int = 100,
    seed: int = 0,
) -> tuple[pd.DataFrame, float]:
    """Fit without one type, ask about its cells, count those marked unsure.

    Parameters
    ----------
    adata
        The reference, prepared.
    label
        Column with the types.
    method
        A cheap method, unfitted.
    most_types, most_cells
        The largest types are left out, and a type is represented by so many cells at most, in training too.
    thin
        Shows absent cells at another depth, and training cells at both.
    seed
        Of the cells taken.

    Notes
    -----
    What the share caught has to be held against, the threshold and the scores of known types, comes from the same few
    cells, held out in five parts: a method that learned from more is surer of known and of absent types alike.

    Returns
    -------
    table
        Columns ``label, n, caught, share_caught, false_unsure_share``.
    auroc
        Probability that a cell of a known type scores above one of an absent type.
    """
    labels_n = adata.obs[label].astype(str).to_numpy(object)
    rng = np.random.default_rng(seed)
    order = rng.permutation(adata.n_obs)
    rank_n = np.empty(adata.n_obs, dtype=int)
    rank_n[order] = pd.Series(labels_n[order]).groupby(labels_n[order]).cumcount()
    small = adata[np.flatnonzero(rank_n < most_cells)].copy()
    small_labels = small.obs[label].astype(str).to_numpy(object)
    sizes = pd.Series(small_labels).value_counts()
    types = [name for name in sizes.index[:most_types] if sizes[name] >= 2] if len(sizes) > 2 else []
    known_score_n, right_n = _held_out(small, label, method, rank_n[rank_n < most_cells], thin)
    threshold = unsure_below(known_score_n[right_n])
    false_share = float(np.mean(known_score_n < threshold))
    rows, absent = [], []
    for name in track(types, "Leaving types out"):
        others, left = small[small_labels != name].copy(), small[small_labels == name].copy()
        if thin is not None:
            others, left = thin.augment(others), thin(left)
        score_n = as_classifier(clone(method)).fit(others, label).predict_proba(left).to_numpy().max(1)
        caught = int((score_n < threshold).sum())
        absent.append(score_n)
        rows.append({"label": name, "n": len(score_n), "caught": caught, "share_caught": caught / len(score_n),
                     "false_unsure_share": false_share})  # fmt: skip
    columns = ["label", "n", "caught", "share_caught", "false_unsure_share"]
    scores = np.concatenate([known_score_n, *absent])
    known = np.arange(len(scores)) < len(known_score_n)
    return pd.DataFrame(rows, columns=columns), auroc(known, scores)


def unsure_below(right_score_n: np.ndarray) -> float:
    """The 5 % quantile of the scores of correctly named held-out cells; 1 where there are none."""
    return float(np.quantile(right_score_n, UNSURE_QUANTILE)) if len(right_score_n) else 1.0


def _held_out(adata: AnnData, label: str, method: Method, rank_n: np.ndarray, thin: Thinner | None, folds: int = 5):
    """Scores of cells held out in ``folds`` parts, each with its share of every type, and whether they are right."""
    score_n, right_n = np.full(adata.n_obs, np.nan), np.zeros(adata.n_obs, bool)
    truth_n = adata.obs[label].astype(str).to_numpy()
    for fold in track(range(folds), "Holding types out", total=folds):
        test = rank_n % folds == fold
        train, held = adata[~test].copy(), adata[test].copy()
        if not test.any() or train.obs[label].nunique() < 2:
            continue
        if thin is not None:
            train, held = thin.augment(train), thin(held)
        proba = as_classifier(clone(method)).fit(train, label).predict_proba(held)
        score_n[test] = proba.to_numpy().max(1)
        right_n[test] = np.asarray(proba.columns)[proba.to_numpy().argmax(1)] == truth_n[test]
    has = np.isfinite(score_n)
    return score_n[has], right_n[has]
