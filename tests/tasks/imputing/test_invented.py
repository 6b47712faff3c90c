"""The check of an imputation: a method that invents is told from one that does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from exval.data.source import open_source
from exval.methods.imputation.base import Imputer
from exval.methods.imputation.controls import Nothing
from exval.tasks.imputing.invented import discoveries, examine, permute_genes


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
    assert found.figures["impute_null_halves"] == found.figures["impute_null_halves_as_read"] <= 0.02
    assert found.figures["impute_null_power"] > 0.2
    assert found.figures["impute_null_permuted"] == found.figures["impute_null_permuted_as_read"] < 0.02
    assert "not for testing" not in found.advice


def test_a_method_that_paints_is_caught(cells):
    found = examine(Painter(), Painter().fit(cells), cells, groups_n=types_of(cells))
    assert found.figures["impute_null_permuted"] == 1.0 and found.figures["impute_null_halves"] > 0.5
    assert found.figures["impute_null_correlation"] == pytest.approx(1.0)
    assert found.advice.startswith("For plotting, not for testing")
    check = found.tables["gene_check"]
    assert (check.permuted > 0.5).all()


def test_permuted_genes_keep_their_counts_and_the_others_their_cells(cells):
    columns = np.array([8, 3])
    out, rows = permute_genes(cells, columns, np.random.default_rng(0))
    before, after = cells.layers["counts"].toarray()[rows], out.layers["counts"].toarray()
    depth = int(out.obs["exval_total"].iloc[0])
    assert 0.75 * cells.n_obs < len(rows) < cells.n_obs and (out.obs["exval_total"] == depth).all()
    assert (before.sum(1) >= depth).all() and (after == np.rint(after)).all()
    rest = np.setdiff1d(np.arange(cells.n_vars), columns)
    assert (after[:, rest] <= before[:, rest]).all()  # molecules are lost, none appears
    assert (after[:, columns] > before[:, columns]).any()  # and these have moved
    np.testing.assert_allclose(np.expm1(out.X.toarray()), 1e4 * after / depth, rtol=1e-5)
    assert list(out.obs_names) == list(cells.obs_names[rows])


def test_permuted_logs_keep_their_values(cells):
    logs = cells.copy()
    del logs.layers["counts"]
    out, rows = permute_genes(logs, np.array([8, 3]), np.random.default_rng(0))
    a, b = logs.X.toarray(), out.X.toarray()
    np.testing.assert_array_equal(np.sort(a[:, [8, 3]], axis=0), np.sort(b[:, [8, 3]], axis=0))
    rest = np.setdiff1d(np.arange(cells.n_vars), [3, 8])
    np.testing.assert_array_equal(a[:, rest], b[:, rest])
    assert (rows == np.arange(cells.n_obs)).all() and (a != b).any()


class Rates(Imputer):
    """Counts divided by depth: what a method of counts gives that does nothing else."""

    name = "rates"
    card = Nothing.card
    needs_counts = True

    def learn(self, cells):
        self._log = np.log1p(cells.counts_ng.toarray() / cells.total_n[:, None] * 1e4).astype(np.float32)

    def block(self, columns, sd=False):
        return self._log[:, columns]


def test_types_that_differ_in_depth_differ_in_no_permuted_gene():
    """Shuffled values that were made into counts at the cell's own depth differed in a quarter of the genes here."""
    from exval.tasks.imputing.molecules import prepared

    rng = np.random.default_rng(3)
    kind = np.repeat(["deep", "shallow"], 150)
    rate_g = rng.gamma(0.5, 1.0, 240)
    rate_g = rate_g / rate_g.sum() * np.where(kind == "deep", 2400, 600)[:, None]
    cells = prepared(rng.poisson(rate_g), [f"c{i}" for i in range(300)], [f"G{j}" for j in range(240)])
    found = examine(Rates(), Rates().fit(cells), cells, groups_n=kind)
    assert found.figures["impute_null_permuted"] < 0.02


def test_cells_of_no_known_type_take_no_part(cells):
    kinds = np.asarray(types_of(cells), dtype=object)
    known = np.random.default_rng(0).random(len(kinds)) < 0.7
    kinds[~known] = np.nan
    method = Nothing().fit(cells)
    found = examine(Nothing(), method, cells, groups_n=kinds)
    drawn = found.tables["imputed_genes"]
    assert len(drawn) == known.sum() * drawn.gene.nunique()
    read = examine(Nothing(), Nothing().fit(cells[known].copy()), cells[known].copy(), groups_n=kinds[known])
    assert found.figures == read.figures


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
