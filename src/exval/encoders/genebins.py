"""Hard bins of each gene's own: a value is the vector of the quantile of its gene that it falls into."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from exval.encoders.base import State, ValueEncoder


def gene_quantiles(values_t: Tensor, genes_t: Tensor, n_genes: int, levels_k: Tensor) -> Tensor:
    """(n_genes, k) quantiles of each gene's values, linear between neighbours; NaN for a gene without any.

    >>> values, genes = torch.tensor([3.0, 1.0, 2.0, 7.0]), torch.tensor([0, 0, 0, 1])
    >>> gene_quantiles(values, genes, 3, torch.tensor([0.25, 0.5])).tolist()
    [[1.5, 2.0], [7.0, 7.0], [nan, nan]]
    """
    values_t, genes_t = values_t.detach().double(), genes_t.long()
    order = torch.argsort(values_t)
    order = order[torch.argsort(genes_t[order], stable=True)]
    count_g = torch.bincount(genes_t, minlength=n_genes)
    start_g1 = count_g.cumsum(0)[:, None] - count_g[:, None]
    place_gk = levels_k.double() * (count_g[:, None] - 1).clamp(min=0)
    low_gk = place_gk.floor().long()
    high_gk = torch.minimum(low_gk + 1, (count_g[:, None] - 1).clamp(min=0))
    if not len(values_t):
        return torch.full((n_genes, len(levels_k)), float("nan"))
    ordered = values_t[order]
    a, b = (ordered[(start_g1 + at).clamp(max=len(ordered) - 1)] for at in (low_gk, high_gk))
    found = a + (b - a) * (place_gk - low_gk)
    return torch.where(count_g[:, None] > 0, found, float("nan")).float()


def bin_of(values_t: Tensor, genes_t: Tensor, edges_gk: Tensor) -> Tensor:
    """(t,) which bin of its gene each value falls into: the number of inner borders below it."""
    return torch.searchsorted(edges_gk.index_select(0, genes_t.long()), values_t.float()[:, None])[:, 0]


class GeneBins(ValueEncoder):
    """Quantile bins fitted on the training values of every gene, one learned vector per bin, shared by the genes.

    Bin 3 means "low for this gene" whichever gene it is: a rank, which no outlier and no monotone change of the unit
    can move. A gene without training values is encoded as *not measured*.

    Source: GexBERT (Jiang and Hassanpour 2025, arXiv 2504.09704): expression levels in bins, a learned vector each, and
    one for "missing". Per-gene borders and their number are ours.

    Parameters
    ----------
    width
        d, width of the vectors.
    n_genes
        Size of the vocabulary.
    n_bins
        k, number of bins.

    Examples
    --------
    >>> values, genes = torch.tensor([1.0, 2.0, 10.0, 20.0]), torch.tensor([0, 0, 1, 1])
    >>> encoder = GeneBins(width=4, n_genes=2, n_bins=2).fit(values, genes)
    >>> encoder.bin(torch.tensor([1.9, 11.0]), torch.tensor([0, 1])).tolist()
    [1, 0]
    """

    name = "gene-bins"
    reference = "Jiang and Hassanpour 2025, arXiv 2504.09704"

    def __init__(self, width: int, n_genes: int, n_bins: int = 32) -> None:
        super().__init__(width)
        self.table = nn.Embedding(n_bins, width)
        nn.init.normal_(self.table.weight, std=0.02)
        start_k = torch.linspace(-3, 3, n_bins + 1)[1:-1]
        self.register_buffer("edges_gk", start_k.repeat(n_genes, 1))
        self.register_buffer("known_g", torch.ones(n_genes, dtype=torch.bool))

    def fit(self, values_t: Tensor, genes_t: Tensor | None = None) -> GeneBins:
        n_genes, n_inner = self.edges_gk.shape
        levels_k = torch.arange(1, n_inner + 1) / (n_inner + 1)
        edges_gk = gene_quantiles(values_t, genes_t, n_genes, levels_k)
        self.known_g.copy_(edges_gk.isfinite().all(1))
        self.edges_gk.copy_(torch.where(self.known_g[:, None], edges_gk, self.edges_gk))
        return self

    def bin(self, values_t: Tensor, genes_t: Tensor) -> Tensor:
        """(t,) index of the bin of each value within its gene."""
        return bin_of(values_t, genes_t, self.edges_gk)

    def encode_pairs(self, values_t: Tensor, genes_t: Tensor | None) -> Tensor:
        known_t = genes_t < len(self.edges_gk)  # context tokens stand behind the genes
        genes_t = torch.where(known_t, genes_t, 0).long()
        known_t = known_t & self.known_g[genes_t]
        found_td = self.table(self.bin(values_t, genes_t))
        return torch.where(known_t[:, None], found_td, self.special.weight[int(State.NOT_MEASURED)])
