"""A distribution over the quantile bins of each queried gene."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exval.encoders.genebins import bin_of, gene_quantiles
from exval.heads.base import Prior, ValueHead


class GeneBinHead(ValueHead):
    """Logits over the quantile bins of the gene; loss is cross-entropy plus the squared error of the bins' mean.

    The squared error keeps the restored value a number: cross-entropy alone does not know that bin 3 is near bin 4.
    With a prior, its probability of each bin stands in the logits before the network adds to them.

    Source: GexBERT (Jiang and Hassanpour 2025, arXiv 2504.09704) restores binned expression; the loss was not found in
    what could be read of it, and this one is ours.

    Parameters
    ----------
    width, n_genes
        As every head.
    n_bins
        k, number of bins.
    squared
        Weight of the squared error.

    Examples
    --------
    >>> genes, values = torch.tensor([0, 0, 0, 0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> head = GeneBinHead(width=4, n_genes=1, n_bins=2).fit(genes, values)
    >>> parameters = head(torch.zeros(1, 4), torch.tensor([0]))
    >>> head.centres_gk.tolist(), head.mean(parameters).tolist()
    ([[1.5, 3.5]], [2.5])
    """

    name = "gene-bins"
    reference = "Jiang and Hassanpour 2025, arXiv 2504.09704"

    def __init__(self, width: int, n_genes: int, n_bins: int = 32, squared: float = 1.0) -> None:
        super().__init__(width, n_genes)
        self.squared = squared
        self.out = nn.Linear(width, n_bins)
        middle_k = torch.linspace(-3, 3, n_bins + 1)
        self.register_buffer("edges_gk", middle_k[1:-1].repeat(n_genes, 1))
        self.register_buffer("centres_gk", ((middle_k[1:] + middle_k[:-1]) / 2).repeat(n_genes, 1))
        self.register_buffer("spread_gk", torch.full((n_genes, n_bins), 6 / n_bins / 12**0.5))

    def fit(self, genes_t: Tensor, values_t: Tensor, weights_t: Tensor | None = None) -> GeneBinHead:
        """Borders are quantiles of each gene's training values, centres and spreads those of the values in a bin.

        Pairs of weight 0 are left out.
        """
        if weights_t is not None:
            genes_t, values_t = genes_t[weights_t > 0], values_t[weights_t > 0]
        genes_t, values_t = genes_t.long(), values_t.double()
        g, k = self.centres_gk.shape
        edges_gk = gene_quantiles(values_t, genes_t, g, torch.arange(1, k) / k)
        known_g = edges_gk.isfinite().all(1)
        self.edges_gk.copy_(torch.where(known_g[:, None], edges_gk, self.edges_gk))
        at_t = genes_t * k + bin_of(values_t, genes_t, self.edges_gk)
        zeros = torch.zeros(g * k, dtype=torch.double)
        count = torch.bincount(at_t, minlength=g * k)
        centre = zeros.index_add(0, at_t, values_t) / count.clamp(min=1)
        square = zeros.index_add(0, at_t, (values_t - centre[at_t]) ** 2) / count.clamp(min=1)
        # A bin that equal values left empty stands where its lower border is.
        border_gk = torch.cat([self.edges_gk[:, :1], self.edges_gk], 1)
        filled_gk = (count > 0).view(g, k)
        self.centres_gk.copy_(torch.where(filled_gk, centre.view(g, k).float(), border_gk))
        self.spread_gk.copy_(torch.where(filled_gk, square.view(g, k).sqrt().float(), 0.0))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        return self

    def forward(self, h_qd: Tensor, genes_q: Tensor, prior: Prior | None = None) -> tuple[Tensor, Tensor]:
        logits_qk = self.out(h_qd).float()
        if prior is not None:
            z_qk = (self.edges_gk.index_select(0, genes_q) - prior.mean_q[:, None]) / prior.sd_q[:, None]
            below_qk = F.pad(torch.special.ndtr(z_qk), (1, 0))
            mass_qk = F.pad(below_qk[:, 1:], (0, 1), value=1.0) - below_qk
            logits_qk = logits_qk + mass_qk.clamp(min=1e-6).log()
        return logits_qk, genes_q

    def nll(self, parameters: tuple[Tensor, Tensor], values_q: Tensor) -> Tensor:
        logits_qk, genes_q = parameters
        entropy_q = F.cross_entropy(logits_qk, bin_of(values_q, genes_q, self.edges_gk), reduction="none")
        return entropy_q + self.squared * (self.mean(parameters) - values_q) ** 2

    def mean(self, parameters: tuple[Tensor, Tensor]) -> Tensor:
        logits_qk, genes_q = parameters
        return (torch.softmax(logits_qk, -1) * self.centres_gk.index_select(0, genes_q)).sum(-1)

    def sd(self, parameters: tuple[Tensor, Tensor]) -> Tensor:
        logits_qk, genes_q = parameters
        share_qk = torch.softmax(logits_qk, -1)
        away_qk = self.centres_gk.index_select(0, genes_q) - self.mean(parameters)[:, None]
        within_qk = self.spread_gk.index_select(0, genes_q).square()
        return (share_qk * (away_qk.square() + within_qk)).sum(-1).sqrt()
