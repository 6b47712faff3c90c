"""What the pictures of a map are drawn from: values on three planes, and means along lines of sight."""

from __future__ import annotations

import numpy as np
import pandas as pd

CUTS = (-36.0, -20.0, 6.0)  # mm along x, y and z
STEP = 2.0  # mm: least size of a pixel
PLANES = {"x": (1, 2), "y": (0, 2), "z": (0, 1)}
GLASS = ("x", "z")


def pictures(xyz_v3: np.ndarray, values: dict[str, np.ndarray], cuts: tuple[float, ...] = CUTS) -> pd.DataFrame:
    """Pixels of slices and of a glass brain.

    Parameters
    ----------
    xyz_v3
        (v, 3) mm of the voxels that have a value, on a grid along the axes.
    values
        What (``mean``, ``sd``) -> (v,) values.
    cuts
        Where the planes lie, mm.

    Returns
    -------
    pandas.DataFrame
        ``what, view, cut, a, b, size, value``: views ``x``, ``y`` and ``z`` are planes at ``cut`` mm, of which a and b
        are the other two coordinates; ``glass-x`` and ``glass-z`` are means along that axis (their cut is NaN). Size is
        that of a pixel, mm.

    Examples
    --------
    >>> xyz = np.argwhere(np.ones((4, 4, 4))) * 2.0
    >>> found = pictures(xyz, {"mean": xyz[:, 2]}, cuts=(2.0, 2.0, 2.0))
    >>> found[found.view == "z"].value.unique().tolist(), found[found.view == "glass-z"].value.unique().tolist()
    ([2.0], [3.0])
    """
    step, origin = _step(xyz_v3), xyz_v3.min(0)
    size, frames = step * max(round(STEP / step), 1), []
    for axis, (name, (i, j)) in enumerate(PLANES.items()):
        level = xyz_v3[:, axis]
        nearest = level[np.abs(level - cuts[axis]).argmin()]
        for view, cut, rows in (
            (name, float(nearest), np.flatnonzero(np.abs(level - nearest) < step / 2)),
            (f"glass-{name}", float("nan"), np.arange(len(level))),
        ):
            if view.startswith("glass") and name not in GLASS:
                continue
            a, b = np.rint((xyz_v3[rows][:, [i, j]] - origin[[i, j]]) / size).astype(int).T
            low_a, low_b = a.min(), b.min()
            pixel = (a - low_a) * (b.max() - low_b + 1) + b - low_b
            where, number, count = np.unique(pixel, return_inverse=True, return_counts=True)
            at = {"view": view, "cut": cut, "a": origin[i] + (where // (b.max() - low_b + 1) + low_a) * size,
                  "b": origin[j] + (where % (b.max() - low_b + 1) + low_b) * size, "size": size}  # fmt: skip
            for what, value_v in values.items():
                mean = np.bincount(number, weights=np.asarray(value_v, float)[rows]) / count
                frames.append(pd.DataFrame({"what": what, **at, "value": mean.astype(np.float32)}))
    return pd.concat(frames, ignore_index=True)


def _step(xyz_v3: np.ndarray) -> float:
    """Size of a voxel, mm: the least gap between levels of an axis."""
    gaps = [np.diff(np.unique(np.round(xyz_v3[:, axis], 3))) for axis in range(3)]
    return float(min((gap.min() for gap in gaps if len(gap)), default=STEP))


def telling(mean_mg: np.ndarray, sd_mg: np.ndarray | None, most: int = 3) -> np.ndarray:
    """Numbers of the genes to draw: all where there are few, else that whose map varies most, middling and least.

    Variation is that of the mean over places, against the mean sd where there is one. A gene that is the same
    everywhere is drawn only where there is no other.

    Examples
    --------
    >>> telling(np.array([[0.0, 0, 0, 0], [4, 1, 3, 2]]), None).tolist()
    [0, 3, 1]
    """
    size_g = mean_mg.std(0) / (1 if sd_mg is None else np.maximum(np.sqrt((sd_mg**2).mean(0)), 1e-12))
    varies = np.flatnonzero(np.ptp(mean_mg, axis=0) > 1e-6 * np.maximum(np.abs(mean_mg).max(0), 1e-12))
    some = varies if len(varies) else np.arange(mean_mg.shape[1])
    if len(some) <= most:
        return some
    order = some[np.argsort(-size_g[some], kind="stable")]
    return order[np.round(np.linspace(0, len(order) - 1, most)).astype(int)]
