"""What a page says of a bulk file whose missing values were filled, or hidden to compare methods."""

from __future__ import annotations

from exval import __version__
from exval.report.folder import Folder
from exval.report.numbers import count, known, share

UNITS = {"log2": "log2 values", "z": "z-scores", "log1p": "log1p values"}


def facts(folder: Folder) -> list[tuple[str, str]]:
    """Samples, genes, unit, and who was held out."""
    data, config = folder.dataset, folder.config
    found = [("samples", count(data.get("n"))), ("genes", count(data.get("genes"))), ("unit", str(data.get("unit")))]
    if config.get("arms"):
        found.append(("held out by", str(data.get("split_by"))))
        found.append(("folds", count(config.get("n_folds"))))
    if known(config.get("share_filled")):
        found.append(("filled", share(config["share_filled"])))
    if config.get("reference_cohort"):
        found.append(("fitted on", str(config["reference_cohort"])))
    return [*found, ("seed", str(config.get("seed")))]


def paragraph(folder: Folder, compared: list[str]) -> str:
    """The methods paragraph, in sentences that can be pasted into a paper."""
    data, config = folder.dataset, folder.config
    unit = UNITS.get(str(data.get("unit")), str(data.get("unit")))
    size = f"{count(data.get('n'))} samples and {count(data.get('genes'))} genes"
    parts = [f"The cohort {data.get('name')} holds {size}, given as {unit}."]
    if config.get("arms"):
        times = config.get("repeats") or 1
        parts.append(
            f"It was split into {config.get('n_folds')} folds of whole {data.get('split_by')}s"
            + (f", {times} times with different seeds" if times > 1 else "")
            + "; everything fitted saw the training folds only. Of the held-out samples measured values were hidden: "
            + f"{_hidden(config['arms'])}."
        )
        parts.append(
            "Errors are root mean squares in standard deviations of each gene over the training samples; intervals are "
            f"95 % bootstraps over {data.get('split_by')}s, paired between methods."
        )
    else:
        by = f", fitted on {config['reference_cohort']}," if config.get("reference_cohort") else ""
        parts.append(
            f"Values that were not measured ({share(config.get('share_filled'))} of all) were filled{by}; measured "
            "values were kept. A tenth of the measured values was hidden to estimate the error."
        )
    own = f"exval {config.get('version') or __version__}"
    return " ".join([*parts, *compared, f"All of this was done with {own} (seed {config.get('seed')})."])


def _hidden(arms: list[str]) -> str:
    """The ways of hiding, with their shares."""
    kinds: dict[str, list[str]] = {}
    for arm in map(str, arms):
        kind, _, rest = arm.partition(" ")
        kinds.setdefault(kind, []).append(rest.removesuffix(" %"))
    texts = {
        "random": "{} % of the values at random",
        "genes": "a random {} % of the genes for all samples",
        "panel": "all genes but those of a panel",
        "low": "{} % of the values with a chance that falls with the value (logistic, 1.5 per standard deviation)",
    }
    return "; ".join(texts[kind].format(", ".join(shares)) for kind, shares in kinds.items())
