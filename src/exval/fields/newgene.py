"""Genes that no field was fitted to, from a few samples of each: loadings on the factors of the genes that were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exval.errors import InputError
from exval.fields.base import Field, Told
from exval.fields.places import Places

LEAST, RANK, PARTS, BESIDE = 5, 24, 5, 300
NOISES = tuple(10.0 ** (x / 4) for x in range(-8, 5))


class Factors:
    r"""What a field says of its own genes at its training places, divided into K principal components.

    Parameters
    ----------
    field
        Fitted, of at least one gene.
    places
        At which the field is looked at; its training places.
    rank
        Most components.

    Attributes
    ----------
    centre_g, directions_gk
        Mean, and components of variance 1 times the prior sd of a loading: the root of the mean squared loading of the
        known genes. A component that moves many genes is likely to move a new one.
    cov_kk
        Covariance of the components over the training places.
    near, lost
        Mean over the known genes of the variance of a measurement at the usual distance from samples, in variances of
        the gene, and what one variance more is worth, as a share of the variance that the field tells. NaN where the
        field has no error bars.
    """

    def __init__(self, field: Field, places: Places, rank: int = RANK) -> None:
        told_ng = self.standardised(field, places)
        self.centre_g = told_ng.mean(0)
        _, s, vt = np.linalg.svd(told_ng - self.centre_g, full_matrices=False)
        k = int(min(rank, (s > 1e-6 * max(float(s[0]), 1e-12)).sum()))
        if k < 1:
            raise InputError(f"{field.title} says the same everywhere: a new gene cannot be told from it")
        self.directions_gk = vt[:k].T / np.sqrt(told_ng.shape[1])
        self.cov_kk = np.cov((told_ng - self.centre_g) @ self.directions_gk, rowvar=False).reshape(k, k)
        self.near, self.lost = self._usual(field, places), 1 / max(float(told_ng.var(0).mean()), 1e-9)

    @staticmethod
    def _usual(field: Field, places: Places) -> float:
        """Mean variance beside training places, as far from them as the nearer half of the inner hold-out was."""
        bars = getattr(field, "_errors", {}).get(False)
        if bars is None:
            return float("nan")
        rng = np.random.default_rng(0)
        some = places.take(rng.permutation(len(places))[:BESIDE]).without_donor().without_regions()
        step_m3 = rng.normal(size=(len(some), 3))
        step_m3 *= bars.halves_2[0] / np.linalg.norm(step_m3, axis=1, keepdims=True)
        sd_mg = field.predict(Places(some.xyz_n3 + step_m3, some.donor_n, some.regions_nk), sd=True).sd_mg
        return float(_in_variances(sd_mg, field).mean())

    def further(self, field: Field, sd_mg: np.ndarray) -> np.ndarray:
        """(m,) share of what the field tells that is lost: variances beyond the usual, mean over the known genes."""
        if np.isnan(self.near):
            return np.zeros(len(sd_mg))
        return self.lost * np.maximum(_in_variances(sd_mg, field).mean(1) - self.near, 0.0)

    @staticmethod
    def standardised(field: Field, places: Places) -> np.ndarray:
        """(m, g) what the field says of nobody in particular, in standard deviations of the gene."""
        told = field.predict(places.without_donor()).mean_mg.astype(np.float64)
        return (told - field.mean_g_) / np.where(field.sd_g_ > 0, field.sd_g_, np.inf)

    def at_samples(self, field: Field, known: Places, z_ng: np.ndarray, places: Places) -> np.ndarray:
        """:meth:`at` for samples of a new gene, as if the field had not seen them.

        A field says of its own training samples what was measured there, noise included, and a loading fitted to that
        promises too much elsewhere. Samples that are among ``known`` (same place and donor) are dealt into five parts,
        each of which is answered by a copy of the field that was taught all but this part.

        Parameters
        ----------
        field, known, z_ng
            The field, its training places and standardised values.
        places
            Of the samples.
        """
        f_nk = self.at(field, places)
        mine_n, known_n = places.labels(), known.labels()
        seen = np.flatnonzero(np.isin(mine_n, known_n))
        for part in np.array_split(np.random.default_rng(0).permutation(seen), PARTS) if len(seen) else ():
            if not len(part):
                continue
            rest_n = ~np.isin(known_n, mine_n[part])
            f_nk[part] = self.at(field.taught(known.take(rest_n), z_ng[rest_n]), places.take(part))
        return f_nk

    def at(self, field: Field, places: Places) -> np.ndarray:
        """(m, 1 + K): ones, since the level of a new gene is not known either, and the components."""
        f_mk = (self.standardised(field, places) - self.centre_g) @ self.directions_gk
        return np.column_stack([np.ones(len(f_mk)), f_mk])


def _in_variances(sd_mg: np.ndarray, field: Field) -> np.ndarray:
    """(m, g) squares of sds in variances of the gene; genes that do not vary are left out."""
    varies_g = field.sd_g_ > 0
    return (sd_mg[:, varies_g] / field.sd_g_[varies_g]) ** 2


@dataclass(frozen=True, eq=False)
class Loading:
    r"""A gene as :math:`x(p) = m + \sum_k l_k f_k(p) + e` with loadings :math:`l_k \sim N(0, \sigma^2)`.

    The noise ratio maximises the marginal likelihood of the few samples, with the scale :math:`\sigma^2` profiled out
    (empirical Bayes; Rasmussen and Williams 2006, sections 2.1 and 5.4.1). Variances are those of Student's t with
    n - 1 degrees of freedom, since the scale is not known either.

    Parameters
    ----------
    mean, loading_k, cov_kk, noise, scale
        Mean of the samples, the posterior of the loadings in units of the scale, noise ratio and scale.
    r2
        Of each sample told by the others (noise and scale kept), against the mean of the others.

    Examples
    --------
    >>> f = np.column_stack([np.ones(40), np.linspace(-1, 1, 40)])
    >>> one = Loading.fitted(f, 3 + 2 * f[:, 1])
    >>> one.tell(f[:1])[0].round(1).tolist()
    [1.0]
    """

    mean: float
    loading_k: np.ndarray
    cov_kk: np.ndarray
    noise: float
    scale: float
    r2: float

    @classmethod
    def fitted(cls, f_nk: np.ndarray, value_n: np.ndarray) -> Loading:
        """From factors at n samples and the values there, in any unit.

        Raises
        ------
        InputError
            Fewer than five samples, or values that are missing.
        """
        x = np.asarray(value_n, dtype=np.float64)
        if x.shape != (len(f_nk),) or not np.isfinite(x).all():
            raise InputError(f"a value for each of the {len(f_nk)} places is needed; these have the shape {x.shape}")
        n = len(x)
        if n < LEAST:
            raise InputError(f"{n} samples are too few for a new gene; give at least {LEAST}")
        mean = float(x.mean())
        value_i, vector_ni = np.linalg.eigh(f_nk @ f_nk.T)
        square_i = (vector_ni.T @ (x - mean)) ** 2
        best, noise, scale = -np.inf, NOISES[0], 1.0
        for ratio in NOISES:
            left_i = np.maximum(value_i, 0) + ratio
            total = max(float((square_i / left_i).sum()), 1e-12)
            fit = -0.5 * (n - 1) * np.log(total) - 0.5 * np.log(left_i).sum()
            if fit > best:
                best, noise, scale = fit, ratio, total / (n - 3)  # the variance of Student's t with n - 1 degrees
        cov_kk = np.linalg.inv(f_nk.T @ f_nk / noise + np.eye(f_nk.shape[1]))
        hat_nn = f_nk @ cov_kk @ f_nk.T / noise
        left_n = (x - mean - hat_nn @ (x - mean)) / np.maximum(1 - np.diag(hat_nn), 1e-9)
        r2 = 1 - float((left_n**2).sum() / max((((x - mean) * n / (n - 1)) ** 2).sum(), 1e-12))
        return cls(mean, cov_kk @ (f_nk.T @ (x - mean)) / noise, cov_kk, noise, scale, r2)

    def told_variance(self, cov_kk: np.ndarray) -> float:
        """Variance of what is told over places where the components have this covariance."""
        return float(self.loading_k[1:] @ cov_kk @ self.loading_k[1:])

    def tell(self, f_mk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m,) expected values, and standard deviations of a measurement near to samples of the field."""
        variance_m = self.scale * (np.einsum("mk,kl,ml->m", f_mk, self.cov_kk, f_mk) + self.noise)
        return self.mean + f_mk @ self.loading_k, np.sqrt(variance_m)


