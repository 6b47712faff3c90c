"""Tables and JSON in a result folder: written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from exval.errors import InputError


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a parquet file atomically; categories are written as text, the index is dropped."""
    from exval.data.files import atomic_path

    path.parent.mkdir(parents=True, exist_ok=True)
    text = table.copy()
    for name in text.columns:
        if isinstance(text[name].dtype, pd.CategoricalDtype):
            text[name] = text[name].astype(str)
    with atomic_path(path) as temporary:
        text.to_parquet(temporary, index=False)


def read_table(path: Path) -> pd.DataFrame:
    """Read a parquet file; an ``InputError`` where it is absent or damaged."""
    import pyarrow

    try:
        return pd.read_parquet(path)
    except (FileNotFoundError, pyarrow.ArrowInvalid) as error:
        raise InputError(f"{path} cannot be read as a result table: {error}") from error


def write_json(content: Any, path: Path) -> None:
    """Write JSON atomically, readable by a person."""
    from exval.data.files import atomic_path

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        Path(temporary).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
