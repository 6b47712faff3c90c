"""softImpute: a matrix of low nuclear norm that agrees with what was measured, and its factors for new samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exval.errors import InputError
from exval.lowrank.gaps import leading_axes
from exval.lowrank.gaussian import FactorModel, conditional, sample_scale
from exval.methods.base import Card
from exval.methods.completion.base import Completer
from exval.methods.completion.held_out import coverage_scale, hold_out
from exval.progress import track

SHARES = (0.5, 0.3, 0.2, 0.13, 0.09, 0.065, 0.045, 0.03, 0.02, 0.013, 0.009)


@dataclass(frozen=True, eq=False)
class SoftFit:
    """A fitted matrix ``Z = U diag(d) V'``.

    Parameters
    ----------
    axes_gr
        (g, r) V, axes with a singular value above zero.
    singular_r
        (r,) d, descending.
    filled_ng
        (n, g) Z where not measured, the measured values elsewhere.
    penalty
        lambda.
    objectives
        ``1/2 |measured - Z|^2 + lambda sum d`` after every step.
    """

    axes_gr: np.ndarray
    singular_r: np.ndarray
    filled_ng: np.ndarray
    penalty: float
    objectives: tuple[float, ...]

    @property
    def model(self) -> FactorModel:
        """What fills new samples: the row of ``Z`` that a sample would get is this model's mean given its values."""
        g = len(self.axes_gr)
        return FactorModel(np.zeros(g), self.axes_gr * np.sqrt(self.singular_r), np.full(g, self.penalty))


def soft_impute(
    x_ng: np.ndarray,
    penalty: float,
    max_rank: int | None = None,
    start_ng: np.ndarray | None = None,
    iterations: int = 100,
    tolerance: float = 1e-4,
    seed: int = 0,
) -> SoftFit:
    """Minimise ``1/2 |measured values - Z|^2 + penalty * nuclear norm of Z``.

    Every step fills the gaps with Z and lowers all singular values of the result by the penalty (to no less than 0).
    Without gaps one step is the answer.

    Parameters
    ----------
    x_ng
        (n, g) values, centred by gene, NaN where not measured.
    penalty
        lambda, above zero, in the unit of a singular value.
    max_rank
        Most axes of Z; any number by default.
    start_ng
        (n, g) filled values to start from; the gene means (0) by default.
    iterations, tolerance
        Most steps; stops once the squared change is below this share of the squared values.
    seed
        Of the randomised decomposition of more than 4,000 samples and genes.

    References
    ----------
    Mazumder, Hastie and Tibshirani 2010, J. Mach. Learn. Res. 11:2287, algorithm 1.

    Examples
    --------
    >>> fit = soft_impute(np.array([[3.0, 0.0], [0.0, 1.0]]), 0.5)
    >>> fit.singular_r.round(6).tolist(), round(fit.objectives[-1], 6)
    ([2.5, 0.5], 1.75)
    """
    measured_ng = ~np.isnan(x_ng)
    known_ng = np.where(measured_ng, x_ng, 0.0)
    filled_ng = known_ng if start_ng is None else np.where(measured_ng, x_ng, start_ng)
    rank = min(x_ng.shape) if max_rank is None else max_rank
    objectives: list[float] = []
    for _ in range(iterations):
        axes_gr, variance_r = leading_axes(filled_ng, rank, seed)
        value_r = np.sqrt(variance_r * len(x_ng))
        keep = value_r > penalty
        axes_gr, value_r = axes_gr[:, keep], value_r[keep]
        low_ng = ((filled_ng @ axes_gr) * (1 - penalty / value_r)) @ axes_gr.T
        before_ng, filled_ng = filled_ng, np.where(measured_ng, x_ng, low_ng)
        loss = 0.5 * float(((known_ng - low_ng)[measured_ng] ** 2).sum())
        objectives.append(loss + penalty * float((value_r - penalty).sum()))
        if ((filled_ng - before_ng) ** 2).sum() <= tolerance * (before_ng**2).sum():
            break
    return SoftFit(axes_gr, value_r - penalty, filled_ng, penalty, tuple(objectives))


