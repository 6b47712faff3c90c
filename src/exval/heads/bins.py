"""A distribution over quantile bins per queried gene, trained by cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exval.encoders.bins import quantile_edges
from exval.heads.base import Prior, ValueHead


class BinHead(ValueHead):
    """Logits over bins; mean and sd are those of the bins' centres.

    Zero is a bin of its own; the others are quantile bins of the non-zero training values.

    Source: scBERT (Yang et al. 2022, Nature Machine Intelligence) predicts binned values by cross-entropy.

    Examples
    --------
    >>> import torch
    >>> head = BinHead(width=4, n_genes=3, n_bins=3).fit(torch.tensor([0, 0, 2, 1]), torch.tensor([0., 1., 2., 3.]))
    >>> head.bin(torch.tensor([0., 1., 3.])).tolist()
    [0, 1, 2]
    """

    name = "bins"
    reference = "Yang et al. 2022, Nature Machine Intelligence"

    def __init__(self, width: int, n_genes: int, n_bins: int = 51) -> None:
        super().__init__(width, n_genes)
        self.out = nn.Linear(width, n_bins)
        self.register_buffer("edges_k", torch.linspace(0, 8, n_bins)[1:-1].clone())
        self.register_buffer("centres_k", torch.linspace(0, 8, n_bins))

    def fit(self, genes_t: Tensor, values_t: Tensor, weights_t: Tensor | None = None) -> BinHead:
        """Borders and centres from the training values; weights change neither."""
        nonzero = values_t[values_t != 0].float()
        if len(nonzero):
            self.edges_k.copy_(quantile_edges(nonzero, len(self.centres_k) - 1))
            bin_t = self.bin(values_t)
            total_k = torch.zeros_like(self.centres_k).index_add_(0, bin_t, values_t.float())
            count_k = torch.bincount(bin_t, minlength=len(self.centres_k))
            self.centres_k.copy_(torch.where(count_k > 0, total_k / count_k.clamp(min=1), self.centres_k))
        return self

    def bin(self, values_q: Tensor) -> Tensor:
        """(q,) bin of each value; zeros are bin 0."""
        return torch.where(values_q == 0, 0, 1 + torch.bucketize(values_q.float(), self.edges_k))

    def forward(self, h_qd: Tensor, genes_q: Tensor, prior: Prior | None = None) -> Tensor:
        return self.out(h_qd).float()

    def nll(self, parameters: Tensor, values_q: Tensor) -> Tensor:
        return F.cross_entropy(parameters, self.bin(values_q), reduction="none")

    def mean(self, parameters: Tensor) -> Tensor:
        return (torch.softmax(parameters, -1) * self.centres_k).sum(-1)  # a product would be bfloat16 under autocast

    def sd(self, parameters: Tensor) -> Tensor:
        away_qk = self.centres_k - self.mean(parameters)[:, None]
        return (torch.softmax(parameters, -1) * away_qk.square()).sum(-1).sqrt()
