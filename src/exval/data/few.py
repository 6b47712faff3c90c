"""Files of a few samples, whose unit cannot be told: they are read in that of what they are held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from exval.data.units import BULK
from exval.errors import InputError

if TYPE_CHECKING:
    from exval.data.source import Source

FEW = 10  # samples from which on the unit of a file can be told


def open_like(
    data: Any, like: Callable[[], tuple[str, str] | None], *, unit: str | None = None, **reading: Any
) -> tuple[Source, list[str]]:
    """A new file; of few samples, in the unit of a reference, if its values can have it.

    Parameters
    ----------
    data
        Path, AnnData or source.
    like
        Gives unit and name of the reference (a cohort, a run), or None; asked for few samples only.
    unit
        What the user says; believed.
    reading
        Further arguments of :func:`exval.data.source.open_source`.

    Returns
    -------
    source, notes
        Notes say what was taken for granted.

    Raises
    ------
    InputError, UnitError
        The file cannot be read, or its values cannot be in the unit of the reference.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> one = anndata.AnnData(np.array([[3.0, 0.0, np.nan, 5.0]]), var=pd.DataFrame(index=["INS", "GCG", "SST", "PPY"]))
    >>> source, notes = open_like(one, lambda: ("log2", "the cohort"))
    >>> source.unit, notes[0][:35]
    ('log2', '1 sample is too few to tell the uni')
    """
    from exval.data.source import open_source

    try:
        source = open_source(data, unit=unit, missing=True, **reading)
        if unit is not None or source.n >= FEW:
            return source, []
        refused = None
    except InputError as error:  # e.g. whole numbers with gaps, taken for counts
        refused = error
    known = like() if unit is None else None
    # Counts, CP10k and log1p are made into each other: only log2 and z have to be told.
    units = set() if known is None or refused is not None else {source.unit, known[0]}
    if known is None or len(units) == 1 or (units and not units & set(BULK)):
        if refused is not None:
            raise refused
        return source, []
    want, name = known
    try:
        source = open_source(data, unit=want, missing=True, **reading)
    except InputError as error:
        if refused is not None:
            raise refused from None
        raise type(error)(f"{error} ({name} is in {want})") from None
    if refused is not None and source.n >= FEW:
        raise refused
    note = f"{source.n} sample{'s are' if source.n > 1 else ' is'} too few to tell the unit of {source.name}: "
    return source, [note + f"taken for {want}, as {name} is (--unit says otherwise)"]
