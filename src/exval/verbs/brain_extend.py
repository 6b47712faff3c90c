"""``exval brain extend``: further samples for a fitted field, of new donors or of new genes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exval.errors import GeneError, InputError, UnitError
from exval.logs import warn


def brain_extend(
    run: str | Path,
    data: Any,
    *,
    space: str | None = None,
    donor: str = "donor",
    regions: tuple[str, ...] | None = None,
    out: str | Path,
    force: bool = False,
    threads: int | None = None,
) -> dict[str, Any]:
    """Add a donor or genes to a fitted field.

    Where the new samples have all genes of the run, they join its samples, and what was chosen by search (lengths,
    variances, bandwidths) stays; a variogram is fitted again. ``exval brain map --donor NAME`` then tells what a sample
    of that donor would show. Samples that the run has already are not added twice. Genes that the run lacks are told by
    the factors of those that it has (:mod:`exval.fields.newgene`), from five samples on.

    Parameters
    ----------
    run
        Folder of :func:`exval.verbs.brain_fit.brain_fit`.
    data, space, donor, regions
        See :func:`exval.data.brain.read_samples`; space and regions are those of the run by default. Values in the unit
        of the run.
    out
        Folder of the extended run.
    force, threads
        As everywhere.

    Returns
    -------
    dict
        What ``config.json`` of the new run says; ``extended`` is a sentence.

    Raises
    ------
    InputError, GeneError
        Neither all genes of the run nor a new one, or all samples there already; another unit; fewer than five samples;
        a run that was extended by genes already.
    """
    from threadpoolctl import threadpool_limits

    from exval.data.brain import read_samples
    from exval.data.files import atomic_path, refuse_existing
    from exval.fields.newgene import Extended
    from exval.fields.saved import open_field, save_field
    from exval.report import write_report
    from exval.tasks.field.words import in_words

    out = Path(out)
    refuse_existing(out, force)
    saved = open_field(run)
    if isinstance(saved.field, Extended):
        raise InputError(f"{run} has genes that were added already: extend the run that it came from, with all of them")
    config, field, lines = dict(saved.config), saved.field, []
    space = space or config["space"]
    regions = tuple(config["regions"]) if regions is None else regions
    samples = read_samples(data, space=space, donor=donor, regions=regions, guess=config["unit"])
    samples.warnings[:] = [line for line in samples.warnings if not line.startswith("all samples are of one donor")]
    if samples.unit != config["unit"]:
        raise UnitError(
            f"{samples.name} is in {samples.unit}, the run in {config['unit']}: give values in the unit of the run "
            "(uns['exval_unit'] of a file says which it is)"
        )
    index = pd.Index(samples.genes).get_indexer(list(saved.genes))
    new = ~np.isin(samples.genes, saved.genes.astype(object))
    n, places, values_ng = len(samples.places), saved.places, saved.values_ng
    told = []
    with threadpool_limits(threads):
        fresh = np.flatnonzero(~np.isin(samples.places.labels(), places.labels()))
        if len(fresh) < n and (index >= 0).all():
            lines.append(
                f"{n - len(fresh):,} samples lie where the run has one of the same donor, and were not added again"
            )
        if not len(fresh) and not new.any():
            raise InputError(f"all samples of {samples.name} are in the run already: nothing can be added")
        if (index >= 0).all() and len(fresh):
            places = _joined(places, samples.places.take(fresh))
            values_ng = np.vstack([values_ng, samples.values_ng[np.ix_(fresh, index)]])
            field = field.frozen().fit(places, values_ng, saved.genes)
            if "chosen" in field.get_params():
                field.set_params(chosen=None)
            told.append(f"{len(fresh):,} samples of {_who(samples.places)} added")
        elif not new.any() and (index < 0).any():
            lost = [str(gene) for gene, i in zip(saved.genes, index) if i < 0]
            raise GeneError(
                f"{samples.name} lacks {len(lost)} of the run's {len(index)} genes ({', '.join(lost[:3])}, ...) and "
                "has none that the run lacks: nothing can be added"
            )
        elif (index < 0).any():
            lines.append(f"{int((index < 0).sum())} of the run's {len(index)} genes are not in {samples.name}: its "
                         "samples tell the new genes only")  # fmt: skip
        final: Any = field
        if new.any():
            names, z_ng = samples.genes[new], field.standardised(values_ng)
            final = Extended.fitted(field, places, z_ng, samples.places, samples.values_ng[:, new], names)
            told.append(f"{len(names)} new genes from {n:,} samples ({', '.join(map(str, names[:5]))})")
    sentence = f"{' and '.join(told)}: {field.title} of {config['data']}"
    config["in_words"] = in_words(field, config["regions"])
    config |= {"extended": sentence, "from_run": str(run), "warnings": [*samples.warnings, *lines],
               "verdict": f"{config.get('verdict', '')} {sentence}.".strip(), "folder": str(out)}  # fmt: skip
    with atomic_path(out) as part:
        part.mkdir(exist_ok=True)
        save_field(part, final, places, values_ng, config)
        write_report(part)
    warn(config["warnings"])
    return open_field(out).config


def _joined(a, b):
    """Places of both, the same levels of regions."""
    from exval.fields.places import Places

    levels = a.regions_nk.shape[1]
    regions_nk = b.regions_nk if b.regions_nk.shape[1] == levels else np.full((len(b), levels), None, dtype=object)
    return Places(np.vstack([a.xyz_n3, b.xyz_n3]), np.concatenate([a.donor_n, b.donor_n]),
                  np.vstack([a.regions_nk, regions_nk]))  # fmt: skip


def _who(places) -> str:
    names = sorted({str(name) for name in places.donor_n if name is not None})
    return f"donor{'s' * (len(names) > 1)} {', '.join(names[:5])}" if names else "no named donor"
