"""The check of an imputation: a method that invents is told from one that does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from exval.data.source import open_source
from exval.methods.imputation.base import Imputer
from exval.methods.imputation.controls import Nothing
from exval.tasks.invented import discoveries, examine, permute_genes


@pytest.fixture(scope="module")
def cells(_baron_small):
    import anndata

    many = anndata.concat([_baron_small] * 4, index_unique="-")  # enough cells of a type to be halved
    rng = np.random.default_rng(0)
    many.X = sparse.csr_matrix(rng.poisson(many.X.toarray())).astype(np.float32)
    return open_source(many).to_adata()


class Painter(Imputer):
    """Gives every gene the same score of the cell: all correlation and every difference is invented."""

    name = "painter"
    card = Nothing.card

    def learn(self, cells):
        x = cells.log_ng.toarray()
        x = x - x.mean(0)
        u, s, _ = np.linalg.svd(x, full_matrices=False)
        score = u[:, 0] * np.sign(u[np.abs(u[:, 0]).argmax(), 0])
        self._score = (1 + (score - score.min()) / np.ptp(score)).astype(np.float32)

    def block(self, columns, sd=False):
        return np.repeat(self._score[:, None], len(columns), axis=1)


def types_of(adata):
    return adata.obs["cell_type"].astype(str).to_numpy() if "cell_type" in adata.obs else None


def test_values_as_read_invent_nothing(cells):
    found = examine(Nothing(), Nothing().fit(cells), cells, groups_n=types_of(cells))
    assert found.figures["impute_null_halves"] == found.figures["impute_null_halves_as_read"] <= 0.1
    assert found.figures["impute_null_power"] > 0.2
    assert found.figures["impute_null_permuted"] == found.figures["impute_null_permuted_as_read"] < 0.1
    assert "not for testing" not in found.advice


def test_a_method_that_paints_is_caught(cells):
    found = examine(Painter(), Painter().fit(cells), cells, groups_n=types_of(cells))
    assert found.figures["impute_null_permuted"] == 1.0 and found.figures["impute_null_halves"] > 0.5
    assert found.figures["impute_null_correlation"] == pytest.approx(1.0)
    assert found.advice.startswith("For plotting, not for testing")
    check = found.tables["gene_check"]
    assert (check.permuted > 0.5).all()


def test_permuted_genes_keep_their_values_and_the_others_their_cells(cells):
    columns = np.array([8, 3])
    out = permute_genes(cells, columns, np.random.default_rng(0))
    a, b = cells.X.toarray(), out.X.toarray()
    np.testing.assert_array_equal(np.sort(a[:, columns], axis=0), np.sort(b[:, columns], axis=0))
    assert (a[:, columns] != b[:, columns]).any()
    rest = np.setdiff1d(np.arange(cells.n_vars), columns)
    np.testing.assert_array_equal(a[:, rest], b[:, rest])
    counts = out.layers["counts"].toarray()
    np.testing.assert_array_equal(counts[:, rest], cells.layers["counts"].toarray()[:, rest])
    rate = np.expm1(b[:, columns]) * cells.obs["exval_total"].to_numpy()[:, None] / 1e4
    assert (np.abs(counts[:, columns] - rate) < 1 + 1e-3).all() and (counts == np.rint(counts)).all()


def test_predicted_types_and_few_cells(cells):
    assert examine(Nothing(), Nothing().fit(cells), cells).figures
    few = cells[:12].copy()
    found = examine(Nothing(), Nothing().fit(few), few, groups_n=np.array(["a", "b"] * 6))
    assert found.warnings and found.tables["gene_check"].shape[0] == 6


def test_a_panel_of_five_genes_is_not_permuted_as_a_whole(cells):
    panel = cells[:, :5].copy()
    found = examine(Nothing(), Nothing().fit(panel), panel, groups_n=types_of(cells))
    assert found.tables["gene_check"].permuted.notna().sum() == 1


def test_discoveries_of_constant_genes():
    assert not discoveries(np.ones((30, 4), np.float32), np.ones((30, 4), np.float32)).any()
