"""What lies in a folder that exval wrote, read without insisting on any of it but ``config.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from exval.data.units import row_name
from exval.errors import InputError
from exval.pl._palette import assign

RUNS = ("pretrain", "finetune")
FIELD_KINDS = {"field": "field-run", "field-map": "field-map"}
STORY = ("check", "annotate", "evaluate", "run", "pretrain", "finetune", "recover")


@dataclass
class Folder:
    """One folder: its configuration and every table it holds.

    Parameters
    ----------
    path
        Where it lies.
    kind
        ``"annotate"``, ``"recover"`` or another task, ``"pretrain"``, ``"finetune"``, ``"field-run"`` and
        ``"field-map"`` (:mod:`exval.verbs.brain_fit`, :mod:`~exval.verbs.brain_map`), or ``"story"`` (several folders).
    config
        Its ``config.json``.
    rows, predictions
        Results and predictions; empty frames where there are none.
    tables
        ``extras/*.parquet`` by name; those with rows only.
    chapters
        For a story: the folders in it, in order.
    problems
        Files that should be readable and are not, one line each; the page says so.
    """

    path: Path
    kind: str
    config: dict[str, Any]
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    chapters: list[Folder] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def table(self, name: str, *columns: str) -> pd.DataFrame | None:
        """An extra table, if it is there with these columns and at least one row."""
        found = self.tables.get(name)
        if found is None or not len(found) or any(column not in found.columns for column in columns):
            return None
        return found

    @property
    def is_run(self) -> bool:
        return self.kind in RUNS

    @property
    def thing(self) -> str:
        """What the rows of the data are called: a cell, or, where values are in a unit of bulk data, a sample."""
        return row_name(self.dataset.get("unit"))

    @property
    def where(self) -> str:
        """What a heading adds where a page is about two files: whose cells its figures are of."""
        return f", on held-out reference {self.thing}s" if self.reference else ""

    @property
    def reference(self) -> Mapping[str, Any]:
        """``name, n, unit, shared_genes`` of the cells after which a file was named; empty where there were none."""
        found = self.dataset.get("reference")
        return found if isinstance(found, Mapping) else {}

    @property
    def dataset(self) -> Mapping[str, Any]:
        found = self.config.get("dataset")
        return found if isinstance(found, Mapping) else {"name": found} if found else {}

    @cached_property
    def method_colours(self) -> dict[str, str]:
        """Method -> colour, the same in every figure."""
        return assign(sorted(self.names("method")))

    @cached_property
    def label_colours(self) -> dict[str, str]:
        """Label -> colour, the same in every figure; the reference's own where the configuration has ``colors``."""
        given = self.config.get("colors") or self.config.get("colours")
        return assign(sorted(self.names("label", "truth", "prediction")), given if isinstance(given, Mapping) else {})

    def names(self, *columns: str) -> set[str]:
        """All that these columns hold, over all tables."""
        tables = [self.rows, *self.tables.values()]
        return {name for found in tables for column in columns if column in found
                for name in found[column].dropna().astype(str).unique()}  # fmt: skip

    @property
    def chosen(self) -> str | None:
        """The method that was chosen, or that leads the table."""
        picked = self.table("selection", "method", "chosen")
        if picked is not None and picked.chosen.fillna(False).astype(bool).any():
            return str(picked.method[picked.chosen.fillna(False).astype(bool)].iloc[0])
        from exval.pl.comparison import pooled

        if len(self.rows):
            slices = [name for name in self.rows["slice"].astype(str) if name == "all" or name.startswith("arm=")]
            best = pooled(self.rows, None, slices[0]) if slices else self.rows.iloc[:0]
            if len(best):
                return str(best.method.iloc[0])
        method = self.config.get("method")
        return method if isinstance(method, str) else None


def open_folder(folder: str | os.PathLike) -> Folder:
    """Read a folder and find out what it is.

    Raises
    ------
    InputError
        If it is not a folder, or neither it nor a folder in it was written by exval.

    Examples
    --------
    >>> open_folder("/nowhere")
    Traceback (most recent call last):
    ...
    exval.errors.InputError: /nowhere is not a folder; give one that exval evaluate, annotate, pretrain or demo wrote
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"{path} is not a folder; give one that exval evaluate, annotate, pretrain or demo wrote")
    config = _config(path)
    known = config is not None and (config.get("kind") in (*RUNS, *FIELD_KINDS) or "task" in config)
    if known or (config is not None and (path / "results.parquet").is_file()):
        return _one(path, config)
    chapters = [open_one for child in _children(path, config or {}) if (open_one := _try(child)) is not None]
    if chapters:
        methods = assign(sorted(set().union(*(chapter.names("method") for chapter in chapters))))
        for chapter in chapters:
            chapter.method_colours = methods
        return Folder(path, "story", config or {}, chapters=chapters)
    if config is not None and ("verdict" in config or (path / "log.jsonl").is_file()):
        return _one(path, config)
    raise InputError(
        f"{path} is no exval folder: it has no config.json of exval, nor has a folder in it; "
        "give one that exval evaluate, annotate, pretrain or demo wrote"
    )


def _try(path: Path) -> Folder | None:
    config = _config(path)
    kinds = (*RUNS, *FIELD_KINDS)
    known = config is not None and ("task" in config or "verdict" in config or config.get("kind") in kinds)
    return _one(path, config) if known else None


def _children(path: Path, config: Mapping[str, Any]) -> list[Path]:
    named = config.get("chapters")
    if isinstance(named, list) and named:
        names = [item.get("folder") if isinstance(item, Mapping) else item for item in named]
        return [path / str(name) for name in names if name]
    children = [child for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")]

    def place(child: Path) -> tuple[int, str]:
        return next((i for i, word in enumerate(STORY) if word in child.name.lower()), len(STORY)), child.name

    return sorted(children, key=place)


def _config(path: Path) -> dict[str, Any] | None:
    file = path / "config.json"
    if not file.is_file():
        return None
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is damaged ({error}); run the command that wrote the folder again") from error
    return config if isinstance(config, dict) else None


def _one(path: Path, config: dict[str, Any]) -> Folder:
    kind = config["kind"] if config.get("kind") in RUNS else str(config.get("task") or "evaluate")
    kind = FIELD_KINDS.get(str(config.get("kind")), kind)
    found = Folder(path, str(kind), config)
    found.rows = _rows(_read(path / "results.parquet", found.problems))
    found.predictions = _read(path / "predictions.parquet", found.problems)
    for file in sorted((path / "extras").glob("*.parquet")):
        table = _read(file, found.problems)
        if len(table):
            found.tables[file.stem] = table
    log = path / "log.jsonl"
    if log.is_file() and "curves" not in found.tables:
        from exval.pl.training import read_log

        curves = read_log(log)
        base = _gene_mean(config)
        if isinstance(base, int | float) and len(curves) and "gene mean" not in set(curves.split):
            curves.loc[len(curves)] = [curves.step.max(), "gene mean", float(base)]
        if len(curves):
            found.tables["curves"] = curves
    return found


def _gene_mean(config: Mapping[str, Any]) -> object:
    """Loss of the mean of each gene: a model whose head starts from it has that loss before its first step."""
    try:
        head = config["config"]["model"]["head"]
        starts_there = head["name"] == "scalar" and head["options"].get("gene_bias", True)
        return config["training"]["first_valid"] if starts_there and config["kind"] == "pretrain" else None
    except (KeyError, TypeError, AttributeError):
        return config.get("baseline_loss")


def _rows(rows: pd.DataFrame) -> pd.DataFrame:
    from exval.bench.results import COLUMNS

    if not len(rows):
        return pd.DataFrame()
    for name, kind in COLUMNS.items():
        if name not in rows:
            rows[name] = "" if kind == "str" else -1 if name == "fold" else 0 if kind == "int64" else float("nan")
    rows["status"] = rows["status"].replace("", "ok")
    rows["slice"] = rows["slice"].replace("", "all")
    return rows


def _read(file: Path, problems: list[str]) -> pd.DataFrame:
    import pyarrow

    if not file.is_file():
        return pd.DataFrame()
    try:
        return pd.read_parquet(file)
    except (OSError, pyarrow.ArrowInvalid) as error:
        problems.append(f"{file.name} cannot be read ({type(error).__name__})")
        return pd.DataFrame()
