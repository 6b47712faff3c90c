"""``exval pretrain``: learn from unlabelled samples by predicting hidden values."""

from __future__ import annotations

import tempfile
import weakref
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exval.data.files import check_writable
from exval.data.hashing import panel_mark
from exval.errors import InputError, UnitError
from exval.models.encdec import EncoderDecoder
from exval.objectives import HiddenValues
from exval.recipes import make_config, settings
from exval.recipes.config import RunConfig, change
from exval.run import Run, pick_device
from exval.train import setup
from exval.train.checkpoint import save_weights
from exval.train.distributed import world
from exval.train.folds import number_folds, save_folds
from exval.train.loop import Feed, fit


def pretrain(
    data: Any,
    *,
    recipe: str = "xtrimogene",
    preset: str = "tiny",
    out: str | PathLike,
    overrides: dict[str, Any] | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    resume: bool = False,
    force: bool = False,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: str = "auto",
) -> Run:
    """Learn from unlabelled samples.

    Parameters
    ----------
    data
        A file, a store folder, an AnnData, or several files (joined into one temporary store).
    recipe, preset, overrides
        Which configuration (``exval recipes``) and what to change of it, by dotted path.
    out
        Folder of the run. Under torchrun every process calls this; the first one writes.
    steps, epochs
        How long; default: the preset's number of steps.
    resume
        Continue the run in ``out`` exactly where it was interrupted.

    Returns
    -------
    Run

    Examples
    --------
    >>> import exval
    >>> run = exval.pretrain(exval.datasets.baron()[:200], steps=20, out="run", seed=1)  # doctest: +SKIP
    """
    out, where = Path(out), pick_device(device)
    first = setup.is_first()
    config = make_config(recipe, preset, overrides)
    continued = setup.open_folder(out, resume, force) if first else resume and (out / "config.json").exists()
    check_writable(out)
    if threads:
        torch.set_num_threads(threads)
    store, name, found_species, warnings, patient_n = open_store(
        data, out, layer, unit, species, orientation, config.dense
    )
    if store.unit not in config.visibility.units:
        raise UnitError(f"{name} is in {store.unit}; {recipe} takes counts, CP10k or log1p(CP10k) (--unit if misread)")
    if store.n < 2:
        raise InputError(f"{name} has {store.n} samples; pretraining needs more than one")
    # Neither validation nor the folds of fitted factors part a patient.
    train, valid = setup.split_rows(store.n, config.train.valid_share, seed, patient_n)
    n_steps = setup.steps_of(steps, epochs, len(train), config.train.batch_size, config.train.steps)
    config = change(config, {"train.steps": n_steps, "train.seed": seed}, fixed=())
    seen = store.identity_n  # validation samples too: they decide which weights are kept
    fold_n = number_folds(seen, patient_n)
    if config.model.posterior:
        store = store.with_labels(fold=np.where(np.isin(np.arange(store.n), valid), 0, fold_n))
    described = setup.describe(
        config,
        data=name,
        n_train=len(train),
        n_valid=len(valid),
        n_genes=store.n_genes,
        species=found_species,
        unit=store.unit,
        content=store.content,
        panels=[panel_mark(store.genes[panel.numpy()]) for panel in store.panels],
    )
    if continued:
        described = resumed(out, config, store.content)
        if "verdict" in described:
            return Run(out, device)
    torch.manual_seed(seed)
    model = EncoderDecoder(config.model, store.n_genes)
    feed = Feed(store, train, valid)
    setup.prepare(model, config, feed)
    if first and not continued:
        setup.start_folder(out, list(store.genes), seen, described)
    summary = fit(
        model,
        HiddenValues(),
        config.visibility,
        config.visibility,
        feed,
        config.train,
        out,
        device=where,
        resume=continued,
        description="Pretraining",
    )
    if first:
        if config.dense:
            setup.calibrate(model.cpu(), config, feed)
        if config.model.posterior:
            save_folds(model.factors, out, seen, fold_n)
            setup.finish_factors(model, config, feed)
        if config.dense:
            save_weights(model, out / "model.safetensors")
        setup.finish_folder(out, described, summary, model, verdict(summary, config), warnings)
    world(where).wait()  # what the first process wrote can now be read by all
    return Run(out, device)


