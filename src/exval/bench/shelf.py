"""Finished cells in a folder: each whole or absent, whatever happens to the process that writes them."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from exval import __version__
from exval.bench.cell import Cell, Limits
from exval.bench.outcome import Outcome
from exval.bench.results import config_hash, make_rows, plain
from exval.errors import OutputError

KIND = "bench"
FILLED = ("method", "task", "data", "split", "seed", "slice")
NUMBERS = ("seconds", "peak_mb", "value", "lo", "hi")


class Shelf:
    """``cells/<key>.json`` (and ``.parquet`` with its units) for each cell that has ended.

    The JSON file is written last: where it is, the cell is complete.

    Parameters
    ----------
    folder
        The folder of the benchmark; made if absent.

    Examples
    --------
    >>> import tempfile
    >>> shelf, cell = Shelf(Path(tempfile.mkdtemp())), Cell("m:f", {"k": 1})
    >>> shelf.put(cell, Outcome("ok", rows=[{"metric": "rmse", "value": 0.5}]), Limits())
    >>> shelf.get(cell.key)["rows"], shelf.get("0" * 16)
    ([{'metric': 'rmse', 'value': 0.5}], None)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cells"
        self.folder.mkdir(parents=True, exist_ok=True)

    def put(self, cell: Cell, outcome: Outcome, limits: Limits) -> None:
        """Keep what became of a cell."""
        from exval.data.files import write_bytes, write_json

        units = self.folder / f"{cell.key}.parquet"
        if outcome.units is not None:
            write_bytes(units, outcome.units)
        else:
            units.unlink(missing_ok=True)
        content = {name: value for name, value in asdict(outcome).items() if name != "units"}
        content |= {
            "key": cell.key, "function": cell.function, "params": cell.params, "labels": cell.labels,
            "version": __version__, "limits": asdict(limits), "units": outcome.units is not None,
            "host": socket.gethostname(), "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip
        write_json(self.folder / f"{cell.key}.json", plain(content))

    def get(self, key: str) -> dict[str, Any] | None:
        """What is known of a cell; None if it has not ended, or what was written of it is damaged."""
        try:
            found = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        whole = isinstance(found, dict) and found.get("key") == key and isinstance(found.get("rows"), list)
        return found if whole and (not found.get("units") or self._units(key).is_file()) else None

    def units(self, key: str) -> pd.DataFrame | None:
        """The units of a cell, if it has some."""
        with suppress(OSError, ValueError):
            return pd.read_parquet(io.BytesIO(self._units(key).read_bytes()))
        return None

    def clear(self) -> None:
        """Forget every cell."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    def _units(self, key: str) -> Path:
        return self.folder / f"{key}.parquet"


def collect(shelf: Shelf, cells: Sequence[Cell]) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]:
    """Rows and units of the cells that have ended, in the order of the plan, and how many ended how.

    A cell that failed gives one row without a metric, so that it stands in every table as what it is.
    """
    rows, parts, counts = [], [], Counter()
    for cell in cells:
        found = shelf.get(cell.key)
        if found is None:
            counts["not run"] += 1
            continue
        counts[found["status"]] += 1
        common = {**cell.labels, "config_hash": cell.key, "seconds": found["seconds"], "peak_mb": found["peak_mb"]}
        made = [{**common, **row} for row in found["rows"]]
        rows += made or [{**common, "status": found["status"], "note": found["note"]}]
        if found["units"] and (units := shelf.units(cell.key)) is not None:
            parts.append(_filled(units, cell))
    for row in rows:
        row |= {name: float("nan") for name in NUMBERS if row.get(name, 0) is None}
    table = make_rows(rows)
    return table, pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(), dict(counts)


def _filled(units: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """Units with the labels of their cell in front, where they do not say otherwise."""
    for name in reversed([name for name in FILLED if name in cell.labels and name not in units]):
        units.insert(0, name, cell.labels[name])
    return units


@contextmanager
def opened(out: Path, name: str) -> Iterator[Shelf]:
    """The shelf in a folder, locked against every other process for as long as it is open.

    The lock is the system's: it ends with the process that holds it, however that ends.

    Raises
    ------
    OutputError
        If the folder is in use, is none of a benchmark, or is that of another one.
    """
    from exval.data.files import check_writable

    check_writable(out)
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; name a folder for the benchmark")
    config = _config(out)
    if out.is_dir() and (config or {}).get("kind") != KIND and any(one.name != ".lock" for one in out.iterdir()):
        raise OutputError(f"{out} exists and holds no benchmark; choose another folder")
    if config and config.get("name") != name:
        raise OutputError(f"{out} holds the benchmark {config.get('name')!r}, not {name!r}; choose another folder")
    out.mkdir(exist_ok=True)
    with (out / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise OutputError(
                f"{out} is being written by another process ({lock.read().strip() or 'unknown'}); wait for it, or "
                "choose another folder"
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()} on {socket.gethostname()}\n")
        lock.flush()
        if config is None:
            _mark(out, name)
        yield Shelf(out)


def _config(out: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        found = json.loads((out / "config.json").read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else None
    return None


def _mark(out: Path, name: str) -> None:
    """Say whose folder this is, before there is a result."""
    from exval.data.files import write_json

    content = {"kind": KIND, "task": KIND, "name": name, "version": __version__}
    write_json(out / "config.json", {**content, "config_hash": config_hash(content)})
