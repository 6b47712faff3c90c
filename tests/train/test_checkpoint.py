"""Checkpoints: exact, whole or absent, readable by no newer and no older surprise, and never pickled."""

from __future__ import annotations

import json

import pytest
import torch

from exval.errors import InputError, OutputError
from exval.rng import Draw
from exval.train import checkpoint
from exval.train.checkpoint import load_state, load_weights, newest_state, save_state, save_weights
from exval.train.config import TrainConfig
from exval.train.loop import make_optimiser
from exval.visibility import Masking
from packs import packed, tiny_model

SPLIT = Masking(zeros=0.2).split(packed(), Draw(0))


def stepped(n: int, model, optimiser):
    for _ in range(n):
        optimiser.zero_grad()
        (model(SPLIT).prediction - SPLIT.queries.values_t).square().mean().backward()
        optimiser.step()
    return {k: v.clone() for k, v in model.state_dict().items()}


def fresh(seed=0):
    model = tiny_model(seed=seed)
    return model, make_optimiser(model, TrainConfig())


def test_going_on_from_a_state_is_exact(tmp_path):
    model, optimiser = fresh()
    stepped(3, model, optimiser)
    save_state(tmp_path / "state", 3, model, optimiser, {"sampler": {"epoch": 1}})
    expected = stepped(3, model, optimiser)
    other, another = fresh(seed=9)
    assert load_state(newest_state(tmp_path / "state"), other, another)["sampler"] == {"epoch": 1}
    found = stepped(3, other, another)
    assert all(torch.equal(expected[k], found[k]) for k in expected)


def test_only_the_newest_state_is_kept(tmp_path):
    assert newest_state(tmp_path / "state") is None
    for step in (5, 10, 100):
        save_state(tmp_path / "state", step, *fresh(), {})
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["step-00000100"]
    assert newest_state(tmp_path / "state").name == "step-00000100"


def test_a_state_that_fails_to_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    save_state(tmp_path / "state", 1, *fresh(), {})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OutputError, match="disk is full"):
        save_state(tmp_path / "state", 2, *fresh(), {})
    with pytest.raises(OutputError, match="disk is full"):
        save_weights(fresh()[0], tmp_path / "model.safetensors")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["state", "state.json", "state.safetensors", "step-00000001"]


def test_a_newer_or_damaged_state_is_refused(tmp_path):
    save_state(tmp_path / "state", 1, *fresh(), {})
    path = newest_state(tmp_path / "state")
    state = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps({**state, "format_version": 99}))
    with pytest.raises(InputError, match="written by a newer exval .format 99"):
        load_state(path, *fresh())
    (path / "state.json").write_text(json.dumps(state))
    (path / "state.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(InputError, match="is damaged"):
        load_state(path, *fresh())


def test_weights_have_to_fit_all_but_what_is_new(tmp_path):
    path = tmp_path / "model.safetensors"
    model = tiny_model()
    save_weights(model, path)
    other = tiny_model(seed=5)
    load_weights(other, path)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values()))
    tuned = tiny_model(n_classes=3)
    kept = tuned.labels.encoder[1].weight.clone()
    load_weights(tuned, path, new=("labels.",))
    assert torch.equal(tuned.labels.encoder[1].weight, kept) and torch.equal(tuned.genes.weight, model.genes.weight)
    for wrong in (tuned, tiny_model(layers=1), tiny_model(layers=3), tiny_model(width=16), tiny_model(g=20)):
        with pytest.raises(InputError, match="does not fit this shape"):
            load_weights(wrong, path)
    for wrong in (tiny_model(layers=1, n_classes=2), tiny_model(layers=3, n_classes=2)):
        with pytest.raises(InputError, match="does not fit this shape"):
            load_weights(wrong, path, new=("labels.",))


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95", b"\xff" * 64, b"\x10\0\0\0\0\0\0\0{}"])
def test_damaged_weights_are_refused(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError):
        load_weights(tiny_model(), tmp_path / "model.safetensors")
