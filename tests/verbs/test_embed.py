"""``embed``: vectors in the order of the file, in place, as a copy or as a table, and what must not be overwritten."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import exval
from exval.errors import GeneError, InputError, OutputError
from exval.run import Run


@pytest.fixture
def expected(small_run, baron_small):
    return Run(small_run).embed(exval.open_source(baron_small).to_adata())


def test_in_place_as_a_copy_and_as_a_table_are_one(small_run, baron_small, expected, tmp_path):
    baron_small.write_h5ad(tmp_path / "cells.h5ad")
    before = (tmp_path / "cells.h5ad").read_bytes()
    exval.embed(small_run, tmp_path / "cells.h5ad", out=tmp_path / "out.h5ad")
    exval.embed(small_run, tmp_path / "cells.h5ad", out=tmp_path / "out.csv", key_added="X_mine")
    found = exval.embed(small_run, baron_small)
    assert found.warnings == [] and found.shared == found.of == 300
    table = pd.read_csv(tmp_path / "out.csv", index_col=0)
    copy = ad.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_allclose(baron_small.obsm["X_exval"], expected, atol=1e-5)
    np.testing.assert_allclose(copy.obsm["X_exval"], expected, atol=1e-5)
    np.testing.assert_allclose(table.to_numpy(), expected, atol=1e-5)
    assert list(table.index) == list(baron_small.obs_names) and table.columns[0] == "X_mine_0"
    assert copy.uns["exval"]["embed_genes"] == 300 and (tmp_path / "cells.h5ad").read_bytes() == before


def test_a_file_of_other_genes_is_warned_about(small_run, baron_small):
    found = exval.embed(small_run, baron_small[:, :250].copy())
    assert found.shared == 250 and "only 250 of the run's 300 genes" in found.warnings[-1]
    assert not exval.embed(small_run, baron_small[:, :290].copy()).warnings


def test_a_file_without_a_gene_of_the_run(small_run, baron_small, tmp_path):
    other = exval.datasets.baron()[:5]
    other = other[:, ~other.var_names.isin(baron_small.var_names)].copy()
    with pytest.raises(GeneError):
        exval.embed(small_run, other, out=tmp_path / "out.h5ad")
    assert "X_exval" not in other.obsm and not list(tmp_path.iterdir())


def test_faults_write_nothing(small_run, baron_small, tmp_path):
    baron_small.obsm["X_pca"] = np.ones((60, 2))
    baron_small.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match="say where to write"):
        exval.embed(small_run, tmp_path / "cells.h5ad")
    for data in (baron_small, tmp_path / "cells.h5ad"):
        with pytest.raises(OutputError, match="X_pca"):
            exval.embed(small_run, data, out=tmp_path / "o.h5ad", key_added="X_pca")
    with pytest.raises(OutputError, match="is an input"):
        exval.embed(small_run, tmp_path / "cells.h5ad", out=tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match="no-run"):
        exval.embed(tmp_path / "no-run", baron_small)
    assert (baron_small.obsm["X_pca"] == 1).all() and [p.name for p in tmp_path.iterdir()] == ["cells.h5ad"]
