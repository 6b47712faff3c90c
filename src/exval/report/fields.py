"""What a page says of fields as a whole: facts and the methods paragraph."""

from __future__ import annotations

from exval import __version__
from exval.report.folder import Folder
from exval.report.numbers import count, known

HELD = {
    "donor": "Every donor was held out in turn",
    "block": "Blocks of space (k-means of the positions, both hemispheres on one) were held out in turn",
}


def facts(folder: Folder) -> list[tuple[str, str]]:
    """A few figures below the verdict."""
    data, config = folder.dataset, folder.config
    if folder.kind != "field":
        return _of_run(folder)
    found = [("samples", count(data.get("n"))), ("genes", count(data.get("genes"))), ("unit", str(data.get("unit"))),
             ("positions", str(config.get("space"))), ("regions", ", ".join(config.get("regions") or []) or "none"),
             ("held out by", str(data.get("split_by"))), ("folds", count(config.get("n_folds")))]  # fmt: skip
    if known(config.get("buffer")):
        found.append(("buffer", f"{config['buffer']:.0f} mm"))
    return [*found, ("seed", str(config.get("seed")))]


def _of_run(folder: Folder) -> list[tuple[str, str]]:
    config = folder.config
    found = [("field", str(config.get("method"))), ("samples", count(config.get("n"))),
             ("genes", count(config.get("n_genes"))), ("unit", str(config.get("unit"))),
             ("positions", str(config.get("space")))]  # fmt: skip
    if folder.kind == "field-run":
        donors = len(config.get("donors") or [])
        return [*found, ("donors", count(donors) if donors else "not named"),
                ("regions", ", ".join(config.get("regions") or []) or "none"),
                ("seed", str(config.get("seed")))]  # fmt: skip
    return [*found, ("maps of", str(config.get("what"))), ("donor", str(config.get("donor") or "nobody in particular"))]


def _run_paragraph(folder: Folder) -> str:
    config = folder.config
    own = f"exval {config.get('version') or __version__}"
    genes, mapped = config.get("n_genes"), folder.kind == "field-map"
    genes = count(int(config.get("fitted_genes", genes) if mapped else genes) - int(config.get("n_added") or 0))
    said = "; ".join(f"{what}: {text}" for what, text in config.get("in_words") or [])
    summary = str((config.get("card") or {}).get("summary", "")).rstrip(".")
    parts = [
        f"{config.get('method')} ({summary[:1].lower() + summary[1:]}) was fitted to {count(config.get('n'))} samples "
        f"and {genes} genes of {config.get('data')} at positions in millimetres ({config.get('space')}).",
        "Both hemispheres were laid onto one." if config.get("mirrored") else "",
        f"Chosen on the samples: {said}." if said else "",
        _bars(config),
        f"Then: {config['extended']}." if config.get("extended") else "",
        _mapped(config) if mapped else "",
        f"All of this was done with {own} (seed {config.get('seed')}).",
    ]
    return " ".join(part for part in parts if part)


def _bars(config) -> str:
    if not config.get("held_inside") or config.get("sd") is False:
        return ""
    return (
        f"Standard deviations are those of a measurement, by an inner hold-out: {config['held_inside']} were held out "
        "of the fit in turn."
    )


def _mapped(config) -> str:
    whose = f", of donor {config['donor']}" if config.get("donor") else ", of no donor in particular"
    atlas = f" of {config['atlas']}" if config.get("atlas") else ""
    return f"Values of {count(config.get('n_genes'))} genes were computed for {config.get('what')}{atlas}{whose}."


def _buffer(config) -> str:
    return f", those within {config['buffer']:.0f} mm left out" if known(config.get("buffer")) else ""


def paragraph(folder: Folder, compared: list[str]) -> str:
    """The methods paragraph, in sentences that can be pasted into a paper."""
    if folder.kind != "field":
        return _run_paragraph(folder)
    data, config = folder.dataset, folder.config
    by = str(data.get("split_by"))
    parts = [
        f"The file {data.get('name')} holds {count(data.get('n'))} samples and {count(data.get('genes'))} genes at "
        f"positions in millimetres ({config.get('space')}).",
        f"{HELD.get(by, 'Samples were held out at random, which is optimistic')}; everything fitted saw the other "
        f"samples only{_buffer(config)}.",
        "A held-out donor was nobody in particular to the fields. Figures are computed at the held-out samples, gene "
        f"by gene; intervals are 95 % bootstraps over genes and held-out {by}s at once, paired between fields.",
    ]  # fmt: skip
    own = f"exval {config.get('version') or __version__}"
    return " ".join([*parts, *compared, f"All of this was done with {own} (seed {config.get('seed')})."])
