"""Probabilistic PCA and factor analysis: conditional means of a low-rank Gaussian that is fitted in spite of gaps."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.lowrank.fit import fit_factor_model, small_sample
from exval.lowrank.gaussian import FactorModel, conditional, sample_scale
from exval.methods.base import Card
from exval.methods.completion.base import Completer
from exval.methods.completion.held_out import HeldOut, coverage_scale, hold_out

NEAR = 1.005  # a smaller rank is taken where its error is so little above the least
RANKS = (1, 2, 5, 10, 20, 40, 60, 80, 120, 160)


class ProbabilisticPCA(Completer):
    """``z = mean + W f + noise`` with ``f`` standard normal; a gap is filled with its mean given the measured genes.

    Gaps in training samples are no obstacle: ``W``, mean and noise are those of maximum likelihood on what was measured
    (:func:`exval.lowrank.fit.fit_factor_model`). A sample's factors follow from whatever genes it
    measured, so that any set of missing genes is served by one fit. The sd of a gap is the root of the variance of
    ``W f`` given the measured genes plus the noise.

    Rank and kind of noise are chosen on entries hidden from a fifth of the training samples (10, 50 and 90 % hidden,
    each with equal weight): factors are fitted to the other samples, at the largest rank, and cut back to lower ones.
    The smallest rank within half a percent of the least squared error is taken. The same entries give one factor for
    the sd, with which intervals of 50, 80 and 95 % cover best.

    Parameters
    ----------
    rank
        Number of factors; chosen where None.
    noise
        ``"gene"``: a variance of noise for every gene; ``"common"``: one for all; ``"auto"``: chosen.
    ranks
        Ranks tried, as far as they do not exceed a third of the samples that measured a gene, and half of the genes.
    small_sample
        Allow for loadings being estimates (:func:`exval.lowrank.fit.small_sample`).
    sample_noise
        Widen the intervals of a sample whose measured genes fit badly, and narrow those of one whose fit well
        (:func:`exval.lowrank.gaussian.sample_scale`).
    calibrate
        Multiply the sd by the factor from held-out entries.
    iterations
        Most steps of EM.
    seed
        Of the entries hidden for the choice.

    Attributes
    ----------
    rank_, noise_, scale_
        What was used: rank, ``"gene"`` or ``"common"``, factor for the sd.
    losses_
        ``{(rank, noise): mean squared error}`` of the choice, in SD^2.
    model_
        The :class:`FactorModel` on standardised values.

    Examples
    --------
    >>> import anndata
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 12)) + 0.1 * rng.normal(size=(60, 12))
    >>> x[rng.random(x.shape) < 0.2] = np.nan
    >>> samples = anndata.AnnData(x.astype(np.float32))
    >>> method = ProbabilisticPCA().fit(samples[:50])
    >>> found = method.complete(samples[50:], sd=True)
    >>> method.rank_, bool(np.isnan(found.values_ng).any()), bool((found.sd_ng > 0).any())
    (2, False, True)
    """

    name = "ppca"
    card = Card(
        category="low rank",
        sees=("expression",),
        space_in="log2, z or log1p",
        space_out="as given",
        cost="genes x rank^2 for every different set of measured genes, in fit (a step of EM) and complete",
        reference="Tipping and Bishop 1999, J. R. Stat. Soc. B 61:611; Rubin and Thayer 1982, Psychometrika 47:69",
        summary="Conditional mean of a low-rank Gaussian; its rank is chosen within the training samples.",
        departures="Noise may differ between genes (factor analysis). Loadings are shrunk and their error enters the "
        "factors and the sd (one step of the variational treatment, Bishop 1999; small_sample=False does without). Two "
        "imaginary samples a gene keep loadings finite. The sd is scaled by held-out entries (calibrate=False: not).",
    )
    has_sd = True
    stochastic = True

    def __init__(
        self,
        rank: int | None = None,
        noise: str = "auto",
        ranks: tuple[int, ...] = RANKS,
        small_sample: bool = True,
        sample_noise: bool = True,
        calibrate: bool = True,
        iterations: int = 10,
        seed: int = 0,
    ) -> None:
        self.rank = rank
        self.noise = noise
        self.ranks = ranks
        self.small_sample = small_sample
        self.sample_noise = sample_noise
        self.calibrate = calibrate
        self.iterations = iterations
        self.seed = seed

    def learn(self, z_ng: np.ndarray) -> None:
        if self.noise not in ("auto", "gene", "common"):
            raise InputError(f"noise of ppca is auto, gene or common, not {self.noise!r}")
        if (self.rank is not None and self.rank < 1) or not self.ranks or min(self.ranks) < 1:
            raise InputError("ranks of ppca are at least 1")
        ranks = self._ranks(z_ng)
        kinds = ("gene", "common") if self.noise == "auto" else (self.noise,)
        self.rank_, self.noise_, self.scale_, self.losses_ = ranks[0], kinds[0], 1.0, {}
        held = hold_out(z_ng, self.seed, group_n=self._group_n)
        if held is not None and held.fit_ng.shape[1] >= 2:
            ranks = [rank for rank in ranks if rank <= max(self._ranks(held.fit_ng))] or ranks[:1]
            self._choose(held, ranks, kinds)
        self.model_ = self._fit(z_ng, self.rank_, self.noise_)

    def fill(self, z_mg: np.ndarray, sd: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        if not sd:
            return conditional(self.model_, z_mg)
        values_mg, sd_mg = self._predicted(self.model_, z_mg)
        return values_mg, self.scale_ * sd_mg

    def _predicted(self, model: FactorModel, z_mg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values_mg, signal_mg = conditional(model, z_mg, variance=True)
        sd_mg = np.sqrt(signal_mg + model.noise_g)
        return values_mg, sd_mg * sample_scale(model, z_mg)[:, None] if self.sample_noise else sd_mg

    def _ranks(self, z_ng: np.ndarray) -> list[int]:
        """Ranks that so many values can carry, ascending; with a rank given, that one as far as it can be made."""
        n, g = z_ng.shape
        if self.rank is not None:
            return [max(1, min(self.rank, n - 1, g - 1))]
        most = max(1, min(int(np.median((~np.isnan(z_ng)).sum(0))) // 3, g // 2))
        return sorted({rank for rank in self.ranks if rank <= most}) or [most]

    def _fit(self, z_ng: np.ndarray, rank: int, noise: str) -> FactorModel:
        model = fit_factor_model(z_ng, rank, noise == "gene", self.iterations, 1e-3, prior=2.0, seed=self.seed)
        return self._allowed(model, z_ng)

    def _allowed(self, model: FactorModel, z_ng: np.ndarray) -> FactorModel:
        return small_sample(model, (~np.isnan(z_ng)).sum(0)) if self.small_sample else model

    def _choose(self, held: HeldOut, ranks: list[int], kinds: tuple[str, ...]) -> None:
        large = fit_factor_model(held.fit_ng, ranks[-1], "gene" in kinds, self.iterations, 1e-3, 2.0, self.seed)
        candidates = {(rank, kind): large.truncated(rank, kind == "gene") for rank in ranks for kind in kinds}
        candidates = {key: self._allowed(model, held.fit_ng) for key, model in candidates.items()}
        if len(candidates) > 1:
            self.losses_ = {key: held.loss(conditional(m, held.seen_mg)) for key, m in candidates.items()}
            near = {key: loss for key, loss in self.losses_.items() if loss <= NEAR * min(self.losses_.values())}
            self.rank_, self.noise_ = min(near, key=lambda key: (key[0], near[key]))
        if self.calibrate:
            made = self.rank_ == ranks[-1] and self.noise_ == kinds[0]
            model = candidates[self.rank_, self.noise_] if made else self._fit(held.fit_ng, self.rank_, self.noise_)
            self.scale_ = coverage_scale(held.ratios(*self._predicted(model, held.seen_mg)))
