"""Imputation: dense, denoised values for the cells that were fitted. One file per published method.

A method is a subclass of :class:`exval.methods.imputation.base.Imputer` that defines ``learn(cells)`` and
``block(columns)``; the base does the guards, empty cells and genes, names, units and memory.
"""

from exval.methods.imputation.base import Cells, Imputed, Imputer

__all__ = ["Cells", "Imputed", "Imputer"]
