"""A fitted low-rank Gaussian, asked about any subset of genes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from exval.data.batch import ExpressionBatch
from exval.heads.base import Prior
from exval.rng import mix

FOLDS = 5
LEAST_TO_FOLD = 50  # samples; below, a fifth of them says too little
STEPS = 10
SAMPLES_PER_FACTOR = 3
LEAST_NOISE = 1e-3


class Posterior(nn.Module):
    r"""Scores of a sample on the factors of the training samples, from whichever genes are shown.

    Where :class:`~exval.nn.factors.Factors` reads the zeros of a cell, here a gene that is not shown is unknown. The
    training values follow ``x = mean + W z + noise`` with a noise of each gene's own; given the shown genes ``v``

    .. math::
        \Sigma = (I + W_v^\top \Psi_v^{-1} W_v)^{-1}, \quad
        E[z] = \Sigma W_v^\top \Psi_v^{-1} (x_v - \mu_v)

    and a gene that is asked has the mean :math:`\mu_g + w_g E[z]` and the variance
    :math:`w_g \Sigma w_g^\top + \psi_g`. Four genes give scores near zero, a thousand sharp ones. Loadings are
    estimates: they are shrunk, and their own variance enters both (:mod:`exval.lowrank.fit`).

    A network that is to correct these answers must not learn from the answers for samples that the factors were fitted
    to, which are too good. A sample with ``obs["fold"]`` above zero is therefore asked of factors fitted without that
    fold (a fifth of the samples), turned to lie on those of all samples; elsewhere the factors of all are used.

    Source: Rubin and Thayer 1982, Psychometrika 47:69 (factor analysis); Tipping and Bishop 1999; leaving the sample's
    fold out follows Wolpert 1992, Neural Networks 5:241 (stacked generalisation).

    Parameters
    ----------
    n_genes
        Size of the vocabulary.
    rank
        r, number of factors.
    """

    def __init__(self, n_genes: int, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.register_buffer("mean_g", torch.zeros(n_genes))
        self.register_buffer("loadings_gr", torch.zeros(n_genes, rank))
        self.register_buffer("noise_g", torch.ones(n_genes))
        self.register_buffer("spread_gr", torch.zeros(n_genes, rank))  # variance of the loadings
        # Model 0 is that of all samples; those without a fold follow after fit, and are not saved.
        self.register_buffer("table_mgr", torch.zeros(1, n_genes, rank), persistent=False)
        self.register_buffer("spread_mgr", torch.zeros(1, n_genes, rank), persistent=False)
        self.register_buffer("facts_mg2", torch.zeros(1, n_genes, 2), persistent=False)

    def fit(self, batch: ExpressionBatch, seed: int = 0, folds: bool = True) -> Posterior:
        """Fit to training samples, on the scale that the model reads; a gene that none of them has tells nothing.

        ``obs["fold"]`` says of each sample which fold it is in, 1 to 5; without it, the sample's id does.
        Without ``folds`` nothing is fitted but the whole.
        """
        x_ng = batch.dense().numpy().astype(np.float64)
        fold_n = batch.obs.get("fold", fold_of(batch.id_n)).numpy()
        whole = _fitted(x_ng, min(self.rank, max(len(x_ng) // SAMPLES_PER_FACTOR, 1)), seed, self.rank)
        self._keep(whole)
        parts = [whole]
        if folds and len(x_ng) >= LEAST_TO_FOLD:
            rank = min(self.rank, len(x_ng) // SAMPLES_PER_FACTOR)
            parts += [_turned(_fitted(x_ng[fold_n != k], rank, seed, self.rank), whole) for k in range(1, FOLDS + 1)]
        self.table_mgr = torch.stack([part.loadings_gr for part in parts])
        self.spread_mgr = torch.stack([part.spread_gr for part in parts])
        self.facts_mg2 = torch.stack([torch.stack([part.mean_g, part.noise_g], 1) for part in parts])
        return self

    def _keep(self, fitted: Fitted) -> None:
        for name, new in fitted._asdict().items():
            getattr(self, name).copy_(new)

    def refit(self, batch: ExpressionBatch, seed: int = 0) -> Posterior:
        """Fit once more, to more samples, turned so that what was learned from the scores still holds.

        For when training is over: the samples that decided when to stop are then no longer needed for that.
        """
        before = Fitted(*(getattr(self, name).cpu() for name in Fitted._fields))
        x_ng = batch.dense().numpy().astype(np.float64)
        rank = int((self.loadings_gr != 0).any(0).sum())
        self._keep(_turned(_fitted(x_ng, rank, seed, self.rank), before))
        return self

    @property
    def n_models(self) -> int:
        """1, and one for each fold."""
        return len(self.table_mgr)

    def model_n(self, samples: ExpressionBatch) -> Tensor | None:
        """(n,) which of the fitted models a sample is asked of; None for that of all samples."""
        return samples.obs.get("fold") if self.n_models > 1 else None

    def tables(self) -> dict[str, Tensor]:
        """What :meth:`fit` kept of the folds, for a file beside the weights."""
        return {"loadings": self.table_mgr[1:], "spread": self.spread_mgr[1:], "facts": self.facts_mg2[1:]}

    def with_tables(self, loadings: Tensor, spread: Tensor, facts: Tensor) -> Posterior:
        """The same with the folds of :meth:`tables`."""
        own = (self.loadings_gr, self.spread_gr, torch.stack([self.mean_g, self.noise_g], 1))
        joined = [torch.cat([mine[None], part.to(mine)]) for mine, part in zip(own, (loadings, spread, facts))]
        self.table_mgr, self.spread_mgr, self.facts_mg2 = joined
        return self

    def facts(self, pairs: ExpressionBatch, keep: int | None = None) -> Fitted:
        """(t,) means, (t, r) loadings, (t,) noise and (t, r) variance of the loadings of packed pairs.

        With ``keep`` of the leading factors alone: what the others explain counts as noise.
        """
        genes_t, model_n = pairs.genes_t.long(), self.model_n(pairs)
        if model_n is None:
            known = _leading(Fitted(*(getattr(self, name) for name in Fitted._fields)), keep)
            return Fitted(*(table.index_select(0, genes_t) for table in known))
        model_t = model_n[pairs.sample_t]
        mean_mg, noise_mg = self.facts_mg2.unbind(2)
        known = _leading(Fitted(mean_mg, self.table_mgr, noise_mg, self.spread_mgr), keep)
        return Fitted(*(table[model_t, genes_t] for table in known))

    def scores(self, shown: ExpressionBatch, hidden: ExpressionBatch | None = None) -> Tensor:
        """(n, r) posterior means; the prior has mean 0 and sd 1."""
        return self.distribution(shown)[0]

    def evidence(self, shown: ExpressionBatch, keep: int | None = None) -> tuple[Tensor, Tensor]:
        r"""(n, r, r) precision :math:`W_v^\top \Psi_v^{-1} W_v` and (n, r) :math:`W_v^\top \Psi_v^{-1} (x_v - \mu_v)`.

        Parameters
        ----------
        keep
            The leading factors alone; what the others explain counts as noise.
        """
        with torch.autocast(shown.values_t.device.type, enabled=False):
            mean_t, loadings_tr, noise_t, spread_tr = self.facts(shown, keep)
            weighted_tr = loadings_tr / noise_t[:, None]
            away_t = shown.values_t - mean_t
            lost_nr = loadings_tr.new_zeros(shown.n, loadings_tr.shape[1])
            lost_nr.index_add_(0, shown.sample_t, spread_tr / noise_t[:, None])
            # One small product per sample: nothing is padded.
            lengths = shown.lengths_n.tolist()
            parts = zip(loadings_tr.split(lengths), weighted_tr.split(lengths), away_t.split(lengths))
            precision, evidence = [], []
            for loadings, weighted, away in parts:
                precision.append(weighted.T @ loadings)
                evidence.append(weighted.T @ away)
            return torch.stack(precision) + torch.diag_embed(lost_nr), torch.stack(evidence)

    def distribution(self, shown: ExpressionBatch, keep: int | None = None) -> tuple[Tensor, Tensor]:
        """(n, r) posterior means and (n, r, r) covariances, of the leading factors where ``keep`` says so."""
        precision_nrr, evidence_nr = self.evidence(shown, keep)
        with torch.autocast(shown.values_t.device.type, enabled=False):
            chol_nrr = torch.linalg.cholesky(precision_nrr + torch.eye(evidence_nr.shape[1]).to(precision_nrr))
            cov_nrr = torch.cholesky_inverse(chol_nrr)
            mean_nr = torch.cholesky_solve(evidence_nr[:, :, None], chol_nrr)[:, :, 0]
            return mean_nr, cov_nrr

    def genes(self) -> Tensor:
        """(G, r + 1) what a gene is: its loadings over its own sd, and how much of it the factors leave open."""
        share_g = self.noise_g / (self.loadings_gr.square().sum(1) + self.noise_g)
        return torch.cat([self.loadings_gr, share_g[:, None]], dim=1)

    def products(self, scores_nr: Tensor, queries: ExpressionBatch) -> Tensor:
        """(q, r + 1) each factor's part in the answer, and their sum."""
        loadings_qr = self.facts(queries).loadings_gr
        parts_qr = loadings_qr * scores_nr.index_select(0, queries.sample_t)
        return torch.cat([parts_qr, parts_qr.sum(1, keepdim=True)], dim=1)

    def prior(self, mean_nr: Tensor, cov_nrr: Tensor, queries: ExpressionBatch) -> Prior:
        """Conditional mean and sd of every query given the shown genes of its sample."""
        mean_q, loadings_qr, noise_q, spread_qr = self.facts(queries)
        mean_q = mean_q + (loadings_qr * mean_nr.index_select(0, queries.sample_t)).sum(1)
        spread = [w @ cov for w, cov in zip(loadings_qr.split(queries.lengths_n.tolist()), cov_nrr)]
        square_nr = mean_nr.square() + cov_nrr.diagonal(dim1=1, dim2=2)
        lost_q = (spread_qr * square_nr.index_select(0, queries.sample_t)).sum(1)
        variance_q = (torch.cat(spread) * loadings_qr).sum(1) + lost_q + noise_q
        return Prior(mean_q, variance_q.sqrt())


