"""k-means with many starts at once."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

SAMPLE = 10_000  # points on which the starts compete; the best then moves on all points
REFINED = 5  # of the starts that run together, how many are refined by moving single points
AT_ONCE = 4_000_000  # distances held for the starts that run together


def kmeans(points_nd: np.ndarray, k: int, restarts: int, rng: np.random.Generator, rounds: int = 100) -> np.ndarray:
    """Cluster of each point: Lloyd's algorithm, the best of several starts by k-means++.

    Arthur and Vassilvitskii 2007, SODA p. 1027. Starts run together, as one matrix product a round, and leave when
    their clusters no longer change. Above 10,000 points they compete on a sample of that size.

    Parameters
    ----------
    points_nd
        (n, d) coordinates.
    k
        Clusters; fewer come out where there are fewer different points.
    restarts
        Starts; the one with the least sum of squared distances wins, the first of equals.
    rng
        Source of the starts.
    rounds
        Most rounds of a start.

    Returns
    -------
    cluster_n
        0, 1, ... in order of first appearance.

    Examples
    --------
    >>> points = np.array([[0.0], [9.0], [0.2], [9.1]])
    >>> kmeans(points, 2, 3, np.random.default_rng(0)).tolist()
    [0, 1, 0, 1]
    """
    points_nd = np.asarray(points_nd, dtype=np.float64)
    points_nd = points_nd - points_nd.mean(0)
    n = len(points_nd)
    some = points_nd if n <= SAMPLE else points_nd[np.sort(rng.choice(n, SAMPLE, replace=False))]
    best, least = None, np.inf
    together = max(1, AT_ONCE // (len(some) * k))
    for start in range(0, restarts, together):
        centre_rkd = _spread_out(some, k, min(together, restarts - start), rng)
        centre_rkd, cost_r = _lloyd(some, centre_rkd, rounds)
        kept = np.argsort(cost_r, kind="stable")[:REFINED]
        centre_rkd, cost_r = _exchanged(some, centre_rkd[kept])
        if cost_r.min() < least:
            best, least = centre_rkd[cost_r.argmin()], cost_r.min()
    if n > SAMPLE:
        best = _lloyd(points_nd, best[None], 20)[0][0]
    cluster_n = _assign(points_nd, best[None])[0][:, 0]
    _, first, cluster_n = np.unique(cluster_n, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[cluster_n]


def _spread_out(points_nd: np.ndarray, k: int, starts: int, rng: np.random.Generator) -> np.ndarray:
    """(starts, k, d) centres: points drawn one after the other, by their squared distance to those drawn before."""
    n, d = points_nd.shape
    centre_rkd = np.empty((starts, k, d))
    square_n = (points_nd**2).sum(1)
    apart_nr = np.full((n, starts), np.inf)
    chosen = rng.integers(n, size=starts)
    for at in range(k):
        fresh = centre_rkd[:, at] = points_nd[chosen]
        step = square_n[:, None] - 2 * points_nd @ fresh.T + square_n[chosen]
        step[chosen, np.arange(starts)] = 0
        np.minimum(apart_nr, np.maximum(step, 0), out=apart_nr)
        mass = apart_nr.cumsum(0)
        chosen = (mass < rng.random(starts) * mass[-1]).sum(0).clip(max=n - 1)
    return centre_rkd


def _assign(points_nd: np.ndarray, centre_rkd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, starts) nearest centre, the first of equals, and (starts,) sums of squared distances to them."""
    starts, k, d = centre_rkd.shape
    half_rk = (centre_rkd**2).sum(2) / 2
    near_nr = np.empty((len(points_nd), starts), dtype=np.int64)
    cost_r = np.full(starts, float((points_nd**2).sum()))
    step = max(1, AT_ONCE // (starts * k))
    for begin in range(0, len(points_nd), step):
        rows = slice(begin, begin + step)
        apart = half_rk.ravel() - points_nd[rows] @ centre_rkd.reshape(-1, d).T
        apart = apart.reshape(-1, starts, k)
        near_nr[rows] = apart.argmin(2)
        cost_r += 2 * apart.min(2).sum(0)
    return near_nr, cost_r


def _exchanged(points_nd: np.ndarray, centre_rkd: np.ndarray, rounds: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Points moved to another cluster while that lowers the sum of squares, counting each for its own cluster's mean.

    Leaving a cluster of m points saves ``m / (m - 1)`` of a point's squared distance, joining one of m costs
    ``m / (m + 1)``; Lloyd's algorithm, which leaves these factors out, stops short of such moves (Hartigan and Wong
    1979, Appl. Stat. 28:100). All moves that save are made at once; where the sum of squares rises, they are taken back
    and only the best quarter of them is made, and so on, down to the single best, which cannot fail.
    """
    final, cost_r = centre_rkd.copy(), np.full(len(centre_rkd), np.inf)
    going, near_nr = np.arange(len(final)), _assign(points_nd, final)[0]
    total = float((points_nd**2).sum())
    held_nr, gain_nr, to_nr = near_nr.copy(), np.zeros(near_nr.shape), near_nr.copy()
    share_r = np.ones(len(going))
    for _ in range(rounds):
        size_rk, mean_rkd = _means(points_nd, near_nr, final[going])
        now_r = total - (size_rk * (mean_rkd**2).sum(2)).sum(1)
        better = now_r < cost_r[going]
        share_r = np.where(better, 1.0, share_r / 4)
        at = np.flatnonzero(better)
        final[going[at]], cost_r[going[at]], held_nr[:, at] = mean_rkd[at], now_r[at], near_nr[:, at]
        if len(at):
            gain_nr[:, at], to_nr[:, at] = _gains(points_nd, near_nr[:, at], size_rk[at], mean_rkd[at])
        many_r = (gain_nr > 1e-10 * total / len(points_nd)).sum(0)
        left = (many_r > 0) & (share_r * many_r > 0.25)
        going, held_nr, gain_nr, to_nr = going[left], held_nr[:, left], gain_nr[:, left], to_nr[:, left]
        share_r, many_r = share_r[left], many_r[left]
        if not len(going):
            break
        last_r = np.maximum(1, (share_r * many_r).astype(int))
        least_r = np.sort(gain_nr, axis=0)[-last_r, np.arange(len(going))]
        near_nr = np.where(gain_nr >= least_r, to_nr, held_nr)
    return final, cost_r


def _gains(points_nd: np.ndarray, near_nr: np.ndarray, size_rk: np.ndarray, mean_rkd: np.ndarray):
    """(n, starts) what moving each point to its best other cluster saves, and which that is."""
    starts, k, d = mean_rkd.shape
    square_n = (points_nd**2).sum(1)
    apart = square_n[:, None] - 2 * points_nd @ mean_rkd.reshape(-1, d).T + (mean_rkd**2).sum(2).ravel()
    apart = np.maximum(apart, 0).reshape(-1, starts, k)
    own_nr = np.take_along_axis(apart, near_nr[:, :, None], 2)[:, :, 0]
    size_nr = size_rk[np.arange(starts), near_nr]
    saved_nr = own_nr * np.where(size_nr > 1, size_nr / np.maximum(size_nr - 1, 1), 0)
    apart *= size_rk / (size_rk + 1)
    np.put_along_axis(apart, near_nr[:, :, None], np.inf, 2)
    to_nr = apart.argmin(2)
    return saved_nr - np.take_along_axis(apart, to_nr[:, :, None], 2)[:, :, 0], to_nr


def _means(points_nd: np.ndarray, near_nr: np.ndarray, centre_rkd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(starts, k) sizes and means of clusters; an empty one keeps its centre."""
    starts, k, d = centre_rkd.shape
    label = (near_nr + np.arange(starts) * k).ravel()
    offsets = np.arange(0, label.size + 1, starts)
    member = sp.csc_matrix((np.ones(label.size), label, offsets), shape=(starts * k, len(points_nd)))
    size = np.bincount(label, minlength=starts * k)
    mean = np.asarray(member @ points_nd) / np.maximum(size, 1)[:, None]
    mean = np.where(size[:, None] > 0, mean, centre_rkd.reshape(-1, d))
    return size.reshape(starts, k), mean.reshape(starts, k, d)


def _lloyd(points_nd: np.ndarray, centre_rkd: np.ndarray, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres moved to the means of their points until no point changes; an empty cluster's centre stays."""
    final, cost_r = centre_rkd.copy(), np.full(len(centre_rkd), np.inf)
    going, before = np.arange(len(final)), None
    for _ in range(rounds):
        near_nr, cost_r[going] = _assign(points_nd, final[going])
        if before is not None:
            moved = (near_nr != before).any(0)
            going, near_nr = going[moved], near_nr[:, moved]
        if not len(going):
            break
        before = near_nr
        final[going] = _means(points_nd, near_nr, final[going])[1]
    return final, cost_r
