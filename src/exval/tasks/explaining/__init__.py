"""Which genes a fine-tuned run decides by, and the checks that keep a reader honest.

Attributions (:mod:`.gradients`, :mod:`.occlusion`) and raw attention (:mod:`.attention`) rank the genes; untrained
networks (:mod:`.untrained`), deletion (:mod:`.deletion`), a ranking without any network (:mod:`.univariate`) and gene
sets (:mod:`.overlap`) say what such a ranking is worth.
"""

from __future__ import annotations

__all__ = ["evaluate_explanation"]


def __getattr__(name: str):
    if name == "evaluate_explanation":
        from exval.tasks.explaining.explain import evaluate_explanation

        return evaluate_explanation
    raise AttributeError(f"module 'exval.tasks.explaining' has no attribute {name!r}")
