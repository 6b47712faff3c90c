"""The training loop: reads top to bottom."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from exval.data.batch import ExpressionBatch
from exval.data.loader import Loader
from exval.data.sampling import Sampler
from exval.errors import DivergedError, InputError
from exval.models.encdec import EncoderDecoder
from exval.objectives.base import Objective
from exval.progress import Progress
from exval.rng import Draw
from exval.train.checkpoint import load_state, load_weights, newest_state, save_state, save_weights
from exval.train.config import TrainConfig
from exval.train.distributed import World, world
from exval.train.log import Log
from exval.train.stop import Stopped, on_request

VALIDATION = -1  # the "step" that keys what validation hides: the same genes every time


@dataclass(frozen=True)
class Feed:
    """The samples of a run.

    Parameters
    ----------
    store
        A :class:`~exval.data.store.Store`, on disk or in memory; where a label is learned its batches carry it as
        ``obs["label"]``.
    train_rows, valid_rows
        Rows of the store to train on and to validate on.
    """

    store: object
    train_rows: np.ndarray
    valid_rows: np.ndarray


@dataclass(frozen=True)
class Summary:
    """How a training went."""

    steps: int
    best_step: int
    best_valid: float | None
    first_valid: float | None
    samples: int
    seconds: float
    cpu_seconds: float
    stopped_early: bool


def fit(
    model: EncoderDecoder,
    objective: Objective,
    visibility,
    valid_visibility,
    feed: Feed,
    config: TrainConfig,
    out: Path,
    *,
    device: torch.device | None = None,
    resume: bool = False,
    description: str = "Training",
    step_hook=None,
) -> Summary:
    """Train ``model`` in place and leave ``log.jsonl``, ``model.safetensors`` and ``state/`` in ``out``.

    Parameters
    ----------
    visibility, valid_visibility
        How samples are divided into shown and asked for training and for validation.
    resume
        Continue from the newest state in ``out``: bit for bit as if never interrupted.
    step_hook
        Called with the step after everything of it was written (tests kill the process there).

    Raises
    ------
    DivergedError
        At the first NaN or inf in a loss or gradient; names the step and the part.
    Stopped
        After Ctrl-C or SIGTERM; the last step is saved.
    """
    device = device or torch.device("cpu")
    procs = world(device)
    if config.batch_size < procs.size:
        raise InputError(f"batch_size {config.batch_size} is smaller than the {procs.size} processes; raise it")
    model.to(device).train()
    runner = model
    if config.compile and device.type == "cuda":
        runner = torch.compile(runner, dynamic=True)
    if procs.size > 1:
        runner = nn.parallel.DistributedDataParallel(runner)
    half = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
    cast = torch.autocast(device.type, torch.bfloat16) if half else nullcontext()
    optimiser = make_optimiser(model, config)

    batch_size = min(config.batch_size, len(feed.train_rows))
    sampler = Sampler(
        len(feed.train_rows), batch_size, seed=config.seed, block=config.block, rank=procs.rank, world=procs.size
    )
    state = {"best": None, "best_step": 0, "first": None, "bad": 0, "samples": 0, "seconds": 0.0, "cpu": 0.0}
    start, saved = 0, newest_state(out / "state") if resume else None
    if saved is not None:
        loaded = load_state(saved, model, optimiser)
        start, state = loaded["step"], loaded["state"]
        sampler.load_state_dict(loaded["sampler"])
    log = Log(out / "log.jsonl", after=start if saved is not None else None) if procs.is_first else None
    loader = Loader(feed.store, sampler, workers=config.workers, rows=feed.train_rows)
    plan = iter(loader)
    began, began_cpu = time.perf_counter() - state["seconds"], time.process_time() - state["cpu"]

    def validate(step: int) -> float | None:
        if not len(feed.valid_rows):
            return None
        valid = evaluate(model, objective, valid_visibility, feed, config, procs, device, cast)
        refuse_broken(step, {f"validation {name}": value for name, value in valid.items()})
        if procs.is_first:
            log.write({"step": step, "valid": valid})
        if state["best"] is None or valid["loss"] < state["best"]:
            state.update(best=valid["loss"], best_step=step, bad=0)
            if procs.is_first:
                save_weights(model, out / "best.safetensors")
        else:
            state["bad"] += 1
        return valid["loss"]

    if start == 0:
        state["first"] = validate(0)
    last = start
    with Progress(description, config.steps, initial=start) as progress, on_request() as stop:
        for step in range(start + 1, config.steps + 1):
            if config.patience and state["bad"] >= config.patience:
                break
            for group in optimiser.param_groups:
                group["lr"] = config.lr_at(step) * group["share"]
            torch.manual_seed(seed_at(config.seed, step, procs.rank))  # dropout: the same after a resume
            batch = next(plan)
            pieces = divide(batch, most_at_once(config, device))
            splits = [visibility.split(piece, Draw(config.seed, step)) for piece in pieces]
            counts = [objective.count(s, b) for s, b in zip(splits, pieces)]
            # Divided by the count over all processes and micro-batches: the loss does not depend on how it is cut.
            total = float(procs.sum(torch.tensor(float(sum(counts)), device=device)).clamp(min=1))
            sums: dict[str, Tensor] = {}
            for i, (split, piece) in enumerate(zip(splits, pieces)):
                quiet = runner.no_sync() if procs.size > 1 and i < len(pieces) - 1 else nullcontext()
                with quiet:
                    with cast:  # the forward pass only: backward runs in the types that forward chose
                        split, piece = split.to(device), piece.to(device)
                        score = objective.score(model, runner(split), split, piece)
                    # DDP averages over processes; times their number makes it the sum.
                    (score.loss * (objective.weight * procs.size / total)).backward()
                for name, value in {"loss": score.loss.detach(), **score.parts}.items():
                    sums[name] = sums.get(name, 0) + value.detach().double()
            means = {k: float(procs.sum(v.clone())) / total for k, v in sums.items()}
            norm = float(nn.utils.clip_grad_norm_(model.parameters(), config.clip))
            refuse_broken(step, {**means, "gradient": norm})
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            done = procs.sum(torch.tensor([float(batch.n), float(stop.made)], device=device))
            state["samples"] += int(done[0])
            # Asked of any process, and read once: all end at the same step, and what is announced below is saved.
            ending = float(done[1]) > 0 and step < config.steps
            state["seconds"] = time.perf_counter() - began
            state["cpu"] = time.process_time() - began_cpu
            if procs.is_first:
                log.write(
                    {
                        "step": step,
                        "loss": means.pop("loss"),
                        "parts": means,
                        "samples": state["samples"],
                        "seconds": round(state["seconds"], 3),
                    }
                )
            last = step
            if step % config.valid_every == 0 or step == config.steps:
                validate(step)
            if (step % config.save_every == 0 or step == config.steps or ending) and procs.is_first:
                refuse_broken(step, largest(model))
                save_state(out / "state", step, model, optimiser, {"state": state, "sampler": sampler.state_dict()})
            if step_hook is not None:
                step_hook(step)
            speed = state["samples"] / max(state["seconds"], 1e-9)
            best = "" if state["best"] is None else f", best valid {state['best']:.4f}"
            progress.advance(text=f"loss {float(sums['loss']) / total:.4f}{best}, {speed:.0f} samples/s")
            if ending:
                procs.wait()
                if procs.is_first:
                    log.close()
                raise Stopped(f"stopped after step {step} of {config.steps}, which is saved; go on with --resume")
    if procs.is_first:
        log.close()
        if (out / "best.safetensors").exists():
            load_weights(model, out / "best.safetensors")
        refuse_broken(last, largest(model))
        save_weights(model, out / "model.safetensors")
    procs.wait()
    model.eval()
    return Summary(
        steps=last,
        best_step=state["best_step"],
        best_valid=state["best"],
        first_valid=state["first"],
        samples=state["samples"],
        seconds=state["seconds"],
        cpu_seconds=state["cpu"],
        stopped_early=last < config.steps,
    )


@torch.no_grad()
def evaluate(model, objective, visibility, feed, config, procs: World, device, cast) -> dict[str, float]:
    """Mean loss and parts over the validation samples; what is hidden is the same every time."""
    model.eval()
    # Evenly spread: the first ones may all come from one file.
    rows = feed.valid_rows[:: -(-len(feed.valid_rows) // config.valid_most)]
    sums: dict[str, float] = {}
    total = 0
    pieces = np.array_split(rows, max(-(-len(rows) // config.batch_size), 1))
    for passed, piece in [(passed, piece) for passed in range(config.valid_passes) for piece in pieces]:
        batch = feed.store.batch(
            piece[len(piece) * procs.rank // procs.size : len(piece) * (procs.rank + 1) // procs.size]
        )
        for part in divide(batch, most_at_once(config, device)):
            split = visibility.split(part, Draw(config.seed, VALIDATION - passed))
            total += objective.count(split, part)
            with cast:
                split, part = split.to(device), part.to(device)
                score = objective.score(model, model(split), split, part)
            for name, value in {"loss": score.loss, **score.parts}.items():
                sums[name] = sums.get(name, 0.0) + float(value)
    names = sorted(sums)
    joined = procs.sum(torch.tensor([float(total), *(sums[k] for k in names)], dtype=torch.double, device=device))
    model.train()
    return {k: float(v) / max(float(joined[0]), 1.0) for k, v in zip(names, joined[1:])}


def refuse_broken(step: int, values: dict[str, float]) -> None:
    """Stop at NaN or inf.

    Raises
    ------
    DivergedError
        Names the step and the first value that is not finite.
    """
    for name, value in values.items():
        if not np.isfinite(value):
            raise DivergedError(
                f"training diverged at step {step}: {name} is {value}; lower train.lr, or look for extreme values"
            )


def largest(model: nn.Module) -> dict[str, float]:
    """Size of the largest entry of each parameter: an infinite one can hide behind a loss that is finite."""
    return {name: float(p.detach().abs().max()) for name, p in model.named_parameters()}


def make_optimiser(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW; biases, norms and what the model calls ``undecayed`` are not decayed. Each group knows its share of the
    learning rate."""
    # With two branches in the label head, the encoder's learns as slowly as the encoder.
    two = model.labels is not None and model.labels.factors is not None
    late = lambda name: two and name.startswith("labels.encoder.")  # noqa: E731
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decayed = parameter.ndim >= 2 and not any(part in name for part in model.undecayed)
            groups.setdefault((decayed, name.startswith("labels.") and not late(name)), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": config.weight_decay if decayed else 0.0,
                "share": 1.0 if new or model.labels is None else config.backbone_lr,
            }
            for (decayed, new), parameters in sorted(groups.items(), key=lambda item: item[0], reverse=True)
        ],
        lr=config.lr,
        betas=(0.9, config.beta2),
    )


def seed_at(seed: int, step: int, rank: int) -> int:
    """Of torch's generators: its own for every step and process, so that no state has to be kept.

    Examples
    --------
    >>> len({seed_at(s, t, r) for s in range(3) for t in range(3) for r in range(3)})
    27
    """
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)


def most_at_once(config: TrainConfig, device: torch.device) -> int:
    """Samples per forward pass, in training and in validation."""
    return config.micro_batch or (64 if device.type == "cuda" else config.batch_size)


def divide(batch: ExpressionBatch, size: int) -> list[ExpressionBatch]:
    """Micro-batches of at most ``size`` samples."""
    if batch.n <= size:
        return [batch]
    return [batch.select(rows) for rows in np.array_split(np.arange(batch.n), -(-batch.n // size))]
