"""Clinical columns: from obs or from a table beside the file, with what no prognosis may look at refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exval.data.patient_ids import barcode
from exval.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_NAMES = re.compile(r"(^|[._\s-])(id|ids|barcode|uuid|patient|case|sample|subject)([._\s-]?(id|name|barcode))?$", re.I)
_LATER = re.compile(
    r"^(os|dss|pfi|dfi|dfs|rfs|pfs|efs|mfs|ttp)(?=[._\s-]|$)|censor|vital|death|dead\b|deceased|surviv|days_to|follow.?up|"
    r"relapse|recurr|progress",
    re.I,
)
ALIKE = 0.7  # correlation with the event from which on a column of two values is taken for an outcome


def read_table(path: str | Path) -> pd.DataFrame:
    """A table of text: csv, or tsv by its ending; every value stays as it is written.

    Raises
    ------
    InputError
        No such file, a table that cannot be read, or one without rows.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "c.csv"
    >>> _ = file.write_text("sample,age\\na,61\\n")
    >>> read_table(file).values.tolist()
    [['a', '61']]
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise InputError(f"--clinical-table: there is no file {path}")
    separator = "\t" if path.name.endswith((".tsv", ".tsv.gz", ".txt")) else ","
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"--clinical-table: {path} cannot be read as a table ({error})") from None
    if not len(table) or len(table.columns) < 2:
        raise InputError(
            f"--clinical-table: {path} has {len(table)} rows and {len(table.columns)} columns; it needs a column of "
            "sample names and one or more of values, with a line of headings"
        )
    return table


def join_table(
    obs: pd.DataFrame, path: str | Path, columns: Sequence[str] = (), besides: Sequence[str] = ()
) -> tuple[pd.DataFrame, list[str], list]:
    """``obs`` with the columns of a table beside the file, matched by sample name.

    The column of names is the one that knows most samples; where whole names do not match, the patient's part of TCGA
    barcodes does.

    Parameters
    ----------
    obs
        One row a sample.
    path
        csv or tsv with a line of headings.
    columns
        Clinical columns wanted; by default all but the names and ``besides``.
    besides
        Columns that are no clinical ones (outcome, patient, site): taken from the table where obs has them not.

    Returns
    -------
    obs, columns, notes
        A copy with the columns set, their names, and rows ``what, n, note`` on who had no row in the table.

    Raises
    ------
    InputError
        No sample is matched, a wanted column is absent, or a sample has two rows that differ.

    Examples
    --------
    >>> import tempfile, pathlib, pandas as pd
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "c.csv"
    >>> _ = file.write_text("case,age\\nTCGA-BL-A13J,61\\n")
    >>> found, names, _ = join_table(pd.DataFrame(index=["TCGA-BL-A13J-01A"]), file)
    >>> found["age"].tolist(), names
    (['61'], ['age'])
    """
    table = read_table(path)
    name = Path(path).name
    ways = {"name": [str(one) for one in obs.index], "patient": [barcode(one) for one in obs.index]}
    best, by, way = 0, "", "name"
    for column in table.columns:
        for kind, wanted in ways.items():
            keys = set(table[column]) if kind == "name" else {barcode(one) for one in table[column]}
            count = sum(one in keys for one in wanted)
            if count > best:
                best, by, way = count, column, kind
    if not best:
        raise InputError(
            f"--clinical-table: none of {len(obs)} samples ({obs.index[0]}, ...) has a row in {name} "
            f"({table.iloc[0, 0]}, ...); one of its columns has to hold the sample names"
        )
    values = [one for one in table.columns if one != by]
    asked = list(columns) or [one for one in values if one not in besides]
    lost = [one for one in asked if one not in table.columns and one not in obs.columns]
    if lost:
        raise InputError(f"{lost[0]!r} is neither a column of {name} nor of obs; {name} has: {', '.join(values)}")
    asked_here = [one for one in asked if one in values]
    asked_here += [one for one in besides if one in values and one not in asked_here]
    key = table[by] if way == "name" else table[by].map(barcode)
    own = table[asked_here].assign(_key=key.to_numpy()).drop_duplicates()
    twice = own["_key"][own["_key"].duplicated()]
    twice = twice[twice.isin(ways[way])]
    if len(twice):
        raise InputError(f"--clinical-table: {twice.iloc[0]} has two rows in {name} that differ; keep one")
    at = own.drop_duplicates("_key").set_index("_key").reindex(ways[way])
    obs = obs.copy()
    notes = []
    for one in asked_here:
        if one in obs.columns:
            differ = _differ(obs[one], at[one])
            if differ:
                note = f"values of {one!r} in {name} that differ from those in the file: the table was believed"
                notes.append({"what": "conflict", "n": differ, "note": note})
        obs[one] = at[one].where(at[one].notna(), None).to_numpy(dtype=object)
    if best < len(obs):
        gone = [one for one in besides if one in asked_here]
        fate = "and they are left out" if gone else "and take the training median"
        note = f"samples without a row in {name}: their values are missing, {fate}"
        notes.append({"what": "no clinical row", "n": len(obs) - best, "note": note})
    return obs, asked, notes


