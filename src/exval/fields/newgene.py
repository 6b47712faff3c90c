"""A gene that no field was fitted to, from a few samples of it: its loadings on the factors of the genes that were."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.fields.base import Field, Told
from exval.fields.places import Places

LEAST = 5
NOISES = tuple(10.0 ** (x / 4) for x in range(-8, 5))


class NewGene:
    r"""A gene told by the factors of a fitted field.

    What the field says of its own genes at its training places is divided into K principal components. A new gene is
    :math:`z(p) = m + \sum_k l_k f_k(p) + e` with loadings :math:`l_k \sim N(0, \sigma^2 v_k)`, where :math:`v_k` is the
    mean squared loading of the genes known: a component that moves many genes is likely to move this one. The noise
    ratio maximises the marginal likelihood of the few samples, with the scale :math:`\sigma^2` profiled out (empirical
    Bayes; Rasmussen and Williams 2006, sections 2.1 and 5.4.1).

    Parameters
    ----------
    field
        Fitted, of at least two genes.
    places
        At which the field is looked at; its training places.
    rank
        Most components.

    Examples
    --------
    >>> from exval.fields.knn import KNearest
    >>> rng = np.random.default_rng(0)
    >>> xyz = rng.uniform(-40, 40, (300, 3))
    >>> waves = np.sin(xyz[:, 1:2] / 15 + np.arange(4))
    >>> field = KNearest().fit(Places.of(xyz), waves)
    >>> new = NewGene(field, Places.of(xyz)).fit(Places.of(xyz[:30]), 3 + np.cos(xyz[:30, 1] / 15))
    >>> told = new.predict(Places.of(xyz[30:]), sd=True)
    >>> bool(np.corrcoef(told.mean_mg[:, 0], np.cos(xyz[30:, 1] / 15))[0, 1] > 0.9)
    True
    """

    def __init__(self, field: Field, places: Places, rank: int = 24) -> None:
        told_ng = self._of(field, places)
        self.field, self.centre_g = field, told_ng.mean(0)
        _, s, vt = np.linalg.svd(told_ng - self.centre_g, full_matrices=False)
        k = int(min(rank, (s > 1e-6 * max(float(s[0]), 1e-12)).sum()))
        if k < 1:
            raise InputError(f"{field.title} says the same everywhere: a new gene cannot be told from it")
        self.directions_gk = vt[:k].T
        self.weight_k = s[:k] ** 2 / (len(told_ng) * told_ng.shape[1])  # variance of factor x mean squared loading
        self.scale_k = s[:k] / np.sqrt(len(told_ng))

    @staticmethod
    def _of(field: Field, places: Places) -> np.ndarray:
        told = field.predict(places.without_donor()).mean_mg.astype(np.float64)
        return (told - field.mean_g_) / np.where(field.sd_g_ > 0, field.sd_g_, np.inf)

    def factors(self, places: Places) -> np.ndarray:
        """(m, K) factors of variance 1 over the training places, each times the prior sd of its loading."""
        f = (self._of(self.field, places) - self.centre_g) @ self.directions_gk / self.scale_k
        return f * np.sqrt(self.weight_k)

    def fit(self, places: Places, value_n: np.ndarray) -> NewGene:
        """Loadings from n samples of the gene, in any unit."""
        x = np.asarray(value_n, dtype=np.float64)
        if x.shape != (len(places),) or not np.isfinite(x).all():
            raise InputError(f"a value for each of the {len(places)} places is needed; these have the shape {x.shape}")
        if len(x) < LEAST:
            raise InputError(f"{len(x)} samples are too few for a new gene; give at least {LEAST}")
        self.mean_, n = x.mean(), len(x)
        f = self.factors(places)
        f = np.column_stack([np.full(n, 1.0), f])  # the level is not known either
        value_n_, vector_nn = np.linalg.eigh(f @ f.T)
        square_n = (vector_nn.T @ (x - self.mean_)) ** 2
        best = -np.inf
        for noise in NOISES:
            left_n = np.maximum(value_n_, 0) + noise
            scale = max((square_n / left_n).mean(), 1e-12)
            fit = -0.5 * n * np.log(scale) - 0.5 * np.log(left_n).sum()
            if fit > best:
                best, self.noise_, self.scale_ = fit, noise, scale
        precision = f.T @ f / self.noise_ + np.eye(f.shape[1])
        self.cov_ = np.linalg.inv(precision)
        self.loading_k = self.cov_ @ (f.T @ (x - self.mean_)) / self.noise_
        return self

    def predict(self, places: Places, sd: bool = False) -> Told:
        """The gene at any places: (m, 1)."""
        f = np.column_stack([np.ones(len(places)), self.factors(places)])
        mean = self.mean_ + f @ self.loading_k
        spread = np.sqrt(self.scale_ * (np.einsum("mk,kl,ml->m", f, self.cov_, f) + self.noise_)) if sd else None
        return Told(mean[:, None].astype(np.float32), None if spread is None else spread[:, None].astype(np.float32))
