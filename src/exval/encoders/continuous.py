"""Continuous: a small network of the value itself."""

from __future__ import annotations

from torch import Tensor, nn

from exval.encoders.base import ValueEncoder


class Continuous(ValueEncoder):
    """Two linear layers with a GELU between them.

    Source: the "continuous value" encoding of scGPT (Cui et al. 2024, Nature Methods) and BMFM-RNA.

    Parameters
    ----------
    width
        d, width of the vectors.
    hidden
        Width between the layers; default d.

    Examples
    --------
    >>> import torch
    >>> Continuous(width=8)(torch.tensor([0.5, 2.0])).shape
    torch.Size([2, 8])
    """

    name = "continuous"
    reference = "Cui et al. 2024, Nature Methods"

    def __init__(self, width: int, hidden: int | None = None) -> None:
        super().__init__(width)
        hidden = hidden or width
        self.net = nn.Sequential(nn.Linear(1, hidden), nn.GELU(), nn.Linear(hidden, width))

    def encode_observed(self, values_t: Tensor) -> Tensor:
        return self.net(values_t[:, None].to(self.net[0].weight.dtype))
