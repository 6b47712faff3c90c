"""Atlases: volumes of parcels in MNI space, and the parcel that a sample belongs to."""

from __future__ import annotations

import os
from functools import cached_property
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exval.data.ahba.coordinates import AXES
from exval.data.ahba.ontology import CLASSES
from exval.errors import InputError

NEAR_MM = 3.0
LEAST_INSIDE = 0.5
MUCH_OF_THE_BRAIN = 0.75
CLEARLY_BETTER = 0.08
_SIDES = {"L": "L", "R": "R", "B": "B", "LEFT": "L", "RIGHT": "R", "BOTH": "B", "BILATERAL": "B", "LH": "L", "RH": "R"}
_ALIASES = {"subcortex": "subcortex/brainstem", "brainstem": "subcortex/brainstem"}


class Atlas:
    """Labels of voxels.

    Parameters
    ----------
    labels_xyz
        Whole numbers, 0 for background.
    affine
        (4, 4) voxel index to mm in MNI space.
    info
        ``id``, ``hemisphere`` (L, R, B) and ``structure`` (one of ``CLASSES``, or subcortex or brainstem) of every
        label, perhaps ``label`` (a name): samples are then matched only to parcels of their side and class. Parcels of
        both sides (B) take samples of either.
    name
        What messages call it.

    Raises
    ------
    InputError
        No labels, labels that are no whole numbers, or ``info`` that does not fit.

    Examples
    --------
    >>> labels = np.zeros((4, 4, 4), int); labels[0], labels[3] = 1, 2
    >>> affine = np.diag([2.0, 2, 2, 1]); affine[:3, 3] = -3
    >>> atlas = Atlas(labels, affine)
    >>> atlas.match(np.array([[-3.0, 1, 1], [1.5, 1, 1], [0.0, 1, 1]]), tolerance=2).tolist()
    [1, 2, 0]
    """

    def __init__(
        self, labels_xyz: np.ndarray, affine: np.ndarray, info: pd.DataFrame | None = None, name: str = "the atlas"
    ) -> None:
        labels = np.asarray(labels_xyz)
        while labels.ndim > 3 and labels.shape[-1] == 1:
            labels = labels[..., 0]
        if labels.ndim != 3:
            raise InputError(
                f"{name} has {labels.ndim} dimensions; an atlas has three, with a whole number in each voxel"
            )
        if not np.isfinite(labels).all() or not np.array_equal(labels, np.rint(labels)):
            raise InputError(f"{name} holds values that are no whole numbers; give an atlas of labels, not a map")
        self.labels_xyz, self.affine, self.name = labels.astype(np.int64), np.asarray(affine, float), name
        if (self.labels_xyz < 0).any():
            raise InputError(f"{name} holds labels below 0; give labels from 1, and 0 for background")
        self.voxel_v3 = np.argwhere(self.labels_xyz)
        if not len(self.voxel_v3):
            raise InputError(f"{name} is empty: every voxel is 0")
        self.position_v3 = self.voxel_v3 @ self.affine[:3, :3].T + self.affine[:3, 3]
        self.id_p, self.parcel_v = np.unique(self.labels_xyz[tuple(self.voxel_v3.T)], return_inverse=True)
        size_p = np.bincount(self.parcel_v)
        self.centroid_p3 = np.stack(
            [np.bincount(self.parcel_v, weights=self.position_v3[:, axis]) / size_p for axis in range(3)], axis=1
        )
        self.info = None if info is None else _checked(info, self.id_p, name)
        if self.info is not None:
            self._check_sides()

    @classmethod
    def load(cls, atlas: Any, info: Any = None) -> Atlas:
        """From a NIfTI file, an image of nibabel, or an atlas; ``info`` from a csv file or a table.

        Raises
        ------
        InputError
            A file that is absent or no image, or what the class refuses.
        """
        if isinstance(atlas, cls):
            return atlas
        table = info
        if isinstance(info, str | os.PathLike):
            if not Path(info).is_file():
                raise InputError(f"--atlas-info: there is no file {info}; give a csv with id, hemisphere, structure")
            try:
                table = pd.read_csv(info)
            except (ValueError, pd.errors.ParserError, OSError) as fault:
                raise InputError(f"--atlas-info: {info} cannot be read as csv ({str(fault)[:80]})") from None
        if not isinstance(atlas, str | os.PathLike):
            return cls(np.asarray(atlas.dataobj), atlas.affine, table)
        try:
            import nibabel
        except ImportError:
            raise InputError("reading an atlas needs nibabel: pip install 'exval[brain]'") from None
        if not Path(atlas).is_file():
            raise InputError(f"--atlas: there is no file {atlas}; give a NIfTI file (.nii or .nii.gz) in MNI space")
        try:
            image = nibabel.load(atlas)
            labels = np.asarray(image.dataobj)
        except (nibabel.filebasedimages.ImageFileError, OSError, ValueError, EOFError) as fault:
            raise InputError(f"--atlas: {atlas} is no readable image ({str(fault)[:80]}); give a NIfTI file") from None
        return cls(labels, image.affine, table, os.path.basename(atlas))

    @cached_property
    def tree(self) -> Any:
        """Nearest labelled voxels (scipy cKDTree over ``position_v3``)."""
        from scipy.spatial import cKDTree

        return cKDTree(self.position_v3)

    def allowed(self, hemisphere: str | None, structure_class: str | None) -> np.ndarray:
        """(p,) whether a sample of that side and class may belong to each parcel; all, where nothing is known."""
        if self.info is None or hemisphere is None:
            return np.ones(len(self.id_p), bool)
        side, kind = self.info["hemisphere"].to_numpy(), self.info["structure"].to_numpy()
        return ((side == hemisphere) | (side == "B")) & (kind == structure_class)

    def match_samples(self, obs: pd.DataFrame, tolerance: float = 2.0) -> np.ndarray:
        """:meth:`match` of a table with ``mni_x``, ``mni_y``, ``mni_z``, ``hemisphere`` and ``structure_class``.

        The atlas is first checked to be in the same space (:meth:`check_space`).
        """
        position_n3 = obs[AXES].to_numpy(float)
        self.check_space(position_n3)
        label_n = self.match(
            position_n3,
            obs["hemisphere"].to_numpy(dtype=object),
            obs["structure_class"].to_numpy(dtype=object),
            tolerance,
        )
        if not label_n.any():
            raise InputError(
                f"no sample lies within {tolerance:g} mm of a parcel of {self.name}; raise --tolerance, and see "
                "whether the sides and structures of --atlas-info are right"
            )
        return label_n

    def match(
        self,
        position_n3: np.ndarray,
        hemisphere_n: np.ndarray | None = None,
        class_n: np.ndarray | None = None,
        tolerance: float = 2.0,
    ) -> np.ndarray:
        """The parcel of each sample.

        That of the voxel which contains the sample. Otherwise balls around the sample of 1, 2, ... mm up to
        ``tolerance`` are searched; the parcel with most voxels (their centres) in the first ball that has any wins, and
        on a tie the one with the nearest centroid. The rule is abagen's, but for two things: a sample is not moved to
        the grid first, and with ``info`` the most frequent parcel of those allowed wins, not the nearest.

        Parameters
        ----------
        position_n3
            (n, 3) mm.
        hemisphere_n, class_n
            (n,) side and class of the samples, looked at where the atlas has ``info``.
        tolerance
            mm, 0 or more.

        Returns
        -------
        numpy.ndarray
            (n,) labels, 0 where there is none.
        """
        check_tolerance(tolerance)
        position_n3 = np.asarray(position_n3, float)
        sides = [None] * len(position_n3) if hemisphere_n is None or class_n is None else list(hemisphere_n)
        kinds = sides if sides and sides[0] is None else list(class_n if class_n is not None else [])
        may = {pair: self.allowed(*pair) for pair in set(zip(sides, kinds))}
        out_n = np.zeros(len(position_n3), np.int64)
        direct_n = self._containing(position_n3)
        for n, parcel in enumerate(direct_n):
            if parcel >= 0 and may[sides[n], kinds[n]][parcel]:
                out_n[n] = self.id_p[parcel]
        for radius in sorted({*range(1, int(tolerance) + 1), tolerance} - {0}):
            left = np.flatnonzero(out_n == 0)
            for n, voxels in zip(left, self.tree.query_ball_point(position_n3[left], radius)):
                parcels = self.parcel_v[voxels]
                parcels = parcels[may[sides[n], kinds[n]][parcels]]
                if len(parcels):
                    out_n[n] = self.id_p[self._of_most(parcels, position_n3[n])]
        return out_n

    def check_space(self, position_n3: np.ndarray) -> None:
        """An ``InputError`` where the atlas and the positions cannot be in the same space.

        Most samples have to lie in the volume. And no other order or direction of the axes may bring clearly more
        samples near a parcel, nearly all of them: of an atlas of the cortex or of a few regions chance would decide.
        x and -x cannot be told apart in this way, but by the sides that ``info`` names.
        """
        index_n3 = (position_n3 - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T
        inside_n = ((index_n3 > -1) & (index_n3 < np.array(self.labels_xyz.shape))).all(1)
        if inside_n.mean() < LEAST_INSIDE:
            hint = (
                "its affine is that of voxel indices, not of millimetres"
                if (self.affine[:3, 3] >= 0).all()
                else "it is not in MNI space, or its affine is wrong"
            )
            raise InputError(f"{100 * (1 - inside_n.mean()):.0f} % of the samples lie outside of {self.name}: {hint}")
        here = self._near(position_n3)
        for order in permutations(range(3)):
            for y, z in product((1, -1), repeat=2):
                turned = position_n3[:, order] * np.array([1, y, z])
                if self._near(turned) > max(here + CLEARLY_BETTER, MUCH_OF_THE_BRAIN):
                    axes = ", ".join(("-" if sign < 0 else "") + "xyz"[i] for i, sign in zip(order, (1, y, z)))
                    raise InputError(
                        f"{self.name}: {100 * here:.0f} % of the samples lie near a parcel, but "
                        f"{100 * self._near(turned):.0f} % would if x, y, z were {axes}: axes are swapped or turned "
                        "round, in the atlas or in the coordinates"
                    )

    def _check_sides(self) -> None:
        side_p, x_p = self.info["hemisphere"].to_numpy(), self.centroid_p3[:, 0]
        if (side_p == "L").any() and (side_p == "R").any():
            left, right = np.median(x_p[side_p == "L"]), np.median(x_p[side_p == "R"])
            if left > right:
                raise InputError(
                    f"{self.name}: parcels that --atlas-info calls left lie right of those called right (x {left:.0f} "
                    f"and {right:.0f} mm); the sides of the image, or of the table, are swapped"
                )

    def _near(self, position_n3: np.ndarray) -> float:
        some = position_n3[:: max(len(position_n3) // 1000, 1)]
        return float(np.isfinite(self.tree.query(some, distance_upper_bound=NEAR_MM)[0]).mean())

    def _containing(self, position_n3: np.ndarray) -> np.ndarray:
        """(n,) index of the parcel of the voxel around each position, -1 where that is background or outside."""
        index_n3 = (position_n3 - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T
        voxel_n3 = np.floor(index_n3 + 0.5).astype(np.int64)
        inside_n = ((voxel_n3 >= 0) & (voxel_n3 < self.labels_xyz.shape)).all(1)
        label_n = np.zeros(len(position_n3), np.int64)
        label_n[inside_n] = self.labels_xyz[tuple(voxel_n3[inside_n].T)]
        return np.where(label_n > 0, np.searchsorted(self.id_p, label_n), -1)

    def _of_most(self, parcels: np.ndarray, position_3: np.ndarray) -> int:
        found, count = np.unique(parcels, return_counts=True)
        found = found[count == count.max()]
        away = ((self.centroid_p3[found] - position_3) ** 2).sum(1)
        return int(found[np.argmin(away)])


def check_tolerance(tolerance: float) -> None:
    """An ``InputError`` for a tolerance below 0.

    Examples
    --------
    >>> check_tolerance(-2)
    Traceback (most recent call last):
    exval.errors.InputError: --tolerance -2: give millimetres, 0 or more
    """
    if not tolerance >= 0 or not np.isfinite(tolerance):
        raise InputError(f"--tolerance {tolerance:g}: give millimetres, 0 or more")


def _checked(info: pd.DataFrame, id_p: np.ndarray, name: str) -> pd.DataFrame:
    """Rows of ``info`` for the labels of the atlas, in their order."""
    missing = [column for column in ("id", "hemisphere", "structure") if column not in info]
    if missing:
        raise InputError(f"--atlas-info has no column {', '.join(missing)}; needed: id, hemisphere, structure")
    table = info.drop_duplicates("id").set_index("id")
    lost = [int(one) for one in id_p if one not in table.index]
    if lost:
        raise InputError(f"--atlas-info lacks {len(lost):,} labels of {name} (first: {lost[0]}); give a row for each")
    table = table.loc[id_p].copy()
    side = table["hemisphere"].astype(str).str.upper().map(_SIDES)
    if side.isna().any():
        raise InputError(f"--atlas-info: hemisphere {table['hemisphere'][side.isna()].iloc[0]!r}; give L, R or B")
    kind = table["structure"].replace(_ALIASES)
    if (~kind.isin(CLASSES)).any():
        strange = table["structure"][~kind.isin(CLASSES)].iloc[0]
        raise InputError(f"--atlas-info: structure {strange!r} is not known; give one of {', '.join(CLASSES)}")
    return table.assign(hemisphere=side, structure=kind)
