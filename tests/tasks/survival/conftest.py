"""Cohorts that several files use."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exval.data.patients import simulated_patients
from exval.data.source import open_source
from exval.tasks.survival.cohort import Cohort, read_cohort


def _make(adata, **asked) -> Cohort:
    return read_cohort(open_source(adata, missing=True), **{"time": "os_months", "event": "os_event", **asked})


@pytest.fixture(scope="session")
def make_cohort() -> Callable[..., Cohort]:
    """A cohort of an AnnData with the columns of ``simulated_patients``; further words go to ``read_cohort``."""
    return _make


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    """150 patients, 40 genes, age and sex; not to be changed."""
    return _make(simulated_patients(150, 40, seed=2), clinical="age,is_female")
