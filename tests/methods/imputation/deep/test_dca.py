"""DCA beyond the contract: scale, likelihoods, stopping."""

from __future__ import annotations

import numpy as np
import pytest

from exval.errors import InputError
from exval.methods.imputation.deep.dca import Dca

QUICK = {"epochs": 30, "batch": 32}


def test_expected_counts_add_up_to_the_depth_of_the_cell(umi):
    told = Dca(**QUICK).fit(umi.cells).impute(umi.cells).values_nq.sum(1)
    ratio = told / umi.cells.obs["exval_total"].to_numpy()
    assert 0.9 < np.median(ratio) < 1.1
    assert np.quantile(np.abs(np.log(ratio)), 0.9) < np.log(1.3)


def test_genes_outside_the_file_shape_the_size_factors(umi):
    """A panel cut out of a larger file keeps the totals of the whole file: CP10k stay CP10k."""
    cells = umi.cells.copy()
    cells.obs["exval_total"] *= 10
    cells.X = cells.X / 1.0  # a copy; the values themselves are not looked at
    told = Dca(**QUICK).fit(cells).impute(cells)
    ratio = told.to("cp10k").values_nq.sum(1)
    assert 900 < np.median(ratio) < 1100


def test_zero_inflation_is_another_model_and_others_are_refused(umi):
    plain, inflated = (Dca(likelihood=kind, epochs=5).fit(umi.cells) for kind in ("nb", "zinb"))
    assert not np.allclose(plain.impute(umi.cells).values_nq, inflated.impute(umi.cells).values_nq)
    with pytest.raises(InputError, match="nb or zinb, not 'poisson'"):
        Dca(likelihood="poisson").fit(umi.cells)


def test_it_stops_when_held_out_cells_get_worse_and_seeds_differ(umi):
    first = Dca(epochs=200, patience=2, lr=1e-2).fit(umi.cells)
    assert len(first.history_.train) < 200
    assert first.history_.kept == int(np.argmin(first.history_.valid)) + 1
    other = Dca(epochs=3, seed=1).fit(umi.cells).impute(umi.cells).values_nq
    assert not np.allclose(other, Dca(epochs=3, seed=2).fit(umi.cells).impute(umi.cells).values_nq)


def test_its_parameters_are_counted(umi):
    g = umi.cells.n_vars
    assert Dca(epochs=1, hidden=(8, 4)).fit(umi.cells).n_parameters() == 4 * g + g
