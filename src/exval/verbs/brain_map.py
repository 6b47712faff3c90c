"""``exval brain map``: what a fitted field says of parcels or voxels."""

from __future__ import annotations

import time
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exval.errors import GeneError, InputError
from exval.fields.places import Places
from exval.logs import warn

PER_PARCEL = 300  # voxels of a parcel that are asked, evenly spread
SOME = 2000  # voxels by which the genes of the page are chosen
REACHES = (85.0, 115.0, 95.0)  # mm from the origin along x, y, z: no parcel of a brain in MNI space lies further
WHOLE = 80.0  # mm that the parcels of an atlas of the whole brain span
AT_ONCE = 6_000_000  # values told at once


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
    atlas_info: str | Path | None = None,
    resolution: int | None = None,
    genes: Any = None,
    donor: str | None = None,
    sd: bool = True,
    out: str | Path,
    force: bool = False,
    threads: int | None = None,
) -> Maps:
    """Values of a fitted field for the parcels of an atlas, or for every voxel of grey and white matter.

    Parameters
    ----------
    run
        Folder of :func:`exval.verbs.brain_fit.brain_fit`.
    atlas
        NIfTI of labels in MNI space: ``parcels_mean.csv`` and ``parcels_sd.csv``, parcels x genes, are written. A
        parcel is the mean over up to 300 of its voxels; its sd is that of a measurement there.
    atlas_info
        csv of its labels, as of :class:`exval.data.ahba.atlas.Atlas`: names for the page.
    resolution
        mm: one ``GENE_mean.nii.gz`` (and ``GENE_sd.nii.gz``) for each gene.
    genes
        Which; all by default.
    donor
        One of the run: what a sample of this donor would show. By default of nobody in particular.
    sd
        Write the standard deviations too, where the field has any.
    out, force, threads
        As everywhere; ``report.html`` in ``out`` shows up to three genes.

    ``genes.csv`` says how well each gene was told where samples were held out of the fit
    (:func:`exval.tasks.field.words.borne_out`); genes that were told no better than by their mean are warned of.

    Raises
    ------
    InputError, GeneError
        Neither or both of atlas and resolution; no field; a donor that is not in the run; none of the genes.
    """
    from threadpoolctl import threadpool_limits

    from exval import __version__
    from exval.data.files import atomic_path, refuse_existing, write_json
    from exval.fields.base import Told
    from exval.fields.newgene import Extended
    from exval.fields.saved import open_field
    from exval.report import write_report
    from exval.tasks.field.volumes import of_voxels
    from exval.tasks.field.words import LEAST_R2, borne_out

    if (atlas is None) == (resolution is None):
        raise InputError("give --atlas ATLAS.nii.gz for parcels or --resolution MM for voxels")
    out = Path(out)
    refuse_existing(out, force)
    saved = open_field(run)
    columns, lines = _columns(saved.genes, genes), []
    if donor is not None:
        if donor not in saved.config["donors"]:
            there = ", ".join(saved.config["donors"]) or "none is named in it"
            raise InputError(f"--donor {donor}: not a donor of {run}; there are: {there}")
        if "donor" not in saved.field.sees:
            lines.append(f"{saved.field.title} does not look at donors: the maps are the same for every donor")
        elif isinstance(saved.field, Extended):
            lines.append(
                f"the added genes are told of nobody in particular: {', '.join(map(str, saved.field.added[:10]))}"
            )
    names, field = saved.genes[columns], saved.field
    borne = borne_out(field, saved.genes).iloc[columns]
    own = field.field if isinstance(field, Extended) else field
    flat = np.isin(columns, np.flatnonzero(own.sd_g_ == 0))
    if flat.any():
        lines.append(f"the same in all samples, and in the maps: {', '.join(map(str, names[flat][:10]))}")
    if len(poor := borne.gene[borne.r2_near < LEAST_R2]):
        what = f"{len(poor)} of {len(names)} genes {'is' if len(poor) == 1 else 'are'} hardly told"
        lines.append(
            f"{what} even near to samples (R2 below {LEAST_R2}, held out): {', '.join(poor[:5])}; see genes.csv"
        )

    def tell(places: Places) -> Told:
        told = field.predict(of_voxels(places.xyz_n3, donor), sd=sd)
        return Told(told.mean_mg[:, columns], None if told.sd_mg is None else told.sd_mg[:, columns])

    began, cpu = time.perf_counter(), time.process_time()
    with threadpool_limits(threads), atomic_path(out) as part:
        part.mkdir(exist_ok=True)
        if atlas is not None:
            parcels, found = _parcels(tell, atlas, atlas_info, names, saved.places, part)
            volumes, what = [], f"{len(parcels)} parcels"
        else:
            parcels, (volumes, found, n_voxels) = (
                None,
                _voxels(tell, resolution, names, len(saved.genes), saved.places, part, threads),
            )
            what = f"{n_voxels:,} voxels at {resolution} mm"
        whose = f" as in donor {donor}" if donor is not None else ""
        verdict = (
            f"{what} x {len(names)} genes by {field.title}{whose}, fitted to {saved.config['n']:,} samples of "
            f"{saved.config['data']}."
        )
        if (known := borne[borne.mm_near.notna()]).size:
            verdict += (
                f" Where samples were held out of the fit, R2 was {known.r2_near.mean():.2f} about "
                f"{known.mm_near.iloc[0]:.0f} mm from the nearest sample and {known.r2_far.mean():.2f} about "
                f"{known.mm_far.iloc[0]:.0f} mm from it (mean over genes)."
            )
        if sd and not found["has_sd"]:
            lines.append(f"{field.title} tells no sd: only means were written")
        config = {
            "kind": "field-map", "version": __version__, "verdict": verdict, "run": str(run),
            "atlas": atlas and str(atlas), "resolution": resolution, "donor": donor, "warnings": lines,
            "data": saved.config["data"],
            "title": f"{saved.config['data']}: maps by {field.title}", "method": field.name,
            "unit": saved.config["unit"], "n": saved.config["n"], "n_genes": len(names), "space": saved.config["space"],
            "what": what, "sd": bool(found["has_sd"]), "folder": str(out), "fitted_genes": saved.config["n_genes"],
            **{key: saved.config.get(key)
               for key in ("card", "in_words", "held_inside", "mirrored", "seed", "extended", "n_added")},
            "apart_mm": found.pop("apart_mm"),
            "seconds": round(time.perf_counter() - began, 2), "cpu_seconds": round(time.process_time() - cpu, 2),
        }  # fmt: skip
        write_json(part / "config.json", config)
        borne.to_csv(part / "genes.csv", index=False, float_format="%.4g")
        _write_pictures(part, {**found, "map_genes": borne})
        write_report(part)
    warn(lines)
    return Maps(out, parcels, [out / path.name for path in volumes], verdict)


