"""What comes before and after the loop: rows for validation, what is fitted beforehand, the files of a run."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import torch

import exval
from exval.data.files import atomic_path, refuse_existing, write_json, write_text
from exval.data.patient_ids import patients_of
from exval.data.units import BULK
from exval.errors import InputError, OutputError
from exval.logs import warn
from exval.recipes.config import RunConfig
from exval.rng import Draw
from exval.train.loop import VALIDATION, Feed, Summary

logger = logging.getLogger("exval")
FIT_SAMPLES = 20_000  # for the components
LEAST_VALID = 10  # validation samples from which on sds are calibrated on them
MOST_ERRORS = 4_000_000
FIT_START = 5_000  # for the head's start and the borders of bins


def split_rows(n: int, share: float, seed: int, groups_n=None, strata_n=None) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows: whole groups (donors) where given, else random, spread over classes.

    Examples
    --------
    >>> train, valid = split_rows(100, 0.1, seed=0)
    >>> len(train), len(valid), len(set(train) & set(valid))
    (90, 10, 0)
    """
    rows = np.arange(n)
    if share == 0 or n < 10:
        return rows, rows[:0]
    rng = np.random.default_rng(seed)
    if groups_n is not None and len(set(groups_n)) > 1:
        names, group_n = np.unique(np.asarray(groups_n).astype(str), return_inverse=True)
        order = rng.permutation(len(names))
        size = np.bincount(group_n)[order].cumsum()
        held = order[: max(1, min(int(np.searchsorted(size, share * n)) + 1, len(names) - 1))]
        mask = np.isin(group_n, held)
        return rows[~mask], rows[mask]
    order = rng.permutation(n)
    if strata_n is not None:  # every 1/share-th of each class, so that a rare one is not left out of training
        _, class_n, size_c = np.unique(np.asarray(strata_n), return_inverse=True, return_counts=True)
        order = order[np.argsort(class_n[order], kind="stable")]
        every = max(round(1 / share), 2)
        mask = np.zeros(n, bool)
        mask[order[every // 2 :: every]] = True
        mask &= size_c[class_n] > 1
        return rows[~mask], rows[mask]
    held = order[: max(1, round(share * n))]
    return np.setdiff1d(rows, held), np.sort(held)


def repeated_patients(store) -> np.ndarray | None:
    """(n,) a number for each sample's patient, where one has several samples; else None."""
    if not len(store.obs.columns) and store.obs.index.is_unique and not str(store.obs.index[0]).startswith("TCGA"):
        return None
    told = patients_of(store.obs.index, store.obs, names_tell=store.unit in BULK)
    return numbered(told.id_n, [told.unit])


def numbered(id_n: np.ndarray, units: list[str]) -> np.ndarray | None:
    """(n,) numbers of patients, None where nobody has several samples or nothing tells of patients."""
    code_n = np.unique(id_n.astype(str), return_inverse=True)[1]
    return code_n if "patient" in units and len(set(code_n.tolist())) < len(id_n) else None


def prepare(model, config: RunConfig, feed: Feed) -> None:
    """Fit what is fitted before training, on training samples only: scale, components, bin borders, the head."""
    rows = np.random.default_rng(config.train.seed).permutation(feed.train_rows)
    read = lambda most: config.visibility.target(feed.store.batch(np.sort(rows[:most])))  # noqa: E731
    if model.scale is not None:
        model.scale.fit(read(FIT_START))
    if model.factors is not None:
        batch = read(FIT_SAMPLES)
        model.factors.fit(batch if model.scale is None else model.scale.batch(batch), seed=config.train.seed)
    batch = read(FIT_START)
    if len(batch.values_t):
        if model.scale is not None:
            batch = model.scale.batch(batch)
        model.values.fit(batch.values_t, batch.genes_t)
        # Every pair, weighted by how often it will be asked, instead of one draw: the mean of a gene that few samples
        # express would else be mostly chance.
        pair_t, zero_n = config.visibility.asked_shares(batch)
        zero_g = torch.zeros(batch.n_genes).index_add_(0, batch.genes_t.long(), -zero_n[batch.sample_t])
        for i, panel in enumerate(batch.panels):
            zero_g[panel] += zero_n[batch.panel_n == i].sum()
        model.head.fit(
            torch.cat([batch.genes_t.long(), torch.arange(batch.n_genes)]),
            torch.cat([batch.values_t, torch.zeros(batch.n_genes)]),
            torch.cat([pair_t, zero_g.clamp(min=0)]),
        )


def prepare_classes(model, config: RunConfig, feed: Feed) -> None:
    """Take the moments of the classes, of training samples only."""
    rows = np.sort(np.random.default_rng(config.train.seed).permutation(feed.train_rows)[:FIT_SAMPLES])
    batch = config.visibility.target(feed.store.batch(rows))
    batch = batch if model.scale is None else model.scale.batch(batch)
    model.class_prior.fit(model.factors, batch, batch.obs["label"])


@torch.inference_mode()
def calibrate(model, config: RunConfig, feed: Feed) -> None:
    """Let the sds of the head fit what was hidden from the validation samples."""
    if not hasattr(model.head, "calibrate") or len(feed.valid_rows) < LEAST_VALID:
        return
    rows, found = feed.valid_rows[:: -(-len(feed.valid_rows) // config.train.valid_most)], []
    for passed in range(config.train.valid_passes):
        for piece in np.array_split(rows, -(-len(rows) // 64)):
            split = config.visibility.split(feed.store.batch(piece), Draw(config.train.seed, VALIDATION - passed))
            mean_q, sd_q = model(split).prediction
            found.append((model.targets(split.queries) - mean_q) / sd_q)
    model.head.calibrate(torch.cat(found)[:MOST_ERRORS])


def finish_factors(model, config: RunConfig, feed: Feed) -> None:
    """Fit factors that are a sample's posterior once more, now to the validation samples too."""
    if model.factors is not None and config.model.posterior and len(feed.valid_rows):
        rows = np.concatenate([feed.train_rows, feed.valid_rows])
        rows = np.sort(np.random.default_rng(config.train.seed).permutation(rows)[:FIT_SAMPLES])
        batch = config.visibility.target(feed.store.batch(rows))
        model.factors.refit(batch if model.scale is None else model.scale.batch(batch), seed=config.train.seed)


def open_folder(out: Path, resume: bool, force: bool) -> bool:
    """Whether to continue what stands in ``out``; refuses or clears what must not be continued."""
    if resume and out.exists():
        if not (out / "config.json").exists():
            raise OutputError(f"{out} holds no run to resume; choose another folder, or --force to replace it")
        return True
    if resume:
        logger.warning("there is no run in %s to resume: a new one begins", out)
    refuse_existing(out, force)
    return False


def start_folder(
    out: Path, genes: list[str], seen: np.ndarray, described: dict, taught: np.ndarray | None = None
) -> None:
    """Write what is known before training; the folder appears whole, and only then replaces another run.

    ``seen`` are content hashes of all samples that shape the weights, ``taught`` those whose labels do.
    """
    with atomic_path(out) as part:
        part.mkdir()
        for name, hashes in (("seen.npy", seen), ("taught.npy", taught)):
            if hashes is not None:
                np.save(part / name, np.unique(hashes.astype(np.uint64)), allow_pickle=False)
        write_text(part / "genes.tsv", "index\tsymbol\n" + "".join(f"{i}\t{g}\n" for i, g in enumerate(genes)))
        if described.get("classes"):
            write_json(part / "classes.json", described["classes"])
        write_json(part / "config.json", described)


def describe(config: RunConfig, *, data: str, n_train: int, n_valid: int, n_genes: int, species: str, **rest) -> dict:
    """config.json before training."""
    return {
        "format_version": config.format_version,
        "kind": config.kind,
        "recipe": config.recipe,
        "preset": config.preset,
        "version": exval.__version__,
        "torch": torch.__version__,
        "data": data,
        "species": species,
        "n_train": n_train,
        "n_valid": n_valid,
        "n_genes": n_genes,
        "config": config.model_dump(mode="json"),
        **rest,
    }


def finish_folder(out: Path, described: dict, summary: Summary, model, verdict: str, warnings: list[str]) -> None:
    """Add how it went, and the report."""
    described |= {
        "verdict": verdict,
        "warnings": warnings,
        "training": vars(summary),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    write_json(out / "config.json", described)
    (out / "best.safetensors").unlink(missing_ok=True)
    from exval.report import write_report

    write_report(out)
    warn(warnings)


def is_first() -> bool:
    """Whether this is the process that writes."""
    return int(os.environ.get("RANK", 0)) == 0


def same_data(out: Path, described: dict, content: str) -> None:
    """Refuse to resume on other data."""
    if described.get("content") != content:
        raise InputError(
            f"the run in {out} was started on other data; resume with the same files, or choose another folder"
        )


def steps_of(steps: int | None, epochs: float | None, n_train: int, batch_size: int, default: int) -> int:
    """Optimiser steps from what the user gave."""
    if steps is not None and epochs is not None:
        raise InputError("give --steps or --epochs, not both")
    for name, value in (("steps", steps), ("epochs", epochs)):
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"--{name} has to be at least 1, not {value}")
    if epochs is not None:
        return max(int(-(-epochs * n_train // batch_size)), 1)
    return default if steps is None else steps
