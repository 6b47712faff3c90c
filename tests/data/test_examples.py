"""The shipped cells are those of the source."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

import exval.data.examples as module
from exval.datasets import baron


def test_figures():
    cells = baron()
    assert cells.shape == (1937, 20125) and int(cells.X.sum()) == 11_244_731 and cells.X.nnz == 3_726_445
    assert cells.obs["cell_type"].value_counts()[["beta", "alpha", "t_cell"]].tolist() == [872, 236, 2]
    assert cells.X.has_sorted_indices and cells.X.data.min() == 1 and "GSE84133" in cells.uns["source"]


def test_a_fresh_copy_at_every_call():
    one = baron()
    one.X.data[:] = 0
    one.obs["cell_type"] = "x"
    assert int(baron().X.sum()) == 11_244_731 and baron().obs["cell_type"].nunique() == 14


def test_equals_the_source(shared_data):
    ours, theirs = baron(), anndata.read_h5ad(shared_data / "scrna/baron2016_human1_indrop.h5ad")
    assert (ours.X != theirs.X).nnz == 0
    assert ours.var_names.equals(theirs.var_names) and ours.obs_names.equals(theirs.obs_names)
    assert (ours.obs["cell_type"].astype(str) == theirs.obs["cell_type"].astype(str)).all()


@pytest.mark.parametrize("folder", ["datasets", "vocab"])
def test_sources_are_named(folder):
    files = list((Path(module.__file__).parent / folder).glob("*.txt"))
    text = "".join(one.read_text() for one in files)
    assert ("Apache" in text) if folder == "datasets" else ("Artistic" in text and "NCBI" in text and "MIT" in text)
    sizes = [one.stat().st_size for one in (Path(module.__file__).parent / folder).iterdir() if one.is_file()]
    assert np.sum(sizes) < 4.2e6  # cells and cell lines; a package that is quick to download
