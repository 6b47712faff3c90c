"""Value encoders: a number becomes a vector. One file each; found by :data:`ENCODERS`."""

from exval.registry import Registry

ENCODERS = Registry("exval.encoders", "exval.encoders.base:ValueEncoder", "value encoder")

__all__ = ["ENCODERS"]
