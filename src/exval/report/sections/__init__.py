"""The parts of a page, in the order in which they are read. A part that has nothing to show is left out."""

from __future__ import annotations

from exval.errors import InputError
from exval.report.folder import Folder
from exval.report.section import Section


def sections(folder: Folder) -> list[Section]:
    """Every section that this folder has something for."""
    from exval.report.sections import (
        candidates,
        classes,
        completion,
        completion_check,
        completion_cost,
        completion_genes,
        completion_missing,
        confusion,
        correlate,
        correlate_genes,
        correlate_methods,
        cost,
        coverage,
        explain_checks,
        explain_deletion,
        explain_genes,
        explain_methods,
        explain_sets,
        failures,
        field_brain,
        field_calibration,
        field_map,
        field_run,
        field_table,
        field_truth,
        field_variogram,
        frontier,
        further,
        genes,
        goals,
        imputed,
        leaderboard,
        map2d,
        methods,
        null_arm,
        paragraph,
        questions,
        ranks,
        recovery,
        reliability,
        selection,
        splits,
        standings,
        survival_features,
        survival_km,
        survival_left_out,
        survival_null,
        survival_table,
        survival_time,
        training,
        truth,
        unknown,
    )

    order = (
        methods, candidates, null_arm, imputed, truth, selection, classes, confusion, reliability, unknown, map2d,
        training, recovery, genes, splits, cost, paragraph,
    )  # fmt: skip
    if folder.config.get("family") == "completion":
        order = (completion, completion_check, completion_missing, completion_genes, genes, splits,
                 completion_cost, paragraph)  # fmt: skip
    if folder.kind == "survival":
        order = (survival_table, survival_km, survival_time, survival_null, survival_features, survival_left_out, cost,
                 paragraph)  # fmt: skip
    if folder.kind == "field":
        order = (field_table, field_brain, field_variogram, field_calibration, splits, cost, paragraph)
    if folder.kind in ("field-run", "field-map"):
        order = (field_run, field_map, field_variogram, paragraph)
    if folder.kind == "field-truth":
        order = (field_truth,)
    if folder.kind == "correlate":
        order = (correlate, correlate_genes, correlate_methods)
    if folder.kind == "explain":
        order = (explain_genes, explain_checks, explain_deletion, explain_sets, explain_methods)
    if folder.kind == "bench":
        order = (goals, standings, questions, leaderboard, ranks, coverage, frontier, further, failures, paragraph)
    found = []
    for module in order:
        try:
            found.append(module.section(folder))
        except InputError:  # a table of missing numbers only: a figure of it would be empty
            continue
    return [part for part in found if part is not None]
