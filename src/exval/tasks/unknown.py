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


def leave_one_type_out(
    adata: AnnData,
    label: str,
    method: Method,
    threshold: float,
    known_score_n: np.ndarray,
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
    threshold
        A score below it means unsure (:meth:`exval.tasks.select.Choice.threshold` of this method).
    known_score_n
        Its scores on held-out cells of known types: what the share caught has to be held against.
    most_types, most_cells
        The largest types are left out, and a type is represented by so many cells at most, in training too.
    thin
        Shows absent cells at another depth, and training cells at both.
    seed
        Of the cells taken.

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
