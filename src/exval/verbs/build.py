"""``exval data build``: several files into one store."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exval.data.store import Store

__all__ = ["build_store"]


def build_store(
    files: str | os.PathLike | Sequence[Any],
    out: str | os.PathLike,
    *,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
    force: bool = False,
) -> Store:
    """Put several files with different gene sets into one store that training reads without loading it.

    Parameters
    ----------
    files
        Paths (h5ad, 10x h5 or mtx, csv/tsv), AnnData objects, or one of them. All in one unit.
    out
        The folder to write. It appears when it is complete; a build that is stopped leaves nothing.
    layer, unit, species, orientation
        As in :func:`exval.open_source`, for every file.
    force
        Replace an existing store.

    Returns
    -------
    Store
        What was recognised in each file is logged, and kept in ``store.manifest["sources"]``.

    Raises
    ------
    InputError, UnitError, GeneError, OutputError
        One line that says what to do; nothing is left behind.

    Examples
    --------
    >>> import exval, pathlib, tempfile
    >>> cells = exval.datasets.baron()
    >>> store = build_store(cells[:50], pathlib.Path(tempfile.mkdtemp()) / "store")
    >>> store.n, store.unit
    (50, 'counts')
    """
    from exval.data import building

    single = isinstance(files, str | os.PathLike) or not isinstance(files, Sequence)
    files = [files] if single else list(files)
    store = building.build_store(
        files, out, layer=layer, unit=unit, species=species, orientation=orientation, force=force
    )
    log = logging.getLogger("exval")
    for source in store.manifest["sources"]:
        log.info("%s: %s cells, %s; %s", source["name"], f"{source['n']:,}", source["choice"], source["report"])
        for warning in source["warnings"]:
            log.warning("%s: %s", source["name"], warning)
    return store
