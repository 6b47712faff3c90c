"""What an objective is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from exval.data.batch import ExpressionBatch
from exval.models.encdec import EncoderDecoder, Output
from exval.visibility import Split


@dataclass(frozen=True)
class Score:
    """Sums over the things scored. The loop divides by their number in the whole step, over all processes and
    micro-batches, so that a loss does not depend on how a batch was cut.

    Parameters
    ----------
    loss
        Differentiable sum.
    parts
        Sums that are logged only.
    """

    loss: Tensor
    parts: dict[str, Tensor]


class Objective:
    """Scores an output. A weight of 0 tracks without training."""

    name: ClassVar[str] = ""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def count(self, split: Split, batch: ExpressionBatch) -> int:
        """How many things will be scored; known before the model runs."""
        raise TypeError(f"{type(self).__name__} does not say what it counts")

    def score(self, model: EncoderDecoder, output: Output, split: Split, batch: ExpressionBatch) -> Score:
        """Score an output of ``model``."""
        raise TypeError(f"{type(self).__name__} does not say how it scores")
