"""Whether positions of samples are what they say: millimetres of the MNI152 template, axes and sides in order."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import permutations, product

import numpy as np
import pandas as pd

from exval.errors import InputError
from exval.fields.tissue import template

FEWEST = 50  # samples: fewer tell no order of axes
MOST = 3000
REACH = 2  # mm that a sample may lie off the brain of the template, or off its grey matter
INSIDE, BRAIN, BETTER = 0.97, 0.6, 0.15
SMALL = 0.05  # share of samples below which an oddity is not worth a warning
MIDLINE = 3.0  # mm about x = 0 where a sample may lie on either side
CENTIMETRES = 13.0  # half a brain in cm
OTHER_SPACES = {"tal", "talairach", "native", "voxel", "mri", "ccf", "fsaverage", "mni305", "colin", "colin27"}
INDICES = {
    "the 2 mm template of FSL": (np.array([-2.0, 2.0, 2.0]), np.array([90.0, -126.0, -72.0])),
    "the 1 mm template of FSL": (np.array([-1.0, 1.0, 1.0]), np.array([90.0, -126.0, -72.0])),
    "the 1 mm template of nilearn": (np.array([1.0, 1.0, 1.0]), np.array([-98.0, -134.0, -72.0])),
    "the 2 mm template of nilearn": (np.array([2.0, 2.0, 2.0]), np.array([-98.0, -134.0, -72.0])),
}


def check_space(space: str, name: str) -> list[str]:
    """Refuse coordinates that say that they are not of MNI152; warn of a name that says nothing.

    Raises
    ------
    InputError
        Talairach, a donor's own brain, voxel indices, a surface, another template.

    Examples
    --------
    >>> check_space("mni_nlin", "samples.h5ad"), check_space("xyz", "samples.h5ad")
    ([], ["positions 'xyz' of samples.h5ad are taken for mm of the MNI152 template"])
    >>> check_space("talairach", "samples.h5ad")
    Traceback (most recent call last):
    exval.errors.InputError: positions 'talairach' of samples.h5ad are not of MNI152; transform them to it first
    """
    word = space.lower()
    if OTHER_SPACES & set(re.split(r"[^a-z0-9]+", word)):
        raise InputError(f"positions {space!r} of {name} are not of MNI152; transform them to it first")
    if "mni" in word:
        return []
    return [f"positions {space!r} of {name} are taken for mm of the MNI152 template"]


def check_positions(xyz_n3: np.ndarray, name: str) -> list[str]:
    """Compare positions with the brain of the template, as they are and with axes swapped or turned round.

    A brain is so compact that most samples stay inside of it in any order of axes; what tells the right one is that
    samples then lie in or next to grey matter. Another order, or reading the numbers as voxel indices, is taken for the
    right one where it puts at least 97 % of the samples within 2 mm of the brain, the order of the file does not, and
    at least 15 % more of the samples lie at grey matter. Sides are not told apart: see :func:`check_sides`.

    Parameters
    ----------
    xyz_n3
        (n, 3) mm.
    name
        What messages call the file.

    Returns
    -------
    list of str
        Warnings: many samples outside of the brain. None with fewer than 50 samples, or where nilearn, which ships the
        template, is not installed.

    Raises
    ------
    InputError
        Another order fits, voxel indices, or fewer than 60 % of the samples within the brain.
    """
    if len(xyz_n3) < FEWEST or (template := _template()) is None:
        return []
    some = xyz_n3[:: -(-len(xyz_n3) // MOST)]
    inside, grey = template.shares(some)
    if inside >= INSIDE:
        return []
    best, words, shares = grey + BETTER, "", (0.0, 0.0)
    for order in permutations(range(3)):
        for signs in product((1,), (1, -1), (1, -1)):
            found = template.shares(some[:, order] * np.array(signs))
            if found[0] >= INSIDE and found[1] >= best:
                axes = ", ".join(("-" if sign < 0 else "") + "xyz"[i] for i, sign in zip(order, signs))
                best, words, shares = found[1], f"x, y, z were {axes}: axes are swapped or turned round", found
    for what, (scale, origin) in INDICES.items():
        found = template.shares(some * scale + origin)
        if found[0] >= INSIDE and found[1] >= best:
            best, words, shares = found[1], f"they were voxel indices of {what}: give mm", found
    if words:
        raise InputError(
            f"{name}: {100 * grey:.0f} % of the samples lie at grey matter of the MNI152 template, but "
            f"{100 * shares[1]:.0f} % would if {words}"
        )
    if inside < BRAIN:
        raise InputError(
            f"{name}: only {100 * inside:.0f} % of the samples lie in the brain of the MNI152 template; give mm of "
            "that template, or name the right positions with --space"
        )
    if inside > 1 - SMALL:
        return []
    return [f"{100 * (1 - inside):.0f} % of the samples lie more than {REACH} mm outside of the template's brain"]


def check_sides(x_n: np.ndarray, named_n: np.ndarray, name: str) -> list[str]:
    """Compare the sign of x with the side that names of structures tell: left is below 0.

    Parameters
    ----------
    x_n
        (n,) mm.
    named_n
        (n,) names such as ``"claustrum, left"``, or sides (L, R); anything else tells no side.
    name
        What messages call the file.

    Raises
    ------
    InputError
        Nine of ten samples or more lie on the other side.

    Examples
    --------
    >>> check_sides(np.array([-20.0] * 9 + [20.0]), np.array(["CA1 field, left"] * 10, object), "samples.h5ad")
    ['1 of 10 samples lie on the other side than their structure says']
    """
    text = pd.Series(named_n, dtype=object).astype(str).str.lower()
    left = (text.str.contains(r"\bleft\b") | text.isin(["l", "lh"])).to_numpy()
    right = (text.str.contains(r"\bright\b") | text.isin(["r", "rh"])).to_numpy()
    told = (left ^ right) & (np.abs(x_n) > MIDLINE)
    wrong = told & ((x_n > 0) == left)
    if told.sum() < 10 or wrong.sum() < SMALL * told.sum():
        return []
    if wrong.sum() >= 0.9 * told.sum():
        raise InputError(
            f"{name}: {100 * wrong.sum() / told.sum():.0f} % of the samples lie on the other side than their structure "
            "says: x grows to the left (LPS, or radiological order); change its sign"
        )
    return [f"{int(wrong.sum())} of {int(told.sum())} samples lie on the other side than their structure says"]


def check_structures(obs: pd.DataFrame, regions: tuple[str, ...]) -> list[str]:
    """Warn of structures that are not known: ids that are none, ids of several names, samples without a region.

    Examples
    --------
    >>> obs = pd.DataFrame({"structure_id": [11, 11, -1], "structure_name": ["pons", "pons", None]})
    >>> for line in check_structures(obs, ("structure_name",)):
    ...     print(line)
    1 of 3 samples have no structure_id that is one
    1 of 3 samples have no structure_name: they are told by position alone
    """
    lines, n = [], len(obs)
    if "structure_id" in obs:
        number = pd.to_numeric(obs["structure_id"].astype(object), errors="coerce")
        bad = number.isna() | (number <= 0) | (number != np.round(number))
        if bad.any():
            lines.append(f"{int(bad.sum())} of {n} samples have no structure_id that is one")
        if "structure_name" in obs:
            names = obs.loc[~bad, "structure_name"].astype(str).groupby(number[~bad]).nunique()
            if (names > 1).any():
                one = int(names.index[names > 1][0])
                lines.append(f"{int((names > 1).sum())} structure_ids stand for several structure_names (first: {one})")
    for column in regions:
        values = obs[column].astype(object)
        lost = values.isna() | values.astype(str).isin(["", "nan", "None"])
        if lost.sum() > SMALL * n:
            lines.append(f"{int(lost.sum())} of {n} samples have no {column}: they are told by position alone")
    return lines


def check_samples(
    xyz_n3: np.ndarray, obs: pd.DataFrame, space: str, regions: tuple[str, ...], donor: str, name: str
) -> list[str]:
    """All of this for the samples of a file.

    Parameters
    ----------
    xyz_n3
        (n, 3) positions, no gaps (:meth:`exval.fields.places.Places.of` refuses these).
    obs
        Of the same samples.
    space, regions, donor
        Names of the positions, of the columns of regions, and of that of donors.
    name
        Of the file.

    Returns
    -------
    list of str
        Warnings.

    Raises
    ------
    InputError
        See the others.
    """
    lines = [*check_space(space, name), *check_positions(xyz_n3, name)]
    if len(xyz_n3) > 20 and np.abs(xyz_n3).max() < CENTIMETRES:
        lines.append(f"all positions lie within {CENTIMETRES:.0f} mm of the origin: if they are centimetres, give mm")
    sides = next((one for one in ("hemisphere", "structure_name") if one in obs), None)
    if sides is not None:
        lines += check_sides(xyz_n3[:, 0], obs[sides].to_numpy(object), name)
    lines += check_structures(obs, regions)
    if donor in obs and obs[donor].nunique() == 1 and len(obs) > 1:
        lines.append("all samples are of one donor: how donors differ cannot be seen, and no sd covers it")
    return lines


class _Template:
    """Brain and grey matter at 1 mm, asked with some leeway."""

    def __init__(self, brain_xyz: np.ndarray, grey_xyz: np.ndarray, affine: np.ndarray) -> None:
        self._brain, self._grey, self._affine = brain_xyz, grey_xyz, affine
        steps = [offset for offset in product((-REACH, 0, REACH), repeat=3) if np.count_nonzero(offset) < 2]
        self._steps = np.array(steps)

    def shares(self, xyz_n3: np.ndarray) -> tuple[float, float]:
        """Share of positions within reach of the brain, and share with grey matter of 0.5 or more within reach."""
        voxel_n3 = np.rint((xyz_n3 - self._affine[:3, 3]) / np.diag(self._affine)[:3]).astype(int)
        inside, grey = np.zeros(len(voxel_n3), bool), np.zeros(len(voxel_n3))
        for step in self._steps:
            at = voxel_n3 + step
            here = ((at >= 0) & (at < self._brain.shape)).all(1)
            place = tuple(at[here].T)
            inside[here] |= self._brain[place]
            grey[here] += self._grey[place]
        return float(inside.mean()), float((grey / len(self._steps) > 0.25).mean())


@lru_cache(maxsize=1)
def _template() -> _Template | None:
    try:
        from nilearn.datasets import load_mni152_brain_mask
    except ImportError:
        return None
    mask = load_mni152_brain_mask(resolution=1)
    return _Template(np.asarray(mask.dataobj) > 0, template()[0], np.asarray(mask.affine))
