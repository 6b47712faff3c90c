"""``evaluate --task field``: which way of telling expression at unseen places of the brain is better, and whether any
is better than the nearest samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exval.bench.results import Results
from exval.errors import InputError
from exval.logs import warn

DEFAULTS = ("mean", "nearest", "structure-mean", "knn", "ridge-fourier", "kriging", "regression-kriging", "gp", "siren")
ALWAYS = ("mean", "structure-mean", "knn")


def evaluate_field(
    data: Any,
    *,
    method: Any = None,
    split_by: str | None = None,
    genes: Any = None,
    folds: int = 6,
    repeats: int = 1,
    seed: int = 0,
    buffer: float | None = None,
    space: str | None = None,
    donor: str = "donor",
    regions: tuple[str, ...] | None = None,
    unit: str | None = None,
    show: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    threads: int | None = None,
) -> Results:
    """Score fields on brain samples that they were not fitted on.

    Parameters
    ----------
    data
        Samples with positions: an ``.h5ad`` or AnnData (:func:`exval.data.brain.read_samples`).
    method
        Names of :data:`exval.fields.FIELDS`, repeated or comma-separated; mean, structure-mean and knn always stand
        beside them.
    split_by
        ``donor`` (each once; the default with two or more), ``block`` (k-means blocks in space with a buffer) or
        ``random`` (optimistic).
    genes
        A list to keep; all by default.
    folds, repeats, seed
        Blocks or parts, how often they are drawn, and the seed; also that of the fields.
    buffer
        mm around a block that is not trained on; by default the range of the variogram.
    space, donor, regions, unit
        See :func:`exval.data.brain.read_samples`.
    show
        Name of the field whose errors the report draws; by default the best by R2.
    out, force, threads
        As everywhere.

    Returns
    -------
    Results
        See :func:`exval.tasks.field.evaluation.evaluate_fields`.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> xyz = rng.uniform(-40, 40, (120, 3))
    >>> obs = pd.DataFrame({"donor": list("abc") * 40}, index=[f"s{i}" for i in range(120)])
    >>> samples = anndata.AnnData(np.sin(xyz[:, 1:] / 15), obs, pd.DataFrame(index=["GFAP", "MBP"]), obsm={"mni": xyz})
    >>> found = evaluate_field(samples, method="knn")
    >>> found.verdict[:31]
    '2 genes, 3 held-out donors. knn'
    """
    from threadpoolctl import threadpool_limits

    from exval.data.brain import read_samples
    from exval.data.files import atomic_path, refuse_existing
    from exval.fields import FIELDS
    from exval.fields.base import MIN_SAMPLES
    from exval.methods.resolve import split_specs
    from exval.report import write_report
    from exval.tasks.field.evaluation import evaluate_fields
    from exval.tasks.field.splits import field_splits, range_buffer

    if out is not None:
        refuse_existing(out, force)
    asked = list(dict.fromkeys(FIELDS[name].name for name in split_specs(DEFAULTS if method is None else method)))
    asked = [*(name for name in ALWAYS if name not in asked), *asked]
    shown = None if show is None else FIELDS[show].name
    if shown is not None and shown not in asked:
        raise InputError(f"--show {show}: not among the fields compared ({', '.join(asked)})")
    samples = read_samples(data, space=space, donor=donor, regions=regions, genes=genes, unit=unit)
    places, notes = samples.places, list(samples.notes)
    if len(places) < MIN_SAMPLES:
        raise InputError(f"{samples.name} has {len(places)} samples: fields need at least {MIN_SAMPLES} to be fitted, "
                         "and others to be judged by")  # fmt: skip
    if split_by is None:
        split_by = "donor" if len({name for name in places.donor_n if name is not None}) > 1 else "block"
    if buffer is not None and split_by != "block":
        raise InputError("--buffer is the distance around blocks: give it with --split-by block")
    if split_by == "block" and buffer is None:
        buffer = range_buffer(places, samples.values_ng, seed)
        notes.append(f"buffer around blocks: {buffer:.0f} mm, the range of the variogram")
    splits = field_splits(places, split_by, folds=folds, repeats=repeats, seed=seed, buffer=buffer or 0.0)
    made = [FIELDS[name]() for name in asked]
    methods = [one.set_params(seed=seed) if "seed" in one.get_params() else one for one in made]
    config = {
        "task": "field", "data": samples.name, "space": samples.space, "regions": list(samples.regions),
        "buffer": buffer, "folds": folds, "repeats": repeats, "seed": seed, "notes": notes,
        "warnings": samples.warnings,
    }  # fmt: skip
    with threadpool_limits(threads):
        found = evaluate_fields(places, samples.values_ng, samples.genes, methods, splits, show=shown,
                                data=samples.name, unit=samples.unit, config=config)  # fmt: skip
    if out is not None:
        with atomic_path(out) as part:
            found.save(part)
            write_report(part)
    warn(found.config["warnings"])
    return found
