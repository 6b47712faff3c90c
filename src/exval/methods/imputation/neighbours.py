"""Exact nearest neighbours of many points in tens of dimensions, in blocks: never an n x n matrix."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from exval.progress import Progress

DIRECT_UP_TO = 4096  # points; below, a block of whole rows of distances is simplest and fastest
BLOCK = 2048  # points a block; a tile of distances has BLOCK x BLOCK entries
GROUP = 16  # entries of a tile that are looked at one by one only if their minimum is small enough
SPARE = 2  # neighbours kept beyond k until the distances are computed without cancellation
FAR = 1e30


def nearest(points_nd: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest points of each point, itself first, by Euclidean distance.

    Exact up to the rounding of single precision: the neighbours are found with matrix products and their distances
    computed again from differences, in double precision. Up to some thousand points, rows of distances are made one
    block at a time. Above, points are ordered by recursive halving along the coordinate of the largest variance and cut
    into blocks; pairs of blocks are visited from near to far, each once for both directions, and only entries below
    the distance of the k-th neighbour known so far are looked at. A block is skipped for the points that a plane
    between the two blocks proves to be too far from it; how much that saves depends on how separate the clusters are.

    Parameters
    ----------
    points_nd
        (n, d) finite coordinates.
    k
        How many, the point itself included; at most ``n`` are returned.

    Returns
    -------
    index_nk
        int64; column 0 is the point itself, then by distance. Copies of one point, and equally distant ones among those
        returned, come in order of their index.
    distance_nk
        float64, not squared.

    Examples
    --------
    >>> index, distance = nearest(np.array([[0.0], [1.0], [3.0]]), 2)
    >>> index.tolist(), distance.tolist()
    ([[0, 1], [1, 0], [2, 1]], [[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]])
    """
    points_nd = np.asarray(points_nd)
    n, d = points_nd.shape
    k = max(1, min(k, n))
    if d == 0:
        points_nd = np.zeros((n, 1), np.float32)
    centred_nd = (points_nd - points_nd.mean(0, dtype=np.float64)).astype(np.float32, order="C") + np.float32(0)
    rows = centred_nd.view(np.dtype((np.void, centred_nd.itemsize * centred_nd.shape[1]))).ravel()
    _, first, kind_n = np.unique(rows, return_index=True, return_inverse=True)
    if len(first) == n:
        return _search(points_nd, centred_nd, k)
    order = np.argsort(first, kind="stable")  # in order of first appearance, so that the order of indices is kept
    first, kind_n = first[order], np.argsort(order, kind="stable")[kind_n]
    return _with_copies(*_search(points_nd[first], centred_nd[first], min(k, len(first))), kind_n, k)


