"""How a training run went."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.errors import InputError
from exval.pl import _canvas, _data, _palette, _text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BASELINES = ("gene_mean", "gene-mean", "baseline", "majority", "valid_baseline")


def read_log(path: str | os.PathLike) -> pd.DataFrame:
    """The losses in the ``log.jsonl`` of a run, as the table that :func:`curves` draws.

    Parameters
    ----------
    path
        A run folder, or its ``log.jsonl``. A last line that was cut off by a crash is left out.

    Returns
    -------
    pandas.DataFrame
        ``step, split, loss``; split is ``train``, ``validation``, or ``gene mean`` where the log holds that baseline.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "log.jsonl"
    >>> _ = log.write_text('{"step": 1, "loss": 0.6}\\n{"step": 1, "valid": {"loss": 0.5, "gene_mean": 0.7}}\\n{"st')
    >>> read_log(log).to_dict("list")
    {'step': [1, 1, 1], 'split': ['train', 'validation', 'gene mean'], 'loss': [0.6, 0.5, 0.7]}
    """
    import pandas as pd

    path = Path(path)
    path = path / "log.jsonl" if path.is_dir() else path
    found: list[tuple[int, str, float]] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(entry, dict) and _number(entry.get("step")):
                found += [(int(entry["step"]), split, float(loss)) for split, loss in _losses(entry)]
    return pd.DataFrame(found, columns=["step", "split", "loss"])


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _losses(entry: Mapping[str, Any]) -> list[tuple[str, float]]:
    valid = entry.get("valid", entry.get("valid_loss"))
    held = valid if isinstance(valid, Mapping) else entry
    found: list[tuple[str, Any]] = []
    if isinstance(valid, Mapping):
        found.append(("validation", valid.get("loss", valid.get("total"))))
    elif _number(valid) and not isinstance(valid, bool):
        found.append(("validation", valid))
    if valid is None or (not isinstance(valid, Mapping) and valid is not True):
        found.insert(0, ("train", entry.get("loss")))
    elif valid is True:
        found.append(("validation", entry.get("loss")))
    elif "loss" in entry:
        found.insert(0, ("train", entry["loss"]))
    found += [("gene mean", held[name]) for name in BASELINES if name in held][:1]
    return [(split, loss) for split, loss in found if _number(loss)]


def curves(data: Any, *, ax: Axes | None = None) -> Axes:
    """Training and validation loss against the step; a baseline, where there is one, as a dashed line.

    Single steps are drawn pale, their running mean strong.

    Parameters
    ----------
    data
        A run folder, its ``log.jsonl``, Results, or the table ``curves`` with ``step, split, loss`` (split: ``train``,
        ``validation``; any other name is a baseline).
    ax
        Axes to draw on; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"step": [1, 2, 2], "split": ["train", "train", "validation"], "loss": [0.9, 0.7, 0.8]})
    >>> [text.get_text() for text in curves(log).get_legend().get_texts()]
    ['training', 'validation']
    """
    if isinstance(data, str | os.PathLike) and ((Path(data) / "log.jsonl").is_file() or str(data).endswith(".jsonl")):
        data = read_log(data)
    table = _data.table(data, "curves", ["step", "split", "loss"])
    table = table[table.loss.notna()].sort_values("step", kind="stable")
    if not len(table):
        raise InputError("the table 'curves' holds no loss; there is nothing to draw")
    ax = _canvas.axes(ax, 460, 290)
    train = table[table.split == "train"]
    if len(train):
        window = max(1, len(train) // 40)
        smooth = train.loss.rolling(window, min_periods=1, center=True).mean()
        thin = max(1, len(train) // 800)
        if window > 1:
            ax.plot(train.step[::thin], train.loss[::thin], color=_palette.BASE[5], linewidth=0.7, alpha=0.55)
        marker = "o" if len(train) == 1 else None
        ax.plot(train.step[::thin], smooth[::thin], color=_palette.BASE[0], linewidth=1.8, label="training",
                marker=marker)  # fmt: skip
    others = [name for name in dict.fromkeys(table.split.astype(str)) if name != "train"]
    for name in others:
        part = table[table.split == name]
        if name in {"validation", "valid", "val"}:
            ax.plot(part.step, part.loss, color=_palette.BASE[1], linewidth=1.6, marker="o", markersize=4,
                    markeredgecolor="white", markeredgewidth=0.6, label="validation", zorder=4)  # fmt: skip
        else:
            ax.axhline(part.loss.median(), color=_palette.SOFT, linewidth=1.2, linestyle=(0, (5, 3)),
                       label=f"{_text.tick(name)}: {part.loss.median():.3f}")  # fmt: skip
    _canvas.dress(ax, grid="y", xlabel="step", ylabel="loss")
    core = table.loss[table.step >= table.step.quantile(0.01)]
    low, high = min(core.min(), table.loss.min()), max(core.quantile(0.995), table.loss[table.split != "train"].max()
                                                       if len(others) else core.quantile(0.995))  # fmt: skip
    if high > low:
        ax.set_ylim(low - 0.06 * (high - low), high + 0.1 * (high - low))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    _canvas.legend(ax)
    return ax
