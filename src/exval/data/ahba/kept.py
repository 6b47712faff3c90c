"""Samples of each donor that are kept, and which columns of the donor's matrix they are."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from exval.data.ahba.coordinates import agrees, place_samples
from exval.data.ahba.layout import MATRIX, DonorFiles
from exval.data.ahba.ontology import Ontology
from exval.data.ahba.reading import read_ontology, read_rows, read_samples
from exval.data.ahba.similarity import alike
from exval.errors import InputError


@dataclass(frozen=True)
class Kept:
    """Samples of one donor.

    Parameters
    ----------
    files
        Of the donor.
    table
        One row for each kept sample, in the order of the matrix.
    keep_n
        (n,) bool, one for each row of SampleAnnot.csv.
    ontology
        Of the donor's download.
    """

    files: DonorFiles
    table: pd.DataFrame
    keep_n: np.ndarray
    ontology: Ontology

    @property
    def donor(self) -> str:
        """Name of the donor."""
        return self.files.donor


def placed(
    files: list[DonorFiles], coordinates: str | os.PathLike | pd.DataFrame, midline: float, counts: dict[str, int]
) -> list[Kept]:
    """Samples whose hemisphere agrees with their position; ``counts`` is told how many were read and left out.

    Raises
    ------
    InputError
        No sample of a donor agrees, or a well belongs to two donors.
    """
    found, sideless = [], 0
    for one in files:
        ontology = Ontology(read_ontology(one))
        table = place_samples(read_samples(one), coordinates)
        ids = table["structure_id"].to_numpy()
        table = table.assign(
            donor=one.donor,
            hemisphere=ontology.hemisphere(ids),
            structure_class=ontology.structure_class(ids),
            exval_twin=[f"{one.donor}_{well}" for well in table["well_id"]],
        )
        keep_n = agrees(table["hemisphere"].to_numpy(), table["mni_x"].to_numpy(), midline)
        if not keep_n.any():
            raise InputError(
                f"donor {one.donor}: the hemisphere of every sample contradicts its x coordinate; are sides swapped?"
            )
        sideless += int((table["hemisphere"][~keep_n] == "B").sum())
        found.append(Kept(one, table[keep_n], keep_n, ontology))
    wells = pd.concat([one.table["well_id"] for one in found])
    if not wells.is_unique:
        raise InputError(f"well {wells[wells.duplicated()].iloc[0]} belongs to two donors: is a download there twice?")
    total = sum(len(one.keep_n) for one in found)
    counts |= {"samples_read": total, "samples_contradicting": total - len(wells), "samples_sideless": sideless}
    return found


def without_unlike(
    kept: list[Kept], known_p: np.ndarray, id_p: np.ndarray, threshold: float, counts: dict[str, int]
) -> list[Kept]:
    """Without samples that are unlike the others of their donor over the probes ``id_p``."""
    out = []
    for one in kept:
        x_pn = read_rows(one.files, MATRIX, known_p, id_p, len(one.keep_n))[:, one.keep_n]
        alike_n = alike(x_pn, threshold)
        keep_n = one.keep_n.copy()
        keep_n[np.flatnonzero(keep_n)[~alike_n]] = False
        out.append(replace(one, table=one.table[alike_n], keep_n=keep_n))
    counts["samples_unlike"] = sum(len(one.table) for one in kept) - sum(len(one.table) for one in out)
    return out
