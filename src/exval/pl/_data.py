"""What figures are drawn from: a Results, the folder of one, or the table itself."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def table(data: Any, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """The table called ``name`` of anything that has one, with the columns that the figure needs.

    Parameters
    ----------
    data
        A DataFrame (taken as it is), a :class:`exval.bench.results.Results`, a mapping of names to tables, or the path
        of a result folder.
    name
        A table of ``extras/``; ``"rows"`` for the results themselves.
    columns
        Columns that have to be there.

    Raises
    ------
    InputError
        If there is no such table, a column is missing or no row is left.

    Examples
    --------
    >>> import pandas as pd
    >>> table(pd.DataFrame({"a": [1]}), "cost", ["a", "b"])
    Traceback (most recent call last):
    ...
    exval.errors.InputError: the table 'cost' lacks the column 'b'; it has: a
    """
    import pandas as pd

    if isinstance(data, str | os.PathLike):
        data = _from_folder(Path(data), name)
    if isinstance(data, pd.DataFrame):
        found = data
    elif isinstance(data, Mapping):
        found = data.get(name)
    else:
        found = data.rows if name == "rows" else getattr(data, "extras", {}).get(name)
    if found is None:
        raise InputError(f"these results have no table {name!r}; evaluate a file to get one, or pass a DataFrame")
    for column in columns:
        if column not in found.columns:
            raise InputError(f"the table {name!r} lacks the column {column!r}; it has: {', '.join(map(str, found))}")
    if not len(found):
        raise InputError(f"the table {name!r} is empty; there is nothing to draw")
    return found


def _from_folder(folder: Path, name: str) -> pd.DataFrame | None:
    import pandas as pd

    path = folder / "results.parquet" if name == "rows" else folder / "extras" / f"{name}.parquet"
    return pd.read_parquet(path) if path.is_file() else None


def largest(found: pd.DataFrame, column: str, weight: str, cap: int) -> tuple[list[str], int]:
    """The ``cap`` names of ``column`` with the largest summed ``weight``, and how many names there are.

    Examples
    --------
    >>> import pandas as pd
    >>> largest(pd.DataFrame({"label": ["a", "b", "b"], "n": [3, 2, 2]}), "label", "n", 1)
    (['b'], 2)
    """
    sums = found.groupby(column, observed=True)[weight].sum().sort_values(ascending=False, kind="stable")
    return [str(name) for name in sums.index[:cap]], len(sums)
