"""Judging imputation: cases with a truth, what they are scored by, and which method to take for which goal.

:mod:`exval.tasks.imputing.cases` makes a case out of a data set, :data:`ANALYSES` are the analyses that score it (one
file each), :mod:`exval.tasks.imputing.score` runs one method on one case, :mod:`exval.tasks.imputing.choose` recommends
a method for a user's own cells.
"""

from __future__ import annotations

from exval.registry import Registry

ANALYSES: Registry = Registry("exval.tasks.imputing", "exval.tasks.imputing.analysis:Analysis", "analysis")

__all__ = ["ANALYSES"]
