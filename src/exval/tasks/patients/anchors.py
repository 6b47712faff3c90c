"""Prognostic anchor genes that a new panel lacks: measured, restored, or done without.

After GexBERT (Jiang and Hassanpour 2025, arXiv 2504.09704), who restore prognostic genes before predicting survival.
The anchors are picked by univariate Cox regressions inside the training fold, and the survival model is fitted there on
their measured values; only the test patients lack them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.methods.matrix import dense_values
from exval.methods.survival.base import outcome
from exval.methods.survival.cox import univariate_cox
from exval.tasks.patients.outlook import rows_of, score_survival

if TYPE_CHECKING:
    from anndata import AnnData

ANCHORS = 20


def pick_anchors(train: AnnData, k: int = ANCHORS) -> list[str]:
    """The genes with the smallest p in univariate Cox regressions on the training patients, sorted by name.

    Examples
    --------
    >>> from exval.tasks.patients.cohorts import load
    >>> len(pick_anchors(load("simulated", None), 10))
    10
    """
    time_n, event_n = outcome(train)
    x_ng = dense_values(train)
    sd_g = np.nanstd(x_ng, 0)
    varies = np.flatnonzero(np.isfinite(sd_g) & (sd_g > 1e-6))
    z_np = np.clip((x_ng[:, varies] - np.nanmean(x_ng[:, varies], 0)) / sd_g[varies], -5, 5)
    p_p = univariate_cox(time_n, event_n, z_np)["p"].to_numpy()
    best = varies[np.argsort(np.nan_to_num(p_p, nan=1.0), kind="stable")[:k]]
    return sorted(map(str, np.asarray(train.var_names)[best]))


def without(adata: AnnData, genes: list[str]) -> AnnData:
    """The samples as if these genes had not been measured."""
    out = adata.copy()
    x_ng = dense_values(adata).astype(np.float32)
    x_ng[:, out.var_names.get_indexer(genes)] = np.nan
    out.X = x_ng
    out.uns.setdefault("exval_unit", "log1p")
    return out


def score_anchors(
    restorers: dict[str, Any], train: AnnData, test: AnnData, covariates: tuple[str, ...] = ()
) -> list[tuple[str, list[dict[str, Any]], pd.DataFrame]]:
    """(arm, rows, units) for anchors as measured, restored by each method, and absent.

    Parameters
    ----------
    restorers
        Title -> fitted completer. They see the test patients without the anchors.

    Notes
    -----
    *absent*: a ridge Cox regression on all other genes, for there the anchors themselves say nothing.
    """
    from exval.methods import resolve

    genes = pick_anchors(train)
    own = resolve("cox").set_params(genes=tuple(genes)).fit(train)
    found = [("measured", *score_survival(own, train, test, "anchors"))]
    blind = without(test, genes)
    for title, completer in restorers.items():
        told = completer.complete(blind, genes=genes).values_ng
        filled = blind.copy()
        filled.X[:, filled.var_names.get_indexer(genes)] = told
        found.append(
            (f"restored by {title}", *rows_of(own.risk(filled), own_curves(own, filled), train, test, "anchors"))
        )
    others = [gene for gene in train.var_names if gene not in set(genes)]
    rest = resolve("cox").set_params(genes=tuple(others)).fit(train)
    found.append(("absent (all other genes)", *score_survival(rest, train, test, "anchors")))
    return found


def own_curves(fitted: Any, seen: AnnData) -> Any:
    """The method with its curves of the patients as it saw them, whatever it is asked about afterwards."""

    class Seen:
        @staticmethod
        def survival(_: AnnData, times_t: np.ndarray) -> np.ndarray:
            return fitted.survival(seen, times_t)

    return Seen()
