"""How well risks and survival curves foretell censored times.

Every function takes ``time_n`` (float, above 0, any unit of time) and ``event_n`` (True: the event was seen, False:
censored) first, and checks them. A higher risk means an earlier event. Functions that weigh by the inverse probability
of censoring take the training patients before the test patients: the weights come from the former.
"""

from exval.metrics.survival.auc import cumulative_dynamic_auc
from exval.metrics.survival.brier import brier_scores, integrated_brier
from exval.metrics.survival.calibration import d_calibration
from exval.metrics.survival.censoring import censoring_survival, censoring_weights, default_times
from exval.metrics.survival.checks import check_survival
from exval.metrics.survival.concordance import PairUnits, harrell_c, paired_c_units, uno_c
from exval.metrics.survival.groups import logrank
from exval.metrics.survival.nonparametric import StepFunction, kaplan_meier, nelson_aalen

__all__ = ["PairUnits", "StepFunction", "brier_scores", "censoring_survival", "censoring_weights", "check_survival",
           "cumulative_dynamic_auc", "d_calibration", "default_times", "harrell_c", "integrated_brier",
           "kaplan_meier", "logrank", "nelson_aalen", "paired_c_units", "uno_c"]  # fmt: skip
