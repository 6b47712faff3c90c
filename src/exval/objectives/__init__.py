"""Objectives: they score what a model returned; the loop does the rest."""

from exval.objectives.base import Objective, Score
from exval.objectives.labels import Labels
from exval.objectives.survival import CoxLikelihood, DiscreteTime
from exval.objectives.values import HiddenValues

#: Every objective, by name.
OBJECTIVES = {cls.name: cls for cls in (HiddenValues, Labels, CoxLikelihood, DiscreteTime)}

__all__ = ["OBJECTIVES", "CoxLikelihood", "DiscreteTime", "HiddenValues", "Labels", "Objective", "Score"]
