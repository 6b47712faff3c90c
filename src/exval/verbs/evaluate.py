"""``evaluate``: is one method better than another, on this file?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.data.units import BULK, row_name
from exval.errors import InputError
from exval.logs import warn

if TYPE_CHECKING:
    from exval.bench.results import Results

DEFAULTS = {
    "annotate": ("majority", "depth", "logreg", "pca", "pca-knn"),
    "recover": ("noop", "gene-mean", "hidden-mean", "low-rank", "low-rank-hidden"),
    "impute": ("nothing", "mean", "cluster-mean", "magic", "alra", "knn-smoothing"),
}
ALWAYS = {
    "annotate": ("majority", "depth", "logreg", "pca"),
    "recover": ("noop", "gene-mean", "hidden-mean", "low-rank", "low-rank-hidden"),
    "impute": ("nothing", "mean", "cluster-mean"),
}
"""What stands in the same table whatever was asked for: a figure without its baselines says nothing."""


def evaluate(
    data: Any,
    *,
    task: str = "annotate",
    label: str | None = None,
    split_by: str | None = None,
    method: Any = None,
    folds: int | None = None,
    repeats: int = 1,
    seed: int = 0,
    min_cells: int = 10,
    out: str | Path | None = None,
    force: bool = False,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    genes: Any = 2000,
    time: str | None = None,
    event: str | None = None,
    censored: str | None = None,
    clinical: Any = (),
) -> Results:
    """Score methods on cells they were not fitted on, beside the simple baselines.

    Parameters
    ----------
    data
        Path, AnnData or source.
    task
        ``"annotate"``: name the types. ``"recover"``: hidden values of cells that were not fitted. ``"impute"``:
        dense values of the cells themselves, by held-out molecules, labels and the null arm; of a bulk file (log2, z,
        or with NaN) the filling of what was not measured, by values hidden of patients that were not fitted. In the
        last two, methods see no labels. ``"survival"``: prognosis of patients. ``"field"``: expression at places of
        the brain (:func:`exval.verbs.fields.evaluate_field`).
    label
        Column of obs with the truth (annotate; impute, where there is one).
    split_by
        Column of obs with the unit of generalisation (donor, study). Without it single cells are held out, and every
        figure is labelled optimistic.
    method
        Registry names, ``obsm:X_name``, run folders; repeated or comma-separated. The baselines are always added.
    folds, repeats, seed
        Of the split, by default into 5 parts (6 for fields: fewer blocks give no interval). Repeats are averaged and
        never narrow an interval.
    min_cells
        Classes with fewer cells are left out, and listed.
    out
        Folder to write (``results.parquet``, ``predictions.parquet``, ``config.json``, ``extras/``, ``report.html``).
    force
        Replace an existing folder.
    layer, unit, species, orientation
        See :func:`exval.data.source.open_source`.
    device, threads
        For methods that use them.
    genes
        (impute) So many of the most variable genes; None for all. Of a bulk file a panel (names, or a path with one a
        line): what stays visible while all else is hidden. (survival) A panel.
    time, event, censored, clinical
        (survival) Columns of obs; ``"survival"`` is :func:`exval.survival`, which has more to ask for.

    Returns
    -------
    Results

    Raises
    ------
    InputError, UnitError, GeneError, OutputError
        One line on what to do.

    Examples
    --------
    >>> import exval
    >>> cells = exval.datasets.baron()[::8].copy()
    >>> found = evaluate(cells, label="cell_type", method="pca", folds=2)
    >>> found.verdict.startswith("logreg against pca") or found.verdict.startswith("pca against logreg")
    True
    """
    from threadpoolctl import threadpool_limits

    from exval.data.files import refuse_existing
    from exval.data.source import open_source
    from exval.methods.resolve import configured, split_specs

    folds = folds or (6 if task == "field" else 5)
    if task == "survival":
        from exval.verbs.survival import survival

        return survival(
            data, time=time, event=event, censored=censored, clinical=clinical, method=method, split_by=split_by,
            genes=None if isinstance(genes, int) else genes, folds=folds, repeats=repeats, seed=seed, out=out,
            force=force, layer=layer, unit=unit, species=species, orientation=orientation, device=device,
            threads=threads,
        )  # fmt: skip
    if task == "field":
        from exval.verbs.fields import evaluate_field

        return evaluate_field(
            data, method=method, split_by=split_by, genes=None if isinstance(genes, int) else genes, folds=folds,
            repeats=repeats, seed=seed, unit=unit, out=out, force=force, threads=threads,
        )  # fmt: skip
    if task not in DEFAULTS:
        raise InputError(f"no task is called {task!r}; there are: {', '.join([*DEFAULTS, 'survival', 'field'])}")
    if task == "annotate" and label is None:
        raise InputError("name the column of obs that holds the labels: --label COLUMN (label=...)")
    if out is not None:
        refuse_existing(out, force)
    if task == "impute":
        from exval.verbs import complete as filling

        specs = [] if method is None else split_specs(method)
        gaps = filling.source_for_completion(data, specs, layer=layer, unit=unit, species=species,
                                             orientation=orientation)  # fmt: skip
        if gaps is not None:
            filling.refuse_options(label=label)
            with threadpool_limits(threads):
                found = filling.evaluate_file(
                    gaps, method, split_by=split_by, genes=None if isinstance(genes, int) else genes, folds=folds,
                    repeats=repeats, seed=seed, device=device, config={"layer": layer, "species": species},
                )  # fmt: skip
            return _written(found, out)
        if genes is not None and not isinstance(genes, int):
            raise InputError("--genes is a panel for a bulk file (log2, z or with NaN); leave it out for single cells")
    asked = split_specs(DEFAULTS[task] if method is None else method)
    make = _as_imputer if task == "impute" else configured
    methods = [make(spec, seed=seed, device=device) for spec in asked]
    present = {m.title for m in methods}
    methods = [make(name, seed=seed) for name in ALWAYS[task] if name not in present] + methods
    _refuse_twins(methods)
    for one in methods:
        _refuse_unable(one, task)
    source = open_source(
        data, layer=layer, unit=unit, species=species, orientation=orientation, missing=task in ("annotate", "impute")
    )
    if source.unit in BULK and "depth" not in asked:  # sums of measured values are no depth
        methods = [one for one in methods if one.title != "depth"]
    source.obs if label is None else _known_column(source.obs, label)
    config = {
        "task": task, "data": source.name, "label": label, "split_by": split_by, "method": [m.title for m in methods],
        "folds": folds, "repeats": repeats, "seed": seed, "min_cells": min_cells, "layer": layer, "unit": source.unit,
        "species": species, "warnings": list(source.warnings), **({"genes": genes} if task == "impute" else {}),
    }  # fmt: skip
    if task == "impute" and split_by is not None:
        raise InputError("imputation sees all cells of the file; there is nothing to hold out with --split-by")
    with threadpool_limits(threads):
        found = _score(source, methods, config)
    return _written(found, out)


def _written(found: Results, out: str | Path | None) -> Results:
    """The results as they are, and their folder where one was asked for."""
    from exval.data.files import atomic_path

    if out is not None:
        from exval.report import write_report

        with atomic_path(out) as part:
            found.save(part)
            write_report(part)
    warn(found.config["warnings"])
    return found


def _score(source: Any, methods: list, config: dict[str, Any]) -> Results:
    from exval.data.labels import labels_of
    from exval.methods.obsm import ObsmEmbedding
    from exval.tasks.annotate import evaluate_annotation
    from exval.tasks.recover import evaluate_recovery
    from exval.tasks.splits import groups_of, make_splits

    if config["task"] == "impute":
        return _score_imputation(source, methods, config)
    label, split_by, task = config["label"], config["split_by"], config["task"]
    labels_n = None if task == "recover" else labels_of(source.obs, label).to_numpy(object)
    wanted = [m for m in methods if isinstance(m, ObsmEmbedding)]
    adata = source.to_adata(obsm=bool(wanted), measured=task == "annotate")
    groups_n, split_by = groups_of(adata.obs, split_by)
    splits = make_splits(
        source.n, labels_n=labels_n, groups_n=groups_n, name=split_by or "group", folds=config["folds"],
        repeats=config["repeats"], seed=config["seed"], min_cells=config["min_cells"],
        row_name=row_name(source.unit),
    )  # fmt: skip
    config["n_folds"] = len({fold.fold for fold in splits.folds})
    for one in wanted:
        one.embed(adata)
    config["dataset"] = {
        "name": source.name, "n": source.n, "genes": len(source.var_names), "unit": source.unit, "label": label,
        "split_by": split_by,
        "classes": [] if labels_n is None else sorted({str(x) for x in labels_n if x == x}),
    }  # fmt: skip
    if task == "recover":
        return evaluate_recovery(adata, methods, splits, data=source.name, config=config)
    adata.obs[label] = labels_n
    if source.unit == "z":
        from exval.tasks.scaled import check_scaling

        known_n = ~pd.isna(labels_n)
        config["warnings"] += check_scaling(
            adata.X[known_n], labels_n[known_n].astype(str), label, source.obs.iloc[np.flatnonzero(known_n)]
        )
    if len({str(x) for x in labels_n if x == x}) > 0.5 * source.n:
        raise InputError(f"column {label!r} has nearly as many values as there are cells; name a column of classes")
    found = evaluate_annotation(adata, label, methods, splits, data=source.name, config=config)
    from exval.tasks.map2d import map_cells, spread_rows

    rows = np.flatnonzero([x == x for x in labels_n])
    rows = rows[spread_rows(len(rows))]
    found.extras["map2d"] = map_cells(adata[rows].copy(), labels_n[rows], np.zeros(len(rows), bool), config["seed"])
    return found


def _score_imputation(source: Any, methods: list, config: dict[str, Any]) -> Results:
    from exval.data.labels import labels_of
    from exval.tasks.imputing.own import evaluate_imputation

    label, adata, kinds = config["label"], source.to_adata(obsm=False), None
    if label is not None:
        kinds = labels_of(source.obs, label)
        there = kinds.notna().to_numpy()
        adata, kinds = adata[there].copy(), kinds[there].astype(str).to_numpy(object)
    config["dataset"] = {
        "name": source.name, "n": adata.n_obs, "genes": adata.n_vars, "unit": source.unit, "label": label,
        "classes": [] if kinds is None else sorted(set(kinds)),
    }  # fmt: skip
    config.pop("folds"), config.pop("split_by")
    return evaluate_imputation(
        adata, methods, groups_n=kinds, data=source.name, config=config, genes=config["genes"],
        repeats=config["repeats"], seed=config["seed"],
    )  # fmt: skip


def _as_imputer(spec: Any, **given: Any) -> Any:
    """A method that imputes; one that needs the labels it would be judged by is refused."""
    from exval.methods.imputation.pretrained import as_imputer

    one = as_imputer(spec, None, **given)
    if one.labels == "required":
        raise InputError(
            f"{one.title} needs the types of the cells: no method is given what it is judged by afterwards"
        )
    if one.name == "oracle":
        raise InputError("oracle is the truth itself, which no file holds; exval bench imputation has it")
    return one


def _known_column(obs: Any, label: str) -> None:
    from exval.data.labels import label_column

    label_column(obs, label)


def _refuse_twins(methods: list) -> None:
    titles = [m.title for m in methods]
    twice = sorted({t for t in titles if titles.count(t) > 1})
    if twice:
        raise InputError(f"two methods are called {twice[0]!r}; rename one run folder, or give it once")


def _refuse_unable(method: Any, task: str) -> None:
    if task == "impute":
        return
    able = {"annotate": ("predict", "embed"), "recover": ("recover",)}[task]
    if not set(able) & set(method.provides):
        cannot = "neither names nor embeds cells" if task == "annotate" else "does not recover hidden values"
        raise InputError(f"{method.title} {cannot}; `exval methods` lists what each method does")
