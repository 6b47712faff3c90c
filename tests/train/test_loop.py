"""The loop: what it leaves behind, when it stops, and what does not change its numbers."""

from __future__ import annotations

import json
import math
import signal
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import sparse

from exval.data.store import Store
from exval.encoders.base import State
from exval.errors import DivergedError, InputError
from exval.models.config import ModelConfig
from exval.models.encdec import EncoderDecoder
from exval.objectives import OBJECTIVES, HiddenValues, Labels
from exval.rng import Draw
from exval.train.config import TrainConfig
from exval.train.distributed import World
from exval.train.log import Log, read_log
from exval.train.loop import Feed, divide, evaluate, fit, make_optimiser
from exval.train.stop import Stopped
from exval.visibility import Everything, Masking
from packs import packed

GENES = 24


@pytest.fixture(scope="module")
def feed():
    x_ng = sparse.csr_matrix(packed(40, GENES, seed=1).dense().numpy())
    store = Store.from_csr(x_ng, [f"G{i}" for i in range(GENES)], unit="counts")
    store = store.with_labels(label=np.arange(40) % 3)
    return Feed(store, np.arange(32), np.arange(32, 40))


def train(feed, out, *, hook=None, resume=False, objective=None, visibility=None, seed=0, model=None, **changes):
    torch.manual_seed(seed)
    model = model or EncoderDecoder(ModelConfig(width=8, decoder_width=8, n_classes=3), GENES)
    config = TrainConfig(**{"steps": 6, "batch_size": 8, "valid_every": 3, "save_every": 2, "seed": seed, **changes})
    out.mkdir(exist_ok=True)
    visibility = visibility or Masking(zeros=0.2)
    summary = fit(
        model, objective or HiddenValues(), visibility, visibility, feed, config, out, resume=resume, step_hook=hook
    )
    return summary, model


def losses(folder):
    return [line["loss"] for line in read_log(folder / "log.jsonl") if "loss" in line]


def test_what_is_left_behind(feed, tmp_path):
    seen = []
    summary, model = train(feed, tmp_path / "a", hook=seen.append)
    log = read_log(tmp_path / "a" / "log.jsonl")
    steps = [line for line in log if "loss" in line]
    assert seen == [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in log if "valid" in line] == [0, 3, 6]
    assert steps[0].keys() == {"step", "loss", "parts", "samples", "seconds"} and steps[0]["parts"].keys() == {"mse"}
    assert [line["samples"] for line in steps] == [8, 16, 24, 32, 40, 48]
    assert [p.name for p in (tmp_path / "a" / "state").iterdir()] == ["step-00000006"]
    saved = load_file(tmp_path / "a" / "model.safetensors")
    assert all(torch.equal(saved[k], v) for k, v in model.state_dict().items())
    assert (summary.steps, summary.samples, summary.stopped_early) == (6, 48, False) and not model.training
    valid = {line["step"]: line["valid"]["loss"] for line in log if "valid" in line}
    assert summary.best_valid == min(valid.values()) == valid[summary.best_step] and summary.first_valid == valid[0]


def test_the_first_loss_is_that_of_the_untrained_model_by_hand(feed, tmp_path):
    from exval.data.sampling import Sampler

    train(feed, tmp_path / "a", steps=1)
    torch.manual_seed(0)
    model = EncoderDecoder(ModelConfig(width=8, decoder_width=8, n_classes=3), GENES)
    rows = next(Sampler(32, 8, seed=0).batches(0))
    split = Masking(zeros=0.2).split(feed.store.batch(feed.train_rows[rows]), Draw(0, 1))
    with torch.no_grad():
        expected = (model(split).prediction - split.queries.values_t).square().mean().item()
    assert losses(tmp_path / "a") == [pytest.approx(expected, rel=1e-6)]


