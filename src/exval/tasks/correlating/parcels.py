"""Parcels: values of a contrast from a table, and genes as means within donors first, then over donors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from exval.data.ahba.atlas import Atlas
from exval.data.ahba.parcels import aggregated
from exval.errors import InputError

IDS = ("id", "parcel", "label", "index", "region", "name")
VALUES = ("value", "contrast", "statistic", "t", "z", "mean")


def read_parcels(path: str | os.PathLike, atlas: Atlas) -> np.ndarray:
    """(p,) values of the parcels of an atlas; NaN for those that the table leaves out.

    Parameters
    ----------
    path
        csv with a column of parcels (``id``, ``parcel``, ..., else the first) and one of values (``value``, ..., else
        the only other one with numbers).
    atlas
        Whose labels the parcels are: numbers, or names of the column ``label`` of its ``info``.

    Raises
    ------
    InputError
        No such file, columns, numbers or parcels.
    """
    name = Path(path).name
    if not Path(path).is_file():
        raise InputError(f"there is no file {path}; give a contrast (.nii, .nii.gz) in MNI 152, or parcels (.csv)")
    try:
        table = pd.read_csv(path)
    except (ValueError, pd.errors.ParserError, OSError) as fault:
        raise InputError(f"{name} cannot be read as csv ({str(fault)[:80]}); give columns id and value") from None
    ids, values = _columns(table, name)
    values = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
    row_i = _rows(ids, atlas, name)
    twice = ids[pd.Series(row_i).duplicated().to_numpy()]
    if len(twice):
        raise InputError(f"{name}: parcel {twice.iloc[0]} stands there more than once; give one value for each")
    if not np.isfinite(values).any():
        raise InputError(f"{name}: its column of values holds no number")
    out = np.full(len(atlas.id_p), np.nan)
    out[row_i] = np.where(np.isfinite(values), values, np.nan)
    return out


def _columns(table: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series]:
    lower = {str(column).strip().lower(): column for column in table}
    if table.shape[1] < 2:
        raise InputError(f"{name} has {table.shape[1]} column; two are needed: parcel (id) and value")
    ids = next((lower[one] for one in IDS if one in lower), table.columns[0])
    values = next((lower[one] for one in VALUES if one in lower and lower[one] != ids), None)
    if values is None:
        numbers = [one for one in table if one != ids and pd.api.types.is_numeric_dtype(table[one])]
        if len(numbers) != 1:
            raise InputError(f"{name} has {len(numbers)} columns of numbers beside {ids}; call one of them value")
        values = numbers[0]
    return table[ids], table[values]


def _rows(ids: pd.Series, atlas: Atlas, name: str) -> np.ndarray:
    """(i,) number of the parcel of each row."""
    number = pd.to_numeric(ids, errors="coerce")
    known, what = pd.Index(atlas.id_p), number
    if number.isna().any():
        labels = atlas.info["label"] if atlas.info is not None and "label" in atlas.info else None
        if labels is None or labels.duplicated().any():
            raise InputError(
                f"{name} names parcels ({ids[number.isna()].iloc[0]}); give their numbers in {atlas.name}, or an "
                "--atlas-info with a column label that names every parcel differently"
            )
        known, what = pd.Index(labels.astype(str)), ids.astype(str)
    row_i = known.get_indexer(what)
    if (row_i < 0).any():
        lost = ids[row_i < 0]
        raise InputError(
            f"{len(lost)} of {len(ids)} parcels of {name} are not in {atlas.name} (first: {lost.iloc[0]}); give the "
            "table and the atlas that belong together"
        )
    return row_i


def over_donors(values_ng: np.ndarray, row_n: np.ndarray, donor_n: np.ndarray, p: int) -> np.ndarray:
    """(p, g) means of samples within parcels, in each donor first and then over donors; NaN without samples.

    Parameters
    ----------
    values_ng
        Of the samples.
    row_n
        (n,) number of the parcel, -1 for none.
    donor_n
        (n,) names, None where unknown.
    p
        Number of parcels.

    Examples
    --------
    >>> over_donors(np.array([[1.0], [3.0], [8.0]]), np.array([0, 0, 0]), np.array(["a", "a", "b"], object), 1).tolist()
    [[5.0]]
    """
    name_n = np.array(["" if one is None else str(one) for one in donor_n], dtype=object)
    keep = row_n >= 0
    donors = list(dict.fromkeys(name_n[keep]))
    return aggregated(values_ng[keep], row_n[keep], name_n[keep], p, donors, "donors", "mean")[0]
