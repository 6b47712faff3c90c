"""Example data: real cells shipped with the package, and a simulated second lab made of them."""

from exval.data.examples import baron
from exval.data.synthetic import second_lab

__all__ = ["baron", "second_lab"]
