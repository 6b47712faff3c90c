"""The contrast as a volume: read, held against the template, and asked around samples or within parcels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exval.errors import InputError

if TYPE_CHECKING:
    from exval.data.ahba.atlas import Atlas

LEAST_INSIDE, LEAST_VALUED, MUCH_VALUED = 0.5, 0.25, 0.9
OUTSIDE, MUCH_OUTSIDE, UNMASKED = 0.1, 0.3, 0.9
SMALLEST_MM, LARGEST_MM = 0.2, 20.0
LEAST_OF_PARCEL = 0.5
ASKED = 50_000
_CODES = {1: "of the scanner, that is of one person", 3: "of the Talairach atlas"}


@dataclass(frozen=True, eq=False)
class Volume:
    """A map of one value for each voxel.

    Parameters
    ----------
    values_xyz
        Values, NaN where there is none: a voxel that is 0 or not finite is outside of the mask.
    affine
        (4, 4) voxel index to mm.
    name
        Of the file.
    code
        What the header says that the coordinates are (NIfTI: 1 scanner, 2 aligned, 3 Talairach, 4 MNI), or None.

    Examples
    --------
    >>> volume = Volume(np.arange(8.0).reshape(2, 2, 2), np.diag([4.0, 4, 4, 1]), "t")
    >>> volume.around(np.array([[0.0, 0, 4], [4, 4, 2], [90, 0, 0]]), 3.0).tolist()
    [1.0, 6.5, nan]
    """

    values_xyz: np.ndarray
    affine: np.ndarray
    name: str
    code: int | None = None

    def index(self, xyz_n3: np.ndarray) -> np.ndarray:
        """(n, 3) voxel coordinates, not rounded."""
        return (xyz_n3 - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T

    def at(self, voxel_n3: np.ndarray) -> np.ndarray:
        """(n,) values of voxels; NaN outside."""
        inside_n = ((voxel_n3 >= 0) & (voxel_n3 < self.values_xyz.shape)).all(-1)
        out = np.full(voxel_n3.shape[:-1], np.nan)
        out[inside_n] = self.values_xyz[tuple(voxel_n3[inside_n].T)]
        return out

    def around(self, xyz_n3: np.ndarray, radius: float) -> np.ndarray:
        """(n,) mean over voxels whose centre lies within ``radius`` mm, and the one that holds the place; else NaN."""
        index_n3 = self.index(xyz_n3)
        home_n3 = np.floor(index_n3 + 0.5).astype(np.int64)
        reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(self.affine[:3, :3]), axis=1)).astype(int) + 1
        near_k3 = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1).reshape(-1, 3)
        out = np.full(len(xyz_n3), np.nan)
        for n, (home, index) in enumerate(zip(home_n3, index_n3)):
            away_k = np.linalg.norm((home + near_k3 - index) @ self.affine[:3, :3].T, axis=1)
            value_k = self.at(home + near_k3[(away_k <= radius + 1e-9) | ~near_k3.any(1)])
            value_k = value_k[~np.isnan(value_k)]
            if len(value_k):
                out[n] = value_k.mean()
        return out

    def within(self, atlas: Atlas) -> np.ndarray:
        """(p,) mean over the voxels of each parcel; NaN where less than half of them have a value."""
        value_v = self.at(np.floor(self.index(atlas.position_v3) + 0.5).astype(np.int64))
        known_v = ~np.isnan(value_v)
        p = len(atlas.id_p)
        size_p, known_p = np.bincount(atlas.parcel_v, minlength=p), np.bincount(atlas.parcel_v[known_v], minlength=p)
        total_p = np.bincount(atlas.parcel_v[known_v], weights=value_v[known_v], minlength=p)
        return np.where(known_p >= LEAST_OF_PARCEL * size_p, total_p / np.maximum(known_p, 1), np.nan)

    def cautions(self, xyz_n3: np.ndarray, value_n: np.ndarray) -> list[str]:
        """What to be wary of; an ``InputError`` where the volume cannot be in the space of the samples."""
        index_n3 = self.index(xyz_n3)
        inside = ((index_n3 > -1) & (index_n3 < np.array(self.values_xyz.shape))).all(1).mean()
        if inside < LEAST_INSIDE:
            raise InputError(
                f"{100 * (1 - inside):.0f} % of the samples lie outside of {self.name}: it is not in MNI 152, its "
                "affine is wrong, or it shows a part of the brain only; give a whole brain in MNI 152"
            )
        valued = (~np.isnan(value_n)).mean()
        if valued < LEAST_VALUED:
            raise InputError(
                f"{self.name} has a value at {100 * valued:.0f} % of the samples only: it is in another space, or was "
                "thresholded or masked; give the whole map in MNI 152 (0 and NaN count as no value)"
            )
        said = []
        if valued < MUCH_VALUED:
            said.append(
                f"{self.name} has a value at {100 * valued:.0f} % of the samples; the others were left out (0 and NaN "
                "count as no value: give maps that are not thresholded)"
            )
        if self.code in _CODES:
            said.append(f"the header of {self.name} says that its coordinates are those {_CODES[self.code]}, not MNI")
        return [*said, *self._beyond_template()]

    def _beyond_template(self) -> list[str]:
        """Compare what has values with the brain of MNI 152, unless nothing is masked."""
        known_xyz = ~np.isnan(self.values_xyz)
        if known_xyz.mean() > UNMASKED:
            return [f"{self.name} has values outside of the brain too: whether it is in MNI 152 cannot be told from it"]
        voxel_v3 = np.argwhere(known_xyz)
        voxel_v3 = voxel_v3[:: max(len(voxel_v3) // ASKED, 1)]
        brain = _template_brain()
        place_v3 = voxel_v3 @ self.affine[:3, :3].T + self.affine[:3, 3]
        beyond = np.isnan(brain.at(np.floor(brain.index(place_v3) + 0.5).astype(np.int64))).mean()
        text = f"{100 * beyond:.0f} % of the voxels of {self.name} lie outside of the brain of MNI 152"
        if beyond > MUCH_OUTSIDE:
            raise InputError(f"{text}: it is in another space (native?); bring it into MNI 152 first")
        return [f"{text}: is it in that space?"] if beyond > OUTSIDE else []


def read_volume(path: str | os.PathLike) -> Volume:
    """Read a contrast and refuse what cannot be one in millimetres.

    Raises
    ------
    InputError
        No such file, a surface, several volumes in one file, no coordinates, no values.
    """
    try:
        import nibabel
    except ImportError:
        raise InputError("reading a contrast needs nibabel: pip install 'exval[brain]'") from None
    name = Path(path).name
    if not Path(path).is_file():
        raise InputError(f"there is no file {path}; give a contrast (.nii, .nii.gz) in MNI 152, or parcels (.csv)")
    try:
        image = nibabel.load(path)
        if not isinstance(image, nibabel.spatialimages.SpatialImage) or isinstance(image, nibabel.Cifti2Image):
            raise InputError(f"{name} holds values of a surface; give a volume in MNI 152, or parcels with --atlas")
        values = np.asarray(image.dataobj, dtype=np.float64)
    except (nibabel.filebasedimages.ImageFileError, OSError, ValueError, EOFError) as fault:
        if isinstance(fault, InputError):
            raise
        raise InputError(f"{name} is no readable image ({str(fault)[:80]}); give a NIfTI file or parcels.csv") from None
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        several = f"{values.shape[-1]} volumes" if values.ndim == 4 else f"the shape {values.shape}"
        raise InputError(f"{name} is {values.ndim}-D with {several}; give one contrast, a single 3-D volume")
    code = _code(image, name)
    _check_affine(np.asarray(image.affine, float), values.shape, name)
    values[~np.isfinite(values) | (values == 0)] = np.nan
    if np.isnan(values).all():
        raise InputError(f"{name} is empty: every voxel is 0 or not a number")
    return Volume(values, np.asarray(image.affine, float), name, code)


def _code(image: Any, name: str) -> int | None:
    header = image.header
    if "sform_code" not in header:
        return None
    code = int(header["sform_code"]) or int(header["qform_code"])
    if code == 0:
        raise InputError(f"{name}: its header has no coordinates (sform and qform codes are 0); save it with an affine")
    return code


def _check_affine(affine: np.ndarray, shape: tuple[int, ...], name: str) -> None:
    size = np.linalg.norm(affine[:3, :3], axis=0) if np.isfinite(affine).all() else np.zeros(3)
    if not (size > SMALLEST_MM).all() or (size > LARGEST_MM).any() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise InputError(f"{name} has voxels of {' x '.join(f'{s:.3g}' for s in size)} mm; its affine cannot be right")
    ends = np.array([[0, 0, 0], np.array(shape) - 1]) @ affine[:3, :3].T + affine[:3, 3]
    if (ends.min(0) >= -1e-6).all():
        raise InputError(
            f"{name} has no voxel below 0 mm along any axis: its affine is of voxel indices, not of MNI 152, whose "
            "origin is inside the brain"
        )


def _template_brain() -> Volume:
    """The brain of MNI 152 with about 5 mm around it."""
    from scipy.ndimage import binary_dilation

    try:
        from nilearn.datasets import load_mni152_brain_mask
    except ImportError:
        raise InputError("holding a contrast against MNI 152 needs nilearn: pip install 'exval[brain]'") from None
    mask = load_mni152_brain_mask(resolution=4)
    near = np.pad(np.asarray(mask.dataobj) > 0, 2)
    affine = np.array(mask.affine, float)
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, 2.0)
    return Volume(np.where(binary_dilation(near), 1.0, np.nan), affine, "MNI 152")
