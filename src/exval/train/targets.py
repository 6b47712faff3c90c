"""What a run is taught: classes, or how long patients live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from exval.errors import InputError
from exval.objectives import CoxLikelihood, DiscreteTime, Labels, Objective
from exval.objectives.survival import interval_edges

if TYPE_CHECKING:
    import pandas as pd

    from exval.run import Run

INTERVALS = 12
LEAST_EVENTS = 10


class Target(Protocol):
    """What fine-tuning needs to know of the thing that is taught.

    Attributes
    ----------
    rows
        (m,) rows of the file that have it.
    codes
        (m,) numbers by name, that travel with each batch in ``obs``.
    strata_m
        (m,) what held-out samples are spread over.
    n_outputs
        Width of the label head.
    described
        What config.json says of it.
    summary
        The same in a few words.
    """

    rows: np.ndarray
    codes: dict[str, np.ndarray]
    strata_m: np.ndarray
    n_outputs: int
    described: dict[str, Any]
    summary: str

    def objective(self, train: np.ndarray) -> Objective:
        """The loss, from the training samples alone."""


class ClassTarget:
    """A column of classes.

    Raises
    ------
    InputError
        One class only, or other classes than the run already knows.
    """

    def __init__(self, obs: pd.DataFrame, label: str, parent: Run) -> None:
        from exval.data.labels import labels_of

        names = labels_of(obs, label).dropna()
        classes, code_m = np.unique(names.astype(str).to_numpy(), return_inverse=True)
        if len(classes) < 2:
            raise InputError(f"{label!r} has only the class {classes[0]!r}; two or more are needed to tell them apart")
        if parent.outcome is not None:
            raise InputError(f"{parent.folder} was taught survival; fine-tune the pretrained run that it came from")
        if parent.classes is not None and parent.classes != classes.tolist():
            differ = sorted(set(parent.classes) ^ set(classes.tolist()))
            raise InputError(
                f"{parent.folder} was fine-tuned on other classes (they differ in "
                f"{', '.join(map(repr, differ[:5]))}); fine-tune the pretrained run that it came from"
            )
        self.rows = obs.index.get_indexer(names.index)
        self.codes, self.strata_m, self.n_outputs = {"label": code_m}, code_m, len(classes)
        self.described = {"classes": classes.tolist(), "label": label}
        self.summary = f"{len(classes)} classes of {label}"

    def objective(self, train: np.ndarray) -> Objective:
        return Labels(np.bincount(self.codes["label"][train], minlength=self.n_outputs))


class SurvivalTarget:
    """Columns of times and events.

    Parameters
    ----------
    time, event, censored
        Columns of obs: the time, and either whether the event was seen or whether the patient was censored.
    head
        ``"cox"``: one log hazard ratio. ``"discrete"``: a hazard in each of 12 intervals with equally many events.

    Raises
    ------
    InputError
        See :func:`exval.data.clinical.read_outcome`; fewer than 10 events; another head than the run already has.
    """

    def __init__(
        self, obs: pd.DataFrame, time: str, event: str | None, censored: str | None, head: str, parent: Run
    ) -> None:
        from exval.data.clinical import read_outcome

        if head not in ("cox", "discrete"):
            raise InputError(f"--head is cox or discrete, not {head!r}")
        if parent.classes is not None or parent.outcome is not None:
            raise InputError(f"{parent.folder} was taught something already; fine-tune the run that it came from")
        found = read_outcome(obs, time, event, censored)
        self.rows = np.flatnonzero(found.known_n)
        self.time_m, self.event_m = found.time_n[self.rows], found.event_n[self.rows]
        if self.event_m.sum() < LEAST_EVENTS:
            raise InputError(
                f"{int(self.event_m.sum())} events are too few to learn from; give {LEAST_EVENTS} at least"
            )
        self.codes = {"time": self.time_m.astype(np.float32), "event": self.event_m.astype(np.int64)}
        self.strata_m = self.codes["event"]
        self.edges_k = interval_edges(self.time_m, self.event_m, INTERVALS) if head == "discrete" else None
        self.n_outputs = 1 if self.edges_k is None else len(self.edges_k)
        edges = None if self.edges_k is None else self.edges_k.tolist()
        self.described = {
            "outcome": {
                "head": head,
                "time": time,
                "flag": event or censored,
                "censored": event is None,
                "edges": edges,
            },
            "label": time,
        }
        self.summary = f"survival ({time}, {int(self.event_m.sum())} events, {head} head)"
        self.warnings = list(found.warnings)

    def objective(self, train: np.ndarray) -> Objective:
        if self.event_m[train].sum() < LEAST_EVENTS // 2:
            raise InputError(
                f"{int(self.event_m[train].sum())} events are left to learn from when whole groups are held out; "
                "choose another --split-by"
            )
        return CoxLikelihood() if self.edges_k is None else DiscreteTime(self.edges_k)
