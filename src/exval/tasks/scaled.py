"""Cohorts that were z-scored each on its own cannot be told apart by what is left of them."""

from __future__ import annotations

import numpy as np

from exval.errors import UnitError

LEAST = 10
SHARE = 0.2


def scaled_within(x_ng: np.ndarray, class_n: np.ndarray) -> bool:
    """Whether every class has, gene by gene, the mean of all: it was centred on its own.

    Of classes drawn at random the mean of a gene lies at ``0.67 sd / sqrt(n)`` from the overall mean in the median; of
    classes that were centred separately, at nearly nothing, even if some samples were left out afterwards.

    Parameters
    ----------
    x_ng
        (n, g) values, NaN where not measured.
    class_n
        (n,) class of each sample. Classes of fewer than 10 samples say nothing.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, half = rng.normal(size=(40, 30)), np.repeat(["a", "b"], 20)
    >>> scaled_within(x, half), scaled_within(x - np.repeat([x[:20].mean(0), x[20:].mean(0)], 20, axis=0), half)
    (False, True)
    """
    x_ng = np.clip(np.asarray(x_ng, dtype=np.float64), -10, 10)
    away = []
    for name in np.unique(class_n):
        part = x_ng[class_n == name]
        if len(part) < LEAST:
            continue
        there_g = np.isfinite(part).sum(0)
        keep = there_g >= LEAST
        if not keep.any():
            continue
        mean_g, sd_g = np.nanmean(part[:, keep], 0), np.nanstd(part[:, keep], 0)
        varies = sd_g > 0
        if varies.any():
            away.append(np.median(np.abs(mean_g[varies]) / sd_g[varies] * np.sqrt(there_g[keep][varies])))
    return len(away) > 1 and bool(max(away) < SHARE)


def refuse_scaled_within(x_ng: np.ndarray, class_n: np.ndarray, label: str) -> None:
    """Refuse to tell classes apart that were z-scored each on its own.

    Raises
    ------
    UnitError
        With the reason: what differs between them was removed, and what is left is how it was removed.
    """
    if scaled_within(x_ng, class_n):
        raise UnitError(
            f"the values were z-scored within each {label}: every gene has mean 0 in each of them, so nothing of what "
            "sets them apart is left to learn; give values on one scale (log2 TPM, counts), or a label that varies "
            f"within each {label}"
        )
