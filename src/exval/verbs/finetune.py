"""``exval finetune``: teach a pretrained run the labels of a file."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exval.data.files import check_writable
from exval.data.hashing import panel_mark
from exval.data.units import family
from exval.errors import InputError, OutputError, UnitError
from exval.models.encdec import EncoderDecoder
from exval.recipes.config import RunConfig, change
from exval.run import Run, pick_device
from exval.train import setup
from exval.train.checkpoint import load_weights
from exval.train.config import TrainConfig
from exval.train.distributed import world
from exval.train.folds import copy_folds, load_folds, number_folds
from exval.train.loop import Feed, fit
from exval.train.targets import ClassTarget, SurvivalTarget, Target
from exval.visibility import Everything, Subset

STEPS = 200
FACTOR_LR, FACTOR_BACKBONE = 5e-3, 0.1  # compared on an inner split of the training side of one Baron fold
FEW_STEPS, FEW_SHOWN = 600, 256  # where any subset of genes may be asked: labels are learned from 4 to 256 of them
FEW_LR, FEW_BACKBONE = 2e-3, 0.5  # compared on an inner split of the training side of one fold of three TCGA cancers


def finetune(
    run: str | PathLike | Run,
    data: Any,
    *,
    label: str = "cell_type",
    time: str | None = None,
    event: str | None = None,
    censored: str | None = None,
    head: str = "cox",
    split_by: str | None = None,
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
    """Teach a pretrained run a label or survival; encoder and label head are trained, the decoder is left as it is.

    Parameters
    ----------
    run
        Folder of ``exval pretrain``.
    data
        A file or AnnData with labels; samples without a label are left out.
    label, split_by
        Columns of ``obs``: the label, and the donor whose samples stay together when some are held out to decide when
        to stop.
    time, event, censored, head
        To teach survival instead of a label: the columns of ``obs`` with the time and with either the event or the
        censoring, and the kind of head, ``"cox"`` or ``"discrete"``.
    out
        Folder of the new run.

    Returns
    -------
    Run
        It remembers its classes; other classes are refused later.

    Examples
    --------
    >>> import exval
    >>> tuned = exval.finetune("run", exval.datasets.baron(), label="cell_type", out="tuned")  # doctest: +SKIP
    """
    from exval.data.source import open_source
    from exval.data.store import Store

    out, where = Path(out), pick_device(device)
    parent = run if isinstance(run, Run) else Run(run, device)
    first = setup.is_first()
    if out.exists() and out.resolve() == parent.folder.resolve():
        raise OutputError(f"{out} is the run to be fine-tuned; choose another folder, it would be lost")
    continued = setup.open_folder(out, resume, force) if first else resume and (out / "config.json").exists()
    check_writable(out)
    if threads:
        torch.set_num_threads(threads)
    source = open_source(
        data, layer=layer, unit=unit, species=species, orientation=orientation, missing=parent.config.dense
    )
    if source.genes.species != parent.species:
        raise InputError(f"{source.name} is {source.genes.species}, the run {parent.folder} is {parent.species}")
    if family(source.unit) != parent.unit:
        takes = "counts, CP10k or log1p(CP10k)" if parent.unit == "log1p" else parent.unit
        raise UnitError(f"{source.name} is in {source.unit}; {parent.folder} takes {takes} (--unit if misread)")
    if (event or censored) and time is None:
        raise InputError("--event and --censored teach survival, which needs --time too")
    if time is None:
        target: Target = ClassTarget(source.obs, label, parent)
    else:
        target = SurvivalTarget(source.obs, time, event, censored, head, parent)
        source.warnings += target.warnings
    if unlabelled := source.n - len(target.rows):
        source.warnings.append(f"{unlabelled:,} of {source.n:,} samples have no {target.described['label']}: left out")
    if source.unit == "z" and time is None:
        from exval.tasks.scaled import check_scaling

        names_m = np.array(target.described["classes"])[target.codes["label"]]
        values = source.to_adata(target.rows, obsm=False, measured=True).X
        source.warnings += check_scaling(values, names_m, label, source.obs.iloc[target.rows])
    groups_n = _groups(source, split_by, target.rows)
    group_n = None if groups_n is None else np.unique(groups_n.astype(str), return_inverse=True)[1]
    store = Store.from_source(source, vocabulary=parent.genes).select(target.rows).with_labels(**target.codes)
    config = _config(parent.config, target.n_outputs, overrides or {}, survival=time is not None)
    train, valid = setup.split_rows(store.n, config.train.valid_share, seed, groups_n, target.strata_m)
    n_steps = setup.steps_of(steps, epochs, len(train), config.train.batch_size, config.train.steps)
    config = change(config, {"train.steps": n_steps, "train.seed": seed}, fixed=())
    seen = store.identity_n
    described = setup.describe(
        config,
        data=source.name,
        n_train=len(train),
        n_valid=len(valid),
        n_genes=store.n_genes,
        species=parent.species,
        unit=source.unit,
        content=store.content,
        panels=[*parent.described.get("panels", []), panel_mark(np.asarray(source.var_names)[source.recognised])],
        **target.described,
        split_by=split_by,
        parent=str(parent.folder),
        parent_seconds=parent.training_seconds,
    )
    both = np.concatenate([seen, parent.seen_hashes])
    if continued:
        from exval.verbs.pretrain import resumed

        described = resumed(out, config, store.content)
        if any(described.get(key) != value for key, value in target.described.items()):
            raise InputError(f"the run in {out} was taught {described['label']}; resume with the labels it began with")
        if "verdict" in described:
            return Run(out, device)
    torch.manual_seed(seed)
    model = EncoderDecoder(config.model, store.n_genes)
    new = () if parent.taught_something else ("labels.", "class_prior.")
    load_weights(model, parent.folder / "model.safetensors", new=new)
    for part in (model.to_decoder, model.decoder, model.head):
        part.requires_grad_(False)
    if model.factors is not None:
        model.answer_factors.requires_grad_(False)
    if model.config.readout:
        model.readout.requires_grad_(False)
    if model.config.prior:
        model.query_prior.requires_grad_(False)
    if config.model.posterior:
        # Who was seen in pretraining is asked of factors fitted without him, and everyone of classes without him.
        fold_n = np.where(np.isin(np.arange(store.n), valid), 0, number_folds(seen, group_n))
        store = store.with_labels(fold=load_folds(model.factors, parent.folder, seen), class_fold=fold_n)
    feed = Feed(store, train, valid)
    if config.model.class_prior:
        setup.prepare_classes(model, config, feed)
    objective = target.objective(train)
    if first and not continued:
        setup.start_folder(out, parent.genes, both, described, taught=seen[train])
    summary = fit(
        model,
        objective,
        config.visibility,
        # Where any subset may be asked, what is kept is what does well on subsets of all sizes.
        config.visibility if isinstance(config.visibility, Subset) else config.show,
        feed,
        config.train,
        out,
        device=where,
        resume=continued,
        description="Fine-tuning",
    )
    if first:
        copy_folds(parent.folder, out)
        optimistic = "random samples, which is optimistic" if groups_n is None else (
            "whole donors" if split_by else "whole patients")  # fmt: skip
        text = (
            f"Taught {target.summary} on {len(train):,} samples in {summary.steps} steps "
            f"({summary.cpu_seconds:,.0f} CPU-seconds); validation loss {summary.best_valid:.3f} at step "
            f"{summary.best_step} ({optimistic})"
            if summary.best_valid is not None
            else f"Taught {target.summary} on {len(train):,} samples; none were held out"
        )
        if summary.best_step == 0 and summary.best_valid is not None:
            source.warnings.append(
                "no step of the training did better on held-out samples than its start: what the run says is what it "
                "started from; give it more samples or steps (--steps), or trust the simple methods"
            )
        if time is not None:
            from exval.tasks.survival.taught import prognosis

            described |= prognosis(model, store, target, train, config, where)
        setup.finish_folder(out, described, summary, model, text, source.warnings)
    world(where).wait()  # what the first process wrote can now be read by all
    return Run(out, device)


def _groups(source, split_by: str | None, rows: np.ndarray) -> np.ndarray | None:
    """(m,) what validation holds out as a whole: values of a column, patients with several samples, or nothing."""
    from exval.tasks.splits import groups_of

    told = source.patients
    several = told.unit == "patient" and len(set(told.id_n)) < source.n
    groups_n, name = groups_of(source.obs, split_by, told.id_n if several else None)
    if groups_n is None:
        return None
    groups_n = groups_n[rows]
    missing = np.array([value != value or value is None for value in groups_n])
    if missing.any():
        raise InputError(f"{int(missing.sum())} labelled samples have no {name}; fill them in first")
    if split_by is not None and len(set(map(str, groups_n))) < 2:
        raise InputError(f"column {split_by!r} has one value only, so none of it can be held out; leave it out")
    return groups_n


def _config(parent: RunConfig, n_classes: int, overrides: dict[str, Any], survival: bool = False) -> RunConfig:
    """Fine-tuning settings for a pretrained shape."""
    cap = getattr(parent.visibility, "max_visible", None)
    factors = "factors" in parent.model.pooling
    settings: dict[str, Any] = {
        "steps": STEPS,
        "batch_size": parent.train.batch_size,
        "micro_batch": parent.train.micro_batch,
        "lr": FACTOR_LR if factors else parent.train.lr,
        "backbone_lr": FACTOR_BACKBONE if factors else 1.0,
        "warmup": 0.1,
        "valid_share": 0.1,
        "valid_every": 25,
        "save_every": 25,
    }
    show = Everything(max_visible=cap, dense=parent.dense)
    if isinstance(parent.visibility, Subset):  # what is asked of few genes is learned from few genes
        show = parent.visibility.model_copy(update={"max_queries": 0, "max_shown": None if survival else FEW_SHOWN})
        settings |= {"steps": FEW_STEPS, "lr": FEW_LR, "backbone_lr": FEW_BACKBONE, "valid_passes": 8, "patience": 12}
        settings["batch_size"] = max(parent.train.batch_size, 64)
    if survival:  # the risk sets of a Cox head are those of a batch
        settings |= {"batch_size": max(parent.train.batch_size, 128)}
        settings["steps"] = STEPS
    base = parent.model_copy(
        update={
            "kind": "finetune",
            "model": parent.model.model_copy(
                update={
                    "n_classes": n_classes,
                    "class_prior": parent.model.posterior
                    and not survival
                    and (not parent.model.n_classes or parent.model.class_prior),
                }
            ),
            "visibility": show,
            "train": TrainConfig(**settings),
        }
    )
    made = change(base, overrides)
    if survival:  # never divided, on no device
        made = change(made, {"train.micro_batch": made.train.batch_size, "model.class_prior": False}, fixed=())
    return made
