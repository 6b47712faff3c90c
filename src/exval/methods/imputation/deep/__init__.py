"""Imputation by neural networks: one training loop (:mod:`~exval.methods.imputation.deep.loop`) and a file a method.

Nothing here imports torch before a network is trained, so that listing the methods stays quick.
"""
