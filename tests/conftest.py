"""Fixtures that several test files share."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for packs.py: pytest's importlib mode leaves the path alone
os.environ.setdefault("OMP_NUM_THREADS", "1")
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # started in the background by a shell: Ctrl-C is tested all the same
    signal.signal(signal.SIGINT, signal.default_int_handler)

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from exval.data.examples import baron

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real development data, or a skip with the reason."""
    if not SHARED.is_dir():
        pytest.skip("the real development data (../shared/data beside the project) is not here")
    return SHARED


@pytest.fixture(scope="session")
def _baron_small() -> anndata.AnnData:
    cells = baron()
    kinds = cells.obs["cell_type"].astype(str).to_numpy()
    wanted = ("alpha", "beta", "delta", "ductal", "acinar")
    rows = np.concatenate([np.flatnonzero(kinds == kind)[:12] for kind in wanted])
    cells = cells[rows]
    seen = np.asarray((cells.X > 0).sum(0)).ravel()
    columns = np.sort(np.argsort(-seen, kind="stable")[:300])
    small = cells[:, columns].copy()
    small.obs["cell_type"] = small.obs["cell_type"].cat.remove_unused_categories()
    small.obs["donor"] = pd.Categorical([f"d{i % 3}" for i in range(small.n_obs)])
    return small


@pytest.fixture
def baron_small(_baron_small) -> anndata.AnnData:
    """60 real pancreas cells (12 of each of five types) x the 300 most often seen genes, counts, a fresh copy.

    ``obs["donor"]`` is invented (three names in turn): all cells are of one donor.
    """
    return _baron_small.copy()


@pytest.fixture
def tiny_adata() -> anndata.AnnData:
    """Six cells x eight genes with values that can be checked by hand: counts, two types, three donors."""
    counts = np.array(
        [
            [5, 0, 1, 0, 0, 2, 0, 2],
            [4, 1, 0, 0, 0, 3, 0, 2],
            [6, 0, 0, 1, 0, 1, 0, 2],
            [0, 5, 0, 0, 3, 0, 1, 1],
            [0, 6, 1, 0, 2, 0, 0, 1],
            [1, 4, 0, 0, 4, 0, 0, 1],
        ],
        dtype=np.float32,
    )
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(list("aaabbb")), "donor": pd.Categorical(["x", "y", "z"] * 2)},
        index=[f"cell{i}" for i in range(6)],
    )
    genes = ["INS", "GCG", "SST", "PPY", "ACTB", "GAPDH", "CD3E", "TP53"]
    return anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=genes))


SMALL = {"model.width": 8, "model.decoder_width": 8, "model.factors": 4, "train.batch_size": 16, "train.valid_every": 4}


@pytest.fixture(scope="session")
def small_run(_baron_small, tmp_path_factory) -> Path:
    """Folder of a run of width 8, pretrained for eight steps on ``baron_small``; not to be changed."""
    import exval

    out = tmp_path_factory.mktemp("runs") / "run"
    exval.pretrain(_baron_small.copy(), out=out, steps=8, overrides=SMALL)
    return out


@pytest.fixture(scope="session")
def tuned_run(_baron_small, small_run) -> Path:
    """Folder of ``small_run`` taught the cell types for eight steps; not to be changed."""
    import exval

    exval.finetune(small_run, _baron_small.copy(), out=small_run.parent / "tuned", steps=8)
    return small_run.parent / "tuned"
