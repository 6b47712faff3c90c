"""Simulated cells of known means, for the deep imputation methods."""

from __future__ import annotations

from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from exval.metrics.regression import rmse


class Known(NamedTuple):
    """Cells and the log1p(CP10k) that their counts were drawn around."""

    cells: anndata.AnnData
    truth_ng: np.ndarray

    def error(self, method, where=None) -> float:
        """RMSE of log1p(CP10k) of a method that is fitted here."""
        told = method.fit(self.cells).impute(self.cells).to("log1p").values_nq
        where = np.ones(told.shape, bool) if where is None else where
        return rmse(self.truth_ng[where], told[where])


def simulate(depth: float, holes: float, n: int = 240, g: int = 160, seed: int = 0) -> Known:
    """Three groups of cells, negative binomial counts (theta 5), a share ``holes`` of the entries put to zero."""
    rng = np.random.default_rng(seed)
    rate_kg = rng.lognormal(0, 1.3, g) * np.exp(rng.normal(0, 1.5, (3, g)) * (rng.random((3, g)) < 0.3))
    kind_n = rng.integers(3, size=n)
    share_ng = (rate_kg / rate_kg.sum(1, keepdims=True))[kind_n]
    total_n1 = rng.lognormal(np.log(depth), 0.3, n)[:, None]
    counts = rng.poisson(share_ng * total_n1 * rng.gamma(5.0, 0.2, (n, g)))
    counts = counts * (rng.random((n, g)) >= holes)
    counts, share_ng = counts[:, counts.any(0)], share_ng[:, counts.any(0)]
    raw = sparse.csr_matrix(counts, dtype=np.float32)
    total = np.asarray(raw.sum(1)).ravel().astype(float)
    logs = sparse.csr_matrix(sparse.diags_array(1e4 / total) @ raw, dtype=np.float32)
    logs.data = np.log1p(logs.data)
    obs = pd.DataFrame({"kind": kind_n.astype(str), "exval_total": total}, index=[f"c{i}" for i in range(n)])
    var = pd.DataFrame(index=[f"g{i:03d}" for i in range(raw.shape[1])])
    return Known(anndata.AnnData(logs, obs=obs, var=var, layers={"counts": raw}), np.log1p(1e4 * share_ng))


@pytest.fixture(scope="session")
def umi() -> Known:
    """Shallow counts: most zeros are small means."""
    return simulate(depth=300.0, holes=0.0)


@pytest.fixture(scope="session")
def dropout() -> Known:
    """Deep counts with 40 % holes: most zeros hide a value."""
    return simulate(depth=4000.0, holes=0.4)
