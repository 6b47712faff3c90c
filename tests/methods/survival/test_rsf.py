"""The forest is scikit-survival's on the genes kept."""

from __future__ import annotations

import numpy as np
import pytest

from exval.methods.survival.cox import univariate_cox
from exval.methods.survival.rsf import SurvivalForest, coarse

pytest.importorskip("sksurv")


def test_it_is_the_forest_of_the_leading_genes(make_cohort, c_index):
    from sksurv.ensemble import RandomSurvivalForest
    from sksurv.util import Surv

    train, new = make_cohort(150, 60), make_cohort(400, 60, seed=1)
    time, event = train.obs.exval_time.to_numpy(), train.obs.exval_event.to_numpy()
    method = SurvivalForest(n_genes=12, n_trees=20, seed=3).fit(train)
    z = method.expression_.transform(train)
    leading = np.sort(np.argsort(-univariate_cox(time, event, z).z.abs().to_numpy())[:12])
    np.testing.assert_array_equal(method.kept_, leading)
    assert len(set(range(10)) & set(leading)) >= 9
    rows = np.argsort(time, kind="stable")
    want = RandomSurvivalForest(20, min_samples_leaf=10, min_samples_split=20, max_features="sqrt", random_state=3).fit(
        z[rows][:, leading], Surv.from_arrays(event[rows], time[rows])
    )
    x = method.expression_.transform(new)[:, leading]
    np.testing.assert_allclose(method.risk(new), want.predict(x))
    times = np.array([0.01, want.unique_times_[4], want.unique_times_[4] + 1e-6, 1e9])
    curves = want.predict_survival_function(x, return_array=True)
    got = method.survival(new, times)
    assert (got[:, 0] == 1).all()
    np.testing.assert_allclose(got[:, 1:], curves[:, [4, 4, -1]])
    new_time, new_event = new.obs.exval_time.to_numpy(), new.obs.exval_event.to_numpy()
    assert c_index(new_time, new_event, method.risk(new)) > 0.65
    assert method.features_ is None and method.n_parameters() > 100


def test_all_genes_and_covariates(make_cohort):
    train = make_cohort(80, 15)
    method = SurvivalForest(n_genes=None, n_trees=10, covariates=("age", "stage")).fit(train)
    assert len(method.kept_) == 15 and method._forest.n_features_in_ == 15 + 3 and method.title == "rsf + clinical"


def test_times_are_rounded_up_to_few(make_cohort):
    train = make_cohort(120, 12)
    time = train.obs.exval_time.to_numpy()
    few = coarse(time, 25)
    assert len(np.unique(few)) == 25 and (few >= time).all() and set(few) <= set(time) and few.max() == time.max()
    assert np.bincount(np.unique(few, return_inverse=True)[1]).max() <= 6
    np.testing.assert_array_equal(coarse(time, 120), time)
    fine, rough = (SurvivalForest(n_trees=30, n_times=n).fit(train) for n in (None, 25))
    assert len(rough.times_) == 25 and len(fine.times_) == 120
    assert np.corrcoef(fine.risk(train), rough.risk(train))[0, 1] > 0.95
    late = np.quantile(time, [0.25, 0.5, 0.75])
    assert np.abs(fine.survival(train, late) - rough.survival(train, late)).mean() < 0.05
