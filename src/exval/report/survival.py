"""What a page says of a prognosis as a whole: facts, names of things, and the methods paragraph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exval import __version__
from exval.report.folder import Folder
from exval.report.numbers import count, known

DESCRIBED = 8
SUFFIX = " + clinical"


def facts(folder: Folder) -> list[tuple[str, str]]:
    """A few figures below the verdict."""
    data, config = folder.dataset, folder.config
    samples, patients = data.get("n"), data.get("patients")
    found = [("patients", count(patients if known(patients) else samples))]
    if known(samples) and known(patients) and samples != patients:
        found.append(("samples", count(samples)))
    found += [("events", count(data.get("events"))), ("genes", count(data.get("genes")))]
    panel = config.get("genes")
    if isinstance(panel, Mapping):
        found.append(("panel", count(panel.get("n"))))
    found += [("unit", str(data.get("unit"))), ("time", str(config.get("time_column")))]
    if config.get("clinical"):
        found.append(("clinical", ", ".join(map(str, config["clinical"]))))
    found += [("held out by", str(data.get("split_by") or "patient")), ("seed", str(config.get("seed", 0)))]
    return [(name, text) for name, text in found if text not in ("–", "None", "")]


def time_unit(folder: Folder) -> str:
    """What the axis of time is called: the column of times."""
    return str(folder.config.get("time_column") or "time")


def shown_methods(folder: Folder) -> list[str]:
    """The method kept, the reference and the best other one, each once: whose figures are drawn large."""
    table = folder.table("survival_table", "method", "c", "standing", "chosen")
    if table is None:
        return []
    table = table[table.c.notna() & (table.method != "null-survival")]
    names = [*table.method[table.chosen.fillna(False).astype(bool)], *table.method[table.standing == "reference"],
             *table.method[table.standing != "reference"][:1]]  # fmt: skip
    return list(dict.fromkeys(map(str, names)))


def paragraph(folder: Folder) -> str:
    """The methods paragraph, in sentences that can be pasted into a paper."""
    from exval.report.prose import UNITS

    config, data = folder.config, folder.dataset
    unit = UNITS.get(str(data.get("unit")), str(data.get("unit")))
    seen = f"--event {config['event']}" if config.get("event") else f"--censored {config.get('censored')}"
    text = [
        f"The cohort {data.get('name')} holds {count(data.get('n'))} samples of {count(data.get('patients'))} patients "
        f"with {count(data.get('events'))} events and {count(data.get('genes'))} genes, given as {unit}; times are "
        f"those of the column {config.get('time_column')}, events those of {seen.split()[1]}"
        + (" (1 is censored)." if config.get("censored") else "."),
        "Genes that were not measured take their training mean.",
        _split(folder),
        *_compared(folder),
        _measured(folder),
    ]
    panel = config.get("genes")
    if isinstance(panel, Mapping) and folder.table("null_panels", "kind", "c") is not None:
        text.append(
            f"The panel of {count(panel.get('n'))} genes was held against {count(config.get('null'))} random panels of "
            "equal size from the other genes of the cohort, in the same folds and by the same ridge Cox regression "
            "(Venet et al. 2011, PLoS Comput Biol 7, e1002240)."
        )
    if folder.table("external", "method") is not None:
        text.append(
            f"Methods fitted on all patients were then scored on {config.get('external')}, weights for censoring taken "
            "from that cohort."
        )
    text.append(
        f"All of this was done with exval {config.get('version') or __version__} (seed {config.get('seed', 0)})."
    )
    return " ".join(line for line in text if line)


def _split(folder: Folder) -> str:
    config = folder.config
    by = folder.dataset.get("split_by") or "patient"
    repeats = config.get("repeats", 1)
    text = f"It was split into {config.get('n_folds')} folds stratified by event that keep every {by} whole"
    text += f", {repeats} times with different seeds" if known(repeats) and repeats > 1 else ""
    return text + "; everything fitted, scaling and choices of penalties included, saw the training part only."


def _compared(folder: Folder) -> list[str]:
    cards = folder.config.get("cards") if isinstance(folder.config.get("cards"), Mapping) else {}
    names = [str(name) for name in folder.config.get("method", [])]
    plain = [name for name in names if not name.endswith(SUFFIX)]
    parts = []
    for name in plain[:DESCRIBED]:
        summary = str(cards.get(name, {}).get("summary") or "").rstrip(".")
        parts.append(f"{name} ({_inside(summary)})" if summary else name)
    parts += plain[DESCRIBED:]
    text = [f"Compared were {'; '.join(parts)}."] if parts else []
    columns = folder.config.get("clinical")
    if columns and len(plain) < len(names):
        named = ", ".join(map(str, columns))
        text.append(f"Methods that look at genes were fitted without and with {named}, which are next to unpenalised.")
    return text


def _inside(sentence: str) -> str:
    """A sentence as it stands in brackets; names keep their capital."""
    return sentence if sentence.startswith(("Cox", "Kaplan")) else sentence[:1].lower() + sentence[1:]


def _measured(folder: Folder) -> str:
    config: Mapping[str, Any] = folder.config
    low, high = (config.get("times") or [None, None])[:2]
    span = f" between {low:.3g} and {high:.3g}" if known(low) and known(high) else ""
    return (
        "Discrimination is Harrell's C over pairs of patients of one fold (Harrell et al. 1996, Stat Med 15, 361), "
        "Uno's C (Uno et al. 2011, Stat Med 30, 1105) and the cumulative/dynamic AUC (Hung and Chiang 2010, Can J Stat "
        f"38, 8); error the integrated Brier score{span} (Graf et al. 1999, Stat Med 18, 2529), weights for censoring "
        "from the training patients; calibration D-calibration (Haider et al. 2020, JMLR 21, 85). Intervals are 95 % "
        f"bootstraps over {folder.dataset.get('split_by') or 'patient'}s, paired between methods. Groups of risk are "
        "cut at quantiles of the training risks of each fold; curves are Kaplan and Meier's."
    )
