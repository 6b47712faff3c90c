"""Metrics, one list of names for every table.

``METRICS[name]`` is ``(function, higher_is_better)``; every function takes truth first and prediction second.
"""

from exval.metrics.classification import accuracy, balanced_accuracy, macro_f1
from exval.metrics.clustering import ari, h_acc, h_pur, nmi
from exval.metrics.diffexp import auprc, precision_area, top_k_overlap
from exval.metrics.regression import pearson, poisson_deviance, r2, rmse, spearman
from exval.metrics.survival import (
    brier_scores,
    check_survival,
    cumulative_dynamic_auc,
    d_calibration,
    default_times,
    harrell_c,
    integrated_brier,
    kaplan_meier,
    logrank,
    nelson_aalen,
    paired_c_units,
    uno_c,
)
from exval.metrics.trajectory import kendall, pos

METRICS = {
    "accuracy": (accuracy, True),
    "macro_f1": (macro_f1, True),
    "balanced_accuracy": (balanced_accuracy, True),
    "f1": (macro_f1, True),
    "ece": (None, False),
    "auroc_unknown": (None, True),
    "rmse": (rmse, False),
    "rmse_counts": (rmse, False),
    "pearson": (pearson, True),
    "spearman": (spearman, True),
    "r2": (r2, True),
    "poisson_deviance": (poisson_deviance, False),
    "ari": (ari, True),
    "nmi": (nmi, True),
    "h_acc": (h_acc, False),
    "h_pur": (h_pur, False),
    "precision_area": (precision_area, True),
    "auprc": (auprc, True),
    "top_k_overlap": (top_k_overlap, True),
    "kendall": (kendall, True),
    "pos": (pos, True),
    "power": (None, True),
    "false_discoveries": (None, False),
    "false_positive_rate": (None, False),
    "correlation_inflation": (None, False),
    "significant_pairs": (None, False),
    "interval_score_95": (None, False),
    "coverage_50": (None, True),
    "deletion_area": (None, False),
    "agreement": (None, True),
    "rank_agreement": (None, True),
    "coverage_80": (None, True),
    "coverage_95": (None, True),
    "harrell_c": (None, True),
    "uno_c": (None, True),
    "auc": (None, True),
    "mean_auc": (None, True),
    "brier": (None, False),
    "integrated_brier": (None, False),
    "d_calibration_p": (None, True),
    "logrank_p": (None, False),
    "scaled_brier": (None, True),
    "panel_percentile": (None, True),
}
"""Name -> (function or None where it needs more than truth and prediction, whether higher is better).

A coverage is best at its level, and a ``false_positive_rate`` of 0.05 is right: only more is wrong.
A ``d_calibration_p`` says something against a method where it is small, and nothing for it where it is large.
"""

__all__ = ["METRICS", "accuracy", "ari", "auprc", "balanced_accuracy", "brier_scores", "check_survival",
           "cumulative_dynamic_auc", "d_calibration", "default_times", "h_acc", "h_pur", "harrell_c",
           "integrated_brier", "kaplan_meier", "kendall", "logrank", "macro_f1", "nelson_aalen", "nmi",
           "paired_c_units", "pearson", "poisson_deviance", "pos", "precision_area", "r2", "rmse", "spearman",
           "top_k_overlap", "uno_c"]  # fmt: skip