def fold_of(key_n: Tensor) -> Tensor:
    """(n,) fold of each sample, 1 to 5, a function of what no fold may part: its patient's number, or its own."""
    return 1 + (mix(key_n) & 0x7FFFFFFF) % FOLDS


class Fitted(NamedTuple):
    """(G,) means, (G, r) loadings, (G,) noise and (G, r) variance of the loadings."""

    mean_g: Tensor
    loadings_gr: Tensor
    noise_g: Tensor
    spread_gr: Tensor


def _leading(known: Fitted, keep: int | None) -> Fitted:
    """The same with the leading factors alone."""
    if keep is None or keep >= known.loadings_gr.shape[-1]:
        return known
    lost = known.loadings_gr[..., keep:].square().sum(-1) + known.spread_gr[..., keep:].sum(-1)
    kept = (table[..., :keep].contiguous() for table in (known.loadings_gr, known.spread_gr))
    loadings, spread = kept
    return Fitted(known.mean_g, loadings, known.noise_g + lost, spread)


def _fitted(x_ng: np.ndarray, rank: int, seed: int, width: int) -> Fitted:
    """As wide as asked; 0, 0, 1 and 0 for a gene that fewer than two samples have.

    EM is stopped early and two imaginary samples a gene keep loadings finite, as in the method ``ppca``.
    """
    from exval.lowrank.fit import fit_factor_model, small_sample

    g = x_ng.shape[1]
    mean_g, loadings_gr, noise_g, spread_gr = np.zeros(g), np.zeros((g, width)), np.ones(g), np.zeros((g, width))
    known = np.flatnonzero(np.isfinite(x_ng).sum(0) > 1)
    most = min(rank, len(x_ng) - 1, len(known))
    if most >= 1:
        x_nk = x_ng[:, known]
        model = fit_factor_model(x_nk, most, iterations=STEPS, tolerance=1e-3, prior=2.0, seed=seed)
        model = small_sample(model, np.isfinite(x_nk).sum(0))
        mean_g[known], noise_g[known] = model.mean_g, np.maximum(model.noise_g, LEAST_NOISE)
        loadings_gr[known, :most] = model.loadings_gr
        if model.loading_var_gr is not None:
            spread_gr[known, :most] = model.loading_var_gr
    return Fitted(*(torch.as_tensor(x, dtype=torch.float) for x in (mean_g, loadings_gr, noise_g, spread_gr)))


def _turned(part: Fitted, whole: Fitted) -> Fitted:
    """The factors of a part turned to lie as near as they can on those of the whole (orthogonal Procrustes)."""
    u, _, vh = torch.linalg.svd(part.loadings_gr.double().T @ (whole.loadings_gr.double() / whole.noise_g[:, None]))
    turn_rr = u @ vh
    return part._replace(
        loadings_gr=(part.loadings_gr.double() @ turn_rr).float(),
        spread_gr=(part.spread_gr.double() @ turn_rr.square()).float(),
    )
