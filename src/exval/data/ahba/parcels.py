"""From samples to parcels: means or medians within a parcel, and what to do with parcels that hold no sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.data.ahba.atlas import Atlas
from exval.data.ahba.coordinates import AXES
from exval.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

MISSING = ("none", "centroids", "interpolate")
AGGREGATE = ("donors", "samples")
METRICS = ("mean", "median")
LEAST_MM = 1.0


def parcellate(
    samples: AnnData,
    atlas: Any,
    atlas_info: Any = None,
    *,
    tolerance: float = 2.0,
    missing: str = "none",
    aggregate: str = "donors",
    metric: str = "mean",
    each_donor: bool = False,
) -> AnnData:
    """Parcels by genes.

    Parameters
    ----------
    samples
        Of :func:`exval.data.ahba.pipeline.import_ahba`; with ``obs["parcel"]`` if it was given the same atlas.
    atlas, atlas_info, tolerance
        See :func:`exval.data.ahba.atlas.Atlas.load`.
    missing
        For a parcel without samples. ``none``: NaN. ``centroids``: where no donor has a sample,
        ``sum_d e_d / r_d / sum_d 1 / r_d`` with e_d the sample of donor d nearest to the parcel's centroid and r_d its
        distance. ``interpolate``: in each donor that has no sample, ``sum_v e_v / r_v / sum_v 1 / r_v`` over the voxels
        of the parcel, e_v being the sample of the donor nearest to the voxel. Distances below 1 mm count as 1 mm. With
        ``atlas_info`` only samples of the parcel's side and class are looked at.
    aggregate
        ``donors``: within each donor, then over donors. ``samples``: over all samples at once.
    metric
        ``mean`` or ``median``, at both steps.
    each_donor
        Also layers ``donor_<name>``: values of one donor, NaN where it has none. Only with ``donors``.

    Returns
    -------
    anndata.AnnData
        ``X`` (p, g) dense float32, NaN where a parcel has no value. ``obs``: label, centroid in mm, ``n_samples``,
        ``n_<donor>``, ``filled`` (how an empty parcel got values, or empty), and the columns of ``atlas_info``.
        ``uns`` as in ``samples``.

    Raises
    ------
    InputError
        An unknown option, an atlas in another space, or no sample in any parcel.
    """
    _check(missing, aggregate, metric, each_donor)
    atlas = Atlas.load(atlas, atlas_info)
    obs, x_ng = samples.obs, np.asarray(samples.X, dtype=np.float64)
    label_n = obs["parcel"].to_numpy() if "parcel" in obs else atlas.match_samples(obs, tolerance)
    parcel_n = np.where(label_n > 0, np.searchsorted(atlas.id_p, label_n), -1)
    if (parcel_n >= len(atlas.id_p)).any() or (atlas.id_p[parcel_n[label_n > 0]] != label_n[label_n > 0]).any():
        raise InputError("obs holds parcels that are not in the atlas; import again with this atlas")
    if not (parcel_n >= 0).any():
        raise InputError("no sample has a parcel: nothing to average")
    donor_n = obs["donor"].astype(str).to_numpy()
    donors = list(dict.fromkeys(donor_n))
    p = len(atlas.id_p)
    count_pd = np.stack([np.bincount(parcel_n[(donor_n == d) & (parcel_n >= 0)], minlength=p) for d in donors], axis=1)
    filled_p = np.full(p, "", dtype=object)
    extra_x, extra_parcel, extra_donor = [], [], []
    if missing != "none":
        for parcel, donor, values_g in _fill(atlas, missing, obs, x_ng, count_pd, donor_n, donors):
            extra_x.append(values_g)
            extra_parcel.append(parcel)
            extra_donor.append(donor)
            filled_p[parcel] = missing
    keep_n = parcel_n >= 0
    x_mg = np.concatenate([x_ng[keep_n], np.array(extra_x).reshape(-1, x_ng.shape[1])])
    parcel_m = np.concatenate([parcel_n[keep_n], np.array(extra_parcel, dtype=np.int64)])
    donor_m = np.concatenate([donor_n[keep_n], np.array(extra_donor, dtype=object)])
    x_pg, x_dpg = aggregated(x_mg, parcel_m, donor_m, p, donors, aggregate, metric)
    return _table(samples, atlas, x_pg, count_pd, donors, filled_p, x_dpg if each_donor else None)


def aggregated(
    x_mg: np.ndarray, parcel_m: np.ndarray, donor_m: np.ndarray, p: int, donors: list[str], how: str, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """(p, g) values of parcels, and (d, p, g) those of each donor; NaN where there is no sample.

    Examples
    --------
    >>> x_mg, donor_m = np.array([[1.0], [3.0], [8.0]]), np.array(["a", "a", "b"])
    >>> aggregated(x_mg, np.array([0, 0, 0]), donor_m, 1, ["a", "b"], "donors", "mean")[0].tolist()
    [[5.0]]
    >>> aggregated(x_mg, np.array([0, 0, 0]), donor_m, 1, ["a", "b"], "samples", "mean")[0].tolist()
    [[4.0]]
    """
    if how == "samples":
        return _grouped(x_mg, parcel_m, p, metric), np.empty((0, p, x_mg.shape[1]))
    x_dpg = np.stack([_grouped(x_mg[donor_m == d], parcel_m[donor_m == d], p, metric) for d in donors])
    rows_kg = x_dpg.reshape(-1, x_mg.shape[1])
    parcel_k = np.tile(np.arange(p), len(donors))
    has_k = ~np.isnan(rows_kg).all(1)
    return _grouped(rows_kg[has_k], parcel_k[has_k], p, metric), x_dpg


def _grouped(x_mg: np.ndarray, parcel_m: np.ndarray, p: int, metric: str) -> np.ndarray:
    out_pg = np.full((p, x_mg.shape[1]), np.nan)
    reduce = np.mean if metric == "mean" else np.median
    order = np.argsort(parcel_m, kind="stable")
    found, first = np.unique(parcel_m[order], return_index=True)
    for parcel, rows in zip(found, np.split(order, first[1:])):
        out_pg[parcel] = reduce(x_mg[rows], axis=0)
    return out_pg


def _fill(atlas, missing, obs, x_ng, count_pd, donor_n, donors):
    """Parcel, donor and values for what is empty: one pseudo-sample for each."""
    position_n3 = obs[AXES].to_numpy(float)
    fits_np = _fits(atlas, obs)
    empty = np.flatnonzero(count_pd.sum(1) == 0) if missing == "centroids" else range(len(atlas.id_p))
    for parcel in empty:
        found = {}
        for d, donor in enumerate(donors):
            rows = np.flatnonzero((donor_n == donor) & fits_np[:, parcel])
            if count_pd[parcel, d] or not len(rows):
                continue
            targets_v3 = atlas.position_v3[atlas.parcel_v == parcel]
            if missing == "centroids":
                targets_v3 = atlas.centroid_p3[[parcel]]
            nearest_v, away_v = _nearest(position_n3[rows], targets_v3)
            weight_v = 1 / np.maximum(away_v, LEAST_MM)
            weight_n = np.bincount(nearest_v, weights=weight_v, minlength=len(rows))
            used = np.flatnonzero(weight_n)
            found[donor] = (weight_n[used] @ x_ng[rows[used]] / weight_v.sum(), weight_v.sum())
        if missing == "interpolate":
            for donor, (values_g, _) in found.items():
                yield parcel, donor, values_g
        elif found:
            total = sum(weight for _, weight in found.values())
            values_g = sum(weight * values for values, weight in found.values()) / total
            for donor in donors:
                yield parcel, donor, values_g


def _nearest(position_k3: np.ndarray, target_v3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.spatial import cKDTree

    away_v, nearest_v = cKDTree(position_k3).query(target_v3)
    return nearest_v, away_v


def _fits(atlas: Atlas, obs: pd.DataFrame) -> np.ndarray:
    """(n, p) whether a sample's side and class are those of a parcel."""
    pairs = list(zip(obs["hemisphere"].astype(str), obs["structure_class"].astype(str)))
    rows = {pair: atlas.allowed(*pair) for pair in set(pairs)}
    return np.stack([rows[pair] for pair in pairs])