class SoftImpute(Completer):
    """Gaps are filled by the matrix of least nuclear norm that is near the measured values; new samples by its axes.

    With ``Z = U D V'`` fitted to the training samples, ``B = V D^(1/2)``, and the o measured genes of a new sample, the
    answer is ``B a`` with ``a = (B_o' B_o + lambda I)^-1 B_o' x_o``: the row that minimises the same objective in its
    factored form while B is kept. For a training sample this is its row of Z.

    lambda is chosen as a share of the largest singular value, on entries hidden from a fifth of the training samples
    (10, 50 and 90 % hidden, each with equal weight). The sd of a gap is that of probabilistic PCA with the same axes,
    their variances not lowered, the noise of a gene its mean squared residual, and wider for a sample whose measured
    genes fit badly; the same hidden entries give one factor for it.

    Parameters
    ----------
    share
        lambda over the largest singular value (gaps at the mean); chosen where None.
    shares
        Shares tried, each fit started from the one before.
    max_rank
        Most axes.
    iterations
        Most steps for each.
    seed
        Of the entries hidden for the choice.

    Attributes
    ----------
    share_, scale_
        What was used: share, factor for the sd.
    losses_
        ``{share: mean squared error}`` of the choice, in SD^2.

    Examples
    --------
    >>> import anndata
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 12))
    >>> samples = anndata.AnnData(x.astype(np.float32))
    >>> hidden = samples[50:].copy()
    >>> hidden.X[:, 3] = np.nan
    >>> found = SoftImpute().fit(samples[:50]).complete(hidden)
    >>> bool(np.abs(found.values_ng - x[50:])[:, 3].max() < 0.1)
    True
    """

    name = "softimpute"
    card = Card(
        category="low rank",
        sees=("expression",),
        space_in="log2, z or log1p",
        space_out="as given",
        cost="a decomposition for every step: samples x genes x the smaller of the two; one step without gaps",
        reference="Mazumder, Hastie and Tibshirani 2010, J. Mach. Learn. Res. 11:2287",
        summary="Soft-thresholded singular values; the threshold is chosen within the training samples.",
        departures="Published for one matrix; new samples are filled by the fitted axes with the same penalty. The sd "
        "is not part of the publication: that of probabilistic PCA on the axes, scaled by held-out entries.",
    )
    has_sd = True
    stochastic = True

    def __init__(
        self,
        share: float | None = None,
        shares: tuple[float, ...] = SHARES,
        max_rank: int = 120,
        iterations: int = 30,
        seed: int = 0,
    ) -> None:
        self.share = share
        self.shares = shares
        self.max_rank = max_rank
        self.iterations = iterations
        self.seed = seed

    def learn(self, z_ng: np.ndarray) -> None:
        shares = sorted(self.shares if self.share is None else (self.share,), reverse=True)
        if not shares or shares[0] >= 1 or shares[-1] <= 0:
            raise InputError("shares of softimpute lie between 0 and 1")
        held, self.losses_, self.scale_ = hold_out(z_ng, self.seed, group_n=self._group_n), {}, 1.0
        self.share_ = shares[len(shares) // 2]
        if held is not None:
            fits = {}
            for share, fit in zip(shares, self._path(held.fit_ng, shares)):
                fits[share] = fit
                self.losses_[share] = held.loss(conditional(fit.model, held.seen_mg))
                if self.losses_[share] > 1.2 * min(self.losses_.values()):
                    break
            self.share_ = min(self.losses_, key=self.losses_.__getitem__)
            self._keep(fits[self.share_], held.fit_ng)
            self.scale_ = coverage_scale(held.ratios(*self.fill(held.seen_mg, sd=True)))
        for fit in self._path(z_ng, [share for share in shares if share >= self.share_]):
            self._keep(fit, z_ng)

    def fill(self, z_mg: np.ndarray, sd: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        if not sd:
            return conditional(self.model_, z_mg)
        variance_mg = conditional(self.spread_, z_mg, variance=True)[1] + self.spread_.noise_g
        scale_m1 = self.scale_ * sample_scale(self.spread_, z_mg)[:, None]
        return conditional(self.model_, z_mg), scale_m1 * np.sqrt(variance_mg)

    def _path(self, z_ng: np.ndarray, shares: list[float]):
        """Fits with ever smaller penalties, each started from the one before."""
        largest = float(np.sqrt(leading_axes(np.nan_to_num(z_ng, nan=0.0), 1, self.seed)[1][0] * len(z_ng)))
        filled_ng = None
        for share in track(shares, "Fitting singular values"):
            fit = soft_impute(z_ng, share * largest, self.max_rank, filled_ng, self.iterations, seed=self.seed)
            filled_ng = fit.filled_ng
            yield fit

    def _keep(self, fit: SoftFit, z_ng: np.ndarray) -> None:
        """The model that fills, and the one with the same axes but not lowered variances that gives the sd."""
        self.model_ = fit.model
        left_ng = z_ng - conditional(self.model_, z_ng)
        noise_g = np.clip(np.nanmean(left_ng**2, axis=0), 0.01, None)
        variance_r = (fit.singular_r + fit.penalty) ** 2 / len(z_ng)
        loadings_gr = fit.axes_gr * np.sqrt(np.maximum(variance_r - noise_g.mean(), 0))
        self.spread_ = FactorModel(np.zeros(len(noise_g)), loadings_gr, noise_g)
