"""Invented genes whose value is known at every place of the brain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exval.data.brain_regions import CENTRE, HALF_AXES, grey_minus_white, landmarks, nearest_landmark, which_tissue
from exval.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

#: Group of genes -> (shortest and longest length in mm of its smooth parts, least and most noise in sds of the signal).
GROUPS = {"easy": ((20.0, 40.0), (0.3, 0.6)), "middling": ((12.0, 25.0), (0.7, 1.1)), "hard": ((8.0, 15.0), (1.3, 2.2))}
#: Mean share of each kind of part in the variance of a gene; the shares of a gene are Dirichlet of eight times these.
SHARES = {"waves": 0.2, "bumps": 0.2, "areas": 0.1, "division": 0.15, "structure": 0.1, "tissue": 0.1, "sides": 0.03,
          "own": 0.12}  # fmt: skip
CERTAINTY = 8.0
COLUMNS = 3  # parts of a kind that genes share
WAVES, OWN_WAVES, AREAS = 24, 8, 60
DONOR = 0.3  # sd of the offsets of donors, in sds of the signal
BLOCK = 8192


class BrainTruth:
    r"""The mean of every gene at every place, of nobody in particular: what a field is asked for.

    A gene is a level plus a sum of parts, each standardised over the 3,702 positions of the Allen Human Brain Atlas:

    * ``waves``: 24 plane waves with wave vectors drawn from a normal distribution of sd :math:`1/\ell`: nearly a
      Gaussian process with a squared-exponential covariance of length :math:`\ell`;
    * ``bumps``: :math:`(1 - r^2 / R^2)^2` within :math:`R = 2\ell` of places drawn in the brain, 0 beyond;
    * ``areas``: constant in the cells of 60 places drawn in the brain, with sharp borders that no name tells;
    * ``division`` and ``structure``: constant in the regions of :func:`exval.data.brain_regions.regions_of`;
    * ``tissue``: grey less white matter, alone and times a wave;
    * ``sides``: waves of 25 mm that are odd in x; all else is the same on both sides;
    * ``own``: eight waves that no other gene has.

    Every kind but the last has two or three members that all genes share with loadings of their own, so that genes are
    of low rank but for ``own``; smooth members are those of the gene's group, whose lengths :data:`GROUPS` gives. No
    kernel of a field is the one that genes are drawn from: a squared-exponential one fits ``waves`` and ``own``
    (a third of the variance), regression on regions fits a quarter, nothing fits ``areas`` and ``bumps`` exactly. A
    field that looks at the template's tissue sees the very map behind ``tissue`` and is favoured by it, unless the
    analytic stand-in is taken.

    Parameters
    ----------
    n_genes
        A gene does not depend on how many there are.
    seed
        Of everything.
    tissue
        See :func:`exval.data.brain_regions.grey_minus_white`.

    Attributes
    ----------
    genes, group_g
        Names (invented) and group: easy, middling or hard, in turn.
    level_g, signal_g
        Mean, and sd over the 3,702 positions.
    noise_g, donor_g
        Sd of the noise of a measurement, and of the offsets of donors.

    Examples
    --------
    >>> truth = BrainTruth(4, tissue="analytic")
    >>> truth.genes.tolist(), truth.group_g.tolist()
    (['sim001', 'sim002', 'sim003', 'sim004'], ['easy', 'middling', 'hard', 'easy'])
    >>> truth(np.array([[-30.0, 20, 10], [30, 20, 10]])).shape
    (2, 4)
    """

    def __init__(self, n_genes: int = 100, seed: int = 0, tissue: str = "auto") -> None:
        if n_genes < 1:
            raise InputError(f"n_genes is 1 or more, not {n_genes}")
        self.tissue = which_tissue(tissue)
        self.settings = {"n_genes": int(n_genes), "seed": int(seed), "tissue": self.tissue}
        self.genes = np.array([f"sim{i + 1:03d}" for i in range(n_genes)], dtype=object)
        self.group_g = np.array([list(GROUPS)[i % len(GROUPS)] for i in range(n_genes)], dtype=object)
        self._draw_parts(np.random.default_rng([seed, 1]))
        self._draw_genes([np.random.default_rng([seed, 2, i]) for i in range(n_genes)])
        self._standardise()

    @classmethod
    def of(cls, samples: AnnData) -> BrainTruth:
        """The truth behind what :func:`exval.datasets.simulated_brain` gave, also out of a file.

        Raises
        ------
        InputError
            Samples that were not simulated.
        """
        settings = samples.uns.get("exval_truth")
        if settings is None:
            raise InputError("these samples were not simulated by exval.datasets.simulated_brain: no truth is known")
        return cls(int(settings["n_genes"]), int(settings["seed"]), str(settings["tissue"]))

    def __call__(self, xyz_m3: np.ndarray) -> np.ndarray:
        """(m, g) float64 mean of each gene at places in mm."""
        xyz = np.asarray(xyz_m3, dtype=np.float64).reshape(-1, 3)
        out = np.empty((len(xyz), len(self.genes)))
        for start in range(0, len(xyz), BLOCK):
            out[start : start + BLOCK] = self._raw(xyz[start : start + BLOCK])
        return self.level_g + self.signal_g * (out - self._mean_g) / self._sd_g

    def measurement_sd(self) -> np.ndarray:
        """(g,) sd about the truth of a measurement in a new donor: noise and offset."""
        return np.sqrt(self.noise_g**2 + self.donor_g**2)

    def _draw_parts(self, rng: np.random.Generator) -> None:
        lengths = np.concatenate([_between(rng, *GROUPS[name][0], COLUMNS) for name in GROUPS])
        self._waves = _Waves(rng, lengths, WAVES)
        self._bumps = [_Bumps(rng, length) for length in np.concatenate(
            [_between(rng, *GROUPS[name][0], COLUMNS) for name in GROUPS])]  # fmt: skip
        self._area_a3, self._area_ac = _inside(rng, AREAS), rng.normal(size=(AREAS, COLUMNS))
        kinds = []
        for names in landmarks()[:2]:
            code_l = np.unique(names.astype(str), return_inverse=True)[1]
            kinds.append(rng.normal(size=(code_l.max() + 1, COLUMNS))[code_l])
        self._region_lc = np.hstack(kinds)
        self._tissue_wave = _Waves(rng, np.array([30.0]), WAVES)
        self._sides = _Waves(rng, np.array([25.0, 25.0]), WAVES, odd=True)
        counts = {"waves": len(lengths), "bumps": len(lengths), "areas": COLUMNS, "division": COLUMNS,
                  "structure": COLUMNS, "tissue": 2, "sides": 2}  # fmt: skip
        self._kind_c = np.repeat(list(counts), list(counts.values()))

    def _draw_genes(self, rngs: list[np.random.Generator]) -> None:
        g, names = len(rngs), list(GROUPS)
        self._loading_cg, self._own_g = np.zeros((len(self._kind_c), g)), np.empty(g)
        self.level_g, self.signal_g, self.noise_g = np.empty(g), np.empty(g), np.empty(g)
        own = []
        for i, rng in enumerate(rngs):
            group = i % len(names)
            share = dict(zip(SHARES, rng.dirichlet(CERTAINTY * np.array(list(SHARES.values())))))
            for kind, part in share.items():
                if kind == "own":
                    self._own_g[i] = np.sqrt(part)
                    continue
                columns = np.flatnonzero(self._kind_c == kind)
                if kind in ("waves", "bumps"):
                    columns = columns[group * COLUMNS : (group + 1) * COLUMNS]
                way = rng.normal(size=len(columns))
                self._loading_cg[columns, i] = np.sqrt(part) * way / np.linalg.norm(way)
            (length, noise) = (_between(rng, *limits, 1) for limits in GROUPS[names[group]])
            own.append(_Waves(rng, length, OWN_WAVES))
            self.level_g[i], self.signal_g[i] = rng.uniform(4, 11), 0.5 * np.exp(0.4 * rng.normal())
            self.noise_g[i] = noise[0] * self.signal_g[i]
        self.donor_g = DONOR * self.signal_g
        self._own = _Waves.joined(own)

    def _standardise(self) -> None:
        """Parts, then genes, over the real positions."""
        from exval.data.ahba.coordinates import corrected_table

        xyz = corrected_table().to_numpy()
        self._part_mean_c, self._part_sd_c = np.zeros(len(self._kind_c)), np.ones(len(self._kind_c))
        parts_nc, own_ng = self._parts(xyz), self._own(xyz)
        self._part_mean_c, self._part_sd_c = parts_nc.mean(0), parts_nc.std(0)
        self._own_g /= own_ng.std(0)
        raw_ng = self._raw(xyz)
        self._mean_g, self._sd_g = raw_ng.mean(0), raw_ng.std(0)

    def _raw(self, xyz: np.ndarray) -> np.ndarray:
        return self._parts(xyz) @ self._loading_cg + self._own_g * self._own(xyz)

    def _parts(self, xyz: np.ndarray) -> np.ndarray:
        """(m, c) all parts that genes share."""
        from scipy.spatial import cKDTree

        area_m = cKDTree(self._area_a3).query(_folded(xyz))[1]
        grey_m1 = grey_minus_white(xyz, self.tissue)[:, None]
        parts = [
            self._waves(xyz),
            *(bump(xyz) for bump in self._bumps),
            self._area_ac[area_m],
            self._region_lc[nearest_landmark(xyz)],
            grey_m1,
            grey_m1 * self._tissue_wave(xyz),
            self._sides(xyz),
        ]
        return (np.hstack(parts) - self._part_mean_c) / self._part_sd_c


class _Waves:
    """(m, c) sums of plane waves; even in x: the mean of a wave and its mirror image, or odd."""

    def __init__(self, rng: np.random.Generator, length_c: np.ndarray, waves: int, odd: bool = False) -> None:
        self.w = rng.normal(size=(len(length_c), waves, 3)) / length_c[:, None, None]
        self.b, self.odd = rng.uniform(0, 2 * np.pi, (len(length_c), waves)), odd

    @classmethod
    def joined(cls, several: list[_Waves]) -> _Waves:
        one = cls.__new__(cls)
        one.w, one.b = np.concatenate([part.w for part in several]), np.concatenate([part.b for part in several])
        one.odd = False
        return one

    def __call__(self, xyz: np.ndarray) -> np.ndarray:
        c, waves, _ = self.w.shape
        w = self.w.reshape(-1, 3)
        along = (np.sin if self.odd else np.cos)(np.outer(xyz[:, 0], w[:, 0]))
        along *= np.cos(xyz[:, 1:] @ w[:, 1:].T + self.b.ravel())
        return along.reshape(len(xyz), c, waves).sum(2) / np.sqrt(waves)


class _Bumps:
    """(m, 1) sum of bumps of one radius, on both sides alike."""

    def __init__(self, rng: np.random.Generator, length: float) -> None:
        self.radius = 2 * length
        half = np.prod(HALF_AXES) / 2
        self.at = _inside(rng, int(np.clip(3 * half / self.radius**3, 12, 160)))  # about three overlap
        self.height = rng.normal(size=len(self.at))

    def __call__(self, xyz: np.ndarray) -> np.ndarray:
        from scipy.spatial.distance import cdist

        total = np.zeros(len(xyz))
        for side in (1.0, -1.0):
            near = cdist(xyz * [side, 1, 1], self.at, "sqeuclidean") / self.radius**2
            total += np.maximum(1 - near, 0.0) ** 2 @ self.height
        return total[:, None]


def _between(rng: np.random.Generator, low: float, high: float, n: int) -> np.ndarray:
    return np.exp(rng.uniform(np.log(low), np.log(high), n))


def _inside(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 3) places on the right side of the ellipsoid, uniformly."""
    way = rng.normal(size=(n, 3))
    way *= (rng.random(n) ** (1 / 3) / np.linalg.norm(way, axis=1))[:, None]
    return _folded(CENTRE + HALF_AXES * way)


def _folded(xyz: np.ndarray) -> np.ndarray:
    return np.column_stack([np.abs(xyz[:, 0]), xyz[:, 1:]])
