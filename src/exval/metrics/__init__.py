"""Metrics, one list of names for every table.

``METRICS[name]`` is ``(function, higher_is_better)``; every function takes truth first and prediction second.
"""

from exval.metrics.classification import accuracy, balanced_accuracy, macro_f1
from exval.metrics.clustering import ari, nmi
from exval.metrics.regression import pearson, poisson_deviance, r2, rmse, spearman

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
}
"""Name -> (function or None where it needs more than truth and prediction, whether higher is better)."""

__all__ = ["METRICS", "accuracy", "ari", "balanced_accuracy", "macro_f1", "nmi", "pearson", "poisson_deviance", "r2",
           "rmse", "spearman"]  # fmt: skip
