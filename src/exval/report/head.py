"""The first screen: what was asked, the verdict, what to be wary of, the data in figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from exval import __version__
from exval.report.folder import Folder
from exval.report.numbers import DASH, count, known, score, share

TASKS = {
    "recover": "recovering hidden values",
    "impute": "imputing values",
    "recommend": "which imputation method for which goal",
    "survival": "prognosis of patients",
    "field": "expression at unseen places of the brain",
    "field-run": "a field of the brain",
    "field-map": "maps of the brain",
    "correlate": "an imaging contrast against gene expression",
    "field-truth": "a map beside the known truth",
    "bench": "benchmark",
    "pretrain": "pretraining",
    "finetune": "fine-tuning",
    "story": "demo",
}


def kicker(folder: Folder) -> str:
    """The line above the title: version, what this is, when."""
    what = TASKS.get(folder.kind, folder.kind)
    if folder.kind == "annotate":
        what = f"naming {folder.thing}s"
    parts = [f"exval {folder.config.get('version') or __version__}", what, date(folder)]
    return " · ".join(part for part in parts if part)


def date(folder: Folder) -> str:
    """The day on which the figures were computed."""
    for key in ("created", "date", "time", "started"):
        text = folder.config.get(key)
        if isinstance(text, str) and text:
            return text[:10]
    file = folder.path / "config.json"
    if not file.is_file():
        files = [chapter.path / "config.json" for chapter in folder.chapters]
        file = next((path for path in files if path.is_file()), file)
    if not file.is_file():
        return ""
    return datetime.fromtimestamp(file.stat().st_mtime, tz=UTC).strftime("%Y-%m-%d")


def title(folder: Folder) -> str:
    """What the page is about: the data, or the folder."""
    if folder.config.get("title"):
        return str(folder.config["title"])
    if folder.kind == "story":
        return "exval, from raw counts to named cells"
    name = str(folder.dataset.get("name") or folder.config.get("data") or folder.path.resolve().name)
    if folder.is_run:
        return f"{folder.config.get('recipe') or 'run'} {folder.config.get('preset') or ''}".strip() + (
            f" on {name}" if folder.dataset.get("name") or folder.config.get("data") else ""
        )
    reference = folder.reference.get("name") or folder.config.get("reference")
    return f"{name}, named after {reference}" if reference and folder.kind == "annotate" else name


def verdict(folder: Folder) -> str:
    """The verdict in words; for a run that has none, what its log says."""
    given = folder.config.get("verdict")
    if given:
        return str(given)
    curves = folder.table("curves", "step", "split", "loss")
    if curves is None:
        return "No verdict was recorded in this folder; the figures below are all there is."
    steps = f"{count(curves.step.max())} steps"
    valid = curves[curves.split.isin(["validation", "valid", "val"])].sort_values("step")
    base = curves[curves.split == "gene mean"]
    if not len(valid):
        train = curves[curves.split == "train"].sort_values("step")
        return f"{steps}; training loss {score(train.loss.tail(20).mean())}. Nothing was held out."
    last = float(valid.loss.iloc[-1])
    text = f"Validation loss {score(last)} after {steps}"
    if not len(base):
        return f"{text}; it began at {score(valid.loss.iloc[0])}."
    mean = float(base.loss.median())
    if last >= mean:
        return f"{text}, not below the {score(mean)} of the gene mean: the model has learned nothing of use yet."
    return f"{text}, against {score(mean)} for the gene mean: {share(1 - last / mean)} lower."


def warnings(folder: Folder) -> list[str]:
    """What a reader must know before believing a figure; each line once."""
    given = folder.config.get("warnings")
    lines = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else []
    lines = [str(line) for line in lines if line]
    said = " ".join(lines).lower()
    splits = set(folder.rows["split"].astype(str)) if "split" in folder.rows else {str(folder.config.get("split", ""))}
    if "optimistic" not in said and any("optimistic" in split for split in splits):
        lines.insert(
            0, f"Optimistic split: {folder.thing}s of one donor stand on both sides. Expect less on a new donor."
        )
    if "seen in pretraining" not in said and any("seen in pretraining" in split for split in splits):
        lines.insert(0, "Some of the test cells were seen in pretraining.")
    if folder.kind == "bench":
        from exval.report.benchmark import warnings as of_benchmark

        return list(dict.fromkeys([*lines, *of_benchmark(folder), *folder.problems]))
    failed = _failed(folder)
    if any(f"{name} failed: " not in " ".join(lines) for name in failed):
        lines.append(f"Failed: {', '.join(failed)} (see the table).")
    return list(dict.fromkeys([*lines, *folder.problems]))


def _failed(folder: Folder) -> list[str]:
    if not len(folder.rows):
        return []
    return sorted(set(folder.rows.method[folder.rows.status != "ok"].astype(str)))


def facts(folder: Folder) -> list[tuple[str, str]]:
    """The data in a few figures: name and value."""
    if folder.kind == "bench":
        from exval.report.benchmark import facts as of_benchmark

        return of_benchmark(folder)
    if folder.kind == "survival":
        from exval.report.survival import facts as of_survival

        return of_survival(folder)
    if folder.kind in ("field", "field-run", "field-map"):
        from exval.report.fields import facts as of_fields

        return of_fields(folder)
    if folder.config.get("family") == "completion":
        from exval.report.completion import facts as of_completion

        return of_completion(folder)
    data, config = folder.dataset, folder.config
    found: list[tuple[str, str]] = []

    def add(name: str, value: object, form=str) -> None:
        if value not in (None, "", [], {}) and form(value) != DASH:
            found.append((name, form(value)))

    parts = [config.get(key) for key in ("n_train", "n_valid")]
    add(f"{folder.thing}s", data.get("n", sum(parts) if all(known(part) for part in parts) else None), count)
    genes = data.get("genes", data.get("n_genes", config.get("n_genes")))
    add("genes", genes if known(genes) else None, count)
    add("unit", data.get("unit"))
    add("shared genes", folder.reference.get("shared_genes"), count)
    add(f"reference {folder.thing}s", folder.reference.get("n"), count)
    add("labels", data.get("label", config.get("label")))
    classes = data.get("classes")
    add(
        "classes",
        len(classes) or None if isinstance(classes, list | tuple) else classes if known(classes) and classes else None,
        count,
    )
    splits = list(dict.fromkeys(folder.rows["split"].astype(str))) if "split" in folder.rows else []
    add(
        "reference split by" if folder.reference else "split by",
        data.get("split_by") or (splits[0] if splits else None),
    )
    add("unsure", config.get("unsure_share"), share)
    if folder.is_run:
        add("recipe", config.get("recipe"))
        add("preset", config.get("preset"))
        add("parameters", config.get("parameters"), count)
    nested = config.get("config")
    train = nested.get("train") if isinstance(nested, Mapping) else None
    add("seed", config.get("seed", train.get("seed") if isinstance(train, Mapping) else None))
    return found
