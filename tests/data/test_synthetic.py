"""The simulated second lab and the random counts."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
from scipy import sparse

from exval.data.source import open_source
from exval.data.synthetic import iter_random_counts, random_counts, second_lab, write_random_h5ad
from exval.datasets import baron
from exval.errors import InputError


def test_second_lab_is_what_it_says():
    cells = baron()
    reference, query = second_lab(seed=3)
    assert not set(reference.obs_names) & set(query.obs_names)
    assert "gamma" not in set(reference.obs["cell_type"]) and (query.obs["truth"] == "gamma").sum() == 21
    assert query.n_obs == pytest.approx(0.3 * 1937, abs=8) and query.n_vars == pytest.approx(0.6 * 20125, rel=0.02)
    assert query.var_names.str.fullmatch(r"ENSG\d{11}").all() and query.var_names.is_unique
    assert list(query.obs.columns) == ["truth"] and not len(query.var.columns)
    truth = cells[query.obs_names]
    assert (truth.obs["cell_type"].astype(str) == query.obs["truth"].astype(str)).all()
    source = open_source(query)
    symbols = open_source(truth)
    columns = symbols.var_names.get_indexer(source.var_names)
    before, after = symbols.csr()[:, columns], source.csr()
    # a name that two columns of the whole file share may be one column of the query
    same = np.asarray(after.sum(0)).ravel() <= np.asarray(before.sum(0)).ravel()
    assert same.all() and after.sum() / before.sum() == pytest.approx(0.25, abs=0.01)


def test_second_lab_repeats_and_differs_by_seed():
    one, two, other = (second_lab(seed=seed)[1] for seed in (1, 1, 2))
    assert (one.X != two.X).nnz == 0 and one.var_names.equals(two.var_names)
    assert not one.obs_names.equals(other.obs_names)


def test_second_lab_options(baron_small):
    reference, query = second_lab(
        baron_small, missing_type=None, gene_drop=0.0, depth=1.0, ensembl=False, test_share=0.5
    )
    assert reference.n_obs == query.n_obs == 30 and query.n_vars == 300
    assert (sparse.csr_matrix(query.X) != baron_small[query.obs_names].X).nnz == 0
    for wrong in ({"missing_type": "neuron"}, {"depth": 0}, {"gene_drop": 1.0}, {"label": "kind"}):
        with pytest.raises(InputError):
            second_lab(baron_small, **{"missing_type": None, **wrong})


@pytest.mark.parametrize("density", [0.02, 0.2, 0.7])
def test_random_counts(density):
    x = random_counts(700, 300, density, seed=5)
    assert x.shape == (700, 300) and x.nnz / 210_000 == pytest.approx(density, rel=0.05)
    assert x.has_canonical_format and x.data.min() == 1 and (x.data % 1 == 0).all()
    pieces = [block for _, block in iter_random_counts(700, 300, density, seed=5, size=256)]
    assert len(pieces) == 3 and (sparse.vstack(pieces) != x).nnz == 0


@pytest.mark.parametrize("layout", ["csr", "dense"])
def test_written_file(tmp_path, layout):
    path = write_random_h5ad(tmp_path / "x.h5ad", 600, 40, 0.1, seed=2, layout=layout)
    x = anndata.read_h5ad(path).X
    assert (sparse.csr_matrix(x) != random_counts(600, 40, 0.1, seed=2)).nnz == 0
    with open_source(path) as source:
        assert source.unit == "counts" and source.recognised.all() and source.layout == layout
    with pytest.raises(InputError):
        write_random_h5ad(path, 3, 10**6)
