"""How far off a field is where it saw nothing: error bars from an inner hold-out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from sklearn.isotonic import isotonic_regression

from exval.fields.places import Places, codes

BLOCKS, BANDS, LEAST, LEFT = 5, 8, 40, 20
EMPTIED = 0.5  # of the samples of the other donors, where donors are held out
LEAST_SD = 0.2  # of the root mean squared error of the gene


def inner_groups(places: Places, seed: int = 0) -> np.ndarray:
    """(n,) group of each sample: its donor where there are three or more, else one of five blocks in space.

    Examples
    --------
    >>> places = Places.of(np.random.default_rng(0).uniform(-40, 40, (60, 3)), donor_n=list("abc") * 20)
    >>> np.bincount(inner_groups(places)).tolist()
    [20, 20, 20]
    """
    names, code_n, _ = codes(places.donor_n, places.donor_n[:0])
    if len(names) >= 3 and (code_n >= 0).all():
        return code_n
    k = min(BLOCKS, max(len(places) // 10, 2))
    return KMeans(k, n_init=3, random_state=seed).fit_predict(places.folded())


@dataclass(frozen=True, eq=False)
class HoldOut:
    """Who teaches, who is asked, and how far each of the asked is from the nearest that teaches, mm."""

    train: np.ndarray
    test: np.ndarray
    apart_m: np.ndarray


def hold_outs(places: Places, seed: int = 0) -> list[HoldOut]:
    """Every group once; where groups are donors, a part of the brain is emptied as well.

    A donor held out alone has samples of the others a few millimetres away everywhere, and says nothing of the parts of
    a brain that were never sampled. With each donor, the half of the other samples that is nearest to one of as many
    centres as there are donors (k-means) is left out too: some of the donor's samples then lie next to samples that
    teach, others centimetres off.

    Examples
    --------
    >>> places = Places.of(np.random.default_rng(0).uniform(-40, 40, (60, 3)), donor_n=list("abc") * 20)
    >>> [(len(one.train), len(one.test)) for one in hold_outs(places)]
    [(20, 20), (20, 20), (20, 20)]
    """
    group_n, xyz = inner_groups(places, seed), places.folded()
    groups, made = np.unique(group_n), []
    donors = (codes(places.donor_n, places.donor_n[:0])[1] == group_n).all()
    centre_f3 = KMeans(len(groups), n_init=3, random_state=seed).fit(xyz).cluster_centers_ if donors else None
    for f, group in enumerate(groups):
        test, train = np.flatnonzero(group_n == group), np.flatnonzero(group_n != group)
        if centre_f3 is not None:
            order = np.argsort(np.linalg.norm(xyz[train] - centre_f3[f], axis=1), kind="stable")
            train = np.sort(train[order[max(min(int(EMPTIED * len(train)), len(train) - LEFT), 0) :]])
        made.append(HoldOut(train, test, cKDTree(xyz[train]).query(xyz[test])[0]))
    return made


def inner_errors(
    field, places: Places, z_ng: np.ndarray, folds: Sequence[HoldOut], asked: Sequence[Places]
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Errors that copies of an unfitted field make about every sample that is held out.

    Parameters
    ----------
    field
        With ``learn``, ``tell`` and, where ``own_sd``, ``spread``.
    places, z_ng, folds
        The n samples; every one is asked in one of the folds.
    asked
        What is told of them when they are asked: each is answered by the same copies.

    Returns
    -------
    list
        For each of ``asked`` (n, g) errors, and the sds that the copies claim, or None.
    """
    made = [(np.empty_like(z_ng), np.empty_like(z_ng) if field.own_sd else None) for _ in asked]
    for fold in folds:
        one = copy.deepcopy(field)
        one.learn(places.take(fold.train), z_ng[fold.train])
        for as_told, (error_ng, spread_ng) in zip(asked, made):
            here = as_told.take(fold.test)
            error_ng[fold.test] = z_ng[fold.test] - one.tell(here)
            if spread_ng is not None:
                spread_ng[fold.test] = one.spread(here)
    return made


def apart(folds: Sequence[HoldOut]) -> np.ndarray:
    """(n,) mm of every sample to the nearest one that taught when it was asked."""
    apart_n = np.empty(sum(len(fold.test) for fold in folds))
    for fold in folds:
        apart_n[fold.test] = fold.apart_m
    return apart_n


