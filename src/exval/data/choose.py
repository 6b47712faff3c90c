"""Which matrix of a file is used, in which unit, and the sentence that says so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from exval.data.matrix import Matrix
from exval.data.readers.base import Opened
from exval.data.units import BULK, UnitGuess, check_unit, detect_unit
from exval.errors import InputError, UnitError

_COUNT_LAYERS = ("layers/counts", "layers/raw_counts", "layers/count", "layers/umi", "layers/raw")
_PROBE_ROWS = 512


@dataclass(frozen=True)
class Choice:
    """The chosen matrix: its place, unit, factor to reach CP10k, and the sentence for people."""

    place: str
    unit: str
    sentence: str
    scale: float
    guess: UnitGuess
    warnings: tuple[str, ...] = ()


def choose(opened: Opened, layer: str | None, unit: str | None, missing: bool = False) -> Choice:
    """Choose the matrix: the one asked for, else counts in ``layers["counts"]``, X, raw, else X or logarithms in raw.

    Raises
    ------
    InputError
        No such layer, no matrix, no cell, no gene, NaN or inf, negative counts.
    UnitError
        The declared unit is impossible, or no unit fits.
    """
    if not opened.matrices:
        raise InputError("the file has no matrix of values (X is empty and there is no layer)")
    if layer is not None:
        places = [_place(opened, layer)]
    else:
        places = [place for place in (*_COUNT_LAYERS, "X", "raw") if place in opened.matrices]
        if not places:
            layers = ", ".join(repr(one.removeprefix("layers/")) for one in opened.matrices)
            raise InputError(f"X is empty; name one of the layers: {layers}")
    for place in places:
        _refuse_empty(opened, place)
    if unit is not None:
        return _declared(opened, places, layer, unit, missing)
    guesses: dict[str, UnitGuess] = {}
    failed: UnitError | None = None
    for place in places:
        try:
            guesses[place] = detect_unit(probe(opened, place, missing=missing))
        except UnitError as error:
            failed = failed or error
            continue
        if guesses[place].unit == "counts":
            break
    if not guesses:
        raise failed or UnitError("no unit fits the values; declare it")
    main = [place for place in guesses if not place.startswith("layers/")] or list(guesses)
    chosen = next((place for place in guesses if guesses[place].unit == "counts"), None)
    chosen = chosen or next((place for place in main if guesses[place].unit in ("log1p", "cp10k")), main[0])
    return _made(opened, chosen, guesses[chosen], layer is not None, places)


def probe(opened: Opened, place: str, unit: str | None = None, missing: bool = False) -> sparse.csr_matrix:
    """Rows spread evenly over the matrix, refused if a value is NaN or infinite or a count negative.

    With ``missing`` NaN means "not measured"; the mean of its gene stands there, so that the unit can be told.
    """
    matrix = opened.matrices[place]
    n = matrix.shape[0]
    if n <= _PROBE_ROWS:
        rows = np.arange(n)
    else:  # blocks of neighbours: a file is read in a few places, not in 512
        starts = np.linspace(0, n - 16, _PROBE_ROWS // 16).astype(int)
        rows = np.unique((starts[:, None] + np.arange(16)).ravel())
    x = matrix.take(rows)
    # NaN among counts is refused: their mean would make them look like logarithms.
    if unit is None and missing and _whole_numbers(x):
        unit = "counts"
    refuse_broken(x, opened, place, rows, unit, missing)
    return mean_filled(x) if missing else x


def _whole_numbers(x: sparse.csr_matrix) -> bool:
    known = x.data[~np.isnan(x.data)]
    return bool(len(known)) and bool(known.min() >= 0) and bool((np.rint(known) == known).all()) and known.max() > 1


def mean_filled(x: sparse.csr_matrix) -> sparse.csr_matrix:
    """NaN replaced by the mean of what is measured of its column, 0 where nothing is."""
    gap_t = np.isnan(x.data)
    if not gap_t.any():
        return x
    x = x.copy()
    gaps_g = np.bincount(x.indices[gap_t], minlength=x.shape[1])
    sums_g = np.bincount(x.indices[~gap_t], weights=x.data[~gap_t], minlength=x.shape[1])
    mean_g = sums_g / np.maximum(x.shape[0] - gaps_g, 1)
    x.data[gap_t] = mean_g[x.indices[gap_t]]
    return x


def refuse_broken(
    x: sparse.csr_matrix, opened: Opened, place: str, rows: np.ndarray, unit: str | None, missing: bool = False
) -> None:
    """Refuse NaN and inf anywhere, and negative or broken numbers among counts; names the cell and the gene.

    ``unit`` None: not known yet; whole numbers with a negative one among them are taken for counts. With ``missing``
    NaN is let pass, but not among counts.
    """
    data = x.data
    if not len(data):
        return
    bad = np.isinf(data) if missing and unit not in ("counts", "cp10k") else ~np.isfinite(data)
    if bad.any():
        word = "NaN" if np.isnan(data[bad][0]) else "an infinite value"
        word += " among counts, which are measured or zero" if missing and word == "NaN" else ""
        raise InputError(f"{_where(x, bad, opened, place, rows)}: {word}; remove or fill such values first")
    if missing and np.isnan(data).any():
        return
    low = data.min()
    if low < 0 and (unit in ("counts", "cp10k") or (unit is None and (np.rint(data) == data).all())):
        raise InputError(
            f"{_where(x, data < 0, opened, place, rows)}: negative count {data[data < 0][0]:g}; "
            "counts start at 0: give the raw matrix, or declare the unit if these are no counts"
        )
    if unit == "counts" and (broken := np.rint(data) != data).any():
        raise UnitError(
            f"{_where(x, broken, opened, place, rows)}: {data[broken][0]:g} is no count, though the values looked like "
            "counts; declare the unit"
        )


def _where(x: sparse.csr_matrix, bad: np.ndarray, opened: Opened, place: str, rows: np.ndarray) -> str:
    at = int(np.flatnonzero(bad)[0])
    row = int(np.searchsorted(x.indptr, at, side="right")) - 1
    var = opened.raw_var if place == "raw" and opened.raw_var is not None else opened.var
    return f"{place}, cell {str(opened.obs.index[rows[row]])!r}, gene {str(var.index[x.indices[at]])!r}"


def _place(opened: Opened, layer: str) -> str:
    for place in (f"layers/{layer}", layer):
        if place in opened.matrices:
            return place
    names = [place.removeprefix("layers/") for place in opened.matrices]
    raise InputError(f"no layer {layer!r}; the file has {', '.join(repr(one) for one in names)}")


def _refuse_empty(opened: Opened, place: str) -> None:
    n, g = opened.matrices[place].shape
    if not n:
        raise InputError("the file has no cell")
    if not g:
        raise InputError("the file has no gene")
    genes = len(opened.raw_var) if place == "raw" and opened.raw_var is not None else len(opened.var)
    if n != len(opened.obs) or g != genes:
        raise InputError(
            f"{place} is {n} x {g}, but there are {len(opened.obs)} cells and {genes} genes: the file is damaged"
        )


def _declared(opened: Opened, places: list[str], layer: str | None, unit: str, missing: bool) -> Choice:
    chosen = places[0] if layer is not None else ("X" if "X" in places else places[0])
    if layer is None and len(places) > 1:
        for place in places:
            try:
                guess = detect_unit(probe(opened, place, missing=missing))
            except UnitError:
                continue
            if guess.unit == unit:
                chosen = place
                break
    rows = probe(opened, chosen, unit if unit in BULK else None, missing and unit in ("log1p", "log2", "z"))
    check_unit(rows, unit)
    target = None
    if unit in ("cp10k", "log1p"):
        try:
            found = detect_unit(rows)
            target = found.target if found.unit == unit else None
        except UnitError:
            target = None
    guess = UnitGuess(unit, 1.0, "declared", target)
    return _made(opened, chosen, guess, layer is not None, places)


def _made(opened: Opened, place: str, guess: UnitGuess, asked: bool, places: list[str]) -> Choice:
    shown = f"layers[{place.removeprefix('layers/')!r}]" if place.startswith("layers/") else place
    sentence = f"values from {shown}: {guess.unit} ({guess.why})"
    if not asked and guess.unit != "counts" and guess.why != "declared":
        looked = [f"layers[{one.removeprefix('layers/')!r}]" if one.startswith("layers/") else one for one in places]
        sentence += f"; no counts in {' or '.join(looked)}"
    scale, warnings = 1.0, []
    if guess.unit in ("cp10k", "log1p") and guess.target and abs(guess.target / 1e4 - 1) > 0.02:
        scale = 1e4 / guess.target
        sentence += f"; rescaled from {guess.target:,.0f} to 10,000 per cell"
    if guess.confidence < 0.6:
        warnings.append(f"the unit is uncertain ({guess.unit}: {guess.why}); declare it if this is wrong")
    if place == "raw":
        sentence += " (the genes of raw are used)"
    return Choice(place, guess.unit, sentence, scale, guess, tuple(warnings))


def all_zero(matrix: Matrix, x: sparse.csr_matrix) -> bool:
    """Whether a whole matrix holds no value but zero; ``x`` are rows of it that were looked at already."""
    if x.nnz and np.any(x.data):
        return False
    step = 4096
    return not any(
        np.any(matrix.rows(lo, min(lo + step, matrix.shape[0])).data) for lo in range(0, matrix.shape[0], step)
    )
