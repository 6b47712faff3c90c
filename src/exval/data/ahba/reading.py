"""Contents of a donor's files, checked: tables of probes, samples and structures, matrices block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from exval.data.ahba.layout import ONTOLOGY, PRESENT, PROBES, SAMPLES, DonorFiles
from exval.errors import InputError

BLOCK_BYTES = 1 << 24
LARGEST_MM = 200.0
_PROBE_COLUMNS = ("probe_id", "probe_name", "gene_symbol", "entrez_id")
_SAMPLE_COLUMNS = ("structure_id", "well_id", "structure_acronym", "structure_name", "mni_x", "mni_y", "mni_z")
_ONTOLOGY_COLUMNS = ("id", "acronym", "name", "hemisphere", "structure_id_path")


def read_probes(files: DonorFiles) -> pd.DataFrame:
    """Probes.csv: ``probe_id`` (int64, unique), ``probe_name``, ``gene_symbol``, ``entrez_id`` (-1: none).

    Raises
    ------
    InputError
        A column is missing, an id is no number or stands twice.
    """
    table = _table(files, PROBES, _PROBE_COLUMNS)
    table["probe_id"] = _whole(files, PROBES, table["probe_id"])
    _unique(files, PROBES, table["probe_id"], "probe_id")
    table["entrez_id"] = entrez(table["entrez_id"])
    return table


def read_samples(files: DonorFiles) -> pd.DataFrame:
    """SampleAnnot.csv in the order of the file: the order of the columns of the matrices.

    Returns
    -------
    pandas.DataFrame
        Columns of the file; ``structure_id`` and ``well_id`` int64, ``mni_x``, ``mni_y``, ``mni_z`` float64 in mm.

    Raises
    ------
    InputError
        A column or a position is missing, a well stands twice, or positions are no millimetres of a brain.
    """
    table = _table(files, SAMPLES, _SAMPLE_COLUMNS)
    for column in ("structure_id", "well_id"):
        table[column] = _whole(files, SAMPLES, table[column])
    _unique(files, SAMPLES, table["well_id"], "well_id")
    for axis in ("mni_x", "mni_y", "mni_z"):
        table[axis] = pd.to_numeric(table[axis], errors="coerce").astype(float)
    check_positions(table[["mni_x", "mni_y", "mni_z"]].to_numpy(), files.say(SAMPLES))
    return table


def read_ontology(files: DonorFiles) -> pd.DataFrame:
    """Ontology.csv: ``id`` int64, ``acronym``, ``name``, ``hemisphere`` (L, R, or B where it is empty), path.

    Raises
    ------
    InputError
        A column is missing, an id stands twice, or a hemisphere is neither L, R nor empty.
    """
    table = _table(files, ONTOLOGY, _ONTOLOGY_COLUMNS)
    table["id"] = _whole(files, ONTOLOGY, table["id"])
    _unique(files, ONTOLOGY, table["id"], "id")
    table["hemisphere"] = table["hemisphere"].replace({"": "B", "NaN": "B", "nan": "B"})
    strange = set(table["hemisphere"]) - {"L", "R", "B"}
    if strange:
        raise InputError(f"{files.say(ONTOLOGY)}: hemisphere {sorted(strange)[0]!r} is neither L, R nor empty")
    return table


def check_positions(position_n3: np.ndarray, place: str) -> None:
    """An ``InputError`` for positions (mm) that are missing, too far away, or plainly voxel indices.

    Examples
    --------
    >>> check_positions(np.array([[90.0, 120.0, 70.0]] * 9), "SampleAnnot.csv")
    Traceback (most recent call last):
    exval.errors.InputError: SampleAnnot.csv: no MNI coordinate is below 0: voxel indices? Give millimetres
    """
    bad = ~np.isfinite(position_n3).all(1)
    if bad.any():
        raise InputError(
            f"{place}: {bad.sum():,} samples without MNI coordinates (row {int(np.argmax(bad)) + 1} first)"
        )
    if len(position_n3) and np.abs(position_n3).max() > LARGEST_MM:
        raise InputError(f"{place}: an MNI coordinate of {np.abs(position_n3).max():.0f}: give millimetres")
    if len(position_n3) >= 5 and (position_n3 > 0).all():
        raise InputError(f"{place}: no MNI coordinate is below 0: voxel indices? Give millimetres")


def read_rows(files: DonorFiles, name: str, known_p: np.ndarray, wanted_p: np.ndarray, n: int) -> np.ndarray:
    """Rows of a matrix by probe id; the file is read in blocks, whatever the order of its rows.

    Parameters
    ----------
    files, name
        Which file.
    known_p
        Ids of Probes.csv: the file has to hold exactly these.
    wanted_p
        Ids to return, in this order.
    n
        Samples in SampleAnnot.csv.

    Returns
    -------
    numpy.ndarray
        (p, n) float32.

    Raises
    ------
    InputError
        Another number of columns than samples, other probes than Probes.csv, values that are no numbers.
    """
    out_pn = np.empty((len(wanted_p), n), np.float32)
    target = pd.Index(wanted_p)
    for id_b, x_bn in blocks(files, name, known_p, n):
        row_b = target.get_indexer(id_b)
        out_pn[row_b[row_b >= 0]] = x_bn[row_b >= 0]
    return out_pn


def count_present(files: DonorFiles, known_p: np.ndarray, keep_n: np.ndarray) -> np.ndarray:
    """In how many of the kept samples each probe is above background (PACall 1).

    Parameters
    ----------
    files
        Of one donor.
    known_p
        Ids of Probes.csv.
    keep_n
        (n,) bool, one for each row of SampleAnnot.csv.

    Returns
    -------
    numpy.ndarray
        (p,) int64, in the order of ``known_p``.
    """
    total_p = np.zeros(len(known_p), np.int64)
    target = pd.Index(known_p)
    for id_b, x_bn in blocks(files, PRESENT, known_p, len(keep_n)):
        if not np.isin(x_bn, (0, 1)).all():
            raise InputError(f"{files.say(PRESENT)} holds other values than 0 and 1; is it the file of presence calls?")
        total_p[target.get_indexer(id_b)] = x_bn[:, keep_n].sum(1)
    return total_p


def blocks(files: DonorFiles, name: str, known_p: np.ndarray, n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(b,) probe ids and (b, n) float32 values of consecutive rows of MicroarrayExpression.csv or PACall.csv."""
    import pyarrow as pa
    from pyarrow import csv

    place = files.say(name)
    with files.open(name) as file:
        first = file.readline().decode("utf-8-sig", "replace").rstrip("\r\n")
    cells = first.split(",")
    if not cells[0].strip().strip('"').isdecimal():
        raise InputError(f"{place}: row 1 begins with {cells[0][:20]!r}; expected are probe ids, without a header")
    if len(cells) - 1 != n:
        raise InputError(
            f"{place} has {len(cells) - 1:,} columns of values, but {SAMPLES} has {n:,} rows: they belong to different "
            "downloads; download this donor again"
        )
    names = [f"f{i}" for i in range(n + 1)]
    types = {column: pa.float32() for column in names[1:]} | {"f0": pa.int64()}
    known, seen_p = pd.Index(known_p), np.zeros(len(known_p), np.int64)
    with files.open(name) as file:
        try:
            reader = csv.open_csv(
                file,
                csv.ReadOptions(autogenerate_column_names=True, block_size=BLOCK_BYTES, use_threads=False),
                convert_options=csv.ConvertOptions(column_types=types),
            )
            for batch in reader:
                id_b = batch.column(0).to_numpy(zero_copy_only=False)
                x_bn = np.empty((len(id_b), n), np.float32)
                for i in range(n):
                    x_bn[:, i] = batch.column(i + 1).to_numpy(zero_copy_only=False)
                row_b = known.get_indexer(id_b)
                if (row_b < 0).any():
                    raise InputError(
                        f"{place}: probe {id_b[row_b < 0][0]} is not in {PROBES}: download this donor again"
                    )
                if not np.isfinite(x_bn).all():
                    where = id_b[~np.isfinite(x_bn).all(1)][0]
                    raise InputError(
                        f"{place}: a value of probe {where} is missing or infinite; download this donor again"
                    )
                np.add.at(seen_p, row_b, 1)
                yield id_b, x_bn
        except pa.ArrowInvalid as fault:
            text = str(fault).split("; ")[0][:120]
            raise InputError(f"{place} cannot be read as numbers ({text}); download this donor again") from None
    if (seen_p != 1).any():
        at = int(np.argmax(seen_p != 1))
        what = "stands twice" if seen_p[at] else f"of {PROBES} is missing"
        raise InputError(
            f"{place}: probe {known_p[at]} {what} ({(seen_p != 1).sum():,} such probes); download it again"
        )


