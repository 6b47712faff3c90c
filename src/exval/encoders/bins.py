"""Hard bins: a value is the vector of the quantile bin it falls into."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from exval.encoders.base import ValueEncoder


def quantile_edges(values_t: Tensor, n_bins: int) -> Tensor:
    """(n_bins - 1,) inner borders of bins that hold equally many of the values.

    >>> quantile_edges(torch.arange(1., 9.), 4).tolist()
    [2.75, 4.5, 6.25]
    """
    values = values_t.detach().double().flatten()
    if len(values) > 1_000_000:  # torch.quantile refuses more than 16 million, and a million settles a border
        values = values[:: len(values) // 1_000_000 + 1]
    return torch.quantile(values, torch.arange(1, n_bins, dtype=torch.double) / n_bins).float()


class Bins(ValueEncoder):
    """Quantile bins fitted on training values, one learned vector each.

    Source: scGPT (Cui et al. 2024, Nature Methods), "value binning"; here the borders are those of the training data,
    not of each cell, so that a value means the same in every cell.

    Parameters
    ----------
    width
        d, width of the vectors.
    n_bins
        k, number of bins.

    Examples
    --------
    >>> import torch
    >>> encoder = Bins(width=4, n_bins=3).fit(torch.tensor([1., 2., 3., 4., 5., 6.]))
    >>> encoder.bin(torch.tensor([0.1, 3.2, 99.])).tolist()
    [0, 1, 2]
    """

    name = "bins"
    reference = "Cui et al. 2024, Nature Methods"

    def __init__(self, width: int, n_bins: int = 51) -> None:
        super().__init__(width)
        self.table = nn.Embedding(n_bins, width)
        nn.init.normal_(self.table.weight, std=0.02)
        self.register_buffer("edges_k", torch.linspace(0, 8, n_bins + 1)[1:-1].clone())

    def fit(self, values_t: Tensor, genes_t: Tensor | None = None) -> Bins:
        self.edges_k.copy_(quantile_edges(values_t, self.table.num_embeddings))
        return self

    def bin(self, values_t: Tensor) -> Tensor:
        """(t,) index of the bin of each value."""
        return torch.bucketize(values_t.float(), self.edges_k)

    def encode_observed(self, values_t: Tensor) -> Tensor:
        return self.table(self.bin(values_t))
