"""The inner hold-out: who teaches copies of a field, who is asked, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from exval.errors import InputError
from exval.fields.places import Places, codes

BLOCKS, BANDS, LEAST, LEFT = 5, 8, 40, 20
EMPTIED = 0.5  # of the samples of the others


def by_donor(places: Places) -> bool:
    """Whether donors can be held out in turn: three or more, all known, and twenty samples left without any of them.

    Examples
    --------
    >>> xyz = np.random.default_rng(0).uniform(-40, 40, (60, 3))
    >>> [by_donor(Places.of(xyz, donor_n=list(who))) for who in ("abc" * 20, "ab" * 30, "a" * 50 + "bc" * 5)]
    [True, False, False]
    """
    names, code_n, _ = codes(places.donor_n, places.donor_n[:0])
    if len(names) < 3 or (code_n < 0).any():
        return False
    return bool(len(places) - np.bincount(code_n).max() >= LEFT)


def inner_groups(places: Places, seed: int = 0) -> np.ndarray:
    """(n,) group of each sample: its donor where donors can be held out, else one of five blocks in space.

    Raises
    ------
    InputError
        All samples lie at one place, both hemispheres laid onto one.

    Examples
    --------
    >>> places = Places.of(np.random.default_rng(0).uniform(-40, 40, (60, 3)), donor_n=list("abc") * 20)
    >>> np.bincount(inner_groups(places)).tolist()
    [20, 20, 20]
    """
    if by_donor(places):
        return codes(places.donor_n, places.donor_n[:0])[1]
    k, xyz = min(BLOCKS, max(len(places) // 10, 2)), places.folded()
    if (distinct := len(np.unique(xyz, axis=0))) < 2:
        raise InputError("all samples lie at one place, both hemispheres laid onto one: a field needs several places")
    return KMeans(min(k, distinct), n_init=3, random_state=seed).fit_predict(xyz)


@dataclass(frozen=True, eq=False)
class HoldOut:
    """Who teaches, who is asked, and how far each of the asked is from the nearest that teaches, mm."""

    train: np.ndarray
    test: np.ndarray
    apart_m: np.ndarray


def empties(places: Places) -> bool:
    """Whether there are samples enough to tell near from far, so that parts of the brain are emptied."""
    return len(places) >= 2 * LEAST


def hold_outs(places: Places, seed: int = 0) -> list[HoldOut]:
    """Every donor once, or every fifth of the samples where donors cannot be held out, and with each a part of a brain.

    Those that are held out alone have samples of the others a few millimetres away everywhere, and say nothing of the
    parts of a brain that were never sampled. With each group, the half of the other samples that is nearest to one of
    as many centres as there are groups (k-means) is left out too, each centre once, where the groups have most of their
    own samples: some of these then lie next to samples that teach, others centimetres off. Fewer than 80 samples are
    too few to tell near from far, and nothing is emptied.

    Raises
    ------
    InputError
        See :func:`inner_groups`.

    Examples
    --------
    >>> places = Places.of(np.random.default_rng(0).uniform(-40, 40, (90, 3)), donor_n=list("abc") * 30)
    >>> [(len(one.train), len(one.test)) for one in hold_outs(places)]
    [(30, 30), (30, 30), (30, 30)]
    """
    group_n, xyz, n = inner_groups(places, seed), places.folded(), len(places)
    if not by_donor(places):
        group_n = np.random.default_rng(seed).permutation(n) % min(BLOCKS, max(n // 10, 2))
    groups, made = np.unique(group_n), []
    centre_f3 = _centres(xyz, group_n, seed) if empties(places) else None
    for f, group in enumerate(groups):
        test, train = np.flatnonzero(group_n == group), np.flatnonzero(group_n != group)
        if centre_f3 is not None:
            order = np.argsort(np.linalg.norm(xyz[train] - centre_f3[f], axis=1), kind="stable")
            train = np.sort(train[order[max(min(int(EMPTIED * len(train)), len(train) - LEFT), 0) :]])
        made.append(HoldOut(train, test, cKDTree(xyz[train]).query(xyz[test])[0]))
    return made


def _centres(xyz: np.ndarray, group_n: np.ndarray, seed: int) -> np.ndarray:
    """(f, 3) a centre for each group, such that as many samples as can be are next to that of their own group."""
    groups = np.unique(group_n)
    k = min(len(groups), len(np.unique(xyz, axis=0)))
    centre_k3 = KMeans(k, n_init=3, random_state=seed).fit(xyz).cluster_centers_
    centre_f3 = centre_k3[np.arange(len(groups)) % k]
    near_n = cdist(xyz, centre_f3).argmin(1)
    share_ff = np.array([np.bincount(near_n[group_n == group], minlength=len(groups)) for group in groups])
    return centre_f3[linear_sum_assignment(-share_ff / share_ff.sum(1, keepdims=True))[1]]


def copies(field: Any, places: Places, z_ng: np.ndarray, folds: Sequence[HoldOut]) -> Iterator[tuple[HoldOut, Any]]:
    """Each hold-out, with a copy of the fitted field that was taught what teaches in it."""
    for fold in folds:
        one = field.frozen()
        one.learn(places.take(fold.train), z_ng[fold.train])
        yield fold, one


def inner_errors(
    field: Any, places: Places, z_ng: np.ndarray, folds: Sequence[HoldOut], asked: Sequence[Places]
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Errors that copies of a field make about every sample that is held out.

    Parameters
    ----------
    field
        With ``frozen``, ``tell`` and, where ``own_sd``, ``spread``.
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
    for fold, one in copies(field, places, z_ng, folds):
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
    """Rows in up to eight bands of about equal size of the distance, near to far, of forty samples and more.

    Equal distances are never divided.

    Examples
    --------
    >>> [len(rows) for rows in bands(np.r_[np.zeros(100), np.linspace(1, 9, 100)])]
    [100, 40, 60]
    """
    n, order = len(apart_n), np.argsort(apart_n, kind="stable")
    sorted_n, size = apart_n[order], max(LEAST, -(-n // BANDS))
    cuts = [0]
    while (cut := cuts[-1] + size) < n and (cut := int(np.searchsorted(sorted_n, sorted_n[cut - 1], "right"))) < n:
        if n - cut < size / 2 or n - cut < LEAST:
            break
        cuts.append(cut)
    return np.split(order, cuts[1:])