def _search(points_nd: np.ndarray, centred_nd: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """:func:`nearest` of points that are all different."""
    n = len(points_nd)
    if k == 1:
        return np.arange(n)[:, None], np.zeros((n, 1))
    wanted = min(k - 1 + SPARE, n - 1)
    if n <= DIRECT_UP_TO or wanted > BLOCK // 4:
        found = _by_rows(centred_nd, wanted)
    else:
        found = _Blocks(centred_nd, wanted).search()
    distance = np.empty(found.shape)
    step = max(1, (1 << 20) // (wanted * points_nd.shape[1]))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        apart = points_nd[found[rows]].astype(np.float64) - points_nd[rows, None]
        distance[rows] = np.sqrt(np.einsum("nkd,nkd->nk", apart, apart))
    order = np.lexsort((found, distance))[:, : k - 1]
    index_nk = np.concatenate([np.arange(n)[:, None], np.take_along_axis(found, order, 1)], axis=1)
    return index_nk, np.concatenate([np.zeros((n, 1)), np.take_along_axis(distance, order, 1)], axis=1)


def _by_rows(points_nd: np.ndarray, wanted: int) -> np.ndarray:
    """(n, wanted) nearest others, in no order, from whole rows of distances."""
    points = points_nd.astype(np.float64)
    half_n = (points**2).sum(1) / 2
    n = len(points)
    found = np.empty((n, wanted), dtype=np.int64)
    step = max(1, (1 << 22) // n)
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        apart = half_n - points[rows] @ points.T
        apart[np.arange(len(rows)), rows] = np.inf
        found[rows] = np.argpartition(apart, wanted - 1, axis=1)[:, :wanted]
    return found


def _with_copies(
    index_mk: np.ndarray, distance_mk: np.ndarray, kind_n: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours of all points from those of the different ones: each stands for its copies, in order of index."""
    member = np.argsort(kind_n, kind="stable")
    count_m = np.bincount(kind_n)
    start_m = np.cumsum(count_m) - count_m
    index, distance = np.empty((len(kind_n), k), dtype=np.int64), np.empty((len(kind_n), k))
    single = (count_m[index_mk] == 1).all(1)
    if single.any():  # then there are at least k different points
        index[member[start_m[single]]] = member[start_m[index_mk[single]]]
        distance[member[start_m[single]]] = distance_mk[single]
    for this in np.flatnonzero(~single):
        near, size = index_mk[this], count_m[index_mk[this]]
        inside = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        pool = member[np.repeat(start_m[near], size) + inside]  # its copies, then those of its nearest, ...
        away = np.repeat(distance_mk[this], size)
        at = np.arange(size[0])[:, None]  # each copy comes first itself, then the pool without it
        rest = np.arange(k - 1) + (np.arange(k - 1) >= at)
        index[pool[at[:, 0]]] = np.concatenate([pool[at], pool[rest]], axis=1)
        distance[pool[at[:, 0]]] = np.concatenate([away[at], away[rest]], axis=1)
    return index, distance


class _Blocks:
    """The ``wanted`` nearest others of each of many different points, by pairs of blocks."""

    def __init__(self, points_nd: np.ndarray, wanted: int) -> None:
        n, d = points_nd.shape
        self.n, self.k, self.blocks = n, wanted, -(-n // BLOCK)
        self.order = halved(points_nd, BLOCK)
        self.size = torch.full((self.blocks,), BLOCK)
        self.size[-1] = n - (self.blocks - 1) * BLOCK
        rows = self.blocks * BLOCK
        points = torch.zeros(rows, d)
        points[:n] = torch.from_numpy(points_nd[self.order])
        self.points = points.view(self.blocks, BLOCK, d)
        self.best = torch.full((self.blocks, BLOCK, wanted), FAR)
        self.who = torch.zeros((self.blocks, BLOCK, wanted), dtype=torch.int64)
        self.waiting: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in range(self.blocks)]
        self.n_waiting = [0] * self.blocks

    def search(self) -> np.ndarray:
        """(n, wanted) indices, in no order."""
        self.centre = centre_bd = self.points.sum(1) / self.size[:, None]
        pairs = torch.triu_indices(self.blocks, self.blocks, 1)
        way = torch.cdist(centre_bd, centre_bd)[pairs[0], pairs[1]]
        pairs = pairs[:, torch.argsort(way, stable=True)].T.tolist()
        tile = torch.empty(BLOCK, BLOCK)
        with Progress("Searching neighbours", self.blocks + len(pairs)) as progress:
            for i in range(self.blocks):
                self._halves(i, None, i, tile)
                tile.fill_diagonal_(FAR)
                self.best[i], at = tile.topk(self.k, dim=1, largest=False)
                self.who[i] = at + i * BLOCK
                self.best[i, self.size[i] :] = -1  # nothing is ever nearer to what only fills a block
                progress.advance()
            for i, j in pairs:
                self._pair(i, j, centre_bd[j] - centre_bd[i], tile)
                progress.advance()
        for i in range(self.blocks):
            self._settle(i)
        found = np.empty((self.n, self.k), dtype=np.int64)
        found[self.order] = self.order[self.who.view(-1, self.k)[: self.n].numpy()]
        return found

    def _pair(self, i: int, j: int, axis: Tensor, tile: Tensor) -> None:
        """Offer the points of each of two blocks to those of the other that may be nearer than what they have."""
        axis = axis / axis.norm().clamp_min(1e-30)
        along_i, along_j = self.points[i] @ axis, self.points[j] @ axis
        near_i = self._within(i, along_j[: self.size[j]].min() - along_i)
        near_j = self._within(j, along_j - along_i[: self.size[i]].max())
        n_i, n_j = int(near_i.sum()), int(near_j.sum())
        if n_i + n_j > BLOCK:
            self._halves(i, None, j, tile)
            self._rows(i, None, j, tile)
            self._columns(i, j, tile)
            return
        for near, one, other in ((near_i, i, j), (near_j, j, i)):
            rows = near.nonzero().ravel()
            if len(rows):
                self._rows(one, rows, other, self._halves(one, rows, other))

    def _halves(self, i: int, rows: Tensor | None, j: int, out: Tensor | None = None) -> Tensor:
        """Half the squared distances between (some) points of one block and those of another, by one product.

        The origin lies between the two blocks: far from it, subtracting products would lose the small distances.
        """
        origin = (self.centre[i] + self.centre[j]) / 2
        left = (self.points[i] if rows is None else self.points[i][rows]) - origin
        right = origin - self.points[j]
        left_half, right_half = ((side**2).sum(1, keepdim=True) / 2 for side in (left, right))
        for half, block in ((left_half, i if rows is None else None), (right_half, j)):
            if block is not None:
                half[self.size[block] :] = FAR
        left = torch.cat([left, left_half, torch.ones_like(left_half)], 1)
        right = torch.cat([right, torch.ones_like(right_half), right_half], 1)
        return torch.mm(left, right.T, out=out)

    def _within(self, i: int, gap: Tensor) -> Tensor:
        """Which points of a block are not proven to be farther from a plane than their last neighbour."""
        return gap.clamp_min(0) ** 2 * (0.5 * (1 - 1e-4)) < self.best[i, :, -1]

    def _rows(self, i: int, rows: Tensor | None, j: int, tile: Tensor) -> None:
        limit = self.best[i, :, -1] if rows is None else self.best[i, :, -1][rows]
        folded = tile.view(len(tile), GROUP, BLOCK // GROUP)
        row, group = (folded.amin(1) < limit[:, None]).nonzero(as_tuple=True)
        values = folded[row, :, group]
        at, member = (values < limit[row][:, None]).nonzero(as_tuple=True)
        mine = row[at] if rows is None else rows[row[at]]
        self._offer(i, mine, member * (BLOCK // GROUP) + group[at] + j * BLOCK, values[at, member])

    def _columns(self, i: int, j: int, tile: Tensor) -> None:
        limit = self.best[j, :, -1]
        folded = tile.view(GROUP, BLOCK // GROUP, BLOCK)
        group, column = (folded.amin(0) < limit).nonzero(as_tuple=True)
        values = folded[:, group, column].T
        at, member = (values < limit[column][:, None]).nonzero(as_tuple=True)
        self._offer(j, column[at], member * (BLOCK // GROUP) + group[at] + i * BLOCK, values[at, member])

    def _offer(self, i: int, row: Tensor, who: Tensor, half: Tensor) -> None:
        if len(row):
            self.waiting[i].append((row, who, half))
            self.n_waiting[i] += len(row)
            if self.n_waiting[i] > BLOCK * self.k // 2:
                self._settle(i)

    def _settle(self, i: int) -> None:
        """Keep the nearest of what a block has and what waits."""
        if not self.waiting[i]:
            return
        own = torch.arange(BLOCK).repeat_interleave(self.k)
        held = (own, self.who[i].ravel(), self.best[i].ravel())
        row, who, half = (torch.cat(parts) for parts in zip(held, *self.waiting[i]))
        half = half.clamp_min(0)
        key = (row << 32) | half.view(torch.int32).to(torch.int64)  # non-negative floats are ordered as their bits are
        order = torch.from_numpy(np.argsort(key.numpy(), kind="stable"))
        count = torch.bincount(row, minlength=BLOCK)
        start = count.cumsum(0) - count
        order = order[(start[:, None] + torch.arange(self.k)).ravel()]
        self.best[i], self.who[i] = half[order].view(BLOCK, self.k), who[order].view(BLOCK, self.k)
        self.waiting[i], self.n_waiting[i] = [], 0


def halved(points_nd: np.ndarray, size: int = BLOCK) -> np.ndarray:
    """An order in which neighbours in space are mostly neighbours: recursive halving, in multiples of ``size``.

    Each part is halved along the coordinate in which it varies most, until no more than ``size`` points are left.

    Parameters
    ----------
    points_nd
        (n, d) coordinates.
    size
        Points in a part.

    Examples
    --------
    >>> halved(np.array([[0.0], [9.0], [1.0], [8.0]]), 2).tolist()
    [0, 2, 1, 3]
    """
    out: list[np.ndarray] = []
    todo = [np.arange(len(points_nd))]
    while todo:
        part = todo.pop()
        if len(part) <= size:
            out.append(np.sort(part))
            continue
        some = points_nd[part[:: max(1, len(part) // 4096)]]
        axis = int(some.var(0).argmax())
        left = size * max(1, round(len(part) / size / 2))
        split = np.argpartition(points_nd[part, axis], left)
        todo += [part[split[left:]], part[split[:left]]]
    return np.concatenate(out)
