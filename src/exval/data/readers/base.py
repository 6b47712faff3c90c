"""What a reader gives: tables, and matrices whose rows can be had without reading the rest."""

from __future__ import annotations

import gzip
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from exval.data.matrix import Matrix

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Opened:
    """A file (or AnnData) that is open for reading.

    Attributes
    ----------
    obs
        (n) one row per cell, index as in the file.
    matrices
        By place: ``"X"``, ``"layers/NAME"``, ``"raw"``. Values untouched.
    var
        (g) one row per gene, index as in the file.
    raw_var
        The genes of ``"raw"``, if there is one.
    obsm
        Arrays per cell, read when asked for.
    notes
        What the reader decided, in sentences for people.
    adata
        The AnnData that this was made from, if it was one: what is written back keeps all of it.
    """

    obs: pd.DataFrame
    var: pd.DataFrame
    matrices: dict[str, Matrix]
    raw_var: pd.DataFrame | None = None
    obsm: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    adata: Any = None
    close: Callable[[], None] = lambda: None


def open_text(path: Path) -> TextIO:
    """Open a text file that may be gzipped, told by its first bytes."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return (gzip.open if packed else open)(path, "rt", encoding="utf-8-sig", newline="")


class Lazy(Mapping[str, Any]):
    """A mapping whose values are read the first time they are asked for."""

    def __init__(self, names: list[str], read: Callable[[str], Any]) -> None:
        self._names, self._read = names, read
        self._have: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._have:
            if name not in self._names:
                raise KeyError(name)
            self._have[name] = self._read(name)
        return self._have[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Reader(ABC):
    """One file format. Adding a format is adding a file with one such class to this package.

    Attributes
    ----------
    name
        What the format is called.
    """

    name: ClassVar[str] = ""

    @classmethod
    @abstractmethod
    def matches(cls, path: Path, head: bytes) -> bool:
        """Whether this is a file of the format, told by its content (``head``: its first, unpacked bytes)."""

    @abstractmethod
    def open(self, path: Path, **options: Any) -> Opened:
        """Open a file that ``matches``.

        Raises
        ------
        InputError
            The file is damaged or lacks what the format must have.
        """
