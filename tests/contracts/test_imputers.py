"""Every imputation method, the moment its file exists: shapes, units, empty cells, order, seeds, guards."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from exval.data.source import open_source
from exval.errors import GeneError, InputError, UnitError
from exval.methods import METHODS
from exval.methods.imputation.base import Imputer
from exval.methods.imputation.values import SPACES

IMPUTERS = {name: cls for name, cls in METHODS.items() if issubclass(cls, Imputer)}
NAMES = [name for name in IMPUTERS if name != "oracle"]  # the oracle needs a truth
EXACT = [name for name in NAMES if not IMPUTERS[name].stochastic]
COUNTS = [name for name in NAMES if IMPUTERS[name].needs_counts]


def made(name: str, **settings) -> Imputer:
    """A method at its smallest: seconds, whatever it costs as published."""
    cls = IMPUTERS[name]
    return cls(**{**cls.presets.get("tiny", {}), **settings})


@pytest.fixture(scope="module")
def cells(_baron_small):
    return open_source(_baron_small.copy()).to_adata()


@pytest.fixture(scope="module")
def imputed(cells):
    """Each method's answer for all cells and genes, once."""
    found = {}

    def get(name):
        if name not in found:
            found[name] = made(name).fit(cells).impute(cells)
        return found[name]

    return get


@pytest.mark.parametrize("name", NAMES)
def test_shape_unit_and_sign(name, cells, imputed):
    got = imputed(name)
    assert got.unit == IMPUTERS[name].unit in SPACES
    assert got.values_nq.shape == cells.shape and got.values_nq.dtype == np.float32
    assert list(got.genes) == list(cells.var_names)
    assert np.isfinite(got.values_nq).all() and (got.values_nq >= 0).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("zeros", "external")])
def test_the_unit_is_the_one_declared(name, cells, imputed):
    """Values in a wrong unit are off by orders of magnitude: the sum of CP10k of these genes is near the measured."""
    told = imputed(name).to("cp10k").values_nq.sum(1)
    measured = np.expm1(cells.X.toarray()).sum(1)
    assert 0.25 < np.median(told) / np.median(measured) < 4


@pytest.mark.parametrize("name", NAMES)
def test_some_genes_in_any_order_are_the_same_values(name, cells, imputed):
    some = list(cells.var_names[[250, 3, 77]])
    got = made(name).fit(cells).impute(cells, some)
    assert list(got.genes) == some
    np.testing.assert_allclose(got.values_nq, imputed(name).values_nq[:, [250, 3, 77]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_values(name, cells, imputed):
    np.testing.assert_array_equal(made(name).fit(cells).impute(cells).values_nq, imputed(name).values_nq)


@pytest.mark.parametrize("name", [name for name in NAMES if IMPUTERS[name].stochastic])
def test_a_stochastic_method_takes_a_seed(name):
    assert "seed" in made(name).get_params()


@pytest.mark.parametrize("name", EXACT)
def test_order_of_cells_and_genes_does_not_matter(name, cells, imputed):
    rng = np.random.default_rng(3)
    rows, columns = rng.permutation(cells.n_obs), rng.permutation(cells.n_vars)
    other = cells[rows][:, columns].copy()
    got = made(name).fit(other).impute(other).values_nq
    want = imputed(name).values_nq[np.ix_(rows, columns)]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * max(1.0, float(want.max()) * 0.01))


@pytest.mark.parametrize("name", NAMES)
def test_empty_cells_and_genes_stay_zero(name, cells):
    holes = cells.copy()
    for matrix in (holes.X, holes.layers["counts"]):
        dense = matrix.toarray()
        dense[[5, 40]] = 0
        dense[:, [7]] = 0
        matrix[:] = sparse.csr_matrix(dense)
    holes.obs.loc[holes.obs_names[[5, 40]], "exval_total"] = 0
    got = made(name).fit(holes).impute(holes).values_nq
    assert not got[[5, 40]].any() and not got[:, 7].any()
    assert name == "zeros" or got.any()


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_of_five_genes(name, cells):
    panel = cells[:, :5].copy()
    assert made(name).fit(panel).impute(panel).values_nq.shape == (cells.n_obs, 5)


@pytest.mark.parametrize("name", NAMES)
def test_one_cell_is_refused_or_answered(name, cells):
    one = cells[:1].copy()
    if IMPUTERS[name].min_cells > 1:
        with pytest.raises(InputError, match="needs at least"):
            made(name).fit(one)
    else:
        assert made(name).fit(one).impute(one).values_nq.shape == (1, cells.n_vars)


@pytest.mark.parametrize("name", NAMES)
def test_its_fewest_cells_are_enough(name, cells):
    few = cells[: IMPUTERS[name].min_cells].copy()
    assert np.isfinite(made(name).fit(few).impute(few).values_nq).all()


@pytest.mark.parametrize("name", COUNTS)
def test_log_values_are_refused_by_a_count_method(name, cells):
    logs = cells.copy()
    del logs.layers["counts"]
    with pytest.raises(UnitError, match="needs raw counts"):
        made(name).fit(logs)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COUNTS])
def test_log_values_are_enough_for_the_others(name, cells):
    logs = cells.copy()
    del logs.layers["counts"]
    logs.obs["exval_total"] = np.nan
    assert made(name).fit(logs).impute(logs).to("log1p").values_nq.any() or name == "zeros"


@pytest.mark.parametrize("name", NAMES)
def test_values_below_zero_other_cells_and_other_genes_are_refused(name, cells):
    negative = cells.copy()
    negative.X = negative.X.copy()
    negative.X.data[0] = -1
    with pytest.raises(UnitError, match="below zero"):
        made(name).fit(negative)
    method = made(name).fit(cells)
    with pytest.raises(InputError, match="fitted on"):
        method.impute(cells[::-1].copy())
    with pytest.raises(GeneError, match="not in the file"):
        method.impute(cells, ["NOSUCHGENE"])


@pytest.mark.parametrize("name", NAMES)
def test_fit_changes_nothing_and_clones(name, cells):
    before, counts = cells.X.copy(), cells.layers["counts"].copy()
    method = made(name).fit(cells)
    assert (before != cells.X).nnz == 0 and (counts != cells.layers["counts"]).nnz == 0
    assert clone(method).get_params() == method.get_params()
    json.dumps(method.get_params())


@pytest.mark.parametrize("name", [name for name in NAMES if IMPUTERS[name].has_sd])
def test_sd_is_positive_and_of_the_same_size(name, cells):
    method = made(name).fit(cells)
    got = method.impute(cells, sd=True)
    assert got.sd_nq is not None and got.sd_nq.shape == got.values_nq.shape
    assert np.isfinite(got.sd_nq).all() and (got.sd_nq >= 0).all() and (got.sd_nq > 0).mean() > 0.9
    np.testing.assert_allclose(got.values_nq, method.impute(cells).values_nq, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_not_looked_at_unless_declared(name, cells):
    if IMPUTERS[name].labels != "never":
        pytest.skip("declares that it may use labels")
    got = made(name).fit(cells, "cell_type").impute(cells).values_nq
    np.testing.assert_array_equal(got, made(name).fit(cells).impute(cells).values_nq)


@pytest.mark.parametrize("name", sorted(IMPUTERS))
def test_presets_are_settings(name):
    for settings in IMPUTERS[name].presets.values():
        IMPUTERS[name](**settings)
