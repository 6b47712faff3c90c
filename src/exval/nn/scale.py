"""Every gene on one scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from exval.data.batch import ExpressionBatch

MOST = 10.0


class GeneScale(nn.Module):
    """Values of a gene less its training mean, over its training sd, cut at 10 sds.

    Patients' values differ between genes far more than between patients, and z-scores of real cohorts reach
    36,000 (a gene that one patient expresses): without the cut a single value decides what a model learns. The mean and
    sd are themselves of values cut at 10 robust sds, taken from quartiles.

    Parameters
    ----------
    n_genes
        Size of the vocabulary.

    Examples
    --------
    >>> scale = GeneScale(1).fit(torch.zeros(4, dtype=torch.long), torch.tensor([1.0, 2.0, 2.0, 3.0]))
    >>> scale.into(torch.tensor([2.0, 99.0]), torch.tensor([0, 0])).tolist()
    [0.0, 10.0]
    """

    def __init__(self, n_genes: int) -> None:
        super().__init__()
        self.register_buffer("mean_g", torch.zeros(n_genes))
        self.register_buffer("sd_g", torch.ones(n_genes))

    def fit(self, genes_t: Tensor, values_t: Tensor) -> GeneScale:
        """Means and sds of training pairs; a gene without any keeps mean 0 and sd 1."""
        from exval.encoders.genebins import gene_quantiles

        genes_t, values_t = genes_t.long(), values_t.double()
        n_genes = len(self.mean_g)
        low_g, middle_g, high_g = gene_quantiles(values_t, genes_t, n_genes, torch.tensor([0.25, 0.5, 0.75])).T.double()
        robust_g = (high_g - low_g) / 1.349
        reach_g = torch.where(robust_g > 0, MOST * robust_g, torch.inf)
        values_t = torch.minimum(torch.maximum(values_t, (middle_g - reach_g)[genes_t]), (middle_g + reach_g)[genes_t])
        zeros_g = torch.zeros(n_genes, dtype=torch.double)
        count_g = torch.bincount(genes_t, minlength=n_genes)
        mean_g = zeros_g.index_add(0, genes_t, values_t) / count_g.clamp(min=1)
        square_g = zeros_g.index_add(0, genes_t, (values_t - mean_g[genes_t]) ** 2)
        sd_g = (square_g / count_g.clamp(min=1)).sqrt()
        self.mean_g.copy_(torch.where(count_g > 0, mean_g, 0.0))
        self.sd_g.copy_(torch.where((count_g > 0) & (sd_g > 1e-6 * (1 + mean_g.abs())), sd_g, 1.0))
        return self

    def into(self, values_t: Tensor, genes_t: Tensor) -> Tensor:
        """(t,) values in training sds."""
        genes_t = genes_t.long()
        return ((values_t - self.mean_g[genes_t]) / self.sd_g[genes_t]).clamp(-MOST, MOST)

    def out_of(self, mean_t: Tensor, genes_t: Tensor, sd_t: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Means and sds back in the unit of the values."""
        genes_t = genes_t.long()
        mean_t = mean_t * self.sd_g[genes_t] + self.mean_g[genes_t]
        return mean_t, None if sd_t is None else sd_t * self.sd_g[genes_t]

    def batch(self, batch: ExpressionBatch) -> ExpressionBatch:
        """The same pairs in training sds."""
        return batch.with_values(self.into(batch.values_t, batch.genes_t), batch.unit)