def _differ(own: pd.Series, other: pd.Series) -> int:
    """How many samples have a value in both, and not the same one."""
    from exval.data.columns import texts

    def plain(word: str) -> str:
        try:
            return f"{float(word):.6g}"
        except ValueError:
            return word.lower()

    pairs = zip(texts(own), texts(other))
    return sum(plain(a) != plain(b) for a, b in pairs if a is not None and b is not None)


def check_covariates(
    obs: pd.DataFrame, names: Sequence[str], time_n: np.ndarray, event_n: np.ndarray, outcome: Sequence[str] = ()
) -> None:
    """Refuse clinical columns that are absent, empty, constant, an identifier, or the outcome under another name.

    Parameters
    ----------
    obs
        Of the patients with an outcome.
    names
        Columns to be used.
    time_n, event_n
        Their outcome.
    outcome
        Columns that the outcome came from.

    Raises
    ------
    InputError
        The first fault found.

    Examples
    --------
    >>> import pandas as pd
    >>> check_covariates(pd.DataFrame({"arm": ["A", "A"]}), ["arm"], np.ones(2), np.array([True, False]))
    Traceback (most recent call last):
    exval.errors.InputError: the clinical column 'arm' has one value only ('A'): it says nothing, leave it out
    """
    from exval.data.columns import column, refuse_outcomes, texts
    from exval.methods.survival.design import ClinicalDesign

    for name in names:
        if name in outcome:
            raise InputError(f"the clinical column {name!r} is the outcome itself: leave it out")
        if _LATER.search(name):
            raise InputError(
                f"the clinical column {name!r} is by its name an outcome, known only later: leave it out, or rename it "
                "if it was known at diagnosis"
            )
        words = texts(column(obs, name))
        known = [word for word in words if word is not None]
        if not known:
            raise InputError(f"the clinical column {name!r} is empty: leave it out")
        if len(set(known)) == 1 and len(known) == len(words):
            raise InputError(
                f"the clinical column {name!r} has one value only ({known[0]!r}): it says nothing, leave it out"
            )
        if _NAMES.search(name) and len(known) >= 10 and len(set(known)) > 0.8 * len(known):
            raise InputError(f"the clinical column {name!r} names the patients: leave it out")
        _refuse_twin(name, words, event_n)
    refuse_outcomes(obs, names, time_n, event_n)
    ClinicalDesign().fit(obs, names)


def _refuse_twin(name: str, words: np.ndarray, event_n: np.ndarray) -> None:
    """A column of two values that goes with the event (or against it) in nearly every patient is an outcome."""
    known = np.array([word is not None for word in words])
    if len(set(words[known])) != 2 or known.sum() < 10 or not 0 < event_n[known].sum() < known.sum():
        return
    one = (words[known] == words[known][0]).astype(float)
    r = float(np.corrcoef(one, event_n[known])[0, 1])
    if abs(r) > ALIKE:
        raise InputError(
            f"the clinical column {name!r} tells who had the event (correlation {r:+.2f}): it is an outcome, leave it "
            "out"
        )
