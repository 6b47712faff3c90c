"""A fitted linear view of a sample: principal-component scores of what is shown."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from exval.data.batch import ExpressionBatch


class Factors(nn.Module):
    r"""Scores on the principal components of the training samples, from the shown values alone.

    A transformer spends its first thousand steps on what one decomposition of the training data gives. So the
    components are fitted once, kept fixed, and handed to the model: as what a gene is (its loadings), what a sample is
    (its scores) and what a low-rank model would answer (their product).

    .. math::
        f_r = \frac{\sum_{g\,shown} L_{gr} v_g - \sum_{g\,known} L_{gr} \mu_g}{\sum_{g\,known} L_{gr}^2}

    where *known* genes are those of the panel that are not hidden: shown non-zeros and observed zeros. The sum over
    known genes is that over the panel less that over the hidden ones, so a sample costs only its non-zeros, and zeros
    count in full. Dividing by the known share of each component keeps the scale when genes are hidden or missing.

    Parameters
    ----------
    n_genes
        Size of the vocabulary.
    rank
        r, number of components.
    """

    def __init__(self, n_genes: int, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.register_buffer("mean_g", torch.zeros(n_genes))
        self.register_buffer("loadings_gr", torch.zeros(n_genes, rank))
        self.register_buffer("sd_r", torch.ones(rank))

    def fit(self, batch: ExpressionBatch, seed: int = 0) -> Factors:
        """Fit to training samples.

        A gene's mean is that over the samples that measured it, and where it was not measured it adds nothing: with
        absent read as zero, the components of a store of several panels would tell panels apart, not samples.

        Parameters
        ----------
        batch
            Samples in log1p(CP10k).
        """
        from scipy.sparse import csr_matrix

        from exval.methods.components import principal_components

        n, g = batch.n, batch.n_genes
        x_ng = csr_matrix((batch.values_t.numpy(), batch.genes_t.numpy(), batch.offsets_n1.numpy()), shape=(n, g))
        panel_n = batch.panel_n.numpy()
        measured_mg = np.zeros((len(batch.panels), g))
        for i, panel in enumerate(batch.panels):
            measured_mg[i, panel.numpy()] = 1
        count_g = np.bincount(panel_n, minlength=len(batch.panels)) @ measured_mg
        mean_g = np.asarray(x_ng.sum(0, dtype=np.float64)).ravel() / np.maximum(count_g, 1)
        rank = min(self.rank, n - 1, g)
        if rank >= 1:
            vectors_gr, variances_r = principal_components(
                x_ng, mean_g * measured_mg, np.ones(g), rank, seed, group_n=panel_n
            )
            self.loadings_gr[:, :rank] = torch.as_tensor(vectors_gr.copy(), dtype=torch.float)
            self.sd_r[:rank] = torch.as_tensor(np.sqrt(variances_r.copy()), dtype=torch.float).clamp(min=1e-3)
        self.mean_g.copy_(torch.as_tensor(mean_g, dtype=torch.float))
        return self

    def scores(self, shown: ExpressionBatch, hidden: ExpressionBatch) -> Tensor:
        """(n, r) scores in standard deviations, from shown values and from which genes are hidden."""
        known = torch.cat([self.loadings_gr * self.mean_g[:, None], self.loadings_gr.square()], dim=1)
        panel_sums = torch.stack([known.index_select(0, p).sum(0) for p in shown.panels])
        known_n = panel_sums[shown.panel_n] - _sums(known, hidden)
        projected_nr = _sums(self.loadings_gr, shown, shown.values_t)
        expected_nr, share_nr = known_n.chunk(2, dim=1)
        return (projected_nr - expected_nr) / share_nr.clamp(min=0.05) / self.sd_r

    def genes(self) -> Tensor:
        """(G, r + 1) what a gene is: its loadings, squashed so that no gene dominates, and its mean."""
        scaled_gr = self.loadings_gr * len(self.loadings_gr) ** 0.5
        size_g = scaled_gr.square().mean(1, keepdim=True).sqrt()
        return torch.cat([scaled_gr / (1 + size_g), self.mean_g[:, None]], dim=1)

    def products(self, scores_nr: Tensor, queries: ExpressionBatch) -> Tensor:
        """(q, r + 1) each component's part in a low-rank answer, in log1p(CP10k), and their sum."""
        loadings_qr = self.loadings_gr.index_select(0, queries.genes_t.long())
        parts_qr = loadings_qr * (scores_nr * self.sd_r).index_select(0, queries.sample_t)
        return torch.cat([parts_qr, parts_qr.sum(1, keepdim=True)], dim=1)


def _sums(table_gr: Tensor, batch: ExpressionBatch, weights_t: Tensor | None = None) -> Tensor:
    """(n, r) sum over each sample's genes of their rows, weighted."""
    return nn.functional.embedding_bag(
        batch.genes_t.long(), table_gr, batch.offsets_n1[:-1], mode="sum", per_sample_weights=weights_t
    )
