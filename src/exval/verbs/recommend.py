"""``recommend``: which imputation method for which goal, tried on the user's own cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.logs import warn

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Advice:
    """What ``recommend`` found.

    Parameters
    ----------
    method, goal
        What to use, and for what; ``"nothing"``: the values as they are.
    sentence
        The answer in words.
    table
        One row for each method, best first; columns of :class:`exval.tasks.imputing.choose.Recommendation`.
    notes, warnings
        How it was found; what the user should see.
    out
        The folder with the report, where one was asked for.
    """

    method: str
    goal: str
    sentence: str
    table: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    score: str = ""
    warnings: list[str] = field(default_factory=list)
    out: Path | None = None

    def lines(self) -> list[str]:
        """For people: the answer, the table, how to go on."""
        from exval.cli.lists import table

        rows = [{"method": "method", "gain": "gain over nothing", "false": "false discoveries", "cost": "CPU-s",
                 "status": ""}]  # fmt: skip
        for row in self.table.to_dict("records"):
            gain = "" if row["difference"] != row["difference"] else f"{row['difference']:+.3f}"
            if gain and row["lo"] == row["lo"]:
                gain += f" [{row['lo']:.3f}, {row['hi']:.3f}]"
            false = row["false_discoveries"]
            rows.append(
                {"method": row["method"], "gain": gain, "false": "" if false != false else f"{100 * false:.0f} %",
                 "cost": "" if row["seconds"] != row["seconds"] else f"{row['seconds']:.1f}",
                 "status": row["status"] + (f": {row['why']}" if row["why"] and row["status"] != "tried" else "")}
            )  # fmt: skip
        lines = [self.sentence, "", table(rows, ("method", "gain", "false", "cost", "status"))]
        lines += ["", *self.notes] if self.notes else []
        if self.method != "nothing":
            lines += ["", f"Next: exval impute FILE -m {self.method} -o OUT.h5ad"]
        return lines + ([f"Report: {self.out}/report.html"] if self.out else [])


def recommend(
    data: Any,
    goal: str,
    *,
    method: Any = None,
    label: str | None = None,
    seconds: float = 150.0,
    out: str | Path | None = None,
    force: bool = False,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Advice:
    """Try methods on a user's cells, and say which to use for a goal; doing nothing is always a candidate.

    Molecules are divided three ways: methods see one part, another chooses, the last scores the choice. At most 2,000
    cells and the 2,000 most variable genes are used.

    Parameters
    ----------
    data
        Path, AnnData or source, with counts.
    goal
        ``plot``, ``clustering``, ``de``, ``markers``, ``trajectory`` or ``recovery``.
    method
        Names, repeated or comma-separated; by default all that are neither heavy nor need labels.
    label
        Column of obs with types, which no method sees; predicted clusters without it.
    seconds
        Of the clock, for everything; what does not fit is listed as not tried.
    out
        Folder for a report; none by default.
    force
        Replace an existing folder.
    layer, unit, species, orientation
        See :func:`exval.data.source.open_source`.
    seed, threads
        Of the division and the methods; CPU threads.

    Returns
    -------
    Advice

    Raises
    ------
    InputError, UnitError, GeneError, OutputError
        One line on what to do.

    Examples
    --------
    >>> import exval
    >>> found = recommend(exval.datasets.baron()[::20].copy(), "recovery", method="mean,zeros")
    >>> found.method in ("mean", "nothing"), list(found.table.status[:3])
    (True, ['tried', 'tried', 'tried'])
    """
    from threadpoolctl import threadpool_limits

    from exval.data.files import refuse_existing
    from exval.data.source import open_source
    from exval.methods.base import Method
    from exval.methods.resolve import split_specs
    from exval.tasks.imputing import choose
    from exval.tasks.imputing.score import made

    named = (
        None
        if method is None
        else [spec if isinstance(spec, Method) else made(spec, None, "cpu", seed) for spec in split_specs(method)]
    )
    if out is not None:
        refuse_existing(out, force)
    source = open_source(data, layer=layer, unit=unit, species=species, orientation=orientation)
    if label is not None:
        from exval.data.labels import label_column

        label = label_column(source.obs, label)
    with threadpool_limits(threads):
        found = choose.recommend(source.to_adata(obsm=False), goal, named, label=label, seconds=seconds, seed=seed)
    table = found.table if named is not None else with_untried(found.table)
    advice = Advice(found.method, goal, found.sentence, table, list(found.notes), list(source.warnings))
    advice.score = found.score
    if out is not None:
        advice.out = _write(Path(out), source, advice, label, seed, seconds)
    warn(advice.warnings)
    return advice


def with_untried(table: pd.DataFrame) -> pd.DataFrame:
    """The table, and below it the methods that are tried only when they are named."""
    import pandas as pd

    from exval.methods import METHODS
    from exval.methods.imputation.base import Imputer

    lost = []
    for name, cls in METHODS.items():
        if issubclass(cls, Imputer) and (cls.heavy or cls.labels == "required") and name not in set(table.method):
            why = "heavy: name it with --method" if cls.heavy else "needs the types of the cells"
            lost.append({"method": name, "status": "not tried", "why": why})
    return pd.concat([table, pd.DataFrame(lost, columns=table.columns).astype(table.dtypes)], ignore_index=True)


def _write(out: Path, source: Any, advice: Advice, label: str | None, seed: int, seconds: float) -> Path:
    import pandas as pd

    from exval.bench.results import Results, config_hash, make_rows
    from exval.data.files import atomic_path
    from exval.report import write_report

    config = {
        "task": "recommend", "data": source.name, "goal": advice.goal, "label": label, "seed": seed,
        "seconds": seconds, "method": [m for m, s in zip(advice.table.method, advice.table.status) if s != "not tried"],
        "warnings": advice.warnings, "notes": advice.notes, "score": advice.score,
        "dataset": {"name": source.name, "n": source.n, "genes": len(source.var_names), "unit": source.unit,
                    "label": label},
    }  # fmt: skip
    common = {"task": "recommend", "data": source.name, "seed": seed, "config_hash": config_hash(config)}
    rows = [
        {"method": r.method, "metric": advice.goal, "value": r.score, "seconds": r.seconds, "peak_mb": r.peak_mb,
         "status": "ok" if r.status in ("tried", "disqualified") else r.status, "note": r.why,
         "split": "molecules that chose"}
        for r in advice.table.itertuples()
    ]  # fmt: skip
    results = Results(make_rows(rows, **common), pd.DataFrame(), config, advice.sentence, {"candidates": advice.table})
    with atomic_path(out) as part:
        results.save(part)
        write_report(part)
    return out
