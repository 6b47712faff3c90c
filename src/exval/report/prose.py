"""The methods paragraph: what was done, in sentences that can be pasted into a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exval import __version__
from exval.errors import InputError
from exval.pl._text import clean
from exval.pl.comparison import NAMES, default_metric
from exval.report.folder import Folder
from exval.report.numbers import count, known

DESCRIBED = 8
"""At most so many methods are described in the paragraph; more are named, and their references listed."""
UNITS = {
    "counts": "raw counts",
    "cp10k": "counts per 10,000",
    "log1p": "log1p(CP10k) values",
    "log2": "log2 values",
    "z": "z-scores",
}


def cards(folder: Folder) -> dict[str, Mapping[str, Any]]:
    """Method -> card (``summary``, ``reference``): from the configuration, else from the registry."""
    given = folder.config.get("cards")
    found: dict[str, Mapping[str, Any]] = {}
    for name in _methods(folder):
        if isinstance(given, Mapping) and isinstance(given.get(name), Mapping):
            found[name] = given[name]
        elif (card := _registered(name)) is not None:
            found[name] = card
    return found


def _registered(name: str) -> Mapping[str, Any] | None:
    from dataclasses import asdict

    from exval.methods.base import METHODS

    try:
        return asdict(METHODS[name].card)
    except InputError:
        return None


def _methods(folder: Folder) -> list[str]:
    if len(folder.rows):
        return list(dict.fromkeys(folder.rows.method[folder.rows.status == "ok"].astype(str)))
    asked = folder.config.get("method", folder.config.get("methods"))
    return [asked] if isinstance(asked, str) else [str(name) for name in asked or []]


def paragraph(folder: Folder) -> str:
    """The paragraph; empty where nothing is known."""
    if folder.kind == "bench":
        from exval.report.benchmark import paragraph as of_benchmark

        return clean(of_benchmark(folder, _compared(folder)))
    if folder.kind == "survival":
        from exval.report.survival import paragraph as of_survival

        return clean(of_survival(folder))
    if folder.kind in ("field", "field-run", "field-map"):
        from exval.report.fields import paragraph as of_fields

        return clean(of_fields(folder, _compared(folder)))
    if folder.config.get("family") == "completion":
        from exval.report.completion import paragraph as of_completion

        return clean(of_completion(folder, _compared(folder)))
    sentences = [_data(folder)]
    if folder.is_run:
        sentences.append(_training(folder))
    else:
        sentences += [_reference(folder), _split(folder), *_compared(folder), _measured(folder)]
    seed = folder.config.get("seed")
    own = f"exval {folder.config.get('version') or __version__}"
    sentences.append(f"All of this was done with {own}" + (f" (seed {seed})." if seed is not None else "."))
    return " ".join(clean(sentence) for sentence in sentences if sentence)


def _data(folder: Folder) -> str:
    data = folder.dataset
    name = data.get("name") or folder.config.get("data")
    if isinstance(name, list):
        name = ", ".join(map(str, name))
    if not name and not known(data.get("n")):
        return ""
    text = f"The data set {name}" if name else "The data set"
    config = folder.config
    if known(config.get("n_train")):
        text += (
            f" was divided into {count(config['n_train'])} training and {count(config.get('n_valid'))} held-out "
            f"{folder.thing}s"
        )
        text += f" with {count(config['n_genes'])} genes" if known(config.get("n_genes")) else ""
    elif known(data.get("n")):
        text += f" holds {count(data['n'])} {folder.thing}s"
        genes = data.get("genes", data.get("n_genes"))
        text += f" and {count(genes)} genes" if known(genes) else ""
    else:
        text += " was used"
    unit = data.get("unit")
    if unit:
        text += f", given as {UNITS.get(str(unit), unit)}"
        if unit in {"counts", "cp10k"}:
            text += " and used as log1p of counts per 10,000"
    label = None if folder.reference else data.get("label", folder.config.get("label"))
    return text + (f"; labels are those of the column {label}." if label else ".")


def _reference(folder: Folder) -> str:
    """After which cells others were named, and by what."""
    ref = folder.reference
    if not ref:
        return ""
    things = f"{folder.thing}s"
    text = (
        f"Its {things} were named by {folder.chosen} after {ref.get('name')} ({count(ref.get('n'))} labelled {things}"
    )
    label = folder.dataset.get("label")
    text += f", column {label}" if label else ""
    return text + f") on the {count(ref.get('shared_genes'))} genes that both have."


def _split(folder: Folder) -> str:
    config = folder.config
    by = folder.dataset.get("split_by") or config.get("split_by")
    folds, repeats = config.get("n_folds", config.get("folds")), config.get("repeats")
    seeds = folder.rows.seed.nunique() if len(folder.rows) else 1
    if not by and not folds:
        return ""
    if not by and len(folder.rows) and "split" in folder.rows and set(folder.rows.split.dropna()) == {"patient"}:
        by = "patients"
    text = "To choose the method the reference was split" if folder.reference else "It was split"
    text += f" into {folds} folds" if known(folds) else ""
    one = "patient" if folder.thing == "sample" else "donor"
    at_random = f"at random over {folder.thing}s (optimistic: those of one {one} are on both sides)"
    text += f" by held-out {by}" if by else f" {at_random}"
    times = max(int(repeats) if known(repeats) else 1, seeds)
    text += f", {times} times with different seeds" if times > 1 else ""
    return text + "; everything fitted saw the training part only."


def _compared(folder: Folder) -> list[str]:
    names, found = _methods(folder), cards(folder)
    if not names:
        return []
    if len(names) > DESCRIBED:
        return [
            f"Compared were {', '.join(names[:60])}" + (f" and {len(names) - 60} more." if len(names) > 60 else ".")
        ]
    parts = []
    for name in names:
        summary = str(found.get(name, {}).get("summary") or "").rstrip(".")
        parts.append(f"{name} ({summary[:1].lower() + summary[1:]})" if summary else name)
    return [f"Compared were {'; '.join(parts)}." if len(parts) > 1 else f"The method was {parts[0]}."]


def _measured(folder: Folder) -> str:
    rows = folder.rows
    if not len(rows) or folder.kind in ("impute", "bench"):
        return ""
    metric = default_metric(rows)
    text = f"Quality is {NAMES.get(metric, metric)} over all out-of-fold {folder.thing}s"
    part = rows[rows.metric == metric]
    if part.lo.notna().any():
        units = [unit for unit in part.unit.astype(str) if unit]
        text += f"; intervals are 95 % bootstraps over {units[0] if units else 'unit'}s, paired between methods"
    return text + "."


def _training(folder: Folder) -> str:
    config = folder.config
    recipe, preset = config.get("recipe"), config.get("preset")
    text = "A model" + (f" after the recipe {recipe}" if recipe else "") + (f" ({preset})" if preset else "")
    if known(config.get("parameters")):
        text += f" with {count(config['parameters'])} parameters"
    text += " was fine-tuned" if folder.kind == "finetune" else " was pretrained"
    curves = folder.table("curves", "step")
    if curves is not None:
        text += f" for {count(curves.step.max())} steps"
    return text + "."
