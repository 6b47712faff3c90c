"""Runs that were taught worlds in which it is known which gene decides."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for plantedworlds.py: pytest's importlib mode leaves the path alone

import anndata
import pytest
from plantedworlds import GENES, world

import exval
from exval.run import Run

SMALL = {"model.width": 16, "model.layers": 1, "model.heads": 2, "model.decoder_width": 16, "model.decoder_heads": 2,
         "train.batch_size": 32}  # fmt: skip
TAUGHT = {"train.lr": 0.01, "train.backbone_lr": 1.0, "visibility.min_shown": GENES, "train.valid_every": 20}


def _taught(folder, recipe: str, steps: int = 120, random: bool = False, **target) -> Run:
    cohort = world(160, random=random)
    sizes = {**SMALL, **({"model.factors": 8} if recipe == "gexbert" else {})}
    taught = {**TAUGHT, **({"train.lr": 0.02, "train.batch_size": 64} if "time" in target else {})}
    base = exval.pretrain(cohort, recipe=recipe, out=folder / "run", steps=6, overrides=sizes)
    return exval.finetune(base, cohort, out=folder / "taught", steps=steps, overrides=taught, **target)


@pytest.fixture(scope="session", autouse=True)
def _no_training_report():
    patch = pytest.MonkeyPatch()
    patch.setattr("exval.train.setup.write_report", lambda *_: None, raising=False)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def planted_run(tmp_path_factory) -> Run:
    """gexbert, taught ``kind``, which one gene decides."""
    return _taught(tmp_path_factory.mktemp("planted"), "gexbert", label="kind")


@pytest.fixture(scope="session")
def bins_run(tmp_path_factory) -> Run:
    """gexbert-published (hard bins, no factors), taught the same."""
    return _taught(tmp_path_factory.mktemp("bins"), "gexbert-published", label="kind")


@pytest.fixture(scope="session")
def random_run(tmp_path_factory) -> Run:
    """gexbert, taught labels that nothing decides."""
    return _taught(tmp_path_factory.mktemp("random"), "gexbert", steps=20, random=True, label="kind")


@pytest.fixture(scope="session")
def survival_run(tmp_path_factory) -> Run:
    """gexbert with a Cox head, taught times that one gene decides."""
    return _taught(tmp_path_factory.mktemp("survival"), "gexbert", steps=50, time="months", event="event")


@pytest.fixture(scope="session")
def new_patients() -> anndata.AnnData:
    """Ninety samples that no run has met."""
    return world(90, seed=5)
