"""Who is held out: whole donors where they are known, else cells, and then it is said."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from exval.errors import InputError


@dataclass(frozen=True)
class Fold:
    """One test set: row numbers to train on and to test on, the number of the fold and the seed of its split."""

    train: np.ndarray
    test: np.ndarray
    fold: int
    seed: int


@dataclass(frozen=True)
class Splits:
    """All folds of an evaluation.

    Parameters
    ----------
    name
        What is held out: the column's name, or ``cells (optimistic)``.
    folds
        Test sets of one seed are disjoint.
    groups_n
        (n,) unit of generalisation of every row of the file; None if cells are split.
    notes
        Columns ``what, n, note``: classes left out, cells that cannot be scored.
    row_name
        ``cell`` or ``sample``.
    """

    name: str
    folds: list[Fold]
    groups_n: np.ndarray | None
    notes: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["what", "n", "note"]))
    row_name: str = "cell"

    @property
    def unit(self) -> str:
        """What an interval resamples."""
        return self.row_name if self.groups_n is None else self.name

    @property
    def caution(self) -> str:
        """``optimistic`` if cells of one donor can stand on both sides."""
        return "optimistic" if self.groups_n is None else ""


def groups_of(
    obs: pd.DataFrame, split_by: str | None = None, patient_n: np.ndarray | None = None
) -> tuple[np.ndarray | None, str]:
    """(n,) what is held out as a whole, and its name: a column, patients with several samples, or None for neither.

    Values of the column that share a patient become one: a patient never stands on both sides.

    Parameters
    ----------
    obs
        Of a prepared AnnData; ``exval_patient`` names the patients where it is there.
    split_by
        Column to hold out by; a sample without a value keeps none.
    patient_n
        (n,) patients, instead of ``exval_patient``.

    Examples
    --------
    >>> obs = pd.DataFrame({"lab": list("abcd"), "exval_patient": list("ppqr")})
    >>> groups_of(obs, "lab")[0].tolist(), groups_of(obs)[1], groups_of(obs[["lab"]])
    (['a+b', 'a+b', 'c', 'd'], 'patient', (None, ''))
    """
    from exval.data.labels import label_column
    from exval.data.patient_ids import joined

    if patient_n is None and "exval_patient" in obs:
        patient_n = obs["exval_patient"].astype(str).to_numpy(object)
    if split_by is None:
        return (None, "") if patient_n is None else (patient_n, "patient")
    name = label_column(obs, split_by)
    group_n = obs[name].astype(object).to_numpy()
    known_n = ~pd.isna(group_n)
    if patient_n is not None and known_n.any():
        group_n = group_n.copy()
        group_n[known_n] = joined(patient_n[known_n], group_n[known_n])
    return group_n, name


def make_splits(
    n: int,
    *,
    labels_n: np.ndarray | None = None,
    groups_n: np.ndarray | None = None,
    name: str = "group",
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    min_cells: int = 10,
    row_name: str = "cell",
) -> Splits:
    """Folds that hold out whole groups, or cells where no group is given.

    Cells without a label are left out; so are classes with fewer than ``max(min_cells, folds)`` cells. A test cell
    whose class no training cell of its fold has cannot be named by any method: it is not scored, and counted in the
    notes (a class that occurs in one donor only never is).

    Parameters
    ----------
    n
        Number of cells.
    labels_n
        (n,) class names or missing; None where nothing is to be stratified.
    groups_n
        (n,) donor, study or batch of each cell.
    name
        Name of the column that ``groups_n`` came from.
    folds
        Number of folds; at most as many as there are groups.
    repeats
        How often the split is drawn, with seeds ``seed, seed + 1, ...``.
    min_cells
        Smallest class that is kept.
    row_name
        What a row is called: ``cell`` or ``sample``.

    Raises
    ------
    InputError
        Fewer than two groups, fewer than two classes left, or too few cells.

    Examples
    --------
    >>> made = make_splits(20, labels_n=np.array(["a", "b"] * 10), folds=2)
    >>> made.name, [len(fold.test) for fold in made.folds]
    ('cells (optimistic)', [10, 10])
    """
    if folds < 2:
        raise InputError(f"{folds} fold leaves nothing to train on; give at least 2")
    notes: list[dict] = []
    keep = _kept(n, labels_n, max(min_cells, folds), notes, row_name)
    n_folds = folds
    if groups_n is not None:
        groups_n = np.asarray(groups_n, dtype=object)
        missing = pd.isna(groups_n)
        if missing[keep].any():
            raise InputError(f"{int(missing[keep].sum())} {row_name}s have no value in {name!r}, which is split by")
        n_groups = len(set(groups_n[keep].astype(str)))
        if n_groups < 2:
            raise InputError(f"column {name!r} has one value only, so nothing can be held out by it; leave it out")
        n_folds = min(folds, n_groups)
        groups_n = groups_n.astype(str).astype(object)
    elif len(keep) < 2 * folds:
        raise InputError(
            f"{len(keep)} usable {row_name}s are too few for {folds} folds; give more of them or fewer folds"
        )
    y = (
        np.zeros(len(keep), dtype=int)
        if labels_n is None
        else np.unique(labels_n[keep].astype(str), return_inverse=True)[1]
    )
    found: list[Fold] = []
    unscored = np.zeros(n, dtype=bool)
    for repeat in range(repeats):
        for number, (train, test) in enumerate(_pieces(y, groups_n, keep, n_folds, seed + repeat, labels_n is None)):
            seen = np.isin(y[test], np.unique(y[train]))
            unscored[keep[test[~seen]]] = True
            if seen.any():
                found.append(Fold(keep[train], keep[test[seen]], number, seed + repeat))
    if not found:
        raise InputError(
            f"no class occurs in two values of {name!r}, so no held-out {row_name} could be named by any method; split "
            "by another column, or leave it out"
        )
    if unscored.any():
        names = sorted(set(labels_n[unscored].astype(str)))
        notes.append(
            {"what": "not scored", "n": int(unscored.sum()),
             "note": f"classes absent from the other side of a split by {name}: {', '.join(names)}"}
        )  # fmt: skip
    if groups_n is not None and n_folds < folds:
        notes.append({"what": "folds", "n": n_folds, "note": f"{n_groups} values of {name} allow {n_folds} folds"})
    split_name = f"{row_name}s (optimistic)" if groups_n is None else name
    return Splits(split_name, found, groups_n, pd.DataFrame(notes, columns=["what", "n", "note"]), row_name)


def _kept(n: int, labels_n: np.ndarray | None, least: int, notes: list[dict], row_name: str) -> np.ndarray:
    """Rows with a label of a class that is large enough; what is dropped goes into the notes."""
    if labels_n is None:
        return np.arange(n)
    missing = pd.isna(labels_n)
    if missing.any():
        notes.append({"what": "no label", "n": int(missing.sum()), "note": f"{row_name}s without a label are left out"})
    sizes = pd.Series(labels_n[~missing]).astype(str).value_counts()
    small = sizes[sizes < least]
    if len(small):
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(small.items()))
        note = f"classes below {least} {row_name}s not scored: {listed}"
        notes.append({"what": "rare", "n": int(small.sum()), "note": note})
    if len(sizes) - len(small) < 2:
        left = len(sizes) - len(small) or "no"
        raise InputError(
            f"{left} class has at least {least} {row_name}s; two or more are needed to compare: "
            f"give more {row_name}s, or fewer --folds"
        )
    keep = ~missing & ~pd.Series(labels_n).astype(str).isin(small.index).to_numpy()
    return np.flatnonzero(keep)


def _pieces(y: np.ndarray, groups_n: np.ndarray | None, keep: np.ndarray, n_folds: int, seed: int, plain: bool):
    if groups_n is None:
        splitter = (KFold if plain else StratifiedKFold)(n_folds, shuffle=True, random_state=seed)
        return splitter.split(y, y)
    groups = np.unique(groups_n[keep].astype(str), return_inverse=True)[1]
    if n_folds == groups.max() + 1:
        return [(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in range(n_folds)]
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return [(train, test) for train, test in splitter.split(y, y, groups) if len(test)]
