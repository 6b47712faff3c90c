"""Which samples genes are ranked on, and which others they are taken away from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from exval.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from exval.data.clinical import Outcome
    from exval.data.source import Source
    from exval.run import Run
    from exval.tasks.explaining.question import Question

LEAST = 20  # samples that were not taught, so that genes are taken away from them alone
POOL = 4  # times as many samples are looked at as are used


@dataclass(eq=False)
class Material:
    """Samples and what is known about them.

    Parameters
    ----------
    adata
        Prepared; everything below runs over its samples.
    code_n
        (n,) class of each sample, as labelled, or as predicted where the file has no labels; zeros for survival.
    labelled
        Whether truth is known: labels, or times and events.
    time_n, event_n
        (n,) of a survival run where they are known.
    rank_rows, delete_rows
        On which genes are ranked, and from which they are taken away.
    group_n
        (n,) patient of each sample.
    unit
        ``patient`` or ``sample``: what intervals resample.
    taught_n, seen_n
        (n,) whose labels the run was taught, and whom it saw at all.
    tellable
        Whether samples seen in training would be found in this file.
    label
        Column of the truth, if it is known.
    notes
        Sentences for the user.
    """

    adata: AnnData
    code_n: np.ndarray
    labelled: bool
    rank_rows: np.ndarray
    delete_rows: np.ndarray
    group_n: np.ndarray
    unit: str
    taught_n: np.ndarray
    seen_n: np.ndarray
    tellable: bool
    label: str | None = None
    time_n: np.ndarray | None = None
    event_n: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def apart(self) -> bool:
        """Whether no sample is used for both."""
        return not np.isin(self.rank_rows, self.delete_rows).any()

    @property
    def met(self) -> str:
        """Whether training met the samples that genes are taken away from, in words."""
        n = len(self.delete_rows)
        if not self.tellable:
            return f"whether training met these {n} samples cannot be told (gaps, other genes or another unit)"
        taught = int(self.taught_n[self.delete_rows].sum())
        seen = int((self.seen_n & ~self.taught_n)[self.delete_rows].sum())
        if taught:
            return f"the run was taught {taught} of these {n} samples, which is optimistic"
        if seen:
            met = "all" if seen == n else seen
            return f"the run was not taught these {n} samples, but pretraining met {met} of them"
        return f"training met none of these {n} samples"


def choose_material(
    run: Run,
    source: Source,
    question: Question,
    *,
    label: str | None = None,
    time: str | None = None,
    event: str | None = None,
    censored: str | None = None,
    samples: int = 300,
    seed: int = 0,
) -> Material:
    """Choose samples of a file, classes as evenly as they allow; two thirds rank genes, a third loses them.

    Genes are taken away from samples that the run was not taught, if there are twenty; patients stay on one side.

    Parameters
    ----------
    run, source, question
        The run, the opened file, what is asked.
    label
        Column of classes; default: the one that the run was taught. Without it predicted classes are used.
    time, event, censored
        Columns of the outcome; default: those that the run was taught.
    samples
        At most so many.
    seed
        Of the draw.

    Raises
    ------
    InputError
        A column that is named and absent; no sample of a class that the run knows; fewer than 4 samples.
    """
    from exval.data.hashing import hashes_of
    from exval.methods.run import RunMethod

    rng = np.random.default_rng([seed, 31])
    notes: list[str] = []
    name, code, outcome = None, None, None
    if question.survival:
        if label is not None:
            raise InputError(f"{run.folder} was taught survival, not classes; leave out --label")
        outcome, name = _outcome(run, source.obs, time, event, censored, notes)
    else:
        if time or event or censored:
            raise InputError(f"{run.folder} was taught classes, not survival; leave out --time, --event and --censored")
        name, code = _labels(run, source, question, label, notes)
    rows = np.arange(source.n)
    if code is not None:
        rows = rows[code >= 0]
    if outcome is not None:
        rows = rows[outcome.known_n]
    if len(rows) < 4:
        raise InputError(f"{len(rows)} samples are too few to explain a run by; give 4 at least")
    strata = code if code is not None else None if outcome is None else outcome.event_n.astype(int)
    pool = rows[spread(None if strata is None else strata[rows], len(rows), POOL * samples, rng)]
    adata = source.to_adata(pool, obsm=False, measured=run.config.dense)
    run.batch(adata[:1])
    group_n, unit = source.patients.id_n[pool], source.patients.unit
    method, hash_n = RunMethod(str(run.folder), str(run.device)), hashes_of(adata)
    tellable = method.recognises(adata)
    taught_n, seen_n = np.isin(hash_n, run.taught_hashes), np.isin(hash_n, run.seen_hashes)
    if code is not None and source.unit == "z":
        from exval.tasks.scaled import check_scaling

        notes += check_scaling(adata.X, np.asarray(question.names)[code[pool]], str(name), source.obs.iloc[pool])
    code_n = np.zeros(len(pool), int) if code is None else code[pool]
    if code is None and not question.survival:
        code_n = run.predict_proba(adata).argmax(1)
    strata_n = code_n if outcome is None else outcome.event_n[pool].astype(int)
    rank_rows, delete_rows = divide(
        strata_n, group_n, taught_n if tellable else np.zeros(len(pool), bool), samples, rng
    )
    found = Material(adata, code_n, name is not None, rank_rows, delete_rows, group_n, unit, taught_n, seen_n, tellable,
                     name, notes=notes)  # fmt: skip
    if outcome is not None:
        found.time_n, found.event_n = outcome.time_n[pool], outcome.event_n[pool]
    if not found.apart:
        notes.append(f"{len(pool)} samples are too few to be divided: genes were ranked on those that lose them")
    return found


def spread(code_n: np.ndarray | None, n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """At most so many places of n, ascending, of every class as equally many as there are.

    Examples
    --------
    >>> code = np.array([0] * 10 + [1] * 2)
    >>> np.bincount(code[spread(code, 12, 6, np.random.default_rng(0))]).tolist()
    [4, 2]
    """
    order = rng.permutation(n)
    if n <= most:
        return np.arange(n)
    if code_n is None:
        return np.sort(order[:most])
    turn = np.empty(n, int)  # the how-manieth of its class a sample is
    for c in np.unique(code_n):
        mine = order[code_n[order] == c]
        turn[mine] = np.arange(len(mine))
    return np.sort(order[np.argsort(turn[order], kind="stable")[:most]])


def divide(
    code_n: np.ndarray, group_n: np.ndarray, taught_n: np.ndarray, samples: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that genes are ranked on, and rows that lose them; both the same where there are fewer than twenty.

    Examples
    --------
    >>> code, names = np.arange(90) % 2, np.arange(90).astype(str)
    >>> rank, delete = divide(code, names, np.arange(90) >= 25, 60, np.random.default_rng(0))
    >>> len(rank), len(delete), bool((delete < 25).all()), len(set(rank) & set(delete))
    (40, 20, True, 0)
    """
    n = len(code_n)
    if n < LEAST:
        rows = spread(code_n, n, samples, rng)
        return rows, rows
    free = np.flatnonzero(~taught_n)
    if len(free) < LEAST:
        free = np.arange(n)
    most = min(max(samples // 3, 1), max(n // 3, 1))
    delete = free[spread(code_n[free], len(free), most, rng)]
    rest = np.flatnonzero(~np.isin(group_n, group_n[delete]))
    if not len(rest):
        return delete, delete
    return rest[spread(code_n[rest], len(rest), max(samples - len(delete), 1), rng)], delete


def _labels(
    run: Run, source: Source, question: Question, label: str | None, notes: list[str]
) -> tuple[str | None, np.ndarray | None]:
    """The column and (n,) its classes as numbers, -1 where there is none; (None, None) without a column."""
    import pandas as pd

    from exval.data.labels import labels_of

    taught = str(run.described.get("label") or "")
    if label is None and taught not in source.obs.columns:
        notes.append(
            f"{source.name} has no column {taught!r}, which {run.folder.name} was taught: samples are taken for the "
            "classes that the run itself names (--label names another column)"
        )
        return None, None
    name = label or taught
    names = labels_of(source.obs, name)
    code = pd.Index(question.names).get_indexer(names.to_numpy(object))
    code[names.isna().to_numpy()] = -1
    unknown = names[(code < 0) & names.notna().to_numpy()]
    if (code < 0).all():
        listed = ", ".join(map(repr, question.names[:5]))
        raise InputError(
            f"column {name!r} holds none of the classes that {run.folder.name} was taught ({listed}); name the column "
            "with --label"
        )
    if len(unknown):
        listed = ", ".join(map(repr, sorted(set(unknown))[:5]))
        notes.append(f"{len(unknown):,} samples are of classes that the run was not taught ({listed}): left out")
    if names.isna().any():
        notes.append(f"{int(names.isna().sum()):,} samples have no {name}: left out")
    return name, code


def _outcome(
    run: Run, obs: pd.DataFrame, time: str | None, event: str | None, censored: str | None, notes: list[str]
) -> tuple[Outcome | None, str | None]:
    from exval.data.clinical import read_outcome

    known: dict[str, Any] = run.outcome or {}
    explicit = bool(time or event or censored)
    time = time or str(known.get("time"))
    flag = str(known.get("flag"))
    if not event and not censored:
        if not explicit and (time not in obs.columns or flag not in obs.columns):
            notes.append(
                f"the file lacks {time!r} or {flag!r}, which {run.folder.name} was taught: no time and event is "
                "known, and genes are judged by how far the run's own risks move (--time, --event and --censored "
                "name others)"
            )
            return None, None
        event, censored = (None, flag) if known.get("censored") else (flag, None)
    try:
        found = read_outcome(obs, time, event, censored)
    except InputError as error:
        if explicit:
            raise
        notes.append(f"the outcome of the file is not used: {error}")
        return None, None
    notes += found.warnings
    return found, time
