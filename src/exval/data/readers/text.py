"""Text tables: csv, tsv, txt, plain or gzipped, cells as rows or genes as rows."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from exval.data.genes import map_genes
from exval.data.matrix import MemoryMatrix
from exval.data.readers.base import Opened, Reader, open_text
from exval.errors import InputError

_BLOCK_ENTRIES = 4_000_000
_OF_GENES = re.compile(
    r"^((entrez|gene|ncbi|hgnc|refseq|transcript)[._ -]*){0,2}"
    r"(id|ids|length|len|chr|chrom|chromosome|start|end|strand|position|loc|gc|gc_content)$",
    re.IGNORECASE,
)
_DECIMAL_COMMA = re.compile(r"^-?\d+,\d+$")
_MISSING = {"", "na", "nan", "null", "none", "n/a", "-"}


class TextReader(Reader):
    """A table with a header line and names in the first column; columns of words become annotation.

    Without ``orientation`` the gene names tell: the axis whose names are recognised holds the genes.
    """

    name = "text"

    @classmethod
    def matches(cls, path: Path, head: bytes) -> bool:
        """Text with a separator in its first line, which may be longer than the head."""
        if path.is_dir() or head.startswith((b"%%", b"A\n", b"%PDF", b"{", b"<")):
            return False
        if path.suffix.lower() in (".rds", ".rda", ".rdata"):
            return False
        try:
            first = head.decode("utf-8", errors="strict" if len(head) < 4000 else "ignore").lstrip("\ufeff")
        except UnicodeDecodeError:
            return False
        if any(ord(one) < 32 and one not in "\t\r\n" for one in first):
            return False
        return ("\n" in first or len(head) >= 4000) and _separator(first) is not None

    def open(self, path: Path, **options: Any) -> Opened:
        """Read the table block by block into sparse values."""
        separator, header, pad = _header(path)
        names = [""] + header if pad else header
        if len(names) < 2:
            raise InputError(f"{path}: only one column; is the separator tab, comma or semicolon?")
        first, words = _survey(path, separator, len(names))
        numeric = [i for i in range(1, len(names)) if i not in words]
        if not numeric:
            comma = any(_DECIMAL_COMMA.match(field.strip()) for field in _second(path, separator))
            why = ": decimal commas? write 1.25 for 1,25" if comma else ""
            raise InputError(f"{path}: no column of numbers below the header (fields divided by {separator!r}){why}")
        columns = np.array([names[i] for i in numeric], dtype=object)
        rows, note = first, []
        orientation = options.get("orientation")
        if orientation is None:
            orientation, why = _orient(path, rows, columns)
            note.append(why)
        beside = _beside(names, numeric, orientation)
        if beside:
            told = "genes" if orientation == "genes-by-cells" else "samples"
            note.append(f"read as facts about the {told}, not as values: {', '.join(names[i] for i in beside[:6])}")
            numeric = [i for i in numeric if i not in beside]
            columns = np.array([names[i] for i in numeric], dtype=object)
        values, annotation = _values(path, separator, names, numeric, words, beside)
        import pandas as pd

        table = pd.DataFrame(annotation, index=pd.Index(rows))
        plain = pd.DataFrame(index=pd.Index(columns))
        if orientation == "cells-by-genes":
            return Opened(obs=table, var=plain, matrices={"X": MemoryMatrix(values)}, notes=note)
        return Opened(obs=plain, var=table, matrices={"X": MemoryMatrix(values.T.tocsr())}, notes=note)


def _separator(text: str) -> str | None:
    line = text.split("\n", 1)[0]
    counts = {one: line.count(one) for one in ("\t", ",", ";")}
    best = max(counts, key=lambda one: counts[one])
    if counts[best]:
        return best
    return " " if " " in line.strip() else None


def _header(path: Path) -> tuple[str, list[str], bool]:
    """Separator, fields of the header, and whether it lacks the field above the row names (as R writes it)."""
    with open_text(path) as file:
        start = file.readline()
        separator = _separator(start) or ","
        file.seek(0)
        reader = csv.reader(file, delimiter=separator, skipinitialspace=separator == " ")
        header = next(reader)
        second = next(reader, None)
    if second is None:
        raise InputError(f"{path}: a header and no row below it")
    return separator, header, len(second) == len(header) + 1


def _second(path: Path, separator: str) -> list[str]:
    """Fields of the first line below the header."""
    with open_text(path) as file:
        next(file)
        return next(csv.reader(file, delimiter=separator), [])


def _survey(path: Path, separator: str, n: int) -> tuple[np.ndarray, dict[int, str]]:
    """Row names, and the columns that hold words (judged by the first rows)."""
    names: list[str] = []
    words: dict[int, str] = {}
    number = [0] * n
    with open_text(path) as file:
        next(file)
        for i, line in enumerate(file):
            if not line.strip():
                continue
            if '"' in line or separator == " " or len(names) < 20:
                fields = next(csv.reader([line], delimiter=separator, skipinitialspace=separator == " "))
                name, found = fields[0], len(fields)
            else:
                name, found = line.split(separator, 1)[0], line.count(separator) + 1
            if found != n:
                raise InputError(
                    f"{path}: line {i + 2} has {found} fields where the others have {n}; the file is cut or damaged"
                )
            names.append(name)
            if len(names) <= 20:
                for j in range(1, n):
                    number[j] += _is_number(fields[j])
        for j in range(1, n):
            if number[j] == 0:
                words[j] = "word"
    return np.array(names, dtype=object), words


def _is_number(text: str) -> bool:
    if text.strip().lower() in _MISSING:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _beside(names: list[str], numeric: list[int], orientation: str) -> list[int]:
    """Columns of numbers that are no values: identifiers and positions of genes, or what a table says of samples.

    In a table of samples these are names in small letters that are no genes (``age``, ``os_months``).
    """
    if orientation == "genes-by-cells":
        found = [i for i in numeric if _OF_GENES.match(names[i].strip())]
    else:
        small = [i for i in numeric if names[i].islower()]
        known = map_genes([names[i] for i in small], threshold=0.0).exact if small else []
        found = [i for i, gene in zip(small, known) if not gene]
    return found if len(found) < len(numeric) else []


def _values(path: Path, separator: str, names: list[str], numeric: list[int], words: dict[int, str], beside: list[int]):
    import pandas as pd

    blocks, annotation = [], {names[j] or f"column {j}": [] for j in (*words, *beside)}
    with open_text(path) as file:
        parts = pd.read_csv(
            file,
            sep=separator,
            header=None,
            skiprows=1,
            skipinitialspace=separator == " ",
            chunksize=max(1, _BLOCK_ENTRIES // len(names)),
            dtype={
                0: str,
                **dict.fromkeys(words, str),
                **dict.fromkeys(numeric, np.float32),
                **dict.fromkeys(beside, np.float64),
            },
            na_values=["", "NA", "null"],
        )
        try:
            for part in parts:
                for j in (*words, *beside):
                    annotation[names[j] or f"column {j}"] += part[j].tolist()
                blocks.append(sparse.csr_matrix(part[numeric].to_numpy(np.float32)))
        except ValueError as error:
            raise InputError(f"{path}: {_bad_field(path, separator, names, [*numeric, *beside])}") from error
    return sparse.vstack(blocks, format="csr"), annotation


def _bad_field(path: Path, separator: str, names: list[str], numeric: list[int]) -> str:
    with open_text(path) as file:
        reader = csv.reader(file, delimiter=separator, skipinitialspace=separator == " ")
        next(reader)
        for fields in reader:
            for j in numeric:
                if j < len(fields) and not _is_number(fields[j]):
                    comma = ": a decimal comma? write 1.25 for 1,25" if _DECIMAL_COMMA.match(fields[j].strip()) else ""
                    return f"{fields[j]!r} is not a number (row {fields[0]!r}, column {names[j]!r}){comma}"
    return "a value is not a number"


def _orient(path: Path, rows: np.ndarray, columns: np.ndarray) -> tuple[str, str]:
    by_row, by_column = _share(rows), _share(columns)
    seen = f"{100 * by_column:.0f} % of the column names and {100 * by_row:.0f} % of the row names are genes"
    if max(by_row, by_column) < 0.3 or min(by_row, by_column) > 0.5 * max(by_row, by_column):
        raise InputError(
            f"{path}: cannot tell whether rows are cells or genes ({seen}); "
            "say which with --orientation cells-by-genes or genes-by-cells (rows by columns)"
        )
    orientation = "cells-by-genes" if by_column > by_row else "genes-by-cells"
    return orientation, f"{orientation}: {seen}"


def _share(names: np.ndarray) -> float:
    some = names[np.unique(np.linspace(0, len(names) - 1, min(len(names), 1000)).astype(int))] if len(names) else names
    # By id or symbol only: plate wells (A10, B7) are aliases of many genes.
    return float(map_genes(some, threshold=0.0).exact.mean()) if len(some) else 0.0
