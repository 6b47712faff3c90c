"""Grey and white matter at a place, by the template that nilearn ships."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from exval.errors import InputError

BLUR = 1.0  # mm, sd: about what a position is off by


def template(resolution: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of grey and of white matter in the MNI152 template (ICBM 2009a, symmetric) that nilearn ships.

    Parameters
    ----------
    resolution
        mm, at least 1.

    Returns
    -------
    grey_xyz, white_xyz
        float32 volumes.
    affine
        (4, 4) voxel to mm.

    Raises
    ------
    ImportError
        nilearn is not installed.
    """
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

    grey, white = (load(resolution=resolution) for load in (load_mni152_gm_template, load_mni152_wm_template))
    return (
        grey.get_fdata(dtype=np.float32),
        white.get_fdata(dtype=np.float32),
        np.asarray(grey.affine, dtype=np.float64),
    )


def matter_at(xyz_n3: np.ndarray) -> np.ndarray | None:
    """(n, 2) probabilities of grey and of white matter; None where nilearn is not installed.

    The 1 mm maps of the MNI152 template (ICBM 2009a, symmetric) are blurred by 1 mm and interpolated linearly; outside
    of them both are 0.

    Parameters
    ----------
    xyz_n3
        (n, 3) mm of an MNI template.

    Examples
    --------
    >>> (matter_at(np.array([[26.0, -20.0, 30.0], [11.0, 11.0, 9.0]])) > 0.5).tolist()
    [[False, True], [True, False]]
    """
    from scipy.ndimage import map_coordinates

    try:
        maps, from_mm = _matter()
    except ImportError:
        return None
    voxel_3n = (np.asarray(xyz_n3, dtype=np.float64) @ from_mm[:3, :3].T + from_mm[:3, 3]).T
    return np.column_stack([map_coordinates(one, voxel_3n, order=1, output=np.float32) for one in maps])


def known_matter(xyz_n3: np.ndarray) -> np.ndarray:
    """:func:`matter_at` for a field that was fitted with it.

    Raises
    ------
    InputError
        nilearn is not installed.
    """
    matter_n2 = matter_at(xyz_n3)
    if matter_n2 is None:
        raise InputError("this field was fitted with grey and white matter as context: pip install 'exval[brain]'")
    return matter_n2


@lru_cache(maxsize=1)
def _matter() -> tuple[list[np.ndarray], np.ndarray]:
    """Blurred maps of grey and white matter, and the (4, 4) matrix from mm to voxels."""
    from scipy.ndimage import gaussian_filter

    *maps, affine = template()
    return [gaussian_filter(one, BLUR) for one in maps], np.linalg.inv(affine)


def tissue_at(xyz_n3: np.ndarray) -> np.ndarray | None:
    """(n,) float32: +1 in white matter, -1 in grey matter, 0 in neither; None where nilearn is not installed.

    White or grey is what the nearest voxel of the 1 mm maps of the MNI152 template (ICBM 2009a, symmetric) has a
    probability above 0.5 of. Outside of the maps it is neither.

    Parameters
    ----------
    xyz_n3
        (n, 3) mm of an MNI template.

    Examples
    --------
    >>> tissue_at(np.array([[26.0, -20.0, 30.0], [11.0, 11.0, 9.0], [0.0, 0.0, 120.0]])).tolist()
    [1.0, -1.0, 0.0]
    """
    try:
        code_xyz, from_mm = _maps()
    except ImportError:
        return None
    voxel_n3 = np.rint(np.asarray(xyz_n3) @ from_mm[:3, :3].T + from_mm[:3, 3]).astype(int)
    inside_n = ((voxel_n3 >= 0) & (voxel_n3 < code_xyz.shape)).all(1)
    return np.where(inside_n, code_xyz[tuple(np.where(inside_n[:, None], voxel_n3, 0).T)], 0).astype(np.float32)


@lru_cache(maxsize=1)
def _maps() -> tuple[np.ndarray, np.ndarray]:
    """(x, y, z) int8 codes of the voxels, and the (4, 4) matrix from mm to voxels."""
    grey_xyz, white_xyz, affine = template()
    code_xyz = np.zeros(grey_xyz.shape, dtype=np.int8)
    code_xyz[grey_xyz > 0.5] = -1
    code_xyz[white_xyz > 0.5] = 1
    return code_xyz, np.linalg.inv(affine)
