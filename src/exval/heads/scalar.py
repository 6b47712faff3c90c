"""One number per queried gene, trained by squared error."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from exval.heads.base import Prior, ValueHead


class Scalar(ValueHead):
    """A linear map to one number, plus a number per gene that starts at the gene's training mean.

    Without that start the first hundred steps are spent on learning means that one pass over the data gives.
    ``gene_bias=False`` is the head as published.

    Source: xTrimoGene (Gong et al. 2023, NeurIPS), section 3.5: regression with mean squared error.

    Examples
    --------
    >>> import torch
    >>> head = Scalar(width=4, n_genes=3).fit(torch.tensor([0, 0, 2]), torch.tensor([1., 3., 5.]))
    >>> head.bias_g.tolist()
    [2.0, 3.0, 5.0]
    """

    name = "scalar"
    reference = "Gong et al. 2023, NeurIPS, section 3.5"

    def __init__(self, width: int, n_genes: int, gene_bias: bool = True) -> None:
        super().__init__(width, n_genes)
        self.out = nn.Linear(width, 1)
        self.bias_g = nn.Parameter(torch.zeros(n_genes)) if gene_bias else None

    def fit(self, genes_t: Tensor, values_t: Tensor, weights_t: Tensor | None = None) -> Scalar:
        """Set each gene's number to its mean, so that the untrained model *is* the gene mean. Unseen genes get the
        overall mean."""
        if self.bias_g is not None:
            weights_t = torch.ones(len(values_t)) if weights_t is None else weights_t
            weights_t, zeros_g = weights_t.double(), torch.zeros(self.n_genes, dtype=torch.double)
            total_g = zeros_g.index_add(0, genes_t.long(), values_t.double() * weights_t)
            weight_g = zeros_g.index_add(0, genes_t.long(), weights_t)
            overall = total_g.sum() / weight_g.sum().clamp(min=1e-12)
            with torch.no_grad():
                self.bias_g.copy_(torch.where(weight_g > 0, total_g / weight_g.clamp(min=1e-12), overall))
                nn.init.zeros_(self.out.weight)
                nn.init.zeros_(self.out.bias)
        return self

    def forward(self, h_qd: Tensor, genes_q: Tensor, prior: Prior | None = None) -> Tensor:
        mean_q = self.out(h_qd)[:, 0].float()
        if prior is not None:
            return mean_q + prior.mean_q
        return mean_q if self.bias_g is None else mean_q + self.bias_g[genes_q]

    def nll(self, parameters: Tensor, values_q: Tensor) -> Tensor:
        """Squared error."""
        return (parameters - values_q) ** 2

    def mean(self, parameters: Tensor) -> Tensor:
        return parameters
