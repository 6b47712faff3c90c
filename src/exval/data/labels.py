"""Columns of annotation: found by name, with help when the name is wrong."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from exval.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_DONOR = (
    "donor",
    "patient",
    "individual",
    "subject",
    "sample",
    "batch",
    "section",
    "mouse",
    "orig.ident",
    "library",
    "study",
)
_LABEL = (
    "cell_type",
    "celltype",
    "cell type",
    "cell.type",
    "cell_line",
    "annotation",
    "label",
    "cluster",
    "cancer",
    "diagnosis",
    "subtype",
    "leiden",
    "louvain",
    "type",
)


def label_column(obs: pd.DataFrame, name: str) -> str:
    """The name of a column of ``obs``, or an error that lists what is there.

    Raises
    ------
    InputError
        No such column: names the nearest one and the columns of words.

    Examples
    --------
    >>> import pandas as pd
    >>> label_column(pd.DataFrame({"cell_type": ["a"]}), "celltype")
    Traceback (most recent call last):
    exval.errors.InputError: no obs column 'celltype'; did you mean 'cell_type'? Columns with labels: 'cell_type'
    """
    if name in obs.columns:
        return name
    columns = [str(one) for one in obs.columns]
    lower = {one.lower(): one for one in columns}
    close = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    words = label_like(obs, everything=True)
    text = f"no obs column {name!r}"
    if close:
        text += f"; did you mean {lower[close[0]]!r}?"
    if words:
        text += f"{'' if close else ';'} Columns with labels: " + ", ".join(repr(one) for one in words[:8])
    else:
        text += "" if close else f"; obs has {'no column at all' if not columns else 'no column with labels'}"
    raise InputError(text)


def labels_of(obs: pd.DataFrame, name: str) -> pd.Series:
    """Labels as strings, NaN where a cell has none (missing, or an empty string); the caller reports and drops those.

    Returns
    -------
    Series
        Of objects (str or NaN), with the index of ``obs``.

    Raises
    ------
    InputError
        No such column, a column of measurements (fractions), or no cell with a label.

    Examples
    --------
    >>> import pandas as pd
    >>> labels_of(pd.DataFrame({"kind": ["a", None, ""]}), "kind").isna().tolist()
    [False, True, True]
    """
    import pandas as pd

    column = obs[label_column(obs, name)]
    if pd.api.types.is_float_dtype(column):
        values = column.dropna()
        if (values % 1 != 0).any():
            raise InputError(f"obs column {name!r} holds measurements ({values.iloc[0]:g}, ...), not labels")
        column = column.astype("Int64")
    missing = column.isna()
    text = column.astype(object).where(~missing, "").map(lambda one: str(one).strip())
    text = text.where(text != "", other=float("nan")).astype(object)
    if text.isna().all():
        raise InputError(f"obs column {name!r} is empty: no cell has a label")
    return text


def donor_like(obs: pd.DataFrame) -> list[str]:
    """Columns that look like the unit of generalisation (donor, patient, sample, ...), most likely first."""
    return _like(obs, _DONOR)


def label_like(obs: pd.DataFrame, *, everything: bool = False) -> list[str]:
    """Columns that look like cell labels, most likely first; ``everything``: any column of words with repeats."""
    found = _like(obs, _LABEL)
    donors = set(donor_like(obs)) if not everything else set()
    return [one for one in found if one not in donors] + [
        str(name)
        for name in obs.columns
        if everything and str(name) not in found and _is_words(obs[name]) and 1 <= obs[name].nunique() <= 500
    ]


def _like(obs: pd.DataFrame, hints: tuple[str, ...]) -> list[str]:
    ranked = []
    for name in obs.columns:
        place = next((i for i, hint in enumerate(hints) if hint in str(name).lower()), None)
        if place is None or not (_is_words(obs[name]) or _is_whole(obs[name])):
            continue
        n = obs[name].nunique()
        if 2 <= n <= max(2, min(500, len(obs) // 2)):
            ranked.append((place, str(name)))
    return [name for _, name in sorted(ranked)]


def _is_words(column: pd.Series) -> bool:
    import pandas as pd

    return (
        isinstance(column.dtype, pd.CategoricalDtype)
        or column.dtype == object
        or str(column.dtype) in ("string", "str")
    )


def _is_whole(column: pd.Series) -> bool:
    import pandas as pd

    return pd.api.types.is_integer_dtype(column) or pd.api.types.is_bool_dtype(column)
