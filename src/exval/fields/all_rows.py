"""Training that sees all rows in every step, and keeps the weights of the lowest training loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from exval.errors import DivergedError

STAIR, FALL = 1000, 0.9  # the learning rate falls by a tenth every 1,000 steps


class Training:
    """Steps of Adam over all rows; the weights of the lowest loss are kept.

    A loss is that of the weights before the step, so that the weights after the last step are not looked at.

    Parameters
    ----------
    model
        (r, i) inputs -> (r,) values.
    parts
        Inputs and targets, in pieces that fit into memory; the gradient is that of all of them.
    lr
        Of the first 1,000 steps.

    Attributes
    ----------
    step, loss
        Steps made, and the loss before the last one.
    best_step, best_loss
        Of the weights that are kept.
    """

    def __init__(self, model, parts: list, lr: float) -> None:
        import torch

        self.model, self.parts = model, parts
        self.n = sum(len(value_r) for _, value_r in parts)
        self.weights = list(model.parameters())
        self.best = [weight.detach().clone() for weight in self.weights]
        self.optimiser = torch.optim.Adam(self.weights, lr=lr)
        self.stairs = torch.optim.lr_scheduler.StepLR(self.optimiser, STAIR, FALL)
        self.step, self.loss, self.best_step, self.best_loss = 0, float("nan"), 0, float("inf")

    def advance(self) -> None:
        """One step.

        Raises
        ------
        DivergedError
            The loss is NaN or infinite.
        """
        import torch

        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for input_ri, value_r in self.parts:
            part = (self.model(input_ri) - value_r).square().sum() / self.n
            part.backward()
            total = total + part.detach()
        self.loss = float(total)
        if not np.isfinite(self.loss):
            raise DivergedError(f"training diverged at step {self.step + 1}: the loss is {self.loss}; lower lr")
        if self.loss < self.best_loss:
            self.best_step, self.best_loss = self.step, self.loss
            torch._foreach_copy_(self.best, [weight.detach() for weight in self.weights])
        self.optimiser.step()
        self.stairs.step()
        self.step += 1

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The model has the kept weights within the block."""
        own = [weight.data for weight in self.weights]
        self._give(self.best)
        try:
            yield
        finally:
            self._give(own)

    def finish(self) -> None:
        """The model has the kept weights from now on."""
        self.optimiser.zero_grad(set_to_none=True)
        self._give(self.best)

    def _give(self, values: list) -> None:
        for weight, value in zip(self.weights, values):
            weight.data = value
