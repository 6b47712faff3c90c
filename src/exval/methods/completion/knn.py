"""The nearest training samples, by the genes that both measured."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.completion.base import Completer
from exval.methods.completion.held_out import coverage_scale, hold_out

BELIEF = 20.0  # genes that it takes to believe a sample's own scatter
NUMBERS = (3, 5, 7, 10, 15, 20, 30, 50)


class NearestNeighbours(Completer):
    """A gap is the mean of the gene over the k nearest training samples that measured it, weighted by ``1 / d^2``.

    ``d`` is the mean squared difference over the genes that both samples measured, on standardised values; distances
    of all pairs are three matrix products. A training sample that has no gene in common is no neighbour; a sample
    without any neighbour takes the training mean. k is chosen on entries hidden from a fifth of the training samples
    (10, 50 and 90 % hidden, each with equal weight).

    The variance of a gap is half the spread of the gene over the neighbours and half the mean squared error that the
    same neighbours make on the sample's measured genes; the same hidden entries give one factor for its root.

    Parameters
    ----------
    k
        Number of neighbours; chosen where None.
    numbers
        Numbers tried.
    seed
        Of the entries hidden for the choice.

    Attributes
    ----------
    k_, scale_
        What was used: neighbours, factor for the sd.
    losses_
        ``{k: mean squared error}`` of the choice, in SD^2.

    Examples
    --------
    >>> import anndata
    >>> x = np.array([[0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [9, 9]], np.float32)
    >>> new = anndata.AnnData(np.array([[3.1, np.nan]], np.float32))
    >>> NearestNeighbours(k=1).fit(anndata.AnnData(x)).complete(new).values_ng.round(1).tolist()
    [[3.0999999046325684, 3.0]]
    """

    name = "knn"
    card = Card(
        category="neighbours",
        sees=("expression",),
        space_in="log2, z or log1p",
        space_out="as given",
        cost="training samples x samples x genes",
        reference="Troyanskaya et al. 2001, Bioinformatics 17:520",
        summary="Weighted mean over the nearest training samples that measured the gene.",
        departures="Neighbours are samples, not genes, so that new samples can be filled. Weights are 1/d^2 with d the "
        "mean squared difference. k is chosen within the training samples.",
    )
    has_sd = True
    stochastic = True

    def __init__(self, k: int | None = None, numbers: tuple[int, ...] = NUMBERS, seed: int = 0) -> None:
        self.k = k
        self.numbers = numbers
        self.seed = seed

    def learn(self, z_ng: np.ndarray) -> None:
        if (self.k is not None and self.k < 1) or not self.numbers or min(self.numbers) < 1:
            raise InputError("knn needs at least 1 neighbour")
        self.train_ng_, self.losses_, self.scale_ = z_ng, {}, 1.0
        self.k_ = min(self.k or min(self.numbers), len(z_ng))
        held = hold_out(z_ng, self.seed, group_n=self._group_n)
        if held is None:
            return
        numbers = sorted({min(k, len(held.fit_ng)) for k in (self.numbers if self.k is None else (self.k,))})
        order_mn, distance_mn = _sorted_distances(held.seen_mg, held.fit_ng)
        if len(numbers) > 1:
            for k in numbers:
                self.losses_[k] = held.loss(_averaged(held.fit_ng, order_mn, distance_mn, k)[0])
            self.k_ = min(self.losses_, key=self.losses_.__getitem__)
        found = _averaged(held.fit_ng, order_mn, distance_mn, min(self.k_, len(held.fit_ng)), spread=True)
        self.scale_ = coverage_scale(held.ratios(found[0], _sd(held.seen_mg, *found)))

    def fill(self, z_mg: np.ndarray, sd: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        order_mn, distance_mn = _sorted_distances(z_mg, self.train_ng_)
        values_mg, spread_mg = _averaged(self.train_ng_, order_mn, distance_mn, self.k_, spread=sd)
        return (values_mg, self.scale_ * _sd(z_mg, values_mg, spread_mg)) if sd else values_mg


def distances(x_mg: np.ndarray, y_ng: np.ndarray) -> np.ndarray:
    """(m, n) mean squared difference over the genes that both rows measured; inf where there is none.

    Examples
    --------
    >>> distances(np.array([[0.0, 1.0, np.nan]]), np.array([[2.0, np.nan, 5.0], [np.nan, np.nan, 5.0]])).tolist()
    [[4.0, inf]]
    """
    has_mg, has_ng = (~np.isnan(x_mg)).astype(np.float64), (~np.isnan(y_ng)).astype(np.float64)
    x_mg, y_ng = np.nan_to_num(x_mg, nan=0.0), np.nan_to_num(y_ng, nan=0.0)
    square_mn = (x_mg**2) @ has_ng.T - 2 * x_mg @ y_ng.T + has_mg @ (y_ng**2).T
    common_mn = has_mg @ has_ng.T
    return np.divide(np.maximum(square_mn, 0), common_mn, out=np.full(square_mn.shape, np.inf), where=common_mn > 0)


def _sorted_distances(x_mg: np.ndarray, y_ng: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distance_mn = distances(x_mg, y_ng)
    order_mn = np.argsort(distance_mn, axis=1, kind="stable")
    return order_mn, np.take_along_axis(distance_mn, order_mn, axis=1)


def _averaged(y_ng: np.ndarray, order_mn: np.ndarray, distance_mn: np.ndarray, k: int, spread: bool = False):
    """(m, g) weighted mean over the k nearest that measured a gene, and their weighted variance (mean, NaN: no one)."""
    weight_mn = np.where(np.isfinite(distance_mn), 1 / np.maximum(distance_mn, 1e-6) ** 2, 0.0)
    measured_ng = ~np.isnan(y_ng)
    mean_mg, var_mg = np.empty((len(order_mn), y_ng.shape[1])), np.full((len(order_mn), y_ng.shape[1]), np.nan)
    whole = bool(measured_ng.all())
    for i, (order_n, weight_n) in enumerate(zip(order_mn, weight_mn)):
        reach = k if whole else _reach(measured_ng, order_n, k)
        order_n = order_n[:reach]
        near_ng, own_ng = y_ng[order_n], weight_n[:reach, None]
        if not whole:
            has_ng = measured_ng[order_n]
            own_ng = own_ng * (has_ng & (np.cumsum(has_ng, axis=0, dtype=np.int32) <= k))
            near_ng = np.where(has_ng, near_ng, 0.0)
        total_g = np.maximum(own_ng.sum(0), 1e-300)
        mean_mg[i] = (own_ng * near_ng).sum(0) / total_g
        if spread:
            var_g = (own_ng * (near_ng - mean_mg[i]) ** 2).sum(0) / total_g
            effective_g = total_g**2 / np.maximum((own_ng**2).sum(0), 1e-300)
            ok = effective_g > 1.1
            var_mg[i] = np.where(ok, var_g * effective_g / np.where(ok, effective_g - 1, 1.0), np.nan)
    return mean_mg, var_mg


def _reach(measured_ng: np.ndarray, order_n: np.ndarray, k: int) -> int:
    """So many of the nearest samples hold k that measured each gene, or are all there are."""
    reach = min(4 * k, len(order_n))
    while reach < len(order_n) and (measured_ng[order_n[:reach]].sum(0) < k).any():
        reach = min(2 * reach, len(order_n))
    return reach


def _sd(x_mg: np.ndarray, values_mg: np.ndarray, spread_mg: np.ndarray) -> np.ndarray:
    """Half the neighbours' spread, half their error on what the sample measured; where one is unknown, the other.

    Neighbours are near in what was measured, so that a few genes understate the error: the mean spread counts as BELIEF
    further genes.
    """
    usual_m = np.array([np.nanmean(row) if not np.isnan(row).all() else 1.0 for row in spread_mg])
    error_m = np.nansum((values_mg - x_mg) ** 2, axis=1)
    misfit_m = (BELIEF * usual_m + error_m) / (BELIEF + (~np.isnan(x_mg)).sum(1))
    misfit_m1 = np.maximum(misfit_m, 1e-6)[:, None]
    return np.sqrt(np.where(np.isnan(spread_mg), misfit_m1, 0.5 * (spread_mg + misfit_m1)))
