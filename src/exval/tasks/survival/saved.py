"""The folder ``model`` of a result: fitted methods and everything that a prognosis of new patients needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from exval import __version__
from exval.errors import ExvalError, InputError
from exval.methods.survival.base import SurvivalMethod
from exval.tasks.survival.frozen import pack, unpack

if TYPE_CHECKING:
    from anndata import AnnData

FORMAT = 1
INDEX = "model.json"


@dataclass
class FittedMethod:
    """A method fitted on all patients, with what turns its risk into words.

    Parameters
    ----------
    method
        Fitted.
    cuts
        Cut-offs of the training risks.
    training_risk
        (n,) sorted risks of the patients it was fitted on.
    """

    method: SurvivalMethod
    cuts: np.ndarray
    training_risk: np.ndarray


@dataclass
class Terms:
    """What all methods of a folder have in common.

    Parameters
    ----------
    cohort, n, events
        Name of the file they were fitted on, samples, events.
    space
        Scale of the values: log1p, log2 or z.
    unit
        Unit of the file.
    covariates
        Clinical columns.
    horizons
        Times at which survival is told.
    time
        Column of times, which names their unit.
    n_groups
        2 or 3.
    chosen
        The method taken where none is named.
    """

    cohort: str
    n: int
    events: int
    space: str
    unit: str
    covariates: tuple[str, ...]
    horizons: tuple[float, ...]
    time: str
    n_groups: int
    chosen: str


def fit_on_all(adata: AnnData, method: SurvivalMethod, n_groups: int) -> FittedMethod:
    """Fit on every patient; the cut-offs are those of all risks.

    Examples
    --------
    >>> import exval
    >>> from exval.data.patients import simulated_patients
    >>> from exval.methods import resolve
    >>> from exval.tasks.survival.cohort import read_cohort
    >>> source = exval.open_source(simulated_patients(60, 20), missing=True)
    >>> cohort = read_cohort(source, time="os_months", event="os_event")
    >>> fit_on_all(cohort.adata, resolve("cox"), 2).cuts.shape
    (1,)
    """
    from sklearn.base import clone

    from exval.tasks.survival.strata import cut_offs

    fitted = clone(method).fit(adata)
    risk = fitted.risk(adata)
    return FittedMethod(fitted, cut_offs(risk, n_groups), np.sort(risk))


def write_models(folder: Path, fitted: Mapping[str, FittedMethod], terms: Terms) -> dict[str, str]:
    """Write ``folder``: an index, and a JSON and an npz for each method.

    Parameters
    ----------
    folder
        New; inside a folder that is written atomically.
    fitted
        Title -> fitted method.
    terms
        What they have in common.

    Returns
    -------
    dict
        Title -> why a method could not be kept; empty where all were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed, lost = [], {}
    for number, (title, one) in enumerate(fitted.items()):
        arrays: dict[str, np.ndarray] = {}
        try:
            state = pack(one, arrays, folder)
        except ExvalError as error:
            lost[title] = str(error)
            continue
        name = f"method{number}"
        (folder / f"{name}.json").write_text(
            json.dumps(state, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        np.savez_compressed(folder / f"{name}.npz", **arrays)
        listed.append({"title": title, "file": name})
    index = {"format_version": FORMAT, "version": __version__, "kind": "survival", **vars(terms), "methods": listed}
    (folder / INDEX).write_text(
        json.dumps(index, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return lost


@dataclass
class SavedModels:
    """Fitted methods of a result folder; made by :meth:`open`.

    Parameters
    ----------
    folder
        The folder ``model``.
    terms
        What they have in common.
    files
        Title -> name of its files.
    """

    folder: Path
    terms: Terms
    files: dict[str, str]
    _loaded: dict[str, FittedMethod] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: str | Path) -> SavedModels:
        """Read the index of the folder that ``exval survival`` wrote.

        Raises
        ------
        InputError
            No such folder, another kind of folder, a newer format, a damaged index.

        Examples
        --------
        >>> SavedModels.open("/nowhere")
        Traceback (most recent call last):
        exval.errors.InputError: /nowhere is not a folder; give one that exval survival wrote
        """
        path = Path(folder)
        if not path.is_dir():
            raise InputError(f"{path} is not a folder; give one that exval survival wrote")
        file = next((one for one in (path / "model" / INDEX, path / INDEX) if one.is_file()), None)
        if file is None:
            raise InputError(f"{path} holds no survival model; give the folder that exval survival wrote")
        try:
            index = json.loads(file.read_text(encoding="utf-8"))
            version, kind = index["format_version"], index["kind"]
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
            raise InputError(f"{file} is damaged; run exval survival again") from None
        if kind != "survival":
            raise InputError(f"{file} is the index of another kind of model ({kind})")
        if version > FORMAT:
            raise InputError(f"{file} was written by a newer exval ({index.get('version')}); update this one")
        try:
            given = {name: tuple(v) if isinstance(v := index[name], list) else v for name in Terms.__dataclass_fields__}
            files = {one["title"]: one["file"] for one in index["methods"]}
        except (KeyError, TypeError):
            raise InputError(f"{file} is damaged; run exval survival again") from None
        return cls(file.parent, Terms(**given), files)

    @cached_property
    def titles(self) -> list[str]:
        """Methods that are kept."""
        return list(self.files)

    def get(self, title: str | None = None) -> tuple[str, FittedMethod]:
        """A method by its name, or the one chosen.

        Raises
        ------
        InputError
            No such method is kept, or its files are damaged.
        """
        title = self.terms.chosen if title is None else title
        if title not in self.files:
            close = get_close_matches(title, self.titles, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise InputError(
                f"{self.folder.parent} keeps no method {title!r}; {hint}There are: {', '.join(self.titles)}"
            )
        if title not in self._loaded:
            self._loaded[title] = self._read(self.files[title])
        return title, self._loaded[title]

    def _read(self, name: str) -> FittedMethod:
        name = Path(name).name
        try:
            state = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            with np.load(self.folder / f"{name}.npz", allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise InputError(f"{self.folder / name} is damaged ({error}); run exval survival again") from None
        found = unpack(state, arrays, self.folder)
        if not isinstance(found, FittedMethod):
            raise InputError(f"{self.folder / name}.json holds no fitted method; run exval survival again")
        return found