def entrez(column: pd.Series) -> pd.Series:
    """Entrez ids as int64, -1 where there is none; also from 1234.0 and empty text.

    Examples
    --------
    >>> entrez(pd.Series(["7157", "", "672.0", "nan"])).tolist()
    [7157, -1, 672, -1]
    """
    return pd.to_numeric(column, errors="coerce").fillna(-1).astype(np.int64)


def _table(files: DonorFiles, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    with files.open(name) as file:
        try:
            table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except (ValueError, pd.errors.ParserError) as fault:
            raise InputError(
                f"{files.say(name)} cannot be read as csv ({str(fault)[:80]}); download it again"
            ) from None
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(f"{files.say(name)} has no column {', '.join(missing)}; is it the file of the Allen download?")
    if not len(table):
        raise InputError(f"{files.say(name)} has no row; download it again")
    return table


def _whole(files: DonorFiles, name: str, column: pd.Series) -> pd.Series:
    try:
        return column.astype(np.int64)
    except ValueError:
        bad = next(value for value in column if not str(value).strip().lstrip("-").isdecimal())
        raise InputError(f"{files.say(name)}: {column.name} {bad!r} is no whole number") from None


def _unique(files: DonorFiles, name: str, column: pd.Series, what: str) -> None:
    if not column.is_unique:
        raise InputError(f"{files.say(name)}: {what} {column[column.duplicated()].iloc[0]} stands twice")
