"""Invented cohorts and completers whose answers are known."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd

from exval.methods.base import Card
from exval.methods.completion.base import Completed, Completer
from exval.methods.matrix import dense_values


def cohort(n=48, g=20, seed=0, gaps=0.0, unit="log2", per_patient=1) -> anndata.AnnData:
    """Prepared values of three programmes; ``per_patient`` samples of each patient follow each other."""
    rng = np.random.default_rng(seed)
    x = 5 + rng.normal(size=(n, 3)) @ rng.normal(size=(3, g)) + 0.4 * rng.normal(size=(n, g))
    x[rng.random(x.shape) < gaps] = np.nan
    names = [f"TCGA-AA-{i // per_patient:04d}-0{i % per_patient}" for i in range(n)]
    out = anndata.AnnData(x.astype(np.float32), obs=pd.DataFrame(index=names))
    out.var_names = [f"G{j:02d}" for j in range(g)]
    out.uns["exval_unit"] = unit
    return out


class Oracle(Completer):
    """Knows the whole cohort and adds a fixed error; remembers whom it was fitted on and asked about."""

    card = Card("control", (), "any", "any", "none", "none", "Knows the truth.")

    def __init__(self, truth=None, error=0.0, spread=1.0, blind=(), shift_unmeasured=0.0, log=None):
        self.truth = truth
        self.error = error
        self.spread = spread
        self.blind = blind
        self.shift_unmeasured = shift_unmeasured
        self.log = log

    @property
    def title(self):
        return f"oracle{self.error:+g}{'-blind' if len(self.blind) else ''}"

    def __sklearn_clone__(self):
        return Oracle(self.truth, self.error, self.spread, self.blind, self.shift_unmeasured, self.log)

    def fit(self, adata):
        if self.log is not None:
            self.log.append(("fit", tuple(adata.obs_names), tuple(adata.var_names)))
        self.fitted_ = True
        return self

    def complete(self, adata, *, genes=None, sd=False):
        if self.log is not None:
            self.log.append(("complete", tuple(adata.obs_names), int(np.isnan(adata.X).sum())))
        shown = dense_values(adata, None if genes is None else np.asarray(genes, dtype=object))
        names = list(adata.var_names) if genes is None else list(genes)
        told = dense_values(self.truth[list(adata.obs_names)], np.asarray(names, dtype=object)) + self.error
        told = np.where(np.isnan(told), self.shift_unmeasured, told)
        values = np.where(np.isnan(shown), told, shown)
        values[:, np.isin(names, list(self.blind))] = np.nan
        spread = np.where(np.isnan(shown), self.spread, 0.0)
        return Completed(values, "log2", names, spread if sd else None)
