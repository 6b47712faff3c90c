"""Where contrast and genes meet: samples, or parcels of an atlas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from exval.data.ahba.atlas import Atlas
from exval.data.brain import BrainSamples
from exval.errors import InputError
from exval.tasks.correlating.cortex import Cortex
from exval.tasks.correlating.parcels import over_donors, read_parcels
from exval.tasks.correlating.relate import LEAST_PLACES, without_donors
from exval.tasks.correlating.volume import read_volume

RADIUS = 3.0


@dataclass(frozen=True, eq=False)
class Ground:
    """Places that have a value of the contrast and of every gene.

    Parameters
    ----------
    xyz_n3, contrast_n, values_ng
        Of the n places.
    row_m, sample_mg
        Samples that stand behind them, and their values less the means of their donors over these.
    name_n, donor_n
        Names of the places, and donors (samples only; else None).
    unit
        ``sample`` or ``parcel``.
    notes, warnings
        A line each.
    """

    xyz_n3: np.ndarray
    contrast_n: np.ndarray
    values_ng: np.ndarray
    row_m: np.ndarray
    sample_mg: np.ndarray
    name_n: np.ndarray
    donor_n: np.ndarray | None
    unit: str
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def at_samples(contrast: Any, samples: BrainSamples, names_n: np.ndarray, cortex: Cortex | None,
               radius: float = RADIUS) -> Ground:  # fmt: skip
    """Mean of the contrast within ``radius`` mm of each sample; genes less the mean of their donor.

    Raises
    ------
    InputError
        A contrast that cannot be in the space of the samples; too few of them have a value.
    """
    volume = read_volume(contrast)
    xyz = samples.places.xyz_n3
    row_n = np.arange(len(xyz)) if cortex is None else np.flatnonzero(cortex.row_n)
    value_n = volume.around(xyz[row_n], radius)
    cautions = volume.cautions(xyz[row_n], value_n)
    rows = row_n[~np.isnan(value_n)]
    enough(len(rows), "samples")
    notes = [f"{len(rows):,} samples; contrast: mean of its voxels within {radius:g} mm of each sample"]
    if (lost := len(row_n) - len(rows)) > 0:
        notes.append(f"{lost:,} samples have no voxel with a value there and were left out")
    donor_n = samples.places.donor_n[rows]
    values_ng = without_donors(samples.values_ng[rows], donor_n)
    return Ground(xyz[rows], value_n[~np.isnan(value_n)], values_ng, rows, values_ng, names_n[rows], donor_n, "sample",
                  notes, cautions)  # fmt: skip


def at_parcels(contrast: Any, atlas: Atlas, samples: BrainSamples, obs: pd.DataFrame, cortex: Cortex | None,
               *, whole_brain: bool, tolerance: float = 2.0) -> Ground:  # fmt: skip
    """Parcels: the contrast from a table or as the mean of its voxels, genes as means of samples.

    Parameters
    ----------
    contrast
        csv of parcels, or a volume.
    atlas, tolerance
        See :meth:`exval.data.ahba.atlas.Atlas.match`.
    samples, obs
        Samples and their obs: where it has ``hemisphere`` and ``structure_class``, and the atlas tells those of its
        parcels, samples are matched within them.
    cortex
        Samples of the cortex; None where the atlas tells it, or where the whole brain is asked about.
    whole_brain
        Take all parcels.

    Raises
    ------
    InputError
        An atlas in another space; a table of other parcels; too few parcels have samples and a value.
    """
    xyz, p = samples.places.xyz_n3, len(atlas.id_p)
    notes, cautions = [], []
    atlas.check_space(xyz)
    told = atlas.info is not None and {"hemisphere", "structure_class"} <= set(obs.columns)
    sides = (obs[one].to_numpy(object) if told else None for one in ("hemisphere", "structure_class"))
    label_n = atlas.match(xyz, *sides, tolerance=tolerance)
    if cortex is not None:
        label_n = np.where(cortex.row_n, label_n, 0)
    if is_table(contrast):
        value_p = read_parcels(contrast, atlas)
    else:
        volume = read_volume(contrast)
        value_p = volume.within(atlas)
        near = volume.around(xyz[label_n > 0], RADIUS)
        cautions = volume.cautions(xyz[label_n > 0], near) if (label_n > 0).any() else []
    take_p = ~np.isnan(value_p)
    if not whole_brain and atlas.info is not None:
        take_p &= (atlas.info["structure"] == "cortex").to_numpy()
        notes.append("cortex by --atlas-info: its parcels whose structure is cortex")
    row_n = np.where(label_n > 0, np.searchsorted(atlas.id_p, label_n), -1)
    row_n[(row_n >= 0) & ~take_p[np.maximum(row_n, 0)]] = -1
    rows = np.flatnonzero(row_n >= 0)
    held = np.unique(row_n[rows])
    enough(len(held), f"parcels of {atlas.name}")
    donor_n = samples.places.donor_n[rows]
    sample_mg = without_donors(samples.values_ng[rows], donor_n)
    means = over_donors(sample_mg, row_n[rows], donor_n, p)[held]
    notes.insert(0, f"{len(held)} parcels with {len(rows):,} samples within {tolerance:g} mm; means within donors, "
                    "then over donors")  # fmt: skip
    if (lost := int(take_p.sum()) - len(held)) > 0:
        notes.append(f"{lost} parcels with a value of the contrast have no sample and were left out")
    return Ground(atlas.centroid_p3[held], value_p[held], means, rows, sample_mg, atlas.id_p[held].astype(str), None,
                  "parcel", notes, cautions)  # fmt: skip


def is_table(contrast: Any) -> bool:
    """Whether a contrast is a table of parcels, by the name of its file.

    Examples
    --------
    >>> is_table("parcels.csv"), is_table("t.nii.gz")
    (True, False)
    """
    return str(contrast).lower().endswith(".csv")


def enough(n: int, what: str) -> None:
    """An ``InputError`` below 20 places.

    Examples
    --------
    >>> enough(3, "parcels")
    Traceback (most recent call last):
    exval.errors.InputError: only 3 parcels have samples and a value of the contrast; 20 are needed to tell anything
    """
    if n < LEAST_PLACES:
        raise InputError(
            f"only {n} {what} have samples and a value of the contrast; {LEAST_PLACES} are needed to tell anything"
        )