def verdict(summary, config: RunConfig) -> str:
    """How the training went, in a sentence."""
    took = f"{summary.steps} steps, {summary.samples:,} samples, {summary.cpu_seconds:,.0f} CPU-seconds"
    if summary.best_valid is None:
        return f"Pretrained for {took}; no validation samples, so nothing can be said about quality"
    text = f"Hidden values of held-out samples: loss {summary.best_valid:.4f} at step {summary.best_step} ({took})"
    if config.model.prior:
        text += f"; the low-rank Gaussian that it starts from gives {summary.first_valid:.4f}"
    elif config.model.head.name == "scalar" and config.model.head.options.get("gene_bias", True):
        change_ = 100 * (summary.best_valid / summary.first_valid - 1)
        text += f"; each gene's mean alone gives {summary.first_valid:.4f} ({change_:+.1f} %)"
    return text


def open_store(data: Any, out: Path, layer, unit, species, orientation=None, missing: bool = False):
    """The samples as a store, the data's name, its species, the reader's warnings, and the number of each sample's
    patient where one has several samples."""
    from exval.data.source import open_source
    from exval.data.store import Store

    many = list(data) if isinstance(data, list | tuple) else [data]
    if len(many) == 1 and isinstance(many[0], Store):
        return many[0], "store", _species(many[0]), [], setup.repeated_patients(many[0])
    if len(many) == 1 and isinstance(many[0], str | PathLike) and (Path(many[0]) / "manifest.json").exists():
        store = Store.open(many[0])
        if setup.is_first():
            store.verify()
        return store, Path(many[0]).name, _species(store), [], setup.repeated_patients(store)
    settings = {"layer": layer, "unit": unit, "species": species, "orientation": orientation, "missing": missing}
    sources = [open_source(one, **settings) for one in many]
    kinds = sorted({s.genes.species for s in sources})
    if len(kinds) > 1:
        raise InputError(f"the files are of different species ({', '.join(kinds)}); train on one species at a time")
    warnings = [f"{s.name}: {w}" for s in sources for w in s.warnings]
    name = ", ".join(s.name for s in sources)
    patient_n = setup.numbered(np.concatenate([s.patients.id_n for s in sources]), [s.patients.unit for s in sources])
    if len(sources) == 1:
        return Store.from_source(sources[0]), name, kinds[0], warnings, patient_n
    from exval.data.building import build_store

    scratch = tempfile.TemporaryDirectory(prefix="exval-")
    store = build_store(sources, Path(scratch.name) / "store")
    weakref.finalize(store, scratch.cleanup)
    return store, name, kinds[0], warnings, patient_n if patient_n is None or len(patient_n) == store.n else None


def _species(store) -> str:
    """The species of a store's sources; human where it was made of a bare matrix."""
    found = {source.get("mapping", {}).get("species", "human") for source in store.manifest["sources"]}
    if len(found) > 1:
        raise InputError(f"the store mixes species ({', '.join(sorted(found))}); train on one species at a time")
    return found.pop() if found else "human"


def resumed(out: Path, config: RunConfig, content: str) -> dict:
    """config.json of the run to continue; refuses other settings or other data."""
    described = Run.read(out)
    before, now = described["config"], config.model_dump(mode="json")
    for was, is_ in zip(settings(RunConfig.model_validate(before)), settings(RunConfig.model_validate(now))):
        if was != is_:
            raise InputError(
                f"the run in {out} has {was['name']} = {was['value']}, not {is_['value']}; "
                "resume with the settings it was started with"
            )
    setup.same_data(out, described, content)
    return described
