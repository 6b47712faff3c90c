"""Figures: every function takes a result (or its table, or an AnnData) and returns matplotlib Axes.

The report of every run is drawn with these functions; they are public, so that a figure of a report can be remade,
changed and put into a paper. ``ax=None`` makes a new figure of a fitting size (``ax.figure.savefig("figure.pdf")``).
The first argument is an :class:`exval.bench.results.Results`, the path of a result folder, or the one table that the
function draws; its columns are named in the docstring.

Examples
--------
>>> import pandas as pd
>>> import exval.pl
>>> table = pd.DataFrame({"method": ["pca", "pca"], "label": ["alpha", "beta"], "f1": [0.9, 0.8], "support": [30, 70]})
>>> ax = exval.pl.per_class_f1(table)
>>> ax.get_xlabel()
'F1'
"""

from __future__ import annotations

import importlib

_HOME = {
    "anchors": "questions",
    "brain_map": "brain",
    "brain_samples": "brain",
    "by_size": "questions",
    "completion_coverage": "completion",
    "completion_error": "completion",
    "concordance": "survival",
    "confusion": "matrices",
    "correlate_null": "correlate",
    "correlate_places": "correlate",
    "cost": "comparison",
    "critical_difference": "ranks",
    "curves": "training",
    "deletion_curve": "importance",
    "field_coverage": "brain_fields",
    "field_deciles": "brain_fields",
    "field_genes": "fields",
    "field_units": "fields",
    "field_variogram": "brain_fields",
    "gene_errors": "completion",
    "gene_importance": "importance",
    "gene_map": "imputation",
    "gene_mapping": "mapping",
    "hazard_ratios": "survival",
    "kaplan_meier": "survival",
    "labels": "scatter",
    "map2d": "scatter",
    "mean_ranks": "ranks",
    "methods": "comparison",
    "missing_map": "completion",
    "null_panels": "survival",
    "over_time": "survival",
    "parcels": "brain_fields",
    "per_class_f1": "classes",
    "rank_cost": "ranks",
    "recovered": "recovery",
    "reliability": "calibration",
    "scores": "calibration",
    "truth_genes": "truth",
    "truth_slices": "truth",
    "unknown_types": "openset",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"exval.pl.{_HOME[name]}"), name)
    raise AttributeError(f"module 'exval.pl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
