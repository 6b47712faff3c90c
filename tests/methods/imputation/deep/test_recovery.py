"""Every deep method against doing nothing and the gene mean, on counts of known means."""

from __future__ import annotations

import pytest
import torch

from exval.methods import METHODS

SETTINGS = {
    "dca": {"epochs": 50, "batch": 32},
    "nb-vae": {"epochs": 50, "warmup": 20, "batch": 32, "draws": 5},
    "deepimpute": {"epochs": 80, "lr": 1e-3, "min_vmr": 0.0},
    "autoimpute": {"hidden": 64, "epochs": 80, "batch": 32},
    "scigans": {"epochs": 10, "n_generated": 60},
    "scgnn": {"hidden": 64, "bottleneck": 16, "epochs": 20, "em_epochs": 4, "cluster_epochs": 4, "batch": 32},
    "scidpms": {"hidden": 64, "layers": 2, "steps": 15, "draws": 7, "epochs": 40, "batch": 32},
}
MODELS_COUNTS = ("dca", "nb-vae")  # the others take zeros for holes: better than the mean where zeros are holes


@pytest.fixture(scope="module")
def error():
    """Error of a method on a simulation, computed once."""
    found = {}

    def get(name, known, key):
        if (name, key) not in found:
            found[name, key] = known.error(METHODS[name](**SETTINGS.get(name, {})))
        return found[name, key]

    return get


@pytest.mark.parametrize("name", SETTINGS)
def test_it_beats_doing_nothing_where_zeros_are_holes(name, dropout, error):
    assert error(name, dropout, "dropout") < 0.8 * error("nothing", dropout, "dropout")


@pytest.mark.parametrize("name", SETTINGS)
def test_it_beats_doing_nothing_on_shallow_counts(name, umi, error):
    assert error(name, umi, "umi") < error("nothing", umi, "umi")


@pytest.mark.parametrize("name", MODELS_COUNTS)
def test_a_model_of_counts_beats_the_gene_mean(name, umi, dropout, error):
    assert error(name, umi, "umi") < 0.95 * error("mean", umi, "umi")
    assert error(name, dropout, "dropout") < 0.95 * error("mean", dropout, "dropout")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", SETTINGS)
def test_it_runs_on_a_gpu(name, dropout):
    method = METHODS[name](**SETTINGS[name], device="cuda")
    assert dropout.error(method) < 0.8 * dropout.error(METHODS["nothing"]())
