"""A pretrained run as a method for missing values, one that trains on every fold, and a method from what is typed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.completion import COMPLETERS
from exval.methods.completion.base import Completed, Completer
from exval.methods.matrix import dense_values

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.run import Run


class _Restoring(Completer):
    """What the two share: a run answers, and measured values stay."""

    has_sd = True
    device: str = "auto"

    @property
    def opened(self) -> Run:
        """The run that answers."""
        raise NotImplementedError

    @property
    def genes(self) -> list[str]:
        """Genes that it can restore."""
        return self.opened.genes

    def complete(self, adata: AnnData, *, genes: Sequence[str] | None = None, sd: bool = False) -> Completed:
        """Fill what was not measured; see :meth:`exval.methods.completion.base.Completer.complete`.

        Genes that the run does not know stay NaN where they were not measured.

        Raises
        ------
        UnitError
            The run was trained on another unit.
        GeneError
            No gene in common with the run.
        DivergedError
            The run returned NaN or inf.
        """
        run = self.opened
        _, names = self._read(adata)
        asked = np.asarray(names if genes is None else [str(gene) for gene in genes], dtype=object)
        values_ng = dense_values(adata, asked).astype(np.float32)
        gap_ng = np.isnan(values_ng)
        known = np.flatnonzero(pd.Index(asked).isin(run.genes))
        known = known[gap_ng[:, known].any(0)]
        rows = np.flatnonzero(gap_ng[:, known].any(1))
        sd_ng = None
        told, spread = run.restore(adata[rows], asked[known], gap_ng[np.ix_(rows, known)])
        here = np.ix_(rows, known)
        values_ng[here] = np.where(gap_ng[here], told, values_ng[here])
        if sd and spread is not None:
            sd_ng = np.zeros(values_ng.shape, np.float32)
            sd_ng[here] = np.where(gap_ng[here], spread, 0)
            sd_ng[np.isnan(values_ng)] = np.nan
        unfillable = tuple(asked[np.isnan(values_ng).any(0)])
        shared = pd.Index(names).isin(run.genes)
        blank = int(np.isnan(dense_values(adata)[:, shared]).all(1).sum())
        return Completed(values_ng, run.unit, list(asked), sd_ng, unfillable, self._notes(unfillable, blank))

    def n_parameters(self) -> int:
        """Trained numbers."""
        return sum(p.numel() for p in self.opened.model.parameters())


class RunCompleter(_Restoring):
    """The folder of a run of a dense recipe (``exval pretrain --recipe gexbert``); nothing is fitted again.

    It carries no registry name: it is named by its folder.

    Parameters
    ----------
    folder
        The run.
    device
        "auto", "cpu" or "cuda".

    Raises
    ------
    InputError
        The folder is no finished run, or one that restores no values: fine-tuned, or trained on single cells.
    """

    card = Card(
        category="pretrained",
        sees=("expression", "other samples"),
        space_in="that of its training: log2, z or log1p",
        space_out="as given",
        cost="a forward pass per sample; training before",
        reference="Jiang and Hassanpour 2025, arXiv 2504.09704",
        summary="A run of exval pretrain, asked for every gene that was not measured, given those that were.",
    )

    def __init__(self, folder: str, device: str = "auto") -> None:
        self.folder = folder
        self.device = device

    @property
    def title(self) -> str:
        return self._method.title

    @property
    def _method(self):
        from exval.methods.run import RunMethod

        if getattr(self, "_asked", None) is None or self._asked.folder != self.folder:
            self._asked = RunMethod(self.folder, self.device)
        return self._asked

    @property
    def opened(self) -> Run:
        run = self._method.run
        if not run.config.dense or run.taught_something:
            why = "was fine-tuned" if run.taught_something else "was trained on single cells"
            raise InputError(
                f"{self.title} {why} and restores no values that were not measured; give the folder of "
                "exval pretrain --recipe gexbert"
            )
        return run

    def __getstate__(self):
        return {k: v for k, v in super().__getstate__().items() if k != "_asked"}

    @property
    def spent_seconds(self) -> float:
        """CPU-seconds of its training; NaN where they were not noted."""
        return self._method.spent_seconds

    def fit(self, adata: AnnData) -> RunCompleter:
        """Check that the samples are in its unit; nothing is learned.

        Raises
        ------
        UnitError, GeneError
            Another unit than in training; no gene in common.
        """
        self.opened.batch(adata[:1])
        self.unit_, self.n_samples_ = self.opened.unit, adata.n_obs
        return self

    def seen(self, adata: AnnData) -> np.ndarray:
        """(n,) true for samples that the run was trained on, by their content (before anything is hidden)."""
        return self._method.seen(adata)

    def recognises(self, adata: AnnData) -> bool:
        """Whether samples seen in training would be found at all: over other genes, or with gaps, they would not."""
        return self._method.recognises(adata)


class TrainedCompleter(_Restoring):
    """Pretrains on the training samples of each fold, then completes: for benchmarks, since it takes minutes.

    Parameters
    ----------
    recipe, preset
        Which model; a dense recipe.
    steps
        Optimiser steps; None: the recipe's.
    overrides
        Settings to change, by dotted path.
    seed
        Of everything.
    label_as
        Name in tables.
    device
        "auto", "cpu" or "cuda".

    Attributes
    ----------
    run_
        The trained :class:`exval.run.Run`.
    """

    stochastic = True
    card = Card(
        category="pretrained",
        sees=("expression",),
        space_in="log2, z or log1p",
        space_out="as given",
        cost="training anew on every fold: minutes",
        reference="Jiang and Hassanpour 2025, arXiv 2504.09704",
        summary="A model pretrained on the training samples of each fold, asked for what was not measured.",
    )

    def __init__(
        self,
        recipe: str = "gexbert",
        preset: str = "tiny",
        steps: int | None = None,
        overrides: dict | None = None,
        seed: int = 0,
        label_as: str = "gexbert",
        device: str = "auto",
    ) -> None:
        self.recipe = recipe
        self.preset = preset
        self.steps = steps
        self.overrides = overrides
        self.seed = seed
        self.label_as = label_as
        self.device = device

    @property
    def title(self) -> str:
        return self.label_as

    @property
    def opened(self) -> Run:
        return self.run_

    def fit(self, adata: AnnData) -> TrainedCompleter:
        """Pretrain on the samples; nothing else is seen."""
        from exval.verbs.pretrain import pretrain

        unit = str(adata.uns.get("exval_unit", "log1p"))
        with tempfile.TemporaryDirectory(prefix="exval-") as room:
            run = pretrain(adata, recipe=self.recipe, preset=self.preset, out=Path(room) / "run", steps=self.steps,
                           overrides=self.overrides, unit=unit, seed=self.seed, device=self.device)  # fmt: skip
            run.model  # noqa: B018  (read the weights before the folder goes)
        if not run.config.dense:
            raise InputError(f"{self.recipe} is a recipe for single cells; missing values need a dense one (gexbert)")
        self.run_, self.unit_, self.n_samples_ = run, run.unit, adata.n_obs
        return self


def as_completer(spec: Any, settings: dict[str, Any] | None = None, **given: Any) -> Completer:
    """A method that fills missing values, from what a user types.

    Parameters
    ----------
    spec
        Registry name, folder of a pretraining run of a dense recipe, or a :class:`Completer`.
    settings
        Parameters of the method to change; an unknown one is refused with those there are.
    given
        Further parameters that are set where the method has them (seed, device).

    Raises
    ------
    InputError
        No such method, parameter or run.

    Examples
    --------
    >>> as_completer("ppca", {"rank": "5"}, seed=3).get_params()["rank"]
    5
    """
    from exval.methods.imputation.pretrained import _read as read_setting

    if isinstance(spec, Completer):
        method = clone(spec)
    elif str(spec) in COMPLETERS:
        method = COMPLETERS[str(spec)]()
    elif (Path(str(spec)) / "config.json").is_file():
        method = RunCompleter(str(spec))
        _ = method.opened
    elif re.search(r"[/\\.]", str(spec)):
        raise InputError(f"{spec} is neither a method nor a run folder (a run folder holds config.json)")
    else:
        close = get_close_matches(str(spec), list(COMPLETERS), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"these do: {', '.join(COMPLETERS)}"
        raise InputError(f"no method that fills missing values is called {str(spec)!r}; {hint}")
    known = method.get_params(deep=False)
    for name in settings or {}:
        if name not in known:
            raise InputError(f"{method.title} has no parameter {name!r}; there are: {', '.join(known) or 'none'}")
    changed = {name: read_setting(name, value, known[name]) for name, value in (settings or {}).items()}
    return method.set_params(**{**{k: v for k, v in given.items() if k in known}, **changed})


def completes(spec: Any) -> bool:
    """Whether what a user typed names a method that fills missing values (a run: of a dense recipe).

    Examples
    --------
    >>> completes("ppca"), completes("magic")
    (True, False)
    """
    if isinstance(spec, Completer):
        return True
    if not isinstance(spec, str):
        return False
    return spec in COMPLETERS or bool(_dense(spec))


def denoises(spec: Any) -> bool:
    """Whether what a user typed names a method that denoises single cells (a run: of any other recipe).

    Examples
    --------
    >>> denoises("ppca"), denoises("magic"), denoises("mean")
    (False, True, True)
    """
    from exval.methods.base import METHODS
    from exval.methods.imputation.base import Imputer
    from exval.methods.resolve import COMMAND

    if isinstance(spec, Imputer):
        return True
    if not isinstance(spec, (str, Path)):
        return False
    named = str(spec) in METHODS and issubclass(METHODS[str(spec)], Imputer)
    return named or bool(COMMAND.match(str(spec))) or _dense(str(spec)) is False


def _dense(spec: str) -> bool | None:
    """Whether a run folder is of a dense recipe; None if it is no run folder."""
    if not (Path(spec) / "config.json").is_file():
        return None
    from exval.run import Run

    return bool(Run.read(Path(spec)).get("config", {}).get("dense", False))
