"""The one folder that every evaluation writes, and the tables in it.

``results.parquet``, one row per figure, columns :data:`COLUMNS`:

=============  ====================================================================================================
system         what produced the row: ``exval``, or the published system it stands for
method         registry name, ``obsm:X_name`` or the name of a run folder
task           ``annotate``, ``recover``, ...
data           name of the file
split          ``donor`` (a column of obs), ``cells (optimistic)``, or either with ``, seen in pretraining``
fold           0, 1, ...; -1 for a figure over all out-of-fold samples, averaged over the repeats
seed           the seed of the split
slice          ``all``, ``class=<name>``, ``donor=<name>``, ``arm=<name>``
metric         a name in :data:`exval.metrics.METRICS`, or ``difference:<metric>`` against the reference method
value, lo, hi  the figure and its interval; lo and hi are NaN where no interval may be given
n, unit        how many samples stand behind the figure, and what the interval resamples: ``cell``, ``donor``, ...
seconds        CPU-seconds of this process for fit and predict; of a benchmark: of the cell, unless it said otherwise
peak_mb        growth of this process's resident memory during fit and predict, MB; of a benchmark: of the cell
status         ``ok`` or ``failed``; of a benchmark also ``timeout``, ``out of memory`` (beyond a limit) or ``crashed``
               (its process ended without an answer). Such a row has no value, and no metric if the whole cell failed
note           one line: why it failed, what was dropped, what was seen in pretraining
config_hash    hash of the configuration (:func:`config_hash`); of a benchmark: key of the cell
version        version of exval
=============  ====================================================================================================

``predictions.parquet``: ``sample, truth, prediction, score, method, fold, seed, group`` (``group`` is the donor or the
column split by, empty if none). For recovery, one row per cell: ``sample, method, arm, fold, seed, group, n_hidden,
squared_error, deviance``.

Of survival, one row per sample, method and repeat: ``sample, method, fold, seed, group, time, event, risk, risk_group``
and ``survival_T`` at each horizon; its extras are those of :mod:`exval.tasks.survival.tables`.

Of a benchmark: the units of all cells, ``method, task, data, split, seed, metric, value`` and what names the unit.

``config.json``: everything that was asked for, and ``task``, ``verdict``, ``dataset`` (name, n, genes, unit, label,
classes, split_by), ``warnings``, ``version``, ``config_hash``.

``extras/<name>.parquet``, tables that the report draws; a table that does not apply is absent:

==============  ===================================================================================================
per_class       method, label, precision, recall, f1, support
reliability     method, bin_lo, bin_hi, confidence, accuracy, n
confusion       method, truth, prediction, n                                   (pairs that occur)
unknown_types   label, n, caught, share_caught, false_unsure_share             (each type left out once)
map2d           x, y, label, kind, unsure            (kind: ``pca`` or ``tsne``; at most 3,000 cells; a picture only)
recovered       gene, true, predicted, method        (log1p(CP10k); a sample of at most 5,000 hidden entries)
gene_mapping    how, n, examples                     (how: symbol, ensembl, alias, unknown, duplicated, shared, ...)
cost            method, seconds, peak_mb, parameters
curves          step, split, loss
selection       method, macro_f1, lo, hi, seconds, chosen, why  (lo, hi: of the difference from the best method)
scores          bin_lo, bin_hi, n, kind              (histogram of the winning probability; kind: query, reference)
units           method, group, metric, value, n      (one dot per unit of generalisation)
splits          what, n, note                        (classes dropped, classes in one donor only, ...)
leaderboard, ranks, ... (of a benchmark: :mod:`exval.bench.summary`)
truth_per_class, truth_confusion                     (annotate: as above, on the file itself, where its types are known)
==============  ===================================================================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exval import __version__
from exval.bench.folder import read_table, write_json, write_table
from exval.errors import InputError

COLUMNS = {
    "system": "str",
    "method": "str",
    "task": "str",
    "data": "str",
    "split": "str",
    "fold": "int64",
    "seed": "int64",
    "slice": "str",
    "metric": "str",
    "value": "float64",
    "lo": "float64",
    "hi": "float64",
    "n": "int64",
    "unit": "str",
    "seconds": "float64",
    "peak_mb": "float64",
    "status": "str",
    "note": "str",
    "config_hash": "str",
    "version": "str",
}
DEFAULTS: dict[str, Any] = {"system": "exval", "fold": -1, "seed": 0, "slice": "all", "status": "ok", "n": 0}
POOLED = -1


def config_hash(config: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that change when, and only when, the configuration does.

    Parameters
    ----------
    config
        Anything JSON can hold; the order of keys does not matter.

    Examples
    --------
    >>> config_hash({"folds": 5, "seed": 0}) == config_hash({"seed": 0, "folds": 5})
    True
    >>> config_hash({"folds": 5}) == config_hash({"folds": 4})
    False
    """
    text = json.dumps(plain(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def plain(value: Any) -> Any:
    """JSON-ready copy: numpy scalars to Python's, paths to text, NaN and inf to None, tuples to lists.

    Examples
    --------
    >>> plain({"a": np.float32(0.5), "b": (np.int64(1), float("nan"))})
    {'a': 0.5, 'b': [1, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray, pd.Index)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else list(value)
        return [plain(item) for item in items]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def make_rows(rows: list[dict[str, Any]], **common: Any) -> pd.DataFrame:
    """Rows of ``results.parquet`` with every column present and typed.

    Parameters
    ----------
    rows
        Partial rows; absent columns take ``common``, then a default.
    common
        Values shared by all rows, e.g. ``task="annotate"``.

    Raises
    ------
    ValueError
        For a column that the table does not have.

    Examples
    --------
    >>> table = make_rows([{"method": "pca", "metric": "macro_f1", "value": 0.9}], task="annotate")
    >>> list(table.columns) == list(COLUMNS), table.status[0]
    (True, 'ok')
    """
    full = [{**DEFAULTS, "version": __version__, **common, **row} for row in rows]
    unknown = sorted({key for row in full for key in row} - set(COLUMNS))
    if unknown:
        raise ValueError(f"not columns of the results table: {', '.join(unknown)}")
    table = pd.DataFrame(full, columns=list(COLUMNS))
    for name, kind in COLUMNS.items():
        if kind == "str":
            table[name] = table[name].fillna("").astype(str)
        else:
            table[name] = table[name].astype(kind)
    return table


@dataclass(repr=False)
class Results:
    """What an evaluation found; the same as its folder.

    Parameters
    ----------
    rows
        One row per figure (columns of the module's docstring).
    predictions
        One row per out-of-fold sample and method, so that any paired test can be redone.
    config
        Everything that was asked for.
    verdict
        The first line of the report, in words.
    extras
        Tables for the report, by name.

    Examples
    --------
    >>> import tempfile
    >>> rows = make_rows([{"method": "pca", "metric": "macro_f1", "value": 0.9}], task="annotate")
    >>> found = Results(rows, pd.DataFrame(), {"task": "annotate"}, "PCA: 0.900.")
    >>> folder = found.save(tempfile.mkdtemp())
    >>> Results.load(folder).verdict
    'PCA: 0.900.'
    """

    rows: pd.DataFrame
    predictions: pd.DataFrame
    config: dict[str, Any]
    verdict: str = ""
    extras: dict[str, pd.DataFrame] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The verdict and the figures of the methods: what a notebook shows of a result."""
        lines = [self.verdict or "no verdict"]
        board = self.extras.get("leaderboard")
        if board is not None:
            lines.append(board.to_string(index=False, float_format=lambda x: f"{x:.3f}", na_rep="-"))
        elif len(self.rows):
            shown = self.table()[["method", "slice", "metric", "value", "lo", "hi", "seconds"]]
            shown = shown[shown["slice"].str.startswith(("all", "arm="))]
            lines.append(shown.to_string(index=False, float_format=lambda x: f"{x:.3f}", na_rep="-"))
        return "\n".join(lines + [f"rows, predictions, config; extras: {', '.join(self.extras) or 'none'}"])

    def save(self, folder: str | Path) -> Path:
        """Write the folder, each file atomically and ``config.json`` last; return its path."""
        folder = Path(folder)
        write_table(self.rows, folder / "results.parquet")
        write_table(self.predictions, folder / "predictions.parquet")
        for name, table in self.extras.items():
            write_table(table, folder / "extras" / f"{name}.parquet")
        config = {**self.config, "verdict": self.verdict, "version": __version__}
        config.setdefault("config_hash", config_hash(self.config))
        write_json(plain(config), folder / "config.json")
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Results:
        """Read a folder written by :meth:`save`; an ``InputError`` names what is missing."""
        folder = Path(folder)
        if not (folder / "config.json").is_file() or not (folder / "results.parquet").is_file():
            raise InputError(f"{folder} is no result folder (config.json and results.parquet belong in it)")
        config = json.loads((folder / "config.json").read_text())
        extras = {path.stem: read_table(path) for path in sorted((folder / "extras").glob("*.parquet"))}
        return cls(
            read_table(folder / "results.parquet"),
            read_table(folder / "predictions.parquet"),
            config,
            config.get("verdict", ""),
            extras,
        )

    def table(self, metric: str | None = None) -> pd.DataFrame:
        """The pooled figures, one row per method, best first: what a person looks at.

        Parameters
        ----------
        metric
            One metric name; default: ``macro_f1`` where it is present, else ``harrell_c``, else ``rmse``.
        """
        rows = self.rows[(self.rows.fold == POOLED) & ~self.rows.metric.str.startswith("difference:")]
        there = set(rows.metric)
        metric = metric or next((name for name in ("macro_f1", "harrell_c") if name in there), "rmse")
        rows = rows[((rows.metric == metric) & ~rows.slice.str.contains("class=|group=")) | (rows.status != "ok")]
        columns = [
            "method",
            "slice",
            "metric",
            "value",
            "lo",
            "hi",
            "n",
            "unit",
            "seconds",
            "peak_mb",
            "status",
            "note",
        ]
        ascending = metric in {"rmse", "poisson_deviance", "ece", "rmse_scaled"}
        return rows[columns].sort_values(["slice", "value"], ascending=[True, ascending]).reset_index(drop=True)
