"""What is left unexplained, and whether sds keep their word: tables for the report, from kept predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from exval.fields.kernels import fit_variogram, variogram
from exval.tasks.field.kept import Kept

LEVELS = tuple(round(0.05 * i, 2) for i in range(1, 20))
DECILES = 10


def variogram_table(xyz_n3: np.ndarray, values: dict[str, np.ndarray], seed: int = 0) -> pd.DataFrame:
    """Empirical semivariances with an exponential model beside them.

    Parameters
    ----------
    xyz_n3
        (n, 3) mm, both hemispheres on one.
    values
        What -> (n, g), in standard deviations of the gene.
    seed
        Of the samples drawn where there are more than 2,000.

    Returns
    -------
    pandas.DataFrame
        ``what, distance`` (mm), ``gamma, pairs``, and of the model ``nugget, sill, length``
        (:func:`exval.fields.kernels.fit_variogram`), the same in every row of one ``what``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> xyz = rng.uniform(0, 60, (200, 3))
    >>> variogram_table(xyz, {"measured": np.sin(xyz[:, :1] / 15)}).columns.tolist()
    ['what', 'distance', 'gamma', 'pairs', 'nugget', 'sill', 'length']
    """
    frames = []
    for what, z_ng in values.items():
        distance_b, gamma_b, pairs_b = variogram(xyz_n3, z_ng, seed=seed)
        if len(gamma_b) < 4 or not gamma_b.max() > 0:
            continue
        fitted = dict(zip(("nugget", "sill", "length"), fit_variogram(distance_b, gamma_b, pairs_b)))
        frames.append(
            pd.DataFrame({"what": what, "distance": distance_b, "gamma": gamma_b, "pairs": pairs_b, **fitted})
        )
    columns = ["what", "distance", "gamma", "pairs", "nugget", "sill", "length"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def left_over(kept: Kept, shown: str, against: str, arm: str, seed: int = 0) -> pd.DataFrame:
    """Variograms of the measured values and of the errors of one field and of the reference (``errors of NAME``).

    All genes that were held, standardised over all samples; the first repeat.
    """
    first = kept.parts[0][0]["seed"]
    rows = np.unique(np.concatenate([part[1] for part in kept.parts if part[0]["seed"] == first]))
    scale_g = kept.values_ng[:, kept.columns].std(0)
    varies = scale_g > 0
    x_ng = kept.values_ng[rows][:, kept.columns][:, varies]
    values = {"measured": (x_ng - x_ng.mean(0)) / scale_g[varies]}
    for title in dict.fromkeys((shown, against)):
        error_ng = np.full_like(x_ng, np.nan)
        for head, at, mean_mg, _ in kept.parts:
            if (head["method"], head["arm"], head["seed"]) == (title, arm, first):
                here = np.searchsorted(rows, at)
                error_ng[here] = (mean_mg[:, varies] - x_ng[here]) / scale_g[varies]
        if np.isfinite(error_ng).all():
            values[f"errors of {title}"] = error_ng
    return variogram_table(kept.places.take(rows).folded(), values, seed)


def kept_word(kept: Kept) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nominal against actual coverage, and errors by deciles of the sd, of every field that has one.

    Returns
    -------
    coverage
        ``method, arm, nominal, actual, n``: share of the measured values inside the central normal interval.
    deciles
        ``method, arm, decile, sd, error, n``: root mean squares of sd and error, in standard deviations of the gene,
        of the tenths of all answers by that sd.
    """
    scale_g = kept.values_ng[:, kept.columns].std(0)
    varies = scale_g > 0
    groups: dict[tuple[str, str], list] = {}
    for part in kept.parts:
        if part[3] is not None:
            groups.setdefault((part[0]["method"], part[0]["arm"]), []).append(part)
    covered, tenths = [], []
    for (method, arm), parts in groups.items():
        free = lambda x_mg: (x_mg[:, varies] / scale_g[varies]).ravel()  # noqa: E731
        error = np.concatenate([free(kept.values_ng[rows][:, kept.columns] - mean) for _, rows, mean, _ in parts])
        sd = np.concatenate([free(sd) for *_, sd in parts])
        z, head = np.abs(error) / np.maximum(sd, 1e-12), {"method": method, "arm": arm}
        for level in LEVELS:
            inside = float((z <= ndtri(0.5 + level / 2)).mean())
            covered.append({**head, "nominal": level, "actual": inside, "n": len(z)})
        for decile, at in enumerate(np.array_split(np.argsort(sd, kind="stable"), DECILES), 1):
            if len(at):
                tenths.append({**head, "decile": decile, "n": len(at),
                               "sd": float(np.sqrt((sd[at] ** 2).mean())),
                               "error": float(np.sqrt((error[at] ** 2).mean()))})  # fmt: skip
    return pd.DataFrame(covered), pd.DataFrame(tenths)