def _table(
    samples: AnnData,
    atlas: Atlas,
    x_pg: np.ndarray,
    count_pd: np.ndarray,
    donors: list[str],
    filled_p: np.ndarray,
    x_dpg: np.ndarray | None,
) -> AnnData:
    from anndata import AnnData

    obs = pd.DataFrame({"label": atlas.id_p}, index=pd.Index(atlas.id_p.astype(str), dtype=object))
    if atlas.info is not None:
        for column in atlas.info.columns:
            obs["name" if column == "label" else str(column)] = atlas.info[column].to_numpy()
    for i, axis in enumerate(AXES):
        obs[axis] = atlas.centroid_p3[:, i]
    obs["n_samples"] = count_pd.sum(1)
    for d, donor in enumerate(donors):
        obs[f"n_{donor}"] = count_pd[:, d]
    obs["filled"] = filled_p
    table = AnnData(x_pg.astype(np.float32), obs=obs, var=samples.var.copy())
    table.obsm["mni"] = atlas.centroid_p3.copy()
    for d, donor in enumerate(donors if x_dpg is not None else ()):
        table.layers[f"donor_{donor}"] = x_dpg[d].astype(np.float32)
    for key in ("exval_unit", "exval_ahba"):
        if key in samples.uns:
            table.uns[key] = samples.uns[key]
    return table


def _check(missing: str, aggregate: str, metric: str, each_donor: bool) -> None:
    for word, value, known in (
        ("--missing", missing, MISSING),
        ("--aggregate", aggregate, AGGREGATE),
        ("--metric", metric, METRICS),
    ):
        if value not in known:
            raise InputError(f"{word} {value!r} is not known; choose one of {', '.join(known)}")
    if each_donor and aggregate == "samples":
        raise InputError("values of each donor need --aggregate donors")
