"""Values that were not measured: which are hidden, on what scale errors are counted, and how methods are compared."""

from exval.tasks.completing.arms import ARMS, Arm, as_arms
from exval.tasks.completing.evaluation import evaluate_completion

__all__ = ["ARMS", "Arm", "as_arms", "evaluate_completion"]