@pytest.mark.parametrize("changes", [{"micro_batch": 3}, {"micro_batch": 1}, {"workers": 1}, {"workers": 3}])
def test_how_a_batch_is_cut_and_read_does_not_matter(feed, tmp_path, changes):
    train(feed, tmp_path / "a")
    train(feed, tmp_path / "b", **changes)
    assert losses(tmp_path / "b") == pytest.approx(losses(tmp_path / "a"), rel=1e-5)
    if "workers" in changes:
        assert losses(tmp_path / "b") == losses(tmp_path / "a")


def test_training_learns(feed, tmp_path):
    summary, _ = train(feed, tmp_path / "a", steps=60, lr=0.01, valid_every=20, save_every=100)
    assert summary.best_valid < 0.9 * summary.first_valid
    tuned, _ = train(
        feed, tmp_path / "b", steps=60, lr=0.01, valid_every=20, objective=Labels([11, 11, 10]), visibility=Everything()
    )
    accuracy = [line["parts"]["accuracy"] for line in read_log(tmp_path / "b" / "log.jsonl") if "loss" in line]
    assert np.mean(accuracy[-10:]) > np.mean(accuracy[:10]) + 0.15 and tuned.steps == 60
    assert np.mean(losses(tmp_path / "b")[-10:]) < 0.9 * np.mean(losses(tmp_path / "b")[:10])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_weight_stops_the_run_with_the_step_and_the_part(feed, tmp_path, value):
    torch.manual_seed(0)
    model = EncoderDecoder(ModelConfig(width=8, decoder_width=8), GENES)

    def hook(step):
        if step == 2:
            with torch.no_grad():
                model.genes.weight[3, 0] = value

    with pytest.raises(DivergedError, match="diverged at step 3: loss is nan"):
        train(feed, tmp_path / "a", hook=hook, model=model, valid_every=100)
    assert len(losses(tmp_path / "a")) == 2 and not (tmp_path / "a" / "model.safetensors").exists()


def test_a_broken_validation_stops_the_run(feed, tmp_path):
    torch.manual_seed(0)
    model = EncoderDecoder(ModelConfig(width=8, decoder_width=8), GENES)
    torch.nn.init.constant_(model.values.special.weight[int(State.HIDDEN)], float("nan"))
    with torch.no_grad():
        model.values.special.weight[int(State.HIDDEN)] = float("nan")
    with pytest.raises(DivergedError, match="diverged at step 0: validation loss is nan"):
        train(feed, tmp_path / "a", model=model)


def test_weights_broken_by_the_last_step_are_not_saved(feed, tmp_path):
    torch.manual_seed(0)
    model = EncoderDecoder(ModelConfig(width=8, decoder_width=8), GENES)

    def hook(step):
        with torch.no_grad():
            model.head.bias_g[0] = float("nan")

    no_validation = Feed(feed.store, feed.train_rows, feed.train_rows[:0])
    with pytest.raises(DivergedError, match="diverged at step 1: head.bias_g is nan"):
        train(no_validation, tmp_path / "a", hook=hook, model=model, steps=1)
    assert not (tmp_path / "a" / "model.safetensors").exists()


def test_the_best_weights_are_kept_and_patience_ends_a_run(feed, tmp_path):
    summary, model = train(feed, tmp_path / "a", steps=40, lr=0.5, valid_every=2, patience=2)
    assert summary.stopped_early and summary.steps < 40
    assert summary.steps - summary.best_step == 4
    again = evaluate(
        model,
        HiddenValues(),
        Masking(zeros=0.2),
        feed,
        TrainConfig(batch_size=8),
        World(),
        torch.device("cpu"),
        nullcontext(),
    )
    assert again["loss"] == pytest.approx(summary.best_valid, rel=1e-6)


def test_a_run_killed_while_it_finished_keeps_its_best_weights(feed, tmp_path):
    summary, model = train(feed, tmp_path / "a", steps=12, lr=0.5, valid_every=2)
    assert summary.best_step < 12
    best = load_file(tmp_path / "a" / "model.safetensors")
    (tmp_path / "a" / "model.safetensors").unlink()
    train(feed, tmp_path / "a", steps=12, lr=0.5, valid_every=2, resume=True)
    again = load_file(tmp_path / "a" / "model.safetensors")
    assert all(torch.equal(best[k], again[k]) for k in best)


