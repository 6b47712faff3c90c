"""Invented patients: the hazard that was put in is the one that can be found."""

from __future__ import annotations

import numpy as np
import pytest

from exval.data.patients import AGE, SEX, simulated_patients
from exval.data.source import open_source
from exval.errors import InputError
from exval.methods.survival.cox import CoxPH
from exval.metrics import harrell_c


def test_shape_share_of_censoring_and_seed():
    a, b, c = simulated_patients(400, 60), simulated_patients(400, 60), simulated_patients(400, 60, seed=1)
    assert a.shape == (400, 60) and (a.X == b.X).all() and not (a.X == c.X).all()
    assert 1 - a.obs["os_event"].mean() == pytest.approx(0.5, abs=0.01)
    assert 1 - simulated_patients(400, 9, censored=0.2).obs["os_event"].mean() == pytest.approx(0.2, abs=0.01)
    assert (a.obs["os_months"] > 0).all() and set(a.obs["site"]) == {"north", "south"}


def test_read_as_log2_with_known_genes():
    source = open_source(simulated_patients(50, 200))
    assert source.unit == "log2" and source.recognised.all()


def test_the_true_risk_has_the_coefficients_that_were_put_in():
    """A Cox regression on what the hazard is made of finds its coefficients, within three standard errors."""
    patients = simulated_patients(3000, 8, seed=3, effect=0.9)
    obs = patients.obs
    score = obs["true_risk"] - AGE * (obs["age"] - 62) / 10 - SEX * obs["is_female"]
    x = np.column_stack([score / 0.9, (obs["age"] - 62) / 10, obs["is_female"]]).astype(float)
    cox = CoxPH().fit(x, obs["os_months"].to_numpy(), obs["os_event"].to_numpy().astype(bool))
    assert np.abs(cox.coef_ - [0.9, AGE, SEX]).max() < 3 * cox.se_.max()


def test_nothing_beats_the_oracle_and_null_patients_have_no_risk():
    patients = simulated_patients(300, 80, seed=5)
    obs = patients.obs
    best = harrell_c(obs["os_months"], obs["os_event"], obs["true_risk"])
    others = [harrell_c(obs["os_months"], obs["os_event"], patients.X[:, i]) for i in range(80)]
    assert best > max(others) and best > 0.7
    empty = simulated_patients(300, 5, null=True).obs
    assert (empty["true_risk"] == 0).all()


@pytest.mark.parametrize("asked", [{"n": 0}, {"g": 10**6}, {"censored": 1.0}, {"programmes": 0}])
def test_what_cannot_be_made_is_refused(asked):
    with pytest.raises(InputError):
        simulated_patients(**{"n": 10, "g": 5, **asked})
