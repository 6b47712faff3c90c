"""How likely each class is by its Gaussian over the factors, from any subset of genes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from exval.data.batch import ExpressionBatch
from exval.nn.posterior import FOLDS, LEAST_TO_FOLD, Posterior

MOST_FACTORS = 64
BLOCK = 400_000  # values worked on together
LEAST_REST = 10  # samples that are left without a fold, below which those of all classes stand for them
WEIGHT = 100.0  # samples of a class at which its own covariance counts as much as that of all classes
CROSSING = 32.0  # genes at which half of what the covariances tell is believed
# Both chosen on an inner split of the training side of one fold of three TCGA cancers, between 4 and 1,000 genes.


class ClassGaussians(nn.Module):
    r"""Log joint density of classes and shown genes, up to what all classes share: (n, classes).

    The factors of class c follow :math:`z \sim N(m_c, S_c)`, so that the shown values ``v`` have the precision
    :math:`A = W_v^\top \Psi_v^{-1} W_v` and the evidence :math:`b = W_v^\top \Psi_v^{-1}(x_v - \mu_v)`, and

    .. math::
        \log p(c, x_v) = \log \pi_c - \tfrac12 \left(\log|S_c| + \log|S_c^{-1} + A| + m_c^\top S_c^{-1} m_c
        - (b + S_c^{-1} m_c)^\top (S_c^{-1} + A)^{-1} (b + S_c^{-1} m_c)\right) + \ldots

    With one S for all classes the borders are linear, with one each they are quadratic. Covariances of classes are
    drawn towards the common one, and the more genes are shown the more: the quadratic answer gains at a few genes,
    where classes differ by how genes vary, and is too sure of itself at hundreds. Nothing is fitted anew to a panel.

    A network that corrects these answers must not learn from answers for samples that the moments were taken of: a
    sample with ``obs["class_fold"]`` above zero is asked of moments without that fold.

    Source: regularised discriminant analysis, Friedman 1989, JASA 84:165; over the factors of a low-rank Gaussian and
    with the weight by the number of genes, ours.

    Parameters
    ----------
    n_classes
        C.
    n_factors
        Factors of the posterior; the leading 64 are read, what the others explain is noise.
    """

    def __init__(self, n_classes: int, n_factors: int) -> None:
        super().__init__()
        k = min(n_factors, MOST_FACTORS)
        self.register_buffer("log_prior_c", torch.zeros(n_classes, dtype=torch.double))
        self.register_buffer("mean_ck", torch.zeros(n_classes, k, dtype=torch.double))
        # The last one is that of all classes together.
        self.register_buffer("cov_ckk", torch.eye(k, dtype=torch.double).repeat(n_classes + 1, 1, 1))
        self.crossing = nn.Parameter(torch.tensor(float(np.log(CROSSING))))
        self._folds: list[Moments] = []  # without each fold; they follow after fit, and are not saved

    def fit(self, factors: Posterior, batch: ExpressionBatch, label_n: Tensor) -> ClassGaussians:
        """Take the moments of training samples.

        Parameters
        ----------
        batch
            All measured genes of the samples, on the scale that ``factors`` reads.
        label_n
            (n,) their classes.
        """
        n_classes, k = self.mean_ck.shape
        fold_n = batch.obs.get("class_fold", torch.zeros(batch.n, dtype=torch.long))
        # Sums over the samples of each fold and class: those without a fold are a difference of sums.
        count_fc = torch.zeros(FOLDS + 1, n_classes, dtype=torch.double)
        sum_fck = torch.zeros(FOLDS + 1, n_classes, k, dtype=torch.double)
        square_fckk = torch.zeros(FOLDS + 1, n_classes, k, k, dtype=torch.double)
        for rows in np.array_split(np.arange(batch.n), samples_at_once(batch.n, len(batch.values_t))):
            mean_nk, cov_nkk = (x.double() for x in factors.distribution(batch.select(rows), k))
            at = (fold_n[rows], label_n[rows])
            one = torch.ones(len(rows), dtype=torch.double)
            count_fc.index_put_(at, one, accumulate=True)
            sum_fck.index_put_(at, mean_nk, accumulate=True)
            square_fckk.index_put_(at, cov_nkk + mean_nk[:, :, None] * mean_nk[:, None, :], accumulate=True)
        sums = (count_fc, sum_fck, square_fckk)
        whole = moments(*(x.sum(0) for x in sums))
        for name, new in whole._asdict().items():
            getattr(self, name).copy_(new)
        least = batch.n - int(torch.bincount(fold_n)[1:].max()) if bool((fold_n > 0).any()) else 0
        folded = batch.n >= LEAST_TO_FOLD and least >= LEAST_REST
        self._folds = [moments(*(x.sum(0) - x[f] for x in sums)) for f in range(1, FOLDS + 1)] if folded else []
        return self

    def forward(self, factors: Posterior, shown: ExpressionBatch) -> Tensor:
        """(n, classes) logits, float32."""
        with torch.autocast(shown.values_t.device.type, enabled=False):
            precision_nkk, evidence_nk = (x.double() for x in factors.evidence(shown, self.mean_ck.shape[1]))
            whole = Moments(self.log_prior_c, self.mean_ck, self.cov_ckk)
            fold_n = shown.obs.get("class_fold") if self._folds else None
            if fold_n is None:
                linear_nc, quadratic_nc = densities(whole, precision_nkk, evidence_nk)
            else:
                linear_nc = evidence_nk.new_zeros(shown.n, len(whole.mean_ck))
                quadratic_nc = torch.zeros_like(linear_nc)
                for fold in fold_n.unique().tolist():
                    rows = torch.nonzero(fold_n == fold)[:, 0]
                    known = Moments(*(x.to(evidence_nk) for x in self._folds[fold - 1])) if fold else whole
                    linear_nc[rows], quadratic_nc[rows] = densities(known, precision_nkk[rows], evidence_nk[rows])
            genes_n = shown.lengths_n.clamp(min=1).to(linear_nc)
            share_n = torch.sigmoid(2 * (self.crossing - genes_n.log()))
            return (linear_nc + share_n[:, None] * (quadratic_nc - linear_nc)).float()


def samples_at_once(n: int, values: int) -> int:
    """Number of parts that ``n`` samples with so many values are divided into.

    Examples
    --------
    >>> samples_at_once(100, 100 * 15_000), samples_at_once(100, 100 * 4)
    (4, 1)
    """
    return min(max(-(-values // BLOCK), 1), max(n, 1))


class Moments(NamedTuple):
    """(C,) log shares, (C, k) means and (C + 1, k, k) covariances of classes; the last is the common one."""

    log_prior_c: Tensor
    mean_ck: Tensor
    cov_ckk: Tensor


def moments(count_c: Tensor, sum_ck: Tensor, square_ckk: Tensor) -> Moments:
    """From sums over samples of 1, E[z] and E[zz']; a class without samples lies at the mean of all."""
    known_c = count_c.clamp(min=1)
    mean_ck = torch.where(count_c[:, None] > 0, sum_ck / known_c[:, None], sum_ck.sum(0) / count_c.sum())
    scatter_ckk = square_ckk - count_c[:, None, None] * mean_ck[:, :, None] * mean_ck[:, None, :]
    common_kk = scatter_ckk.sum(0) / count_c.sum()
    weight_c = (count_c / (count_c + WEIGHT))[:, None, None]
    own_ckk = weight_c * scatter_ckk / known_c[:, None, None] + (1 - weight_c) * common_kk
    log_prior_c = (count_c.clamp(min=0.5) / count_c.sum()).log()
    return Moments(log_prior_c, mean_ck, torch.cat([own_ckk, common_kk[None]]))


def densities(known: Moments, precision_nkk: Tensor, evidence_nk: Tensor) -> tuple[Tensor, Tensor]:
    """(n, C) log joint densities, up to what classes share: with the common covariance, and with each class's own."""
    inverse_ckk = torch.linalg.inv(known.cov_ckk)
    log_det_c = torch.logdet(known.cov_ckk)
    chol_nkk = torch.linalg.cholesky(inverse_ckk[-1] + precision_nkk)
    pull_ck = known.mean_ck @ inverse_ckk[-1]
    linear_nc = known.log_prior_c - 0.5 * (known.mean_ck * pull_ck).sum(1)
    linear_nc = linear_nc + 0.5 * _square(chol_nkk, (evidence_nk[:, None, :] + pull_ck).transpose(1, 2))
    quadratic = []
    for c, mean_k in enumerate(known.mean_ck):
        chol_nkk = torch.linalg.cholesky(inverse_ckk[c] + precision_nkk)
        pull_k = inverse_ckk[c] @ mean_k
        log_det_n = log_det_c[c] + 2 * chol_nkk.diagonal(dim1=1, dim2=2).log().sum(1)
        square_n = _square(chol_nkk, (evidence_nk + pull_k)[:, :, None])[:, 0]
        quadratic.append(known.log_prior_c[c] + 0.5 * (square_n - log_det_n - mean_k @ pull_k))
    return linear_nc, torch.stack(quadratic, 1)


def _square(chol_nkk: Tensor, x_nkc: Tensor) -> Tensor:
    """(n, c) x' M^-1 x by the Cholesky factor of M."""
    return torch.linalg.solve_triangular(chol_nkk, x_nkc, upper=False).square().sum(1)
