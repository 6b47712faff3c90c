"""What a fitted method rests on: genes and clinical columns with their hazard ratios."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.linear import LinearSurvival, feature_rows

MOST = 40  # genes told of each method


def gene_weights(fitted: SurvivalMethod) -> pd.Series | None:
    """Log hazard ratio of one SD of each gene; None for methods that have no such weights.

    Examples
    --------
    >>> from exval.methods import resolve
    >>> gene_weights(resolve("rsf")) is None
    True
    """
    expression = getattr(fitted, "expression_", None)
    if not isinstance(fitted, LinearSurvival) or expression is None:
        return None
    return pd.Series(fitted.weights_, index=expression.genes_)


def feature_table(fitted: SurvivalMethod, signs: Sequence[pd.Series] = ()) -> pd.DataFrame:
    """Clinical columns, then the genes with the largest weights.

    Parameters
    ----------
    fitted
        On all patients.
    signs
        One series a fold: the sign of each gene's weight in it.

    Returns
    -------
    pandas.DataFrame
        ``name, kind, coefficient, hazard_ratio, lo, hi, p, unit, same_sign``; ``lo``, ``hi`` and ``p`` are NaN for
        penalised weights, whose spread is not known; ``same_sign`` is the share of folds in which a gene has a weight
        of the same sign. No rows where nothing has a weight.
    """
    own = fitted.features_
    clinical = own[own.kind == "clinical"] if own is not None else feature_rows("clinical", [], [], np.zeros(0))
    weights = gene_weights(fitted)
    parts = [clinical.assign(same_sign=np.nan)]
    if weights is not None:
        weights = weights[weights != 0]
        weights = weights.iloc[np.argsort(-np.abs(weights.to_numpy()), kind="stable")[:MOST]]
        rows = feature_rows("gene", list(weights.index), ["SD"] * len(weights), weights.to_numpy())
        if len(signs):
            table = pd.concat(signs, axis=1).reindex(weights.index).fillna(0.0).to_numpy()
            rows["same_sign"] = (table == np.sign(weights.to_numpy())[:, None]).mean(1)
        else:
            rows["same_sign"] = np.nan
        parts.append(rows)
    parts = [part for part in parts if len(part)]
    columns = ["name", "kind", "coefficient", "hazard_ratio", "lo", "hi", "p", "unit", "same_sign"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
