"""``exval brain correlate``: does an imaging contrast go along with genes, more than smooth maps and other genes do?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.errors import GeneError, InputError
from exval.logs import warn
from exval.tasks.correlating.spaces import coordinates_in, coordinates_of

if TYPE_CHECKING:
    from exval.bench.results import Results

FIELDS_OF = ("knn", "gp")
WIDEST = 20.0


def brain_correlate(
    contrast: str | Path,
    *,
    genes: Any,
    samples: Any,
    space: str,
    atlas: Any = None,
    atlas_info: Any = None,
    tolerance: float = 2.0,
    radius: float = 3.0,
    whole_brain: bool = False,
    cortex: Sequence[str] | None = None,
    surrogates: int = 1000,
    random_lists: int = 1000,
    field: str = "knn",
    split_by: str | None = None,
    least_r2: float = 0.0,
    donor: str = "donor",
    regions: tuple[str, ...] | None = None,
    unit: str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    force: bool = False,
    threads: int | None = None,
) -> Results:
    """Relate a contrast to genes at samples, or at parcels, never at interpolated voxels.

    Parameters
    ----------
    contrast
        A volume in MNI 152, or with ``atlas`` a csv of parcels and values.
    genes
        A list: path of a file, comma-separated text or names.
    samples
        Samples with positions: ``.h5ad`` or AnnData (:func:`exval.data.brain.read_samples`).
    space
        The template that contrast and samples are in (``MNI152NLin2009cAsym``, ``mni``, ...), or coordinates of the
        file.
    atlas, atlas_info, tolerance
        Compare at parcels; see :meth:`exval.data.ahba.atlas.Atlas.match`.
    radius
        mm around a sample over which the contrast is averaged.
    whole_brain, cortex
        Take all samples, or those of these names of the coarse column of regions; by default the cortex
        (:func:`exval.tasks.correlating.cortex.cortical`).
    surrogates, random_lists
        How many of each, 100 or more.
    field, split_by, least_r2
        Genes that this field (knn or gp) does not tell at held-out donors or blocks, R2 not above ``least_r2``, are
        dropped.
    donor, regions, unit
        See :func:`exval.data.brain.read_samples`.
    seed, out, force, threads
        As everywhere.

    Returns
    -------
    exval.bench.results.Results
        ``extras``: ``correlate_genes``, ``correlate_dropped``, ``correlate_null``, ``correlate_places``.

    Raises
    ------
    InputError, GeneError, OutputError
        One line on what is wrong.
    """
    from threadpoolctl import threadpool_limits

    from exval.bench.results import Results, config_hash, make_rows
    from exval.data.ahba.atlas import Atlas, check_tolerance
    from exval.data.files import atomic_path, refuse_existing
    from exval.fields import FIELDS
    from exval.tasks.correlating.conclude import cautions, rows, verdict
    from exval.tasks.correlating.cortex import cortical
    from exval.tasks.correlating.ground import at_parcels, at_samples, is_table
    from exval.tasks.correlating.predictable import held_out_r2
    from exval.tasks.correlating.relate import LEAST_DRAWN, relate

    began = time.monotonic()
    if out is not None:
        refuse_existing(out, force)
    check_tolerance(tolerance)
    if not 0 < radius <= WIDEST:
        raise InputError(f"--radius {radius:g}: give millimetres above 0 and at most {WIDEST:g}")
    if min(surrogates, random_lists) < LEAST_DRAWN:
        raise InputError(f"--surrogates and --random-lists are {LEAST_DRAWN} or more: no small p can be told of fewer")
    if field not in FIELDS_OF:
        raise InputError(f"--field {field!r} is not known; choose one of {', '.join(FIELDS_OF)}")
    if not Path(contrast).is_file():
        raise InputError(f"there is no file {contrast}; give a contrast (.nii, .nii.gz) in MNI 152, or parcels (.csv)")
    if is_table(contrast) and atlas is None:
        raise InputError("a contrast of parcels needs the atlas that they are of: --atlas ATLAS.nii.gz")
    if atlas_info is not None and atlas is None:
        raise InputError("--atlas-info tells of the labels of an atlas; give the atlas too (--atlas)")
    parcels = None if atlas is None else Atlas.load(atlas, atlas_info)
    read, obs = _samples(samples, space, donor, regions, unit)
    listed_g, absent = _listed(genes, read)
    whole, by_atlas = whole_brain, parcels is not None and parcels.info is not None and not cortex
    tissue = None if whole or by_atlas else cortical(obs, regions, cortex, read.name)
    if parcels is None:
        place = at_samples(contrast, read, obs.index.to_numpy(object), tissue, radius)
    else:
        place = at_parcels(contrast, parcels, read, obs, tissue, whole_brain=whole, tolerance=tolerance)
    told = read.places.take(place.row_m)
    method = FIELDS[field]()
    if "seed" in method.get_params():
        method.set_params(seed=seed)
    with threadpool_limits(threads):
        r2_g, by = held_out_r2(told, place.sample_mg, method, split_by, seed)
        found = relate(place.contrast_n, place.xyz_n3, place.values_ng, read.genes, listed_g, r2_g,
                       surrogates=surrogates, lists=random_lists, least_r2=least_r2, seed=seed)  # fmt: skip
    n, kind = len(place.contrast_n), f"{'' if whole else 'cortical '}{place.unit}s"
    asked = {
        "task": "correlate", "contrast": Path(contrast).name, "data": read.name,
        "list": read.genes[listed_g].tolist(), "absent": absent, "space": space, "coordinates": read.space,
        "at": place.unit, "atlas": None if parcels is None else parcels.name,
        "tolerance": None if parcels is None else tolerance, "radius": None if parcels else radius,
        "whole_brain": whole, "surrogates": surrogates, "random_lists": random_lists, "field": field,
        "held_out_by": by, "least_r2": least_r2, "seed": seed,
    }  # fmt: skip
    config = {
        **asked, "config_hash": config_hash(asked), "title": f"{Path(contrast).name} and {_called(genes, listed_g)}",
        "places": n, "kind_of_place": kind, "bins": found.bins, "why_no_lists": found.why, "whole": found.whole,
        "notes": [*read.notes, *([tissue.text] if tissue else []), *place.notes],
        "warnings": [*read.warnings, *place.warnings,
                     *cautions(found, absent, surrogates, whole_brain=whole, donors=told.donor_n)],
        "dataset": {"name": Path(contrast).name, "n": len(place.row_m), "genes": len(found.genes), "unit": read.unit,
                    "split_by": by, "label": None, "classes": []},
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    donors = "" if place.donor_n is None else [one or "" for one in place.donor_n]
    extras = {
        "correlate_genes": found.genes, "correlate_dropped": found.dropped, "correlate_null": found.null,
        "correlate_places": pd.DataFrame({"place": place.name_n.astype(str), **dict(zip("xyz", place.xyz_n3.T)),
                                          "donor": donors, "contrast": place.contrast_n, "list_mean": found.mean_n}),
    }  # fmt: skip
    made = make_rows(rows(found, n, place.unit, by), task="correlate", data=read.name, seed=seed,
                     config_hash=config["config_hash"])  # fmt: skip
    result = Results(made, pd.DataFrame(), config, verdict(found, n, kind), extras)
    if out is not None:
        from exval.report import write_report

        with atomic_path(out) as part:
            result.save(part)
            every = [found.genes.assign(status="tested"), found.dropped.assign(status="dropped")]
            pd.concat([one for one in every if len(one)]).to_csv(part / "genes.csv", index=False)
            write_report(part)
    warn(config["warnings"])
    return result


def _samples(samples: Any, space: str, donor: str, regions: tuple[str, ...] | None, unit: str | None) -> tuple:
    """The samples, and their obs."""
    import anndata

    from exval.data.brain import read_samples

    there = samples
    if not isinstance(samples, anndata.AnnData):
        try:
            there = anndata.read_h5ad(samples, backed="r")
        except Exception:  # read_samples says what is wrong with it
            there = anndata.AnnData()
    known = coordinates_in(there.obsm.keys(), there.obs.columns)
    read = read_samples(samples, space=coordinates_of(space, known), donor=donor, regions=regions, unit=unit)
    obs = there.obs
    if there is not samples and there.isbacked:
        there.file.close()
    if "mirrored" in obs:
        obs = obs[~obs["mirrored"].to_numpy(bool)]
    return read, obs


def _listed(genes: Any, read: Any) -> tuple[np.ndarray, list[str]]:
    """(g,) which genes of the file are of the list, and which of the list the file lacks."""
    from exval.data.genelist import words_of
    from exval.data.genes import map_genes

    given = words_of(genes, "--genes")
    wanted = list(map(str, map_genes(given, "human", threshold=0.0).canonical))
    index = pd.Index(read.genes).get_indexer(wanted)
    absent = [word for word, i in zip(given, index) if i < 0]
    if len(absent) == len(given):
        raise GeneError(f"no gene of the list ({len(given)}, first: {given[0]}) is in {read.name}")
    listed_g = np.zeros(len(read.genes), bool)
    listed_g[index[index >= 0]] = True
    return listed_g, absent


def _called(genes: Any, listed_g: np.ndarray) -> str:
    """The list in the title: its file, or how many genes."""
    if isinstance(genes, str | Path) and Path(genes).is_file():
        return Path(genes).name
    k = int(listed_g.sum())
    return f"{k} gene{'s' if k != 1 else ''}"
