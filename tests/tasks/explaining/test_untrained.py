"""Networks that learned nothing: what is drawn anew, and what stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exval.data.source import open_source
from exval.run import Run
from exval.tasks.explaining.gradients import attribute
from exval.tasks.explaining.question import Question
from exval.tasks.explaining.reading import baseline_of
from exval.tasks.explaining.untrained import alike, is_untrained, untrained


@pytest.mark.parametrize("kind", ["network", "head"])
def test_weights_are_drawn_and_what_was_fitted_stays(planted_run, kind):
    old, before = planted_run.model.state_dict(), torch.random.get_rng_state()
    new = untrained(planted_run, kind, seed=3).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    fitted = {name for name, _ in planted_run.model.named_buffers()}
    assert {"scale.mean_g", "factors.loadings_gr"} <= fitted
    for name, tensor in new.items():
        if name.startswith("class_prior."):
            continue  # below
        drawn = name not in fitted and (kind == "network" or name.startswith("labels."))
        if drawn and ("weight" in name and "norm" not in name and not name.startswith("labels.") or "4.weight" in name):
            assert not torch.equal(tensor, old[name]), name
        if not drawn:
            assert torch.equal(tensor, old[name]), name
    assert new["labels.encoder.4.weight"].abs().max() > 0  # a new model starts it at zero
    same = untrained(planted_run, kind, seed=3).state_dict()
    assert all(torch.equal(new[name], same[name]) for name in new)


def test_a_model_that_was_loaded_while_predicting_can_still_be_attributed(planted_run, new_patients):
    run = Run(planted_run.folder)
    adata = open_source(new_patients[:2].copy(), missing=True).to_adata(measured=True)
    with torch.inference_mode():
        assert not next(run.model.parameters()).is_inference()
    base_g, _ = baseline_of(run, adata)
    given = (adata, np.zeros(2, int), Question.of_run(run), base_g)
    found, wanted = (
        attribute(run, run.model, *given, steps=4),
        attribute(planted_run, planted_run.model, *given, steps=4),
    )
    np.testing.assert_allclose(found.values_ng, wanted.values_ng, atol=1e-6)


def test_bins_keep_their_borders(bins_run):
    new = untrained(bins_run, "network", seed=0)
    assert torch.equal(new.values.edges_gk, bins_run.model.values.edges_gk)
    assert not torch.equal(new.values.table.weight, bins_run.model.values.table.weight)


def test_a_run_of_cells_can_be_drawn_anew(tuned_run):
    run = Run(tuned_run)
    assert not torch.equal(untrained(run, "network", 0).genes.weight, run.model.genes.weight)


def test_random_lists_are_not_called_alike_and_equal_ones_are():
    rng = np.random.default_rng(0)
    called = [is_untrained(alike(rng.random(300), rng.random((3, 300)), 30)) for _ in range(200)]
    assert np.mean(called) < 0.05
    score = rng.random(300)
    assert is_untrained(alike(score, score[None], 30)) and is_untrained(alike(score, -score[None], 30))
    noisy = np.stack([score + 0.1 * rng.normal(size=300) for _ in range(3)])
    assert is_untrained(alike(score, noisy, 30))


def test_gaussians_of_classes_are_drawn_anew_with_the_head(planted_run):
    """They were learned from the labels: a network that keeps them is not untrained."""
    old = planted_run.model
    assert old.class_prior is not None and float(old.class_prior.mean_ck.abs().max()) > 0
    for kind in ("network", "head"):
        new = untrained(planted_run, kind, seed=0)
        assert float(new.class_prior.mean_ck.abs().max()) == 0
        torch.testing.assert_close(new.factors.loadings_gr, old.factors.loadings_gr)
