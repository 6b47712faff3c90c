"""Files at the edge: equal cells, one gene, no zeros, more genes than anything else."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from exval.methods import METHODS
from exval.methods.imputation.deep.base import DeepImputer

NAMES = [name for name, cls in METHODS.items() if issubclass(cls, DeepImputer)]
RNG = np.random.default_rng(0)
FILES = {
    "equal cells": np.tile(RNG.poisson(2.0, 30), (12, 1)),
    "one gene": RNG.poisson(3.0, (12, 1)) + 1,
    "no zeros": RNG.poisson(5.0, (12, 30)) + 1,
    "three cells, many genes": RNG.poisson(0.5, (3, 400)),
    "one large count": np.where(np.arange(360).reshape(12, 30) == 77, 100_000, RNG.poisson(1.0, (12, 30))),
}


def prepared(counts: np.ndarray) -> AnnData:
    counts = counts[:, counts.any(0)].astype(np.float32)
    total = counts.sum(1)
    logs = sparse.csr_matrix(np.log1p(counts / total[:, None] * 1e4).astype(np.float32))
    obs = pd.DataFrame({"exval_total": total.astype(float)}, index=[f"c{i}" for i in range(len(counts))])
    var = pd.DataFrame(index=[f"g{i:03d}" for i in range(counts.shape[1])])
    return AnnData(logs, obs=obs, var=var, layers={"counts": sparse.csr_matrix(counts)})


def test_all_seven_are_here():
    assert NAMES == ["autoimpute", "dca", "deepimpute", "nb-vae", "scgnn", "scidpms", "scigans"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", NAMES)
def test_it_answers_without_a_warning(name, file):
    cells = prepared(FILES[file])
    settings = {**METHODS[name].presets["tiny"], "epochs": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = METHODS[name](**settings).fit(cells).impute(cells).values_nq
    assert told.shape == cells.shape and np.isfinite(told).all()