def test_validation_is_spread_and_hides_the_same_every_time(feed):
    torch.manual_seed(0)
    model = EncoderDecoder(ModelConfig(width=8, decoder_width=8), GENES)

    class Recording:
        rows: list[int] = []

        def batch(self, rows):
            self.rows.extend(rows.tolist())
            return feed.store.batch(rows)

    store = Recording()
    args = (HiddenValues(), Masking(zeros=0.2), Feed(store, feed.train_rows, np.arange(40)))
    rest = (TrainConfig(batch_size=3, valid_most=10), World(), torch.device("cpu"), nullcontext())
    first = evaluate(model, *args, *rest)
    assert store.rows == list(range(0, 40, 4))
    assert first == evaluate(model, *args, *rest)
    larger = (TrainConfig(batch_size=100, valid_most=10), *rest[1:])
    assert evaluate(model, *args, *larger)["loss"] == pytest.approx(first["loss"], rel=1e-6)


def test_an_objective_of_weight_zero_is_tracked_but_not_trained(feed, tmp_path):
    torch.manual_seed(0)
    model = EncoderDecoder(ModelConfig(width=8, decoder_width=8), GENES)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    train(feed, tmp_path / "a", objective=HiddenValues(weight=0.0), model=model, weight_decay=0.0, patience=0)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(loss > 0 for loss in losses(tmp_path / "a"))


def test_nothing_asked_is_no_fault(feed, tmp_path):
    train(feed, tmp_path / "a", visibility=Masking(nonzeros=0.0, zeros=0.0), steps=2, weight_decay=0.0)
    assert losses(tmp_path / "a") == [0.0, 0.0]


def test_label_weights_by_hand():
    weight = Labels([100, 25, 4]).weight_c
    ratio = (weight / weight[0]).tolist()
    assert ratio == pytest.approx([1, 2, 5])
    assert float(weight @ torch.tensor([100.0, 25.0, 4.0])) == pytest.approx(129)
    capped = Labels([1_000_000, 1], cap=50).weight_c
    assert float(capped[1] / capped[0]) == pytest.approx(50)
    assert set(OBJECTIVES) == {"values", "labels", "cox", "discrete-time"}


def test_optimiser_decays_matrices_only():
    model = EncoderDecoder(ModelConfig(width=8, decoder_width=8, factors=2), GENES)
    optimiser = make_optimiser(model, TrainConfig(weight_decay=0.3))
    decayed, rest = ({id(p) for p in g["params"]} for g in optimiser.param_groups)
    names = {name: id(p) for name, p in model.named_parameters()}
    assert decayed | rest == set(names.values()) and not decayed & rest
    assert names["genes.weight"] in rest and names["head.bias_g"] in rest and names["norm.weight"] in rest
    assert names["encoder.0.attention.qkv.weight"] in decayed
    assert [g["weight_decay"] for g in optimiser.param_groups] == [0.3, 0.0]


def test_micro_batches():
    batch = packed(7)
    assert [piece.n for piece in divide(batch, 3)] == [3, 2, 2]
    assert divide(batch, 7)[0] is batch and divide(batch.select([]), 4)[0].n == 0
    assert torch.cat([piece.id_n for piece in divide(batch, 2)]).tolist() == batch.id_n.tolist()


def test_learning_rate_by_hand():
    config = TrainConfig(steps=110, lr=2.0, warmup=10 / 110, floor=0.1)
    assert [config.lr_at(s) for s in (1, 5, 10)] == pytest.approx([0.2, 1.0, 2.0])
    for step in (11, 60, 110):
        cosine = (1 + math.cos(math.pi * (step - 10) / 100)) / 2
        assert config.lr_at(step) == pytest.approx(2 * (0.1 + 0.9 * cosine))
    assert config.lr_at(110) == pytest.approx(0.2)
    rates = [config.lr_at(s) for s in range(1, 111)]
    assert max(rates) == 2.0 and all(a >= b for a, b in zip(rates[9:], rates[10:]))
    assert TrainConfig(steps=1, warmup=0).lr_at(1) > 0


