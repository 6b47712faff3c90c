"""A list of genes: read, mapped to the names of the cohort, and what is not there is said."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.errors import GeneError, InputError

if TYPE_CHECKING:
    from exval.data.source import Source

SHOWN = 10


@dataclass(frozen=True)
class Panel:
    """A panel of genes in the names of a cohort.

    Parameters
    ----------
    genes
        Canonical names that the cohort has, sorted.
    absent
        Names of the list that it has not.
    repeated
        Names that the list holds twice, or that are one gene.
    name
        Of the file, or ``"panel"``.
    """

    genes: tuple[str, ...]
    absent: tuple[str, ...]
    repeated: tuple[str, ...]
    name: str = "panel"

    @property
    def notes(self) -> list[dict[str, Any]]:
        """Rows ``what, n, note`` on what the cohort lacks and what stood twice."""
        found = []
        if self.absent:
            found.append(
                {"what": "genes of the panel not in the cohort", "n": len(self.absent), "note": shown(self.absent)}
            )
        if self.repeated:
            found.append(
                {"what": "genes that the panel names twice", "n": len(self.repeated), "note": shown(self.repeated)}
            )
        return found


def shown(names: Sequence[str]) -> str:
    """The first ten names.

    Examples
    --------
    >>> shown(["TP53", "KRAS"])
    'TP53, KRAS'
    """
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def read_panel(genes: Any, source: Source) -> Panel | None:
    """A panel from a file (one gene a line), a text with commas, or names; None for None.

    Parameters
    ----------
    genes
        A path, a text or a sequence. Lines that begin with ``#`` are remarks.
    source
        The opened cohort.

    Raises
    ------
    InputError
        No such file, or it names no gene. GeneError: the cohort has none of them.

    Examples
    --------
    >>> import exval
    >>> from exval.data.patients import simulated_patients
    >>> panel = read_panel("A1BG, A2M, A2M, nosuch", exval.open_source(simulated_patients(30, 40)))
    >>> panel.genes, panel.absent, panel.repeated
    (('A1BG', 'A2M'), ('nosuch',), ('A2M',))
    """
    from exval.data.genes import map_genes

    if genes is None:
        return None
    words, name = _words(genes)
    if not words:
        raise InputError(f"--genes: {name} names no gene")
    mapped = map_genes(words, source.genes.species, threshold=0.0).canonical
    there = set(map(str, source.var_names))
    in_file = {str(old): str(new) for old, new in zip(source.genes.names_in, source.genes.canonical)}
    found: list[str] = []
    absent, repeated = [], []
    for word, canonical in zip(words, map(str, mapped)):
        gene = word if word in there else canonical if canonical in there else in_file.get(word)
        if gene is None:
            (repeated if word in absent else absent).append(word)
        elif gene in found:
            repeated.append(word)
        else:
            found.append(gene)
    if not found:
        close = get_close_matches(words[0], list(there), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise GeneError(f"--genes: the cohort has no gene of {name} ({shown(words)}){hint}")
    return Panel(tuple(sorted(found)), tuple(absent), tuple(dict.fromkeys(repeated)), name)


def _words(genes: Any) -> tuple[list[str], str]:
    name = "the panel"
    if isinstance(genes, (str, os.PathLike)):
        path = Path(genes)
        if path.is_file():
            try:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            except UnicodeDecodeError:
                raise InputError(f"--genes: {path} is no text file; give one gene a line") from None
            lines, name = [line.split("#")[0] for line in lines], path.name
            words = [word for line in lines for word in line.replace("\t", ",").replace(";", ",").split(",")]
        elif isinstance(genes, str) and "/" not in genes and not genes.endswith((".txt", ".csv", ".tsv")):
            words = genes.split(",")
        else:
            raise InputError(
                f"--genes: there is no file {genes}; give a file with one gene a line, or names with commas"
            )
    else:
        words = [str(one) for one in genes]
    return [word.strip().strip("\"'") for word in words if word.strip().strip("\"'")], name
