"""Values that were not measured: filled for any sample and any set of missing genes. One file per method.

A method is a subclass of :class:`exval.methods.completion.base.Completer` that defines ``learn(z_ng)`` and
``fill(z_mg, sd)`` on standardised values; the base does genes, units, scaling, checks and notes. Unlike imputation of
single cells (:mod:`exval.methods.imputation`) it is inductive: fitted on some samples, it answers for others.
"""

from exval.registry import Registry

COMPLETERS = Registry(
    "exval.methods.completion", "exval.methods.completion.base:Completer", "method for missing values"
)

__all__ = ["COMPLETERS"]
