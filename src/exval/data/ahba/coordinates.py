"""Where samples lie: corrected MNI positions, labels that contradict them, and mirror images on the other side."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from exval.data.ahba.ontology import Ontology
from exval.data.ahba.reading import check_positions
from exval.errors import InputError

TABLE = Path(__file__).with_name("tables") / "coordinates.npz"
AXES = ["mni_x", "mni_y", "mni_z"]
MIRRORS = ("none", "bidirectional", "leftright", "rightleft")


@cache
def corrected_table() -> pd.DataFrame:
    """Positions of the 3,702 samples by non-linear registration: index well_id, columns mni_x, mni_y, mni_z in mm.

    From alleninf (K. Gorgolewski; ANTs registration of each donor's brain to MNI152), rounded to micrometres; source
    and licence in ``tables/NOTICE.txt``.

    Examples
    --------
    >>> corrected_table().shape
    (3702, 3)
    """
    with np.load(TABLE) as arrays:
        return pd.DataFrame(
            arrays["position_n3"] / 1000.0, index=pd.Index(arrays["well_n"], name="well_id"), columns=AXES
        )


def place_samples(samples: pd.DataFrame, coordinates: str | os.PathLike | pd.DataFrame = "corrected") -> pd.DataFrame:
    """Samples with the positions wanted.

    Parameters
    ----------
    samples
        ``well_id`` and ``mni_x``, ``mni_y``, ``mni_z``.
    coordinates
        ``"corrected"``: by well from the shipped table. ``"original"``: as in SampleAnnot.csv. Or a table (csv file or
        DataFrame) with the columns well_id, mni_x, mni_y and mni_z.

    Raises
    ------
    InputError
        A well that the table lacks, or a table that cannot be used.

    Examples
    --------
    >>> one = pd.DataFrame({"well_id": [126439333], "mni_x": [0.0], "mni_y": [0.0], "mni_z": [0.0]})
    >>> place_samples(one)[AXES].values.tolist()
    [[-13.468, 2.256, 3.433]]
    """
    if isinstance(coordinates, str) and coordinates == "original":
        return samples
    if isinstance(coordinates, str) and coordinates == "corrected":
        table, name = corrected_table(), "the table of corrected coordinates"
    else:
        table, name = _own_table(coordinates)
    row_n = table.index.get_indexer(samples["well_id"])
    if (row_n < 0).any():
        raise InputError(
            f"{(row_n < 0).sum():,} of {len(row_n):,} wells (first: {samples['well_id'].to_numpy()[row_n < 0][0]}) are "
            f"not in {name}; use --coordinates original, or a csv file with well_id, mni_x, mni_y, mni_z"
        )
    out = samples.copy()
    out[AXES] = table[AXES].to_numpy()[row_n]
    return out


def agrees(hemisphere_n: np.ndarray, x_n: np.ndarray, midline: float = 0.0) -> np.ndarray:
    """Whether the hemisphere of a sample's structure agrees with the sign of its x coordinate.

    ``L`` needs x < 0, ``R`` needs x > 0; a structure without a side (``B``: midline, parts of the brainstem) needs
    ``|x| <= midline``.

    Parameters
    ----------
    hemisphere_n
        (n,) L, R or B.
    x_n
        (n,) mm.
    midline
        mm; 0 is what abagen does, which leaves out every structure without a side that does not lie at x = 0 exactly:
        by corrected coordinates all 138 such samples of the six donors (vermis, raphe, corpus callosum).

    Examples
    --------
    >>> agrees(np.array(list("LLRRBB")), np.array([-1, 1, 1, 0, 0, 2.0])).tolist()
    [True, False, True, False, True, False]
    """
    left, right = (hemisphere_n == "L") & (x_n < 0), (hemisphere_n == "R") & (x_n > 0)
    return left | right | ((hemisphere_n == "B") & (np.abs(x_n) <= midline))


def mirror(samples: pd.DataFrame, ontology: Ontology, how: str = "bidirectional") -> pd.DataFrame:
    """Samples and, behind them, their images on the other side: ``-x``, and the opposite structure.

    Parameters
    ----------
    samples
        ``structure_id``, ``structure_acronym``, ``structure_name``, ``hemisphere``, ``mni_x`` and whatever else.
    ontology
        Of the same donor.
    how
        ``none``; ``leftright``: samples at x < 0 are copied to the right; ``rightleft``: those at x > 0 to the left;
        ``bidirectional``: both.

    Returns
    -------
    pandas.DataFrame
        With the column ``mirrored`` (bool). All else of an image is its original's, so that an id of the original, such
        as ``exval_twin``, keeps both together in every split. A structure without a partner in the ontology gives
        no image.

    Examples
    --------
    >>> from exval.data.ahba.miniature import small_ontology
    >>> one = pd.DataFrame({"structure_id": [90011], "structure_acronym": ["FP"], "hemisphere": ["L"],
    ...     "structure_name": ["frontal pole, left"], "mni_x": [-20.0]})
    >>> mirror(one, Ontology(small_ontology()))[["structure_id", "hemisphere", "mni_x", "mirrored"]].values.tolist()
    [[90011, 'L', -20.0, False], [90012, 'R', 20.0, True]]
    """
    if how not in MIRRORS:
        raise InputError(f"--mirror {how!r} is not known; choose one of {', '.join(MIRRORS)}")
    samples = samples.assign(mirrored=False)
    if how == "none":
        return samples
    x_n = samples["mni_x"].to_numpy()
    wanted_n = ((x_n < 0) & (how != "rightleft")) | ((x_n > 0) & (how != "leftright"))
    across_n = ontology.opposite(samples["structure_id"].to_numpy())
    wanted_n &= across_n >= 0
    image, across = samples[wanted_n].copy(), across_n[wanted_n]
    image["mni_x"] = -image["mni_x"]
    image["structure_id"] = across
    image["structure_acronym"], image["structure_name"] = ontology.acronym(across), ontology.name(across)
    image["hemisphere"], image["mirrored"] = ontology.hemisphere(across), True
    return pd.concat([samples, image], ignore_index=True)


def _own_table(coordinates: str | os.PathLike | pd.DataFrame) -> tuple[pd.DataFrame, str]:
    if isinstance(coordinates, pd.DataFrame):
        table, name = coordinates.copy(), "the table of coordinates"
    else:
        name = str(coordinates)
        if not Path(coordinates).is_file():
            raise InputError(f"--coordinates: there is no file {name}; give corrected, original or a csv file")
        try:
            table = pd.read_csv(coordinates)
        except (ValueError, pd.errors.ParserError, OSError) as fault:
            raise InputError(f"--coordinates: {name} cannot be read as csv ({str(fault)[:80]})") from None
    table = table.rename(columns={f"corrected_{axis}": axis for axis in AXES})
    missing = [column for column in ("well_id", *AXES) if column not in table]
    if missing:
        raise InputError(
            f"--coordinates: {name} has no column {', '.join(missing)}; needed: well_id, {', '.join(AXES)}"
        )
    if not table["well_id"].is_unique:
        raise InputError(f"--coordinates: {name} holds a well twice; keep one row for each")
    table[AXES] = table[AXES].apply(pd.to_numeric, errors="coerce")
    check_positions(table[AXES].to_numpy(float), f"--coordinates: {name}")
    return table.set_index("well_id"), name
