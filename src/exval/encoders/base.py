"""What a value encoder is, and the state of a value."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from torch import Tensor, nn


class State(IntEnum):
    """What is known about a value. Only OBSERVED values are encoded; the others are one learned vector each."""

    OBSERVED = 0
    ZERO = 1  # measured, and zero
    HIDDEN = 2  # measured, and hidden by us: the mask
    NOT_MEASURED = 3  # outside the panel
    PAD = 4


class ValueEncoder(nn.Module):
    """Values in, vectors out.

    A subclass sets ``name`` and implements :meth:`encode_observed`, or :meth:`encode_pairs` where a value means
    something else in every gene; it may override :meth:`fit`. One that takes ``n_genes`` is told the vocabulary's size.

    Parameters
    ----------
    width
        d, width of the vectors.
    """

    name: ClassVar[str] = ""
    reference: ClassVar[str] = ""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.special = nn.Embedding(len(State), width)
        nn.init.normal_(self.special.weight, std=0.02)

    def fit(self, values_t: Tensor, genes_t: Tensor | None = None) -> ValueEncoder:
        """Learn what must be known before training (bin edges) from training pairs. Default: nothing."""
        return self

    def encode_observed(self, values_t: Tensor) -> Tensor:
        """(t,) values to (t, d) vectors."""
        raise TypeError(f"{type(self).__name__} does not say how to encode a value")

    def encode_pairs(self, values_t: Tensor, genes_t: Tensor | None) -> Tensor:
        """(t,) values and their genes to (t, d) vectors. Default: the gene does not matter."""
        return self.encode_observed(values_t)

    def constant(self, state: State) -> Tensor:
        """(d,) the vector of a state other than OBSERVED: computed once, however many tokens share it."""
        return self.special.weight[int(state)]

    def forward(self, values_t: Tensor, state_t: Tensor | None = None, genes_t: Tensor | None = None) -> Tensor:
        """(t, d) vectors; ``state_t`` defaults to all observed."""
        if state_t is None:
            return self.encode_pairs(values_t, genes_t)
        out_td = self.special(state_t)
        observed = state_t == State.OBSERVED
        found = self.encode_pairs(values_t[observed], None if genes_t is None else genes_t[observed])
        return out_td.masked_scatter(observed[:, None], found.to(out_td.dtype))
