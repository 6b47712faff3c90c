"""Value heads: a vector becomes a distribution over values. One file each; found by :data:`HEADS`."""

from exval.registry import Registry

HEADS = Registry("exval.heads", "exval.heads.base:ValueHead", "value head")

__all__ = ["HEADS"]
