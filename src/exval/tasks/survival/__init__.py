"""Survival from a cohort to figures: outcome, folds, risks out of fold, comparison, random panels, kept models."""
