"""Small worlds in which it is known which gene decides."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd

from exval.data.genetable import GeneTable

GENES = 24
PLANTED = 7


def world(n: int, seed: int = 0, *, random: bool = False) -> anndata.AnnData:
    """``n`` samples of 24 genes in log2: four common factors, and one gene that decides ``kind`` and the time.

    With ``random`` both are dealt out anew, so that no gene decides anything.
    """
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(99).normal(size=(4, GENES)) * 0.6
    x = rng.normal(size=(n, 4)) @ loadings + rng.normal(size=(n, GENES))
    label = rng.integers(0, 2, n)
    x[:, PLANTED] = np.where(label == 1, 1.5, -1.5) + 0.5 * rng.normal(size=n)
    time = 30 * rng.exponential(size=n) * np.exp(-1.2 * x[:, PLANTED])
    if random:
        label, time = rng.permutation(label), rng.permutation(time)
    obs = pd.DataFrame(
        {"kind": np.where(label, "yes", "no"), "months": np.maximum(time, 0.01), "event": rng.random(n) < 0.8},
        index=[f"s{seed}-{i}" for i in range(n)],
    )
    obs["event"] = obs["event"].astype(int)
    return anndata.AnnData((6 + x).astype(np.float32), obs=obs, var=pd.DataFrame(index=symbols()))


def symbols() -> list[str]:
    return list(GeneTable.load("human").symbols[:GENES])
