"""Random panels: the truth lies above them, a random panel among them."""

from __future__ import annotations

import numpy as np
import pytest

from exval.data.patients import simulated_patients
from exval.errors import InputError
from exval.metrics import harrell_c
from exval.tasks.survival.folds import survival_splits
from exval.tasks.survival.nullpanels import NullPanels, panel_risk, random_panels


@pytest.fixture(scope="module")
def setting(make_cohort):
    data = simulated_patients(200, 160, seed=6)
    cohort = make_cohort(data)
    return data, cohort, survival_splits(cohort, 3)


def test_the_prognostic_programme_beats_random_panels(setting):
    data, cohort, splits = setting
    good = tuple(data.var_names[data.var["programme"] == 0][:8])
    found = random_panels(cohort, good, splits, 100)
    assert found.beaten > 0.95 and found.p < 0.05 and "beats" in found.sentence
    assert found.size == 8 and found.pool == 152 and len(found.random_c) == 100


def test_other_genes_are_no_better_than_random_and_it_is_said(setting):
    data, cohort, splits = setting
    idle = tuple(data.var_names[data.var["programme"] == 3][:8])
    found = random_panels(cohort, idle, splits, 100)
    assert found.beaten < 0.95 and "genes picked at random would do" in found.sentence


def test_same_seed_same_panels_and_the_order_of_genes_does_not_matter(setting):
    data, cohort, splits = setting
    panel = tuple(data.var_names[:5])
    a, b = random_panels(cohort, panel, splits, 10), random_panels(cohort, panel[::-1], splits, 10)
    assert a.c == pytest.approx(b.c) and (a.random_c == b.random_c).all()
    assert not (a.random_c == random_panels(cohort, panel, splits, 10, seed=1).random_c).all()


def test_c_is_that_of_all_folds(setting):
    _, cohort, splits = setting
    genes = tuple(cohort.adata.var_names[:4])
    top = bottom = 0.0
    from exval.methods.survival.design import ExpressionDesign

    for fold in splits.folds:
        design = ExpressionDesign().fit(cohort.adata[fold.train], genes)
        z, z_test = design.transform(cohort.adata[fold.train]), design.transform(cohort.adata[fold.test])
        risk = panel_risk(z, z_test, cohort.time_n[fold.train], cohort.event_n[fold.train])
        time, event = cohort.time_n[fold.test], cohort.event_n[fold.test]
        pairs = sum(((time > time[i]) | ((time == time[i]) & ~event)).sum() for i in np.flatnonzero(event))
        top, bottom = top + harrell_c(time, event, risk) * pairs, bottom + pairs
    assert random_panels(cohort, genes, splits, 3).c == pytest.approx(top / bottom)


def test_large_panels_and_too_large_ones(setting):
    _, cohort, splits = setting
    genes = cohort.adata.var_names
    assert random_panels(cohort, tuple(genes[:40]), splits, 3).size == 40
    with pytest.raises(InputError, match="too few to draw random panels"):
        random_panels(cohort, tuple(genes[:100]), splits, 3)
    with pytest.raises(InputError, match="no gene of the panel varies"):
        random_panels(cohort, ("TP53",), splits, 3)


def test_ties_count_half_and_p_counts_the_panel_itself():
    found = NullPanels(0.6, np.array([0.5, 0.6, 0.7, 0.5]), 4, 100)
    assert found.beaten == 0.625 and found.p == pytest.approx(3 / 5)
