"""Survival: a risk, and the probability of still being free of the event at a time, for every patient.

A method of this kind is a :class:`~exval.methods.survival.base.SurvivalMethod`: one file, one class, with ``learn``.
"""