def test_a_smaller_batch_than_processes_is_refused(feed, tmp_path, monkeypatch):
    import exval.train.loop as loop

    monkeypatch.setattr(loop, "world", lambda device: World(0, 16))
    with pytest.raises(InputError, match="smaller than the 16 processes"):
        train(feed, tmp_path / "a")


def test_a_log_is_cut_back_to_the_checkpoint_and_forgives_a_torn_line(tmp_path):
    path = tmp_path / "log.jsonl"
    first = Log(path)
    for step in range(1, 6):
        first.write({"step": step, "loss": 0.1 * step})
    first.close()
    with path.open("a") as file:
        file.write('{"step": 6, "lo')
    assert [line["step"] for line in read_log(path)] == [1, 2, 3, 4, 5]
    second = Log(path, after=3)
    second.write({"step": 4, "loss": 7})
    second.close()
    assert [json.loads(text) for text in path.read_text().splitlines()][-2:] == [
        {"step": 3, "loss": 0.1 * 3},
        {"step": 4, "loss": 7},
    ]
    Log(path).close()
    assert path.read_text() == ""


def test_backward_runs_outside_autocast(feed, tmp_path):
    """Under it the attention to zeros, kept in float32 in the forward pass, would lose its gradient to rounding."""
    model, seen = EncoderDecoder(ModelConfig(width=8, decoder_width=8), GENES), []
    model.genes.weight.register_hook(lambda _: seen.append(torch.is_autocast_enabled("cpu")))
    train(feed, tmp_path, model=model, steps=2, precision="bf16")
    assert seen == [False, False]


def test_validation_keeps_to_micro_batches(feed, tmp_path):
    model, sizes = EncoderDecoder(ModelConfig(width=8, decoder_width=8), GENES), []
    model.register_forward_pre_hook(lambda _, args: sizes.append(args[0].visible.n))
    train(feed, tmp_path, model=model, steps=1, micro_batch=2)
    assert max(sizes) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_saves_the_step_and_resumes_to_the_same_numbers(feed, tmp_path, number):
    """Step 5 is no step at which a state is due."""
    _, whole = train(feed, tmp_path / "whole", steps=8)
    handler = signal.getsignal(number)
    with pytest.raises(Stopped, match="stopped after step 5 of 8, which is saved"):
        train(feed, tmp_path / "a", steps=8, hook=lambda step: signal.raise_signal(number) if step == 4 else None)
    assert signal.getsignal(number) is handler
    assert [p.name for p in (tmp_path / "a" / "state").iterdir()] == ["step-00000005"]
    assert not (tmp_path / "a" / "model.safetensors").exists()
    summary, model = train(feed, tmp_path / "a", steps=8, resume=True)
    assert summary.steps == 8 and losses(tmp_path / "a") == losses(tmp_path / "whole")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_a_second_request_interrupts_at_once(feed, tmp_path):
    def twice(step):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as found:
        train(feed, tmp_path / "a", hook=twice)
    assert not isinstance(found.value, Stopped)


def test_a_request_in_the_last_step_changes_nothing(feed, tmp_path):
    summary, _ = train(
        feed, tmp_path / "a", hook=lambda step: signal.raise_signal(signal.SIGINT) if step == 5 else None
    )
    assert summary.steps == 6 and (tmp_path / "a" / "model.safetensors").exists()


def test_an_ignored_signal_stays_ignored(feed, tmp_path):
    """As it is for a job in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        summary, _ = train(feed, tmp_path / "a", hook=lambda step: signal.raise_signal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert summary.steps == 6
