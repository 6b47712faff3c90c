"""Gaussian process of position, regions and donor: one kernel for all genes, noise of its own for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, eigh, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from exval.errors import InputError
from exval.fields.base import Field
from exval.fields.holdout import HoldOut
from exval.fields.kernels import matern
from exval.fields.places import Places, codes
from exval.fields.tissue import known_matter, matter_at
from exval.methods.base import Card

NOISES = tuple(10.0 ** (x / 2) for x in range(-4, 4))  # variance of the noise over that of the spatial part
LEVEL = 25.0  # variance of the level, in units of the spatial part: next to free
BLOCK, LEAST = 4096, 20
MOST = 10_000


@dataclass(frozen=True)
class Kernel:
    """Variances in units of the spatial part: of each level of regions, and of a donor; the length in mm.

    ``cov(p, q) = matern(|p - q|, length) + sum_k region_k [same region of level k] + donor [same donor] + level``.
    An unknown region or donor is like no other one, and the level is the same everywhere. A place has the probabilities
    of grey and of white matter as two further coordinates, ``tissue`` mm from 0 to 1; 0 where they are not looked at.
    """

    length: float
    regions: tuple[float, ...]
    donor: float
    smoothness: float = 1.5
    tissue: float = 0.0

    def at(self, places: Places) -> np.ndarray:
        """(n, 3 or 5) coordinates in mm."""
        xyz = places.folded()
        return np.column_stack([xyz, self.tissue * known_matter(xyz)]) if self.tissue else xyz

    def between(self, distance_mn, same, same_donor_mn) -> np.ndarray:
        """(m, n) covariance."""
        out = matern(distance_mn, self.length, self.smoothness)
        for variance, same_mn in zip(self.regions, same):
            out[same_mn] += variance
        if self.donor:
            out[same_donor_mn] += self.donor
        out += LEVEL
        return out

    @property
    def here(self) -> float:
        """Variance at one place, the noise left out."""
        return 1.0 + sum(self.regions) + self.donor + LEVEL


class GaussianProcess(Field):
    r"""Exact Gaussian process regression with a covariance that all genes share.

    The covariance is a Matern function of the distance, to which grey and white matter add
    (:mod:`exval.fields.tissue`), plus a constant for places of the same division, one for those
    of the same structure, one for samples of the same donor, and a free level (Rasmussen and Williams 2006, sections
    2.2, 2.7 and 4.2). The noise ratio is each gene's own, from a grid. Length and variances maximise the marginal
    likelihood summed over genes, where each gene's scale is profiled out and its noise ratio is the best of the grid,

    .. math:: \ell_g(\theta, \eta) = -\tfrac n2 \log \tfrac 1n \sum_i \frac{u_{ig}^2}{\lambda_i + \eta}
              - \tfrac 12 \sum_i \log(\lambda_i + \eta),\qquad K_\theta = U \Lambda U^\top,\; u = U^\top z,

    on a random part of the samples. Where no regions are known at a place, a second process without region terms,
    fitted in the same way, answers, since then position alone has to tell what the region would have.

    Parameters
    ----------
    smoothness
        Of the Matern function: 0.5, 1.5 or 2.5.
    regions, tissue
        Use names of regions where they are known; use grey and white matter where nilearn is installed.
    subset
        Samples on which the covariance is chosen.
    seed
        Of drawing them.
    chosen
        What ``chosen_`` of another fit says, to choose nothing again.

    Attributes
    ----------
    chosen_
        The covariance without and, where regions are known, with region terms, and the noise ratios of the genes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> xyz = rng.uniform(-40, 40, (150, 3))
    >>> field = GaussianProcess().fit(Places.of(xyz), np.sin(xyz[:, 1:] / 20) + 0.1 * rng.normal(size=(150, 2)))
    >>> told = field.predict(Places.of([[0, 20, 0]]), sd=True)
    >>> abs(float(told.mean_mg[0, 0]) - 0.84) < 0.3, bool((told.sd_mg > 0.05).all())
    (True, True)
    """

    name = "gp"
    sees = ("position", "tissue", "regions", "donor")
    own_sd = True
    presets = {"tiny": {"subset": 120}}
    card = Card(
        category="kriging",
        sees=("position", "tissue", "regions", "donor"),
        space_in="any unit",
        space_out="the unit of the input",
        cost="n^3 once; n for each place, n^2 for its sd",
        reference="Rasmussen and Williams 2006, Gaussian processes for machine learning, chapters 2, 4 and 5",
        summary="Exact Gaussian process of position, regions and donor; one covariance for all genes, noise for each.",
    )

    def __init__(
        self,
        smoothness: float = 1.5,
        regions: bool = True,
        tissue: bool = True,
        subset: int = 800,
        seed: int = 0,
        chosen: tuple[tuple[Kernel, np.ndarray], ...] | None = None,
    ) -> None:
        self.smoothness = smoothness
        self.regions = regions
        self.tissue = tissue
        self.subset = subset
        self.seed = seed
        self.chosen = chosen

    def frozen(self):
        return GaussianProcess(**{**self.get_params(), "chosen": self.chosen_})

    def learn(self, places, z_ng):
        if self.subset < LEAST:
            raise InputError(f"subset={self.subset}: at least {LEAST} samples are needed to choose the covariance on")
        if len(places) > MOST:
            raise InputError(
                f"an exact Gaussian process of {len(places):,} samples does not fit in memory; take --method kriging, "
                "which looks at the nearest samples only"
            )
        rows = np.sort(np.random.default_rng(self.seed).permutation(len(places))[: self.subset])
        levels = places.regions_nk.shape[1] if self.regions else 0
        self._places = places
        z_mg = z_ng[rows]
        varies_g = np.ptp(z_mg, axis=0) > 0
        if not varies_g.any():
            raise InputError("no gene varies over the samples: there is nothing to fit")
        found = list(self.chosen or ())
        for k in sorted({0, levels}) if not found else ():
            near = found[0][0] if found else None
            kernel, noise_g = _chosen(places.take(rows), z_mg[:, varies_g], k, self.smoothness, self.tissue, near)
            found.append((kernel, _spread_out(noise_g, varies_g)))  # a constant gene has a noise ratio like any other
        self.chosen_ = tuple(found)
        self._solved = [_Solved(kernel, places, z_ng, noise_g) for kernel, noise_g in found]

    def keep(self):
        told = [vars(kernel) for kernel, _ in self.chosen_]
        return told, {f"noise_{i}": noise_g for i, (_, noise_g) in enumerate(self.chosen_)}

    def regain(self, places, z_ng, told, arrays):
        kernels = [Kernel(**{**one, "regions": tuple(one["regions"])}) for one in told]
        self.chosen = tuple((kernel, arrays[f"noise_{i}"]) for i, kernel in enumerate(kernels))
        self.learn(places, z_ng)
        self.chosen = None

    def _parts(self, places: Places):
        """Places without and with known regions, and the process that answers each."""
        if len(self._solved) == 1:
            yield np.arange(len(places)), self._solved[0]
            return
        told_m = places.told() & (places.regions_nk.shape[1] == self._places.regions_nk.shape[1])
        for rows, solved in ((np.flatnonzero(~told_m), self._solved[0]), (np.flatnonzero(told_m), self._solved[-1])):
            if len(rows):
                yield rows, solved

    def tell(self, places):
        out = np.empty((len(places), self._solved[0].alpha_ng.shape[1]))
        for rows, solved in self._parts(places):
            for part in np.array_split(rows, -(-len(rows) // BLOCK)):
                out[part] = solved.cross(places.take(part)) @ solved.alpha_ng
        return out

    def spread(self, places):
        out = np.empty((len(places), self._solved[0].alpha_ng.shape[1]))
        for rows, solved in self._parts(places):
            for part in np.array_split(rows, -(-len(rows) // BLOCK)):
                out[part] = np.sqrt(solved.variance(places.take(part)))
        return out

    def inner(self, places, z_ng, folds, asked):
        """The covariance, noise ratios and scales of all samples are kept."""
        made = [solved.left_out(z_ng, folds) for solved in self._solved]
        found = []
        for as_told in asked:
            told_n1 = (as_told.told() & (len(made) > 1))[:, None]
            found.append(tuple(np.where(told_n1, with_regions, without)
                               for with_regions, without in zip(made[-1], made[0])))  # fmt: skip
        return found

    def n_parameters(self) -> int:
        """Hyper-parameters: variances and lengths, a scale and a noise ratio of each gene."""
        return sum(len(kernel.regions) + 2 for kernel, _ in self.chosen_) + 2 * self._solved[0].alpha_ng.shape[1]


class _Solved:
    """One covariance with its samples, by its eigenvectors, so that no noise ratio costs a decomposition of its own."""

    def __init__(self, kernel: Kernel, places: Places, z_ng: np.ndarray, noise_g: np.ndarray) -> None:
        self.kernel, self.places, self.noise_g = kernel, places, noise_g
        cov_nn = _among(kernel, self._distance(places), _alike(places, places, len(kernel.regions)))
        self._value_i, self._vector_ni = eigh(cov_nn, overwrite_a=True, driver="evd", check_finite=False)
        self._noises, self._of_g = np.unique(noise_g, return_inverse=True)
        self._weight_ie = 1 / (np.maximum(self._value_i, 0)[:, None] + self._noises)
        self.alpha_ng = self._vector_ni @ ((self._vector_ni.T @ z_ng) * self._weight_ie[:, self._of_g])
        self.scale_g = (z_ng * self.alpha_ng).mean(0)

    def _distance(self, places: Places) -> np.ndarray:
        return cdist(self.kernel.at(places), self.kernel.at(self.places))

    def cross(self, places: Places) -> np.ndarray:
        """(m, n) covariance with the samples."""
        return self.kernel.between(self._distance(places), *_alike(places, self.places, len(self.kernel.regions)))

    def variance(self, places: Places) -> np.ndarray:
        """(m, g) of a measurement: what is left is the same for all genes of a noise ratio, and is scaled for each."""
        if not hasattr(self, "_vector32_ni"):
            self._vector32_ni = self._vector_ni.astype(np.float32)
        square_mi = np.square(self.cross(places).astype(np.float32) @ self._vector32_ni)
        left_me = np.maximum(self.kernel.here - square_mi @ self._weight_ie.astype(np.float32), 0.0) + self._noises
        return left_me[:, self._of_g] * self.scale_g

    def left_out(self, z_ng: np.ndarray, folds: list[HoldOut]) -> tuple[np.ndarray, np.ndarray]:
        """(n, g) errors and standard deviations at every sample when it was held out."""
        error_ng, variance_ng = np.empty_like(z_ng), np.empty_like(z_ng)
        for fold in folds:
            train, test = self.places.take(fold.train), self.places.take(fold.test)
            levels = len(self.kernel.regions)
            at_t, at_m = self.kernel.at(train), self.kernel.at(test)
            cov_tt = _among(self.kernel, cdist(at_t, at_t), _alike(train, train, levels))
            cov_tm = self.kernel.between(cdist(at_t, at_m), *_alike(train, test, levels))
            for e, noise in enumerate(self._noises):
                of = np.flatnonzero(self._of_g == e)
                noisy_tt = cov_tt + noise * np.eye(len(cov_tt))
                root_tt = cholesky(noisy_tt, lower=True, overwrite_a=True, check_finite=False)
                half = solve_triangular(root_tt, np.hstack([cov_tm, z_ng[np.ix_(fold.train, of)]]), lower=True,
                                        overwrite_b=True, check_finite=False)  # fmt: skip
                half_tm, half_tg = half[:, : len(at_m)], half[:, len(at_m) :]
                rows = np.ix_(fold.test, of)
                error_ng[rows] = z_ng[rows] - half_tm.T @ half_tg
                left_m = np.maximum(self.kernel.here - (half_tm**2).sum(0), 0.0) + noise
                variance_ng[rows] = left_m[:, None] * self.scale_g[of]
        return error_ng, np.sqrt(variance_ng)


def _alike(a: Places, b: Places, levels: int):
    """(m, n) for each level whether both lie in the same region, and whether the donor is the same."""

    def same(a_m: np.ndarray, b_n: np.ndarray) -> np.ndarray:
        _, code_b, code_a = codes(b_n, a_m)
        return (code_a[:, None] == code_b[None, :]) & (code_a[:, None] >= 0)

    regions = [same(a.regions_nk[:, k], b.regions_nk[:, k]) for k in range(levels)]
    return regions, same(a.donor_n, b.donor_n)


def _among(kernel: Kernel, distance_nn: np.ndarray, alike) -> np.ndarray:
    """(n, n) covariance of samples with each other."""
    cov_nn = kernel.between(distance_nn, *alike)
    np.fill_diagonal(cov_nn, kernel.here)  # what is not known of a sample varies all the same
    return cov_nn


def _spread_out(noise_g: np.ndarray, varies_g: np.ndarray) -> np.ndarray:
    """Noise ratios of the genes that vary at their places among all."""
    out = np.full(len(varies_g), NOISES[-1])
    out[varies_g] = noise_g
    return out


def _chosen(
    places: Places, z_ng: np.ndarray, levels: int, smoothness: float, tissue: bool, near: Kernel | None = None
) -> tuple[Kernel, np.ndarray]:
    """The covariance of the largest marginal likelihood, sought from ``near`` on, and each gene's noise ratio."""
    alike = _alike(places, places, levels)
    several = len({donor for donor in places.donor_n if donor is not None}) > 1
    xyz, n = places.folded(), len(z_ng)
    matter_n2 = matter_at(xyz) if tissue else None
    apart_nn, matter_nn = cdist(xyz, xyz), None if matter_n2 is None else cdist(matter_n2, matter_n2)
    near = near or Kernel(20.0, (), 0.05, tissue=10.0)
    # length, scale of matter, variances of regions and of donors: where to start, and within what to stay
    free = [(near.length, 2.0, 200.0), *([] if matter_nn is None else [(near.tissue, 0.1, 60.0)]),
            *[(0.3, 1e-3, 10.0)] * levels, *([(near.donor, 1e-4, 3.0)] if several else [])]  # fmt: skip
    start, low, high = np.log(np.array(free)).T

    def kernel_of(p: np.ndarray) -> Kernel:
        left = list(np.exp(np.clip(p, low, high)))
        length, scale = left.pop(0), left.pop(0) if matter_nn is not None else 0.0
        return Kernel(float(length), tuple(map(float, left[:levels])), float(left[-1]) if several else 0.0, smoothness,
                      float(scale))  # fmt: skip

    def likelihoods(kernel: Kernel) -> np.ndarray:
        distance_nn = np.hypot(apart_nn, kernel.tissue * matter_nn) if kernel.tissue else apart_nn
        value_n, vector_nn = np.linalg.eigh(_among(kernel, distance_nn, alike))
        square_ng = (vector_nn.T @ z_ng) ** 2
        total_eg = []
        for noise in NOISES:
            left_n = np.maximum(value_n, 0) + noise
            total_eg.append(-0.5 * n * np.log((square_ng / left_n[:, None]).mean(0)) - 0.5 * np.log(left_n).sum())
        return np.array(total_eg)

    found = minimize(
        lambda p: -likelihoods(kernel_of(p)).max(0).sum(), np.clip(start, low, high), method="COBYQA",
        bounds=np.column_stack([low, high]),
        options={"maxfev": 30 * len(free), "initial_tr_radius": 0.7, "final_tr_radius": 0.03},
    )  # fmt: skip
    kernel = kernel_of(found.x)
    return kernel, np.array(NOISES)[likelihoods(kernel).argmax(0)]