def bands(apart_n: np.ndarray) -> list[np.ndarray]:
    """Rows in up to eight bands of equal size of the distance, near to far; at least forty samples in each."""
    return np.array_split(np.argsort(apart_n, kind="stable"), min(BANDS, max(len(apart_n) // LEAST, 1)))


class ErrorBars:
    """The sd of a measurement, from errors of an inner hold-out.

    Squared errors, over the squares of the field's own sds if it has any (an sd below a fifth of the gene's error
    counts as that), are averaged within bands of the distance to the nearest sample that taught. Their mean over
    genes, each in units of its own, made never to fall with distance, is the shape w that all genes share (0 in the
    nearest band, 1 in the farthest). A gene's mean square is ``near^2 + (far^2 - near^2) w``, by least squares over the
    bands in units of the mean over genes, neither part below 0; between the middles of the bands w is interpolated,
    beyond them it stays. What comes with distance is known from as many parts of the brain as there are folds, f, and
    parts differ: it counts f / (f - 2) times, as the variance of Student's t with f degrees of freedom does. The sd is
    the root of the sum, times the field's own sd if it has any.

    Attributes
    ----------
    near_g, far_g
        (g,) root of the mean square in the nearest and the farthest band.
    distance_b, shape_b
        Middles of the bands, mm, and w.
    unsure_1
        f / (f - 2).
    halves_2, error_2g
        Median distance of the nearer and of the farther half of the samples, mm, and the mean squared errors there.
    """

    def fit(
        self, places: Places, error_ng: np.ndarray, spread_ng: np.ndarray | None, folds: Sequence[HoldOut]
    ) -> ErrorBars:
        """``error_ng`` and ``spread_ng`` as :func:`inner_errors` gives them."""
        apart_n = apart(folds)
        square_ng = error_ng**2
        halves = np.array_split(np.argsort(apart_n, kind="stable"), 2)
        self.halves_2 = np.array([np.median(apart_n[half]) for half in halves])
        self.error_2g = np.array([square_ng[half].mean(0) for half in halves])
        if spread_ng is not None:
            # A copy that passes through its samples is sure of them; its sd is no measure of what it says elsewhere.
            least_g = np.maximum(LEAST_SD * np.sqrt(square_ng.mean(0)), 1e-6)
            square_ng = square_ng / np.maximum(spread_ng, least_g) ** 2
        parts = bands(apart_n)
        self.distance_b = np.array([np.median(apart_n[part]) for part in parts])
        square_bg = np.array([square_ng[part].mean(0) for part in parts])
        pooled_b = (square_bg / np.maximum(square_bg.mean(0), 1e-12)).mean(1)
        pooled_b = isotonic_regression(pooled_b, sample_weight=[len(part) for part in parts])
        rise = pooled_b[-1] - pooled_b[0]
        self.shape_b = (pooled_b - pooled_b[0]) / rise if rise > 1e-9 else np.zeros(len(pooled_b))
        near_g, more_g = _two_parts(square_bg, self.shape_b, 1 / np.maximum(pooled_b, 1e-9))
        self.near_g, self.far_g = np.sqrt(near_g), np.sqrt(near_g + more_g)
        self.unsure_1 = np.array([len(folds) / max(len(folds) - 2, 1)])
        self._tree = cKDTree(places.folded())
        return self

    def keep(self) -> dict[str, np.ndarray]:
        """Arrays from which :meth:`regain` makes it again."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def regain(self, places: Places, arrays: dict[str, np.ndarray]) -> ErrorBars:
        """From what :meth:`keep` gave and the training places."""
        vars(self).update(arrays)
        self._tree = cKDTree(places.folded())
        return self

    def at(self, places: Places, spread_mg: np.ndarray | None = None) -> np.ndarray:
        """(m, g) standard deviations; ``spread_mg`` is the field's own."""
        shape_m1 = np.interp(self._tree.query(places.folded())[0], self.distance_b, self.shape_b)[:, None]
        times_mg = np.sqrt(self.near_g**2 + self.unsure_1 * shape_m1 * (self.far_g**2 - self.near_g**2))
        return times_mg if spread_mg is None else spread_mg * times_mg


def _two_parts(square_bg: np.ndarray, shape_b: np.ndarray, weight_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(g,) a and b, neither below 0, of the least squares fit ``a + b shape`` in which each band has a weight."""
    y_bg, one_b, w_b = square_bg * weight_b[:, None], weight_b, shape_b * weight_b
    oo, ow, ww, oy_g, wy_g = one_b @ one_b, one_b @ w_b, w_b @ w_b, one_b @ y_bg, w_b @ y_bg
    if ww <= 1e-12:
        return oy_g / oo, np.zeros_like(oy_g)
    least = oo * ww - ow**2
    a_g, b_g = (ww * oy_g - ow * wy_g) / least, (oo * wy_g - ow * oy_g) / least
    a_g, b_g = np.where(b_g < 0, oy_g / oo, a_g), np.where(a_g < 0, wy_g / ww, b_g)
    return np.maximum(a_g, 0.0), np.maximum(b_g, 0.0)