class Extended:
    """A fitted field with genes that were added to it by a few samples.

    Where the field's own genes are less sure than is usual, a gene that was added is so too: the share of what the
    field tells that is lost there (:meth:`Factors.further`), times the variance that is told of the gene, is added to
    the variance of its measurement.

    Parameters
    ----------
    field
        Fitted.
    factors, loadings
        Of the genes that were added.
    genes
        (h,) their names.

    Examples
    --------
    >>> from exval.fields.knn import KNearest
    >>> rng = np.random.default_rng(0)
    >>> xyz = rng.uniform(-40, 40, (300, 3))
    >>> waves = np.sin(xyz[:, 1:2] / 15 + np.arange(4))
    >>> field = KNearest().fit(Places.of(xyz), waves, list("ABCD"))
    >>> few = Places.of(xyz[:30] + 0.5)
    >>> value = 3 + np.cos(few.xyz_n3[:, 1:2] / 15)
    >>> new = Extended.fitted(field, Places.of(xyz), field.standardised(waves), few, value, ["NEW"])
    >>> told = new.predict(Places.of(xyz[30:]), sd=True)
    >>> told.mean_mg.shape, bool(np.corrcoef(told.mean_mg[:, 4], np.cos(xyz[30:, 1] / 15))[0, 1] > 0.9)
    ((270, 5), True)
    """

    def __init__(self, field: Field, factors: Factors, loadings: list[Loading], genes) -> None:
        self.field, self.factors, self.loadings = field, factors, loadings
        self.added = np.asarray(genes, dtype=object)
        self.name, self.sees = field.name, field.sees
        self.title = f"{field.title} and {len(loadings)} added genes"

    @classmethod
    def fitted(
        cls, field: Field, known: Places, z_ng: np.ndarray, places: Places, values_nh: np.ndarray, genes
    ) -> Extended:
        """Solve for the loadings of h genes from n samples; ``known`` and ``z_ng`` are what the field was fitted to."""
        factors = Factors(field, known)
        f_nk = factors.at_samples(field, known, z_ng, places)
        return cls(field, factors, [Loading.fitted(f_nk, values_nh[:, j]) for j in range(values_nh.shape[1])], genes)

    def predict(self, places: Places, sd: bool = False) -> Told:
        """(m, g + h): the genes of the field, then those that were added."""
        told, f_mk = self.field.predict(places, sd=sd), self.factors.at(self.field, places)
        new = [one.tell(f_mk) for one in self.loadings]
        mean_mg = np.column_stack([told.mean_mg, *(mean for mean, _ in new)]).astype(np.float32)
        if told.sd_mg is None:
            return Told(mean_mg)
        lost_m = self.factors.further(self.field, told.sd_mg)
        wider = [np.sqrt(spread**2 + lost_m * one.told_variance(self.factors.cov_kk))
                 for one, (_, spread) in zip(self.loadings, new)]  # fmt: skip
        return Told(mean_mg, np.column_stack([told.sd_mg, *wider]).astype(np.float32))

    def keep(self) -> dict[str, np.ndarray]:
        """Arrays that :meth:`regained` needs with the field."""
        rows = self.loadings
        return {
            "centre_g": self.factors.centre_g, "directions_gk": self.factors.directions_gk,
            "cov_kk": self.factors.cov_kk, "usual_2": np.array([self.factors.near, self.factors.lost]),
            "loading_hk": np.array([one.loading_k for one in rows]), "cov_hkk": np.array([one.cov_kk for one in rows]),
            "number_h4": np.array([[one.mean, one.noise, one.scale, one.r2] for one in rows]),
        }  # fmt: skip

    @classmethod
    def regained(cls, field: Field, arrays: dict[str, np.ndarray], genes) -> Extended:
        """What :meth:`keep` gave, with the field and the names."""
        factors = Factors.__new__(Factors)
        factors.centre_g, factors.directions_gk = arrays["centre_g"], arrays["directions_gk"]
        factors.cov_kk, (factors.near, factors.lost) = arrays["cov_kk"], map(float, arrays["usual_2"])
        rows = zip(arrays["loading_hk"], arrays["cov_hkk"], arrays["number_h4"])
        return cls(field, factors, [Loading(float(n[0]), loading_k, cov_kk, *map(float, n[1:]))
                                    for loading_k, cov_kk, n in rows], genes)  # fmt: skip
