"""The low-rank Gaussian of values with gaps: its equations, its fit, and sums over what was measured."""
