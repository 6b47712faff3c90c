"""A list of genes as people give one: a file, names with commas, or a sequence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from exval.errors import InputError


def words_of(genes: Any, what: str) -> list[str]:
    """The names in a list, each once, in order.

    Parameters
    ----------
    genes
        Path of a file with one gene a line (or commas), comma-separated text, or a sequence.
    what
        The option that it came from, for messages.

    Raises
    ------
    InputError
        No such file; no names.

    Examples
    --------
    >>> words_of("INS, GCG,INS", "--genes")
    ['INS', 'GCG']
    """
    if isinstance(genes, (str, os.PathLike)):
        path = Path(genes)
        if _is_file(path):
            words = path.read_text(encoding="utf-8").replace(",", "\n").split("\n")
        elif isinstance(genes, str) and ("/" not in genes and not genes.endswith((".txt", ".csv", ".tsv"))):
            words = genes.split(",")
        else:
            raise InputError(
                f"{what}: there is no file {genes}; give a file with one gene a line, or names with commas"
            )
    else:
        words = list(map(str, genes))
    words = list(dict.fromkeys(word.strip().strip('"') for word in words if word.strip()))
    if not words:
        raise InputError(f"{what} names no gene")
    return words


def _is_file(path: Path) -> bool:
    """Not so where text is longer than any name of a file may be."""
    try:
        return path.is_file()
    except OSError:
        return False
