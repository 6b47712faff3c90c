"""Where samples were taken: millimetres in a template, the donor, and the names of the regions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from exval.errors import InputError

REACH = 130.0  # mm: no brain in an MNI template extends further from the origin along any axis


@dataclass(frozen=True, eq=False)
class Places:
    """Places in the brain, and what is known of them.

    Parameters
    ----------
    xyz_n3
        (n, 3) float64 coordinates in mm of an MNI template: right, anterior and superior are positive.
    donor_n
        (n,) names of the donors, None where unknown; or None for all unknown.
    regions_nk
        (n, k) names of the regions that a place lies in, from coarse to fine (division, structure), without the
        hemisphere; None where unknown. k may be 0.

    Raises
    ------
    InputError
        Positions that are missing, outside of any template, or all the same; voxel indices given as mm.

    Examples
    --------
    >>> places = Places.of([[-30.0, 5.0, -4.0], [10.0, 6.0, -10.0]], donor_n=["9861", "9861"])
    >>> len(places), places.folded()[:, 0].tolist(), places.regions_nk.shape
    (2, [30.0, 10.0], (2, 0))
    """

    xyz_n3: np.ndarray
    donor_n: np.ndarray
    regions_nk: np.ndarray

    @classmethod
    def of(cls, xyz_n3, donor_n=None, regions_nk=None) -> Places:
        """Checked, from anything array-like."""
        xyz = np.asarray(xyz_n3, dtype=np.float64)
        if xyz.ndim != 2 or xyz.shape[1] != 3:
            raise InputError(f"positions have three columns, x, y and z in mm; these have the shape {xyz.shape}")
        n = len(xyz)
        if n > 1 and not np.ptp(xyz, axis=0).any():
            raise InputError(f"all {n} places are the same: a field needs samples of different places")
        if (lost := int((~np.isfinite(xyz)).any(1).sum())) > 0:
            raise InputError(f"{lost} of {n} places have no position; leave them out, or give their x, y and z")
        if n and (far := np.abs(xyz).max(0)).max() > REACH:
            axis = "xyz"[int(far.argmax())]
            raise InputError(
                f"a place lies {far.max():.0f} mm from the origin along {axis}, outside of every MNI template; give mm "
                "of the template, not voxel indices"
            )
        if n > 20 and (xyz >= 0).all() and (xyz == np.round(xyz)).all():
            raise InputError("all positions are whole numbers above zero: voxel indices; give mm of an MNI template")
        donor = np.full(n, None, dtype=object) if donor_n is None else _names(donor_n)
        regions = np.empty((n, 0), dtype=object) if regions_nk is None else _names(regions_nk).reshape(n, -1)
        if len(donor) != n:
            raise InputError(f"{n} positions, but {len(donor)} donors")
        return cls(xyz, donor, regions)

    def __len__(self) -> int:
        return len(self.xyz_n3)

    def take(self, rows) -> Places:
        """Some of them, in the order asked."""
        return Places(self.xyz_n3[rows], self.donor_n[rows], self.regions_nk[rows])

    def folded(self) -> np.ndarray:
        """(n, 3) mm with both hemispheres laid onto the right one."""
        return np.column_stack([np.abs(self.xyz_n3[:, 0]), self.xyz_n3[:, 1:]])

    def labels(self) -> np.ndarray:
        """(n,) text that is the same for samples of one donor at one place, to the micrometre."""
        return np.array([f"{x:.3f} {y:.3f} {z:.3f} {who}" for (x, y, z), who in zip(self.xyz_n3, self.donor_n)])

    def told(self) -> np.ndarray:
        """(n,) whether any region of a place is known."""
        return np.not_equal(self.regions_nk, None).any(1)

    def without_regions(self) -> Places:
        """The same places where only the position is told."""
        return replace(self, regions_nk=np.full_like(self.regions_nk, None))

    def without_donor(self) -> Places:
        """The same places of nobody in particular."""
        return replace(self, donor_n=np.full(len(self), None, dtype=object))


def _names(values) -> np.ndarray:
    """Text, or None where there is none."""
    flat = np.asarray(values, dtype=object)
    import pandas as pd

    lost = pd.isna(flat) | np.isin(flat.astype(str), ("", "nan"))
    out = flat.astype(str).astype(object)
    out[lost] = None
    return out


def codes(known_n: np.ndarray, asked_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct names of ``known_n`` (None left out), and the number of each entry of both; -1 where unknown.

    Examples
    --------
    >>> names, a, b = codes(np.array(["x", None, "y"], object), np.array(["y", "z"], object))
    >>> names.tolist(), a.tolist(), b.tolist()
    (['x', 'y'], [0, -1, 1], [1, -1])
    """
    import pandas as pd

    names = np.array(sorted({name for name in known_n if name is not None}), dtype=object)
    index = pd.Index(names, dtype=object)
    return names, index.get_indexer(pd.Index(known_n, dtype=object)), index.get_indexer(pd.Index(asked_m, dtype=object))
