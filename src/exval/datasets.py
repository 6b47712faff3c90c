"""Example data: real cells and cell lines shipped with the package, and what is simulated."""

from exval.data.examples import baron, p53_lines
from exval.data.patients import simulated_patients
from exval.data.synthetic import second_lab
from exval.data.synthetic_brain import simulated_brain

__all__ = ["baron", "p53_lines", "second_lab", "simulated_brain", "simulated_patients"]
