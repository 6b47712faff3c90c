"""A pretrained run as an imputation method: what the model says of every gene, given everything that was read."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from exval.errors import InputError
from exval.methods.base import METHODS, Card
from exval.methods.imputation.base import Cells, Imputer
from exval.methods.resolve import resolve
from exval.methods.run import RunMethod


class PretrainedImputer(Imputer):
    """The folder of ``exval pretrain`` asked for all genes of each cell, visible values included.

    It carries no registry name: it is named by its folder. Nothing is fitted, and cells do not see each other.

    Parameters
    ----------
    folder
        The run.
    device
        "auto", "cpu" or "cuda".
    """

    card = Card(
        category="pretrained",
        sees=("expression", "other cells"),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="a forward pass per cell; training before",
        reference="Gong et al. 2023, NeurIPS; Hao et al. 2024, Nature Methods",
        summary="A run of exval pretrain, asked for every gene of a cell given what was read.",
    )
    min_cells = 1

    def __init__(self, folder: str, device: str = "auto") -> None:
        self.folder = folder
        self.device = device

    @property
    def title(self) -> str:
        return self._method.title

    @property
    def _method(self) -> RunMethod:
        return RunMethod(self.folder, self.device)

    @property
    def spent_seconds(self) -> float:
        return self._method.spent_seconds

    def learn(self, cells: Cells) -> None:
        from anndata import AnnData

        method = self._method
        if "recover" not in method.provides:
            raise InputError(f"{method.title} was fine-tuned for labels and recovers no values; give a pretrained run")
        adata = AnnData(cells.log_ng)
        adata.var_names, adata.obs_names = cells.genes.astype(str), cells.names.astype(str)
        adata.obs["exval_total"] = cells.total_n
        if cells.counts is not None:
            adata.layers["counts"] = cells.counts
        self._adata, self._run_method = adata, method

    def block(self, columns: np.ndarray, sd: bool = False) -> np.ndarray:
        n, q = self._adata.n_obs, len(columns)
        order = np.argsort(columns)
        out = np.empty((n, q), np.float32)
        step = max(1, 2_000_000 // max(q, 1))
        for start in range(0, n, step):
            rows = slice(start, min(start + step, n))
            m = rows.stop - start
            asked = sp.csr_matrix(
                (np.zeros(m * q, bool), np.tile(np.sort(columns), m), np.arange(0, m * q + 1, q)),
                shape=(m, self._adata.n_vars),
            )
            told = self._run_method.recover(self._adata[rows].copy(), asked).data.reshape(m, q)
            out[np.ix_(np.arange(start, rows.stop), order)] = told
        return out


def as_imputer(spec: Any, settings: dict[str, Any] | None = None, **given: Any) -> Imputer:
    """A method that imputes, from what a user types.

    Parameters
    ----------
    spec
        Registry name, ``cmd:...`` for an external program, folder of a pretraining run, or an :class:`Imputer`.
    settings
        Parameters of the method to change; an unknown one is refused with those there are.
    given
        Further parameters that are set where the method has them (seed, device).

    Examples
    --------
    >>> as_imputer("nothing").name
    'nothing'
    """
    offered = [name for name in imputers() if name != "oracle"]
    if isinstance(spec, str) and re.fullmatch(r"[\w-]+", spec) and spec not in METHODS and not Path(spec).exists():
        close = get_close_matches(spec, offered, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"these do: {', '.join(offered)}"
        raise InputError(f"no method that imputes is called {spec!r}; {hint}")
    method = resolve(spec)
    if isinstance(method, RunMethod):
        method = PretrainedImputer(method.folder, method.device)
    if not isinstance(method, Imputer):
        raise InputError(f"{method.title} does not impute; these do: {', '.join(offered)}")
    known = method.get_params(deep=False)
    for name in settings or {}:
        if name not in known:
            there = ", ".join(known) or "none"
            raise InputError(f"{method.title} has no parameter {name!r}; there are: {there}")
    changed = {name: _read(name, value, known[name]) for name, value in (settings or {}).items()}
    return method.set_params(**{**{k: v for k, v in given.items() if k in known}, **changed})


def _read(name: str, value: Any, default: Any) -> Any:
    """A setting as typed on a command line: JSON where it is (numbers, true, null), else the text."""
    if not isinstance(value, str):
        return value
    try:
        read = json.loads(value)
    except ValueError:
        read = value
    if isinstance(default, bool) and not isinstance(read, bool):
        raise InputError(f"{name}={value}: true or false")
    if isinstance(default, (int, float)) and not isinstance(default, bool):
        number = isinstance(read, (int, float)) and not isinstance(read, bool)
        if not number and read not in (None, "auto"):
            raise InputError(f"{name}={value} is no number")
    return read


def imputers(heavy: bool = True, controls: bool = True) -> list[str]:
    """Registry names of the methods that impute; without the heavy ones or the controls on request.

    Examples
    --------
    >>> "nothing" in imputers(), "nothing" in imputers(controls=False)
    (True, False)
    """
    return [
        name
        for name, cls in METHODS.items()
        if issubclass(cls, Imputer) and (heavy or not cls.heavy) and (controls or cls.card.category != "control")
    ]
