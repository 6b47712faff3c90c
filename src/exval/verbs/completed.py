"""What is said of a file whose missing values were filled: verdict, cautions, record, tables of the report."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.bench.results import Results
    from exval.verbs.completing import Completion

ADVICE = (
    "Filled values are expectations and vary less than measured ones: do not test differences on them as if they were "
    "measured."
)
LISTED = 5


def verdict(job: Completion) -> str:
    """The first line of the report: what was filled, how far off it is, and what not to do with it."""
    n, p = job.target.values_np.shape
    by = f", fitted on {job.ref_name}" if job.ref_name else ""
    parts = [
        f"{job.title} filled {100 * job.share:.3g} % of {n:,} samples x {p:,} genes of {job.source.name} "
        f"({job.source.unit}){by}.",
        job.checked.sentence if job.checked is not None else "Not checked (--no-check).",
        job.added.sentence if job.added is not None else "",
        why(job),
        ADVICE,
    ]
    return " ".join(part for part in parts if part)


def why(job: Completion) -> str:
    """What ``auto`` took, and what its inner check and the check on this file say of that; else nothing."""
    if job.method != "auto":
        return ""
    text = f"{job.title} is what auto takes for values that were not measured"
    losses = getattr(job.fitted, "losses_", None)
    if losses:
        text += (
            f"; rank {job.fitted.rank_} was chosen on values hidden from a fifth of the training samples "
            f"(RMSE {min(losses.values()) ** 0.5:.3f} sd at 10, 50 and 90 % hidden)"
        )
    if job.checked is not None and job.checked.better is False:
        text += "; it is not surely better than the mean here, so that mean would do"
    return f"{text}."


def cautions(job: Completion) -> list[str]:
    """What a user should know of the values before using them, a line each."""
    lines, k = [], len(job.never)
    if k:
        named = ", ".join(job.never[:LISTED]) + (", ..." if k > LISTED else "")
        if hasattr(job.fitted, "opened"):
            cause = f"not known to {job.title}"
        else:
            cause = f"measured in no sample of {job.ref_name or job.source.name}"
        lines.append(f"genes that stay NaN where they are, since they are {cause}: {k} ({named})")
    if job.checked is not None and job.checked.sds:
        held = 100 * job.checked.figures["coverage_95"]
        lines.append(f"the sds are too {job.checked.sds} here: 95 % intervals hold {held:.1f} % of what was hidden")
    empty = int(np.isnan(np.asarray(job.shown.X)).all(1).sum())
    if empty:
        lines.append(
            f"samples without any measured value: {empty}; what stands there is what the method says of anybody"
        )
    seen = getattr(job.fitted, "seen", None)
    met = int(np.sum(seen(job.shown))) if seen is not None else 0
    if met:
        lines.append(f"samples that were seen in the training of {job.title}: {met}; the check flatters it")
    if seen is not None and not met and not job.fitted.recognises(job.shown):
        lines.append(
            f"whether {job.title} saw these samples in training cannot be told: the file has gaps, or other genes than "
            "its training data; if it did, the check flatters it"
        )
    twice = int(job.source.merged.sum())
    if twice:
        lines.append(
            f"genes that stand in several columns: {twice}; the one with the higher values was read, and gaps in all "
            "of them get what is filled"
        )
    added = int(job.target.gene_p.size - np.isin(job.target.gene_p, job.source.var_names).sum())
    if added and job.checked is not None and job.added is None:
        lines.append(
            f"added genes: {added}; the file has no value of them, so that nothing here says how well they fit"
        )
    if added and job.added is not None:
        lines.append("added genes were checked in the cohort they come from; in another one expect more error")
    return lines


def record(job: Completion) -> dict[str, Any]:
    """What goes into ``uns["exval"]``."""
    from exval import __version__

    figures = {f"impute_{k}": v for part in (job.checked, job.added) if part for k, v in part.figures.items()}
    settings = "; ".join(f"{k}={v}" for k, v in job.fitted.get_params(deep=False).items())
    return {
        "impute_method": job.title, "impute_unit": job.source.unit, "impute_advice": ADVICE,
        "impute_verdict": job.verdict, "impute_seed": job.seed, "version": __version__, "impute_why": why(job),
        "impute_matrix": job.source.matrix, "impute_ref": job.ref_name, "impute_filled": job.filled,
        "impute_share": job.share, "impute_never_measured": np.array(job.never, dtype=object),
        "impute_settings": settings, **figures,
    }  # fmt: skip


def written(job: Completion) -> AnnData:
    """The file with its layers and the record."""
    from exval.verbs.written import merged_record

    adata = job.target.adata
    adata.layers.update(job.layers)
    adata.uns["exval"] = merged_record(adata.uns.get("exval"), record(job), tuple(job.layers))
    return adata


def results(job: Completion) -> Results:
    """The tables of the report."""
    from exval.bench.results import Results, config_hash, make_rows
    from exval.methods.completion import COMPLETERS
    from exval.tasks.completing.check import block_map

    n, p = job.target.values_np.shape
    config = {
        "task": "impute", "family": "completion", "data": job.source.name, "method": [job.title],
        "settings": job.fitted.get_params(deep=False), "unit": job.source.unit, "layers": list(job.layers),
        "reference_cohort": job.ref_name, "seed": job.seed, "warnings": job.warnings, "advice": ADVICE,
        "filled": job.filled, "share_filled": job.share, "never_measured": job.never[:200], "why": why(job),
        "cards": {job.title: asdict(job.fitted.card), "mean": asdict(COMPLETERS["mean"].card)},
        "dataset": {"name": job.source.name, "n": n, "genes": p, "unit": job.source.unit, "label": None},
    }  # fmt: skip
    rows = [] if job.checked is None else [{"seed": job.seed, **row} for row in job.checked.rows]
    extras = {} if job.checked is None else {k: v for k, v in job.checked.tables.items() if len(v)}
    extras["missing_map"] = block_map(~np.isnan(job.target.values_np))
    size = job.fitted.n_parameters() if hasattr(job.fitted, "n_parameters") else np.nan
    extras["cost"] = pd.DataFrame(
        [{"method": job.title, "seconds": job.seconds, "peak_mb": job.peak_mb, "parameters": size}]
    )
    common = {"task": "impute", "data": job.source.name, "config_hash": config_hash(config)}
    return Results(make_rows(rows, **common), pd.DataFrame(), config, job.verdict, extras)
