"""Methods: anything with ``fit(adata)`` and one or more of ``embed``, ``predict_proba`` and ``recover``.

Adding a method is adding a file with one class that has a ``name`` and a ``card``.
"""

from exval.methods.base import METHODS, Card, Method, verbs
from exval.methods.resolve import resolve

__all__ = ["METHODS", "Card", "Method", "resolve", "verbs"]
