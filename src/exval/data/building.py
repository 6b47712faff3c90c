"""Several files with different gene sets into one store."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from exval.data.files import refuse_existing
from exval.data.packing import pack_source
from exval.data.source import Source, open_source
from exval.data.store import Store
from exval.data.writer import StoreWriter
from exval.errors import GeneError, InputError, UnitError

__all__ = ["build_store"]


def build_store(
    sources: Sequence[Any],
    out: str | os.PathLike,
    *,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
    force: bool = False,
) -> Store:
    """Put several files with different gene sets into one store.

    Every source is streamed, so files may be bigger than memory. The vocabulary is the sorted union of the genes that
    were recognised in any source; each sample knows which of them its own file measured (its panel).

    Parameters
    ----------
    sources
        Paths, AnnData objects or :class:`exval.data.source.Source` objects.
    out
        The folder to write. It appears when it is complete.
    layer, unit, species, orientation
        As in :func:`exval.data.source.open_source`, for every source.
    force
        Replace an existing store.

    Returns
    -------
    Store
        Opened from ``out``. ``obs`` has all columns of all sources and ``obs["source"]``.

    Raises
    ------
    UnitError
        If the sources have different units.
    InputError
        If there is no source, or one cannot be read.
    OutputError
        If ``out`` exists, cannot be written or the disk is full; nothing is left behind.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from exval.data.examples import baron
    >>> cells = baron()
    >>> store = build_store([cells[:20], cells[20:30, :5000]], pathlib.Path(tempfile.mkdtemp()) / "store")
    >>> store.n, store.unit, [source["n"] for source in store.manifest["sources"]]
    (30, 'counts', [20, 10])
    """
    refuse_existing(out, force)
    if not sources:
        raise InputError("no file to build a store from")
    with ExitStack() as files:
        opened = []
        for data in sources:
            source = open_source(data, layer=layer, unit=unit, species=species, orientation=orientation)
            if not isinstance(data, Source):
                files.callback(source.close)
            opened.append(source)
        _one_unit(opened)
        genes = sorted({name for source in opened for name in source.var_names[source.recognised]})
        if not genes:
            raise GeneError("no gene of these files was recognised; are they human or mouse?")

        def fill(writer: StoreWriter) -> None:
            for source, name in zip(opened, _distinct([source.name for source in opened])):
                pack_source(writer, source, name)

        implicit = "missing" if any(source.has_missing for source in opened) else None
        return Store.write(genes, opened[0].unit, fill, out=out, force=force, implicit=implicit)


def _one_unit(sources: list[Source]) -> None:
    units = {source.unit: source.name for source in reversed(sources)}
    if len(units) > 1:
        named = ", ".join(f"{name} has {unit}" for unit, name in units.items())
        raise UnitError(f"one store holds one unit, but {named}; build one store for each, or name a --layer of counts")


def _distinct(names: list[str]) -> list[str]:
    """The names, numbered where one comes again."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return found
