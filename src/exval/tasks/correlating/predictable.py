"""How well each gene can be told at samples that a field did not see."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from exval.errors import InputError
from exval.fields.base import Field
from exval.fields.places import Places, codes
from exval.progress import track
from exval.tasks.field.splits import field_splits, range_buffer

WIDEST_MM = 10.0
FOLDS = 5


def held_out_r2(
    places: Places, values_ng: np.ndarray, field: Field, split_by: str | None = None, seed: int = 0
) -> tuple[np.ndarray, str]:
    r"""R2 of every gene over all held-out places.

    .. math:: R^2 = 1 - \sum (x - \hat x)^2 / \sum (x - m)^2

    with m the mean of the training places of the fold. Fields are told the position alone.

    Parameters
    ----------
    places, values_ng
        Of the n places.
    field
        Unfitted; each fold fits a clone.
    split_by
        ``donor``, or ``block``; by default donors where there are three or more. Around blocks a buffer of one length
        of the variogram (an exponential one: where correlation has fallen to 1 / e), 10 mm at most, is left out. With
        the whole range as buffer, as ``exval evaluate`` takes it, nothing could be told by definition.
    seed
        Of the blocks.

    Returns
    -------
    (numpy.ndarray, str)
        (g,), NaN for a gene that does not vary; and what was held out.

    Examples
    --------
    >>> from exval.fields.knn import KNearest
    >>> rng = np.random.default_rng(0)
    >>> xyz = rng.uniform(-40, 40, (200, 3))
    >>> values = np.column_stack([np.sin(xyz[:, 1] / 20), rng.normal(size=200)])
    >>> r2, by = held_out_r2(Places.of(xyz, list("abcd") * 50), values, KNearest())
    >>> by, bool(r2[0] > 0.5), bool(r2[1] < 0)
    ('donor', True, True)
    """
    names, code_n, _ = codes(places.donor_n, places.donor_n[:0])
    if split_by is None:
        split_by = "donor" if len(names) > 2 and (code_n >= 0).all() else "block"
    if split_by not in ("donor", "block"):
        raise InputError(f"genes are held out by donor or block, not by {split_by!r}")
    r2_g = np.full(values_ng.shape[1], np.nan)
    varied = np.flatnonzero(np.ptp(values_ng, axis=0) > 0)
    values_ng, buffer = values_ng[:, varied], 0.0
    if split_by == "block":
        buffer = min(range_buffer(places, values_ng, seed) / 3, WIDEST_MM)  # one length of the variogram
    splits = None
    while splits is None:
        try:
            splits = field_splits(places, split_by, folds=FOLDS, seed=seed, buffer=buffer)
        except InputError:
            if split_by == "donor" or buffer < 1:
                raise
            buffer /= 2  # few places: better a narrow buffer than no figure
    error_g, spread_g = np.zeros(values_ng.shape[1]), np.zeros(values_ng.shape[1])
    asked = places.without_regions()
    for fold in track(splits.folds, "Telling genes at held-out samples", total=len(splits.folds)):
        train, x_ng = asked.take(fold.train), values_ng[fold.train]
        one = clone(field)
        one.learn(train, one.take_up(train, x_ng, None).standardised(x_ng))
        told_mg = one.tell(asked.take(fold.test).without_donor()) * one.sd_g_ + one.mean_g_
        error_g += ((values_ng[fold.test] - told_mg) ** 2).sum(0)
        spread_g += ((values_ng[fold.test] - one.mean_g_) ** 2).sum(0)
    r2_g[varied] = np.where(spread_g > 0, 1 - error_g / np.where(spread_g > 0, spread_g, 1), np.nan)
    return r2_g, split_by + (f" ({buffer:.0f} mm apart)" if split_by == "block" else "")