def _columns(known: np.ndarray, genes: Any) -> np.ndarray:
    from exval.data.genelist import words_of

    if genes is None:
        return np.arange(len(known))
    wanted = words_of(genes, "--genes")
    columns = pd.Index(known).get_indexer(wanted)
    if (columns < 0).any():
        lost = [name for name, i in zip(wanted, columns) if i < 0]
        near = [match for name in lost[:5] for match in get_close_matches(name.upper(), list(map(str, known)), 1)]
        meant = f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else ""
        raise GeneError(f"{len(lost)} of {len(wanted)} genes are not in the run: {', '.join(lost[:5])}{meant}")
    return columns


def _voxels(tell, resolution: int, names, n_known: int, samples: Places, folder: Path, threads: int | None):
    """Volumes of every gene; what the page shows of up to three; voxels."""
    import nibabel

    from exval.tasks.field.pictures import pictures, telling
    from exval.tasks.field.volumes import BLOCK, file_names, of_voxels, template_grid, write_maps

    grid = template_grid(resolution)
    some = np.linspace(0, len(grid) - 1, min(len(grid), SOME)).astype(int)
    first = tell(of_voxels(grid.xyz(some)))
    block = int(np.clip(AT_ONCE // max(n_known, 1), 1000, BLOCK))
    paths = write_maps(tell, grid, names, folder, threads or 2, block)
    frames, files = [], file_names(names)
    for i in telling(first.mean_mg, first.sd_mg):
        read = {what: nibabel.load(folder / f"{files[i]}_{what}.nii.gz").get_fdata(dtype=np.float32)
                for what in ("mean", "sd")[: 1 + (first.sd_mg is not None)]}  # fmt: skip
        values = {what: volume[tuple(grid.voxel_v3.T)] for what, volume in read.items()}
        frames.append(pictures(grid.xyz(), values).assign(gene=str(names[i])))
    return paths, {"map_pictures": pd.concat(frames), "has_sd": first.sd_mg is not None,
                   "apart_mm": _apart(samples, of_voxels(grid.xyz(some)))}, len(grid)  # fmt: skip


def _apart(samples: Places, asked: Places) -> list[float]:
    """Median and 90th percentile of the distance to the nearest sample, mm, both hemispheres laid onto one."""
    from scipy.spatial import cKDTree

    return [round(float(x), 1) for x in np.quantile(cKDTree(samples.folded()).query(asked.folded())[0], (0.5, 0.9))]


def _parcels(tell, atlas, info, names, samples: Places, folder: Path):
    """Tables of every gene, written and returned; what the page shows of up to three."""
    from exval.data.ahba.atlas import Atlas
    from exval.tasks.field.pictures import pictures, telling
    from exval.tasks.field.volumes import of_voxels

    volume = Atlas.load(atlas, info)
    centre_p3 = np.array([volume.position_v3[volume.parcel_v == p].mean(0) for p in range(len(volume.id_p))])
    spans = np.ptp(centre_p3, axis=0)
    if (spans > WHOLE).sum() >= 2:  # an atlas of the whole brain has to hold the samples
        volume.check_space(samples.xyz_n3)
    if (np.abs(centre_p3) > REACHES).any():
        raise InputError(f"{atlas} is not in MNI space: parcels lie outside of the brain; its affine may be that of "
                         "voxel indices")  # fmt: skip
    means, sds = [], []
    for number in range(len(volume.id_p)):
        rows = np.flatnonzero(volume.parcel_v == number)
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), PER_PARCEL)).astype(int))]
        told = tell(of_voxels(volume.position_v3[rows]))
        means.append(told.mean_mg.mean(0))
        if told.sd_mg is not None:
            sds.append(np.sqrt((told.sd_mg**2).mean(0)))
    index = pd.Index(volume.id_p, name="parcel")
    table = pd.DataFrame(np.array(means), index=index, columns=names)
    table.to_csv(folder / "parcels_mean.csv")
    spread = pd.DataFrame(np.array(sds), index=index, columns=names) if sds else None
    if spread is not None:
        spread.to_csv(folder / "parcels_sd.csv")
    label = None
    if volume.info is not None and "label" in volume.info:
        side = volume.info["hemisphere"].map({"L": ", left", "R": ", right"}).fillna("")
        label = volume.info["label"].astype(str) + side.astype(str)
    frames, lists = [], []
    for i in telling(table.to_numpy(), None if spread is None else spread.to_numpy()):
        one = {"mean": table.iloc[:, i].to_numpy()} | ({} if spread is None else {"sd": spread.iloc[:, i].to_numpy()})
        frames.append(pictures(volume.position_v3, {what: value_p[volume.parcel_v] for what, value_p in one.items()})
                      .assign(gene=str(names[i])))  # fmt: skip
        lists.append(pd.DataFrame({"gene": str(names[i]), "parcel": index.astype(str) if label is None else label.array,
                                   "mean": one["mean"], "sd": one.get("sd", np.nan)}))  # fmt: skip
    return table, {"map_pictures": pd.concat(frames), "map_parcels": pd.concat(lists), "has_sd": spread is not None,
                   "apart_mm": _apart(samples, of_voxels(centre_p3))}  # fmt: skip


def _write_pictures(folder: Path, found: dict[str, Any]) -> None:
    from exval.bench.folder import write_table

    for name, table in found.items():
        if isinstance(table, pd.DataFrame):
            write_table(table.reset_index(drop=True), folder / "extras" / f"{name}.parquet")
