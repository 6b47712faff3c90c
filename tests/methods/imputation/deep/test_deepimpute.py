"""DeepImpute beyond the contract: blocks, predictors, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from exval.methods.imputation.deep.deepimpute import DeepImpute, predictors_of

QUICK = {"epochs": 20, "lr": 1e-3}


def test_predictors_are_the_most_correlated_genes_outside_the_block():
    counts = np.random.default_rng(0).poisson(np.exp(np.random.default_rng(1).normal(0, 1, (50, 12))))
    counts[:, 7] = 0  # a constant gene correlates with nothing
    blocks = [np.array([0, 3, 5]), np.array([1, 2, 8, 9])]
    with np.errstate(all="ignore"):
        strength = np.nan_to_num(np.abs(np.corrcoef(counts.T)))
    for block, found in zip(blocks, predictors_of(sparse.csr_matrix(counts, dtype=np.float32), blocks, 2)):
        outside = np.setdiff1d(np.arange(12), block)
        want = {int(i) for gene in block for i in outside[np.argsort(-strength[gene, outside])[:2]]}
        assert set(found.tolist()) == want


@pytest.mark.parametrize("size", [512, 30])
def test_blocks_hold_each_variable_gene_once(umi, size):
    method = DeepImpute(block_size=size, min_vmr=0.6, epochs=1).fit(umi.cells)
    counts = umi.cells.layers["counts"].toarray()
    vmr = counts.var(0, ddof=1) / (1 + counts.mean(0))
    assert sorted(method.targets_) == np.flatnonzero(vmr > 0.6).tolist()
    assert np.bincount(method._block_t).max() <= size and len(method._inputs) >= 2


def test_what_was_measured_and_genes_that_do_not_vary_are_left(umi):
    method = DeepImpute(min_vmr=0.6, **QUICK).fit(umi.cells)
    counts, told = umi.cells.layers["counts"].toarray(), method.impute(umi.cells).values_nq
    np.testing.assert_array_equal(told[counts > 0], counts[counts > 0])
    others = np.setdiff1d(np.arange(umi.cells.n_vars), method.targets_)
    assert len(others) > 10
    np.testing.assert_array_equal(told[:, others], counts[:, others])
    filled = told[:, method.targets_][counts[:, method.targets_] == 0]
    assert (filled > 0).all()


def test_a_gene_that_follows_others_is_read_off_them(umi):
    """Ten genes in proportion to one another: the holes of one take what the others say."""
    cells, rng = umi.cells.copy(), np.random.default_rng(0)
    counts = cells.layers["counts"].toarray()
    level = rng.poisson(rng.lognormal(2, 1, cells.n_obs)) + 1
    counts[:, :10] = level[:, None] * np.arange(1, 11)
    hole = rng.random(cells.n_obs) < 0.3
    counts[hole, 0] = 0
    cells.layers["counts"] = sparse.csr_matrix(counts)
    told = DeepImpute(min_vmr=0.0, epochs=100, lr=2e-3, patience=20).fit(cells).impute(cells).values_nq
    assert np.corrcoef(np.log(told[hole, 0]), np.log(level[hole]))[0, 1] > 0.9
    assert np.median(told[hole, 0] / level[hole]) == pytest.approx(1, abs=0.3)


def test_one_gene_and_constant_genes_are_returned_as_they_are(umi):
    one = umi.cells[:, :1].copy()
    np.testing.assert_array_equal(DeepImpute().fit(one).impute(one).values_nq, one.layers["counts"].toarray())
    assert DeepImpute().fit(one).n_parameters() == 0
