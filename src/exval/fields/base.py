"""What every way of telling values at unseen places shares: scaling, donors, checks, the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone

from exval.errors import DivergedError, InputError
from exval.fields.errorbars import ErrorBars
from exval.fields.holdout import LEFT, HoldOut, apart, hold_outs, inner_errors
from exval.fields.places import Places
from exval.methods.base import Card, fitted_numbers

MIN_SAMPLES = 20


@dataclass(frozen=True, eq=False)
class Told:
    """Values at places.

    Parameters
    ----------
    mean_mg
        (m, g) float32 expected values, in the unit that was fitted.
    sd_mg
        (m, g) float32 standard deviation of a *measurement* there (what is not known of the mean, and the noise), or
        None.
    """

    mean_mg: np.ndarray
    sd_mg: np.ndarray | None = None


class Field(BaseEstimator):
    """Base of the fields: ``fit(places, values_ng)`` on samples, ``predict(places)`` anywhere.

    A subclass defines ``learn(places, z_ng)`` and ``tell(places) -> z_mg`` on values that are standardised gene by gene
    over the training samples, and ``spread(places)`` if it has a standard deviation of its own (``own_sd``). An inner
    hold-out (:mod:`exval.fields.holdout`) stretches that one, gene by gene, to the errors that are made there, or gives
    one where there is none (:mod:`exval.fields.errorbars`). It decides by itself what it makes of position, donor and
    regions; a donor that is unknown is nobody in particular, a region that is unknown is not guessed.

    Attributes
    ----------
    sees
        What it looks at: ``position``, ``regions``, ``donor``.
    own_sd
        ``spread`` is its own.
    bars
        Whether there are standard deviations at all; without them no inner hold-out is made.
    mean_g_, sd_g_, genes_, n_samples_
        After ``fit``: what values were standardised by, names, samples.
    """

    name: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    card: ClassVar[Card]
    sees: ClassVar[tuple[str, ...]] = ("position",)
    own_sd: ClassVar[bool] = False
    bars: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    @property
    def mirrored(self) -> bool:
        """Both hemispheres are laid onto one: it says the same left and right."""
        return bool(self.get_params(deep=False).get("fold", True))

    @property
    def title(self) -> str:
        """What the field is called in tables."""
        return self.name

    def learn(self, places: Places, z_ng: np.ndarray) -> None:
        """Fit (n, g) float64 standardised values without gaps."""
        raise NotImplementedError

    def tell(self, places: Places) -> np.ndarray:
        """(m, g) standardised values."""
        raise NotImplementedError

    def spread(self, places: Places) -> np.ndarray:
        """(m, g) its own standard deviation of a measurement, in standard deviations of the gene."""
        raise NotImplementedError

    def fit(self, places: Places, values_ng: np.ndarray, genes: Sequence[str] | None = None) -> Field:
        """Learn from samples.

        Parameters
        ----------
        places
            Of the n samples.
        values_ng
            (n, g) values in any unit; no gaps.
        genes
            (g,) names, for whoever reads the run later.

        Raises
        ------
        InputError
            Fewer than 20 samples; gaps; values that are not numbers.
        """
        x_ng = np.asarray(values_ng, dtype=np.float64)
        if x_ng.ndim != 2 or len(x_ng) != len(places):
            raise InputError(f"{len(places)} places, but values of the shape {x_ng.shape}")
        if len(x_ng) < MIN_SAMPLES:
            raise InputError(f"{self.title} needs at least {MIN_SAMPLES} samples; there are {len(x_ng)}")
        if not np.isfinite(x_ng).all():
            lost = np.flatnonzero(~np.isfinite(x_ng).all(0))
            raise InputError(
                f"{len(lost)} genes have values that are missing or infinite; leave them out, or fill them"
            )
        z_ng = self.take_up(places, x_ng, genes).standardised(x_ng)
        self.learn(places, z_ng)
        self._errors = {}
        if not self.bars:
            return self
        folds, asked = hold_outs(places), {False: places.without_regions()}
        if "regions" in self.sees and getattr(self, "regions", True) and places.told().sum() >= LEFT:
            asked[True] = places
        made, apart_n = self.inner(places, z_ng, folds, list(asked.values())), apart(folds)
        for told, (error_ng, spread_ng) in zip(asked, made):
            rows = places.told() if told else np.ones(len(places), dtype=bool)  # who is not told a region says so alone
            self._errors[told] = ErrorBars().fit(
                places, z_ng[rows], error_ng[rows], None if spread_ng is None else spread_ng[rows], apart_n[rows],
                len(folds),
            )  # fmt: skip
        return self

    def take_up(self, places: Places, x_ng: np.ndarray, genes: Sequence[str] | None) -> Field:
        """Note the samples: names, means and standard deviations."""
        self.genes_ = None if genes is None else np.asarray(genes, dtype=object)
        self.mean_g_, self.sd_g_ = x_ng.mean(0), x_ng.std(0)
        self.sd_g_[np.ptp(x_ng, axis=0) == 0] = 0.0
        self.n_samples_ = len(places)
        return self

    def standardised(self, x_ng: np.ndarray) -> np.ndarray:
        """(n, g) values less the training mean, over the training sd; 0 for a gene that does not vary."""
        return (x_ng - self.mean_g_) / np.where(self.sd_g_ > 0, self.sd_g_, np.inf)

    def keep(self) -> tuple[Any, dict[str, np.ndarray]]:
        """What ``learn`` chose, for JSON, and arrays beside it: all that :meth:`regain` needs with the samples."""
        return {}, {}

    def regain(self, places: Places, z_ng: np.ndarray, told: Any, arrays: dict[str, np.ndarray]) -> None:
        """Be what ``learn`` left, from the samples and what :meth:`keep` gave."""
        self.learn(places, z_ng)

    def frozen(self) -> Field:
        """An unfitted copy in which what ``learn`` chose is fixed, for the inner hold-out."""
        return clone(self)

    def taught(self, places: Places, z_ng: np.ndarray) -> Field:
        """A copy that was taught some of the samples, and in everything else is as this one."""
        one = self.frozen()
        one.mean_g_, one.sd_g_ = self.mean_g_, self.sd_g_
        one.learn(places, z_ng)
        return one

    def inner(self, places: Places, z_ng: np.ndarray, folds: list[HoldOut], asked: list[Places]) -> list[tuple]:
        """Errors and own sds where samples were held out (:func:`~exval.fields.holdout.inner_errors`)."""
        return inner_errors(self, places, z_ng, folds, asked)

    def predict(self, places: Places, sd: bool = False) -> Told:
        """Values at any places; a place does not depend on the others in the call.

        Raises
        ------
        InputError
            Before ``fit``.
        DivergedError
            NaN or inf was computed.
        """
        if not hasattr(self, "sd_g_"):
            raise InputError(f"{self.title} has to be fitted to samples before it can tell values elsewhere")
        z_mg = self.tell(places)
        spread_mg = self._bars(places) if sd and self.bars else None
        if not np.isfinite(z_mg).all() or (spread_mg is not None and not np.isfinite(spread_mg).all()):
            raise DivergedError(f"{self.title} told NaN or inf: nothing was kept")
        spread = None if spread_mg is None else (spread_mg * self.sd_g_).astype(np.float32)
        return Told((z_mg * self.sd_g_ + self.mean_g_).astype(np.float32), spread)

    def n_parameters(self) -> int:
        """See :func:`exval.methods.base.fitted_numbers`."""
        return fitted_numbers(self)

    def _bars(self, places: Places) -> np.ndarray:
        """(m, g) sd of a measurement: of the inner hold-out, or its own, stretched to that."""
        own_mg = self.spread(places) if self.own_sd else None
        told_m = places.told() & (True in self._errors)
        out = np.empty((len(places), len(self.sd_g_)))
        for told in (True, False):
            rows = np.flatnonzero(told_m == told)
            if len(rows):
                bars = self._errors[told]
                out[rows] = bars.at(places.take(rows), None if own_mg is None else own_mg[rows])
        return out
