"""Generated patients with a known hazard."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest


def cohort(n: int = 120, g: int = 40, *, seed: int = 0, strength: float = 1.0, digits: int | None = None):
    """Patients in log2 whose hazard follows ten genes of one program and their age; about 65 % die."""
    rng = np.random.default_rng(seed)
    program = rng.standard_normal(n)
    x = np.linspace(-2, 8, g) + rng.standard_normal((n, g))
    x[:, :10] += 1.5 * program[:, None]
    age = rng.normal(60, 10, n).round(1)
    hazard = np.exp(strength * program + 0.5 * strength * (age - 60) / 10)
    death, leaves = rng.exponential(30 / hazard), rng.uniform(5, 120, n)
    time = np.maximum(np.minimum(death, leaves), 0.1)
    obs = pd.DataFrame(
        {
            "age": age,
            "stage": pd.Categorical(rng.choice(["I", "II", "III"], n)),
            "exval_time": time if digits is None else np.ceil(time / digits) * digits,
            "exval_event": death <= leaves,
        },
        index=[f"patient{i:03d}" for i in range(n)],
    )
    var = pd.DataFrame({"recognised": True}, index=[f"G{i:03d}" for i in range(g)])
    adata = anndata.AnnData(x.astype(np.float32), obs=obs, var=var)
    adata.uns["exval_unit"] = "log2"
    return adata


@pytest.fixture(scope="session")
def make_cohort():
    """The function that makes them."""
    return cohort


def harrell(time_n: np.ndarray, event_n: np.ndarray, risk_n: np.ndarray) -> float:
    """Harrell's C by its definition."""
    pair = (time_n[:, None] < time_n[None, :]) & event_n[:, None]
    right = (risk_n[:, None] > risk_n[None, :]) + 0.5 * (risk_n[:, None] == risk_n[None, :])
    return float(right[pair].mean())


@pytest.fixture(scope="session")
def c_index():
    """Harrell's C."""
    return harrell
