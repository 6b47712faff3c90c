"""Designs: every column by hand, and nothing learned at predict."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from exval.errors import GeneError, InputError
from exval.methods.survival.design import ClinicalDesign, ExpressionDesign


@pytest.fixture
def obs():
    rng = np.random.default_rng(0)
    n = 60
    return pd.DataFrame(
        {
            "age": [*np.arange(40.0, 95.0), *[np.nan] * 5],
            "age_text": [str(one) for one in np.arange(40, 40 + n)],
            "female": rng.random(n) < 0.5,
            "binary": rng.integers(0, 2, n) * 3 + 1,
            "stage": ["I"] * 30 + ["II"] * 20 + ["III"] * 4 + ["IV"] * 3 + [None] * 3,
            "rare": ["a"] * 57 + ["b"] * 3,
            "gaps": ["a"] * 30 + ["b"] * 20 + [None] * 10,
            "same": "x",
            "empty": np.nan,
            "barcode": [f"TCGA-{i}" for i in range(n)],
        }
    )


def fitted(obs, *columns):
    design = ClinicalDesign().fit(obs, columns)
    return design, design.transform(obs)


def test_numeric(obs):
    design, c = fitted(obs, "age")
    assert design.names_ == ["age", "age missing"]
    known = np.arange(40.0, 95.0)
    np.testing.assert_allclose(c[:55, 0], (known - known.mean()) / known.std())
    assert c[55:, 0].tolist() == [0] * 5  # the median is the mean here
    assert c[:, 1].tolist() == [0] * 55 + [1] * 5
    assert design.units_[0] == f"SD ({known.std():.3g})"
    new = pd.DataFrame({"age": [67.0, np.nan, 1e6, -1e6]})
    assert design.transform(new).tolist() == [[0, 0], [0, 1], [5, 0], [-5, 0]]


def test_few_gaps_have_no_column_of_their_own(obs):
    some = obs.iloc[:58]
    design, c = fitted(some, "age")
    assert design.names_ == ["age"] and np.isfinite(c).all()


def test_text_of_numbers_is_numeric(obs):
    design, c = fitted(obs, "age_text")
    assert design.names_ == ["age_text"] and c.std() == pytest.approx(1)
    as_number = pd.DataFrame({"age_text": np.arange(40, 100)})
    np.testing.assert_allclose(design.transform(as_number), c)


def test_two_values_and_truth_values(obs):
    design, c = fitted(obs, "female", "binary")
    assert design.names_ == ["female = True", "binary"] and design.units_ == ["against False", "4 against 1"]
    np.testing.assert_array_equal(c, np.column_stack([obs.female, obs.binary == 4]))
    nullable = obs.assign(female=obs.female.astype("boolean"))
    np.testing.assert_array_equal(design.transform(nullable), c)


def test_levels(obs):
    design, c = fitted(obs, "stage")
    assert design.names_ == ["stage = II", "stage = other"]
    want = np.column_stack([obs.stage == "II", obs.stage.isin(["III", "IV"])])
    np.testing.assert_array_equal(c, want)
    new = pd.DataFrame({"stage": ["II", "V", None, "I", "III"]})
    assert design.transform(new).tolist() == [[1, 0], [0, 1], [0, 0], [0, 0], [0, 1]]


def test_missing_is_a_level_and_few_rare_ones_are_none(obs):
    design, c = fitted(obs, "gaps", "rare")
    assert design.names_ == ["gaps = b", "gaps missing"] and design.dropped_ == ["rare"]
    assert c[-1].tolist() == [0, 1]
    assert design.transform(pd.DataFrame({"gaps": ["z"], "rare": ["z"]})).tolist() == [[0, 0]]


def test_order_of_categories_is_kept(obs):
    ordered = obs.assign(stage=pd.Categorical(obs.stage, categories=["IV", "III", "II", "I"]))
    assert ClinicalDesign().fit(ordered, ["stage"]).names_ == ["stage = I", "stage = other"]


def test_constant_and_empty_columns_are_dropped(obs):
    design, c = fitted(obs, "same", "empty", "age_text")
    assert design.dropped_ == ["same", "empty"] and c.shape == (60, 1)
    assert fitted(obs)[1].shape == (60, 0)


def test_identifiers_and_absent_columns_are_refused(obs):
    with pytest.raises(InputError, match="'barcode' has 60 distinct values in 60 patients"):
        fitted(obs, "barcode")
    with pytest.raises(InputError, match="did you mean 'age'"):
        fitted(obs, "Age")
    design, _ = fitted(obs, "age")
    with pytest.raises(InputError, match="no covariate 'age'"):
        design.transform(obs[["stage"]])


def expression(x, genes):
    return anndata.AnnData(np.asarray(x, dtype=np.float32), var=pd.DataFrame(index=genes))


def test_expression_by_hand():
    nan = np.nan
    train = expression(
        [[1, 5, 0, nan, nan], [2, 5, 0, nan, 1], [3, 5, nan, nan, 3], [6, 5, 4, nan, nan]], ["D", "B", "A", "C", "E"]
    )
    design = ExpressionDesign().fit(train)
    assert design.genes_.tolist() == ["A", "D", "E"]
    assert design.mean_.tolist() == pytest.approx([4 / 3, 3, 2]) and design.sd_[1] == pytest.approx(3.5**0.5)
    z = design.transform(train)
    assert z[2, 0] == 0 and z[0, 2] == 0 and z[0, 1] == pytest.approx(-2 / 3.5**0.5)
    assert np.isnan(design.read(train)).sum() == 3


def test_values_are_cut_and_lost_genes_are_the_mean():
    rng = np.random.default_rng(0)
    design = ExpressionDesign().fit(expression(rng.standard_normal((50, 3)), ["A", "B", "C"]))
    z = design.transform(expression([[36893, -36893]], ["B", "X"]))
    assert z.tolist() == [[0, 5, 0]]
    with pytest.raises(GeneError, match="none of the 3 genes"):
        design.transform(expression([[1.0]], ["X"]))


def test_a_panel():
    train = expression(np.random.default_rng(0).standard_normal((9, 4)), ["A", "B", "C", "D"])
    design = ExpressionDesign().fit(train, ["D", "ZZ", "B"])
    assert design.genes_.tolist() == ["B", "D"] and design.absent_ == ["ZZ"]
    with pytest.raises(GeneError, match="none of the 1 genes of the panel"):
        ExpressionDesign().fit(train, ["ZZ"])


def test_nothing_to_learn_from():
    with pytest.raises(InputError, match="none of the 2 genes varies"):
        ExpressionDesign().fit(expression(np.ones((5, 2)), ["A", "B"]))
    with pytest.raises(InputError, match="nothing to fit on"):
        ExpressionDesign().fit(expression(np.ones((0, 2)), ["A", "B"]))


def test_sparse_is_as_dense():
    x = np.random.default_rng(0).poisson(1, (20, 5)).astype(np.float32)
    dense = expression(x, list("ABCDE"))
    thin = dense.copy()
    thin.X = sparse.csr_matrix(x)
    np.testing.assert_array_equal(
        ExpressionDesign().fit(thin).transform(thin), ExpressionDesign().fit(dense).transform(dense)
    )
