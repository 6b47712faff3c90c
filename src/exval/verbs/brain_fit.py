"""``exval brain fit`` and ``exval brain map``: a field on all samples, and what it says of parcels or voxels."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exval.errors import GeneError, InputError
from exval.logs import warn

PER_PARCEL = 300  # voxels of a parcel that are asked, evenly spread


def brain_fit(
    data: Any,
    *,
    method: str = "gp",
    genes: Any = None,
    space: str | None = None,
    donor: str = "donor",
    regions: tuple[str, ...] | None = None,
    unit: str | None = None,
    out: str | Path,
    force: bool = False,
    seed: int = 0,
    threads: int | None = None,
) -> dict[str, Any]:
    """Fit a field to all samples of a file and keep it in a folder.

    Parameters
    ----------
    data, genes, space, donor, regions, unit
        See :func:`exval.data.brain.read_samples`.
    method
        A name of :data:`exval.fields.FIELDS`.
    out
        Folder of the run.
    force, seed, threads
        As everywhere.

    Returns
    -------
    dict
        What ``config.json`` of the run says.
    """
    from threadpoolctl import threadpool_limits

    from exval.data.brain import read_samples
    from exval.data.files import atomic_path, refuse_existing
    from exval.fields import FIELDS
    from exval.fields.saved import open_field, save_field

    out = Path(out)
    refuse_existing(out, force)
    field = FIELDS[method]()
    if "seed" in field.get_params():
        field.set_params(seed=seed)
    samples = read_samples(data, space=space, donor=donor, regions=regions, genes=genes, unit=unit)
    began, cpu = time.perf_counter(), time.process_time()
    with threadpool_limits(threads):
        field.fit(samples.places, samples.values_ng, samples.genes)
    config = {
        "data": samples.name, "space": samples.space, "unit": samples.unit, "regions": list(samples.regions),
        "notes": samples.notes, "warnings": samples.warnings, "seed": seed,
        "seconds": round(time.perf_counter() - began, 2), "cpu_seconds": round(time.process_time() - cpu, 2),
    }  # fmt: skip
    with atomic_path(out) as part:
        part.mkdir(exist_ok=True)
        save_field(part, field, samples.places, samples.values_ng, config)
    warn(samples.warnings)
    return open_field(out).config


@dataclass(frozen=True, eq=False)
class Maps:
    """What ``brain_map`` wrote.

    Parameters
    ----------
    folder
        Where.
    parcels
        (r, g) values of parcels, or None.
    volumes
        Paths of the volumes.
    verdict
        A sentence.
    """

    folder: Path
    parcels: pd.DataFrame | None
    volumes: list[Path]
    verdict: str


def brain_map(
    run: str | Path,
    *,
    atlas: str | Path | None = None,
    resolution: int | None = None,
    genes: Any = None,
    sd: bool = True,
    out: str | Path,
    force: bool = False,
    threads: int | None = None,
) -> Maps:
    """Values of a fitted field for the parcels of an atlas, or for every voxel of grey and white matter.

    Parameters
    ----------
    run
        Folder of :func:`brain_fit`.
    atlas
        NIfTI of labels in MNI space: ``parcels_mean.csv`` and ``parcels_sd.csv``, parcels x genes, are written. A
        parcel is the mean over up to 300 of its voxels; its sd is that of a measurement there.
    resolution
        mm: one ``GENE_mean.nii.gz`` (and ``GENE_sd.nii.gz``) for each gene.
    genes
        Which; all by default.
    sd
        Write the standard deviations too.
    out, force, threads
        As everywhere.

    Raises
    ------
    InputError, GeneError
        Neither or both of atlas and resolution; no field; none of the genes.
    """
    from threadpoolctl import threadpool_limits

    from exval.data.files import atomic_path, refuse_existing
    from exval.data.genelist import words_of
    from exval.fields.saved import open_field

    if (atlas is None) == (resolution is None):
        raise InputError("give --atlas ATLAS.nii.gz for parcels or --resolution MM for voxels")
    out = Path(out)
    refuse_existing(out, force)
    saved = open_field(run)
    columns = np.arange(len(saved.genes))
    if genes is not None:
        wanted = words_of(genes, "--genes")
        columns = pd.Index(saved.genes).get_indexer(wanted)
        if (columns < 0).any():
            lost = [name for name, i in zip(wanted, columns) if i < 0]
            raise GeneError(f"{len(lost)} of {len(wanted)} genes are not in the run: {', '.join(lost[:5])}")
    names, field = saved.genes[columns], saved.field
    with threadpool_limits(threads), atomic_path(out) as part:
        part.mkdir(exist_ok=True)
        if atlas is not None:
            parcels = _parcels(field, atlas, columns, names, sd, part)
            text = f"{len(parcels)} parcels x {len(names)} genes by {field.title}"
            return Maps(out, parcels, [], f"{text}, fitted to {saved.config['n']:,} samples of {saved.config['data']}.")
        from exval.tasks.field.volumes import template_grid, write_maps

        grid = template_grid(resolution)
        paths = write_maps(lambda places: field.predict(places).mean_mg[:, columns], grid, names, part, "mean",
                           threads or 2)  # fmt: skip
        if sd:
            paths += write_maps(lambda places: field.predict(places, sd=True).sd_mg[:, columns], grid, names, part,
                                "sd", threads or 2)  # fmt: skip
    text = f"{len(grid):,} voxels at {resolution} mm x {len(names)} genes by {field.title}"
    return Maps(out, None, [out / path.name for path in paths],
                f"{text}, fitted to {saved.config['n']:,} samples of {saved.config['data']}.")  # fmt: skip


def _parcels(field, atlas, columns, names, sd: bool, folder: Path) -> pd.DataFrame:
    from exval.data.ahba.atlas import Atlas
    from exval.fields.places import Places

    volume = Atlas.load(atlas)
    means, sds = [], []
    for number in range(len(volume.id_p)):
        rows = np.flatnonzero(volume.parcel_v == number)
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), PER_PARCEL)).astype(int))]
        told = field.predict(Places.of(volume.position_v3[rows]), sd=sd)
        means.append(told.mean_mg[:, columns].mean(0))
        if sd:
            sds.append(np.sqrt((told.sd_mg[:, columns] ** 2).mean(0)))
    index = pd.Index(volume.id_p, name="parcel")
    table = pd.DataFrame(np.array(means), index=index, columns=names)
    table.to_csv(folder / "parcels_mean.csv")
    if sd:
        pd.DataFrame(np.array(sds), index=index, columns=names).to_csv(folder / "parcels_sd.csv")
    return table
