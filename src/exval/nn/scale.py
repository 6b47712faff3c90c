"""Every gene on one scale."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from exval.data.batch import ExpressionBatch
from exval.data.scaling import LIMIT, fit_scaling

BLOCK = 1024  # genes worked on together


class GeneScale(nn.Module):
    """Values of a gene less its training mean, over its training sd, cut at 10 sds (:mod:`exval.data.scaling`).

    Parameters
    ----------
    n_genes
        Size of the vocabulary.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> batch = ExpressionBatch.from_csr(sp.csr_matrix([[1.0], [2.0], [3.0]]), n_genes=1, unit="log2")
    >>> GeneScale(1).fit(batch).into(torch.tensor([3.0, 99.0]), torch.tensor([0, 0])).tolist()
    [1.0, 10.0]
    """

    def __init__(self, n_genes: int) -> None:
        super().__init__()
        self.register_buffer("mean_g", torch.zeros(n_genes))
        self.register_buffer("sd_g", torch.ones(n_genes))

    def fit(self, batch: ExpressionBatch) -> GeneScale:
        """Means and sds of training samples; a gene without any value keeps mean 0 and sd 1."""
        x_ng = batch.dense(fill=float("nan")).numpy()
        for start in range(0, batch.n_genes, BLOCK):
            genes = slice(start, start + BLOCK)
            found = fit_scaling(x_ng[:, genes])
            self.mean_g[genes] = torch.as_tensor(np.nan_to_num(found.mean_g), dtype=torch.float)
            self.sd_g[genes] = torch.as_tensor(np.where(found.varies_g, found.sd_g, 1.0), dtype=torch.float)
        return self

    def into(self, values_t: Tensor, genes_t: Tensor) -> Tensor:
        """(t,) values in training sds."""
        genes_t = genes_t.long()
        return ((values_t - self.mean_g[genes_t]) / self.sd_g[genes_t]).clamp(-LIMIT, LIMIT)

    def out_of(self, mean_t: Tensor, genes_t: Tensor, sd_t: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Means and sds back in the unit of the values."""
        genes_t = genes_t.long()
        mean_t = mean_t * self.sd_g[genes_t] + self.mean_g[genes_t]
        return mean_t, None if sd_t is None else sd_t * self.sd_g[genes_t]

    def batch(self, batch: ExpressionBatch) -> ExpressionBatch:
        """The same pairs in training sds."""
        return batch.with_values(self.into(batch.values_t, batch.genes_t), batch.unit)
