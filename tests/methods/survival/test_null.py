"""The curve of Kaplan and Meier."""

from __future__ import annotations

import numpy as np
import pytest

from exval.methods.survival.null import NullSurvival


def test_by_hand(make_cohort):
    six = make_cohort(6, 3)
    six.obs["exval_time"] = [1.0, 2, 2, 2, 3, 5]
    six.obs["exval_event"] = [False, True, True, False, True, False]
    method = NullSurvival().fit(six)
    curves = method.survival(six, [0.5, 2, 2.5, 3, 99])
    np.testing.assert_allclose(curves, np.tile([1, 3 / 5, 3 / 5, 3 / 10, 3 / 10], (6, 1)))
    assert method.risk(six).tolist() == [0] * 6 and method.missing_share(six).tolist() == [0] * 6


def test_as_in_scikit_survival(make_cohort):
    nonparametric = pytest.importorskip("sksurv.nonparametric")
    adata = make_cohort(90, 3, digits=10)
    event, time = adata.obs.exval_event.to_numpy(), adata.obs.exval_time.to_numpy()
    times, curve = nonparametric.kaplan_meier_estimator(event, time)
    np.testing.assert_allclose(NullSurvival().fit(adata).survival(adata[:1].copy(), times)[0], curve)
