"""Who is held out of a field: whole donors, blocks of space with a buffer, or samples at random."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans

from exval.errors import InputError
from exval.fields.kernels import fit_variogram, variogram
from exval.fields.places import Places, codes
from exval.tasks.splits import Fold, Splits

BY = ("donor", "block", "random")
LEAST = 20
MOST_BUFFER = 40.0  # mm: with more, little of a brain is left to train on


def range_buffer(places: Places, values_ng: np.ndarray, seed: int = 0) -> float:
    """mm around a block so that nothing near is left to copy from: the range of the variogram, at most 40 mm.

    The range is three lengths of the exponential model, where 95 % of the sill is reached.

    Examples
    --------
    >>> xyz = np.random.default_rng(0).uniform(-40, 40, (300, 3))
    >>> 5 < range_buffer(Places.of(xyz), np.sin(xyz / 10)) <= 40
    True
    """
    z_ng = (values_ng - values_ng.mean(0)) / values_ng.std(0).clip(1e-9)
    return min(3 * fit_variogram(*variogram(places.folded(), z_ng, seed=seed))[2], MOST_BUFFER)


def field_splits(
    places: Places,
    by: str = "donor",
    *,
    folds: int = 6,
    repeats: int = 1,
    seed: int = 0,
    buffer: float = 0.0,
) -> Splits:
    """Folds of samples.

    Parameters
    ----------
    places
        Of the samples.
    by
        ``"donor"``: each donor once. ``"block"``: k-means clusters of the positions, both hemispheres laid onto one;
        training samples within ``buffer`` mm of a held-out one are left out, so that no near neighbour is left to copy
        from (Roberts et al. 2017, Ecography 40). ``"random"``: samples, which is optimistic.
    folds, repeats, seed
        Number of blocks or parts, and how often they are drawn.
    buffer
        mm; take the range of the variogram.

    Raises
    ------
    InputError
        One donor only, an unknown way of splitting, too few samples left to train on.

    Examples
    --------
    >>> places = Places.of(np.random.default_rng(0).uniform(-40, 40, (90, 3)), donor_n=list("abc") * 30)
    >>> made = field_splits(places)
    >>> made.name, [len(fold.test) for fold in made.folds]
    ('donor', [30, 30, 30])
    """
    n = len(places)
    if by not in BY:
        raise InputError(f"fields are split by {', '.join(BY)}, not by {by!r}")
    if by == "donor":
        names, code_n, _ = codes(places.donor_n, places.donor_n[:0])
        if (code_n < 0).any():
            raise InputError(f"{int((code_n < 0).sum())} samples name no donor; split by block, or name them")
        if len(names) < 2:
            raise InputError("all samples are of one donor, so that none can be held out: split by block")
        drawn = [(code_n, seed)]
    elif by == "block":
        drawn = [(_blocks(places, folds, seed + r), seed + r) for r in range(repeats)]
    else:
        drawn = [(_parts(n, folds, seed + r), seed + r) for r in range(repeats)]
    made, notes, xyz = [], [], places.folded()
    for fold_n, of_seed in drawn:
        for fold in np.unique(fold_n):
            test_n = fold_n == fold
            train_n = ~test_n
            if by == "block" and buffer > 0:
                train_n &= cKDTree(xyz[test_n]).query(xyz, distance_upper_bound=buffer)[0] > buffer
            if train_n.sum() < LEAST:
                raise InputError(
                    f"{int(train_n.sum())} samples are left to train on with blocks {buffer:.0f} mm apart; give more "
                    "blocks (--folds) or a smaller --buffer"
                )
            if (left := int((~train_n & ~test_n).sum())) > 0:
                notes.append({"what": "buffer", "n": left, "note": f"fold {fold}: within {buffer:.0f} mm of the block"})
            made.append(Fold(np.flatnonzero(train_n), np.flatnonzero(test_n), int(fold), of_seed))
    table = pd.DataFrame(notes, columns=["what", "n", "note"])
    if by == "random":
        return Splits("samples (optimistic)", made, None, table, "sample")
    group_n = drawn[0][0].astype(str).astype(object) if by == "block" else places.donor_n
    return Splits(by, made, group_n, table, "sample")


def _blocks(places: Places, folds: int, seed: int) -> np.ndarray:
    return KMeans(folds, n_init=3, random_state=seed).fit_predict(places.folded())


def _parts(n: int, folds: int, seed: int) -> np.ndarray:
    part_n = np.empty(n, dtype=int)
    part_n[np.random.default_rng(seed).permutation(n)] = np.arange(n) % folds
    return part_n
