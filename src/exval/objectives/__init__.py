"""Objectives: they score what a model returned; the loop does the rest."""

from exval.objectives.base import Objective, Score
from exval.objectives.labels import Labels
from exval.objectives.values import HiddenValues

#: Every objective, by name.
OBJECTIVES = {cls.name: cls for cls in (HiddenValues, Labels)}

__all__ = ["OBJECTIVES", "HiddenValues", "Labels", "Objective", "Score"]
