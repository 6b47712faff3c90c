"""A Gaussian per queried gene: the continuous likelihood."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from exval.heads.base import Prior, ValueHead

LOG_2PI = math.log(2 * math.pi)
LEVELS = (0.5, 0.8, 0.95)
SCALES = torch.logspace(-1, 1, 401, base=2.0, dtype=torch.double)


class Gaussian(ValueHead):
    """Mean and sd of every queried value, trained by the Gaussian negative log-likelihood.

    Without a prior the head starts at each gene's training mean and sd; with one, at the prior. What the network adds
    to the log of the sd is bounded, so that no single value can claim to be certain.

    Residuals have heavier tails than a Gaussian, so that the sd of most likelihood is too wide for the bulk of them:
    :meth:`calibrate` multiplies all sds by one number found on samples that were not trained on.

    Source: continuous likelihood of regression networks (Nix and Weigend 1994, ICNN); the start is ours.

    Parameters
    ----------
    width, n_genes
        As every head.
    reach
        The sd is at most ``exp(reach)`` times larger or smaller than at the start.

    Examples
    --------
    >>> head = Gaussian(width=4, n_genes=2).fit(torch.tensor([0, 0, 1, 1]), torch.tensor([1., 3., 5., 5.]))
    >>> mean_q, sd_q = head(torch.zeros(2, 4), torch.tensor([0, 1]))
    >>> mean_q.tolist(), [round(x, 2) for x in sd_q.tolist()]
    ([2.0, 5.0], [1.0, 0.05])
    >>> round(float(head.calibrate(2 * torch.randn(100_000)).sd_scale), 1)
    2.0
    """

    name = "gaussian"
    reference = "Nix and Weigend 1994, ICNN"
    least_sd = 0.05

    def __init__(self, width: int, n_genes: int, reach: float = 2.0) -> None:
        super().__init__(width, n_genes)
        self.reach = reach
        self.out = nn.Linear(width, 2)
        self.register_buffer("mean_g", torch.zeros(n_genes))
        self.register_buffer("log_sd_g", torch.zeros(n_genes))
        self.register_buffer("sd_scale", torch.ones(()))

    def fit(self, genes_t: Tensor, values_t: Tensor, weights_t: Tensor | None = None) -> Gaussian:
        weights_t = torch.ones(len(values_t)) if weights_t is None else weights_t
        genes_t, values_t, weights_t = genes_t.long(), values_t.double(), weights_t.double()
        zeros_g = torch.zeros(self.n_genes, dtype=torch.double)
        weight_g = zeros_g.index_add(0, genes_t, weights_t)
        mean_g = zeros_g.index_add(0, genes_t, values_t * weights_t) / weight_g.clamp(min=1e-12)
        square_g = zeros_g.index_add(0, genes_t, weights_t * (values_t - mean_g[genes_t]) ** 2)
        sd_g = (square_g / weight_g.clamp(min=1e-12)).sqrt().clamp(min=self.least_sd)
        overall = (values_t * weights_t).sum() / weights_t.sum().clamp(min=1e-12)
        spread = ((weights_t * (values_t - overall) ** 2).sum() / weights_t.sum().clamp(min=1e-12)).sqrt()
        known_g = weight_g > 0
        self.mean_g.copy_(torch.where(known_g, mean_g, overall))
        self.log_sd_g.copy_(torch.where(known_g, sd_g, spread.clamp(min=self.least_sd)).log())
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        return self

    def forward(self, h_qd: Tensor, genes_q: Tensor, prior: Prior | None = None) -> tuple[Tensor, Tensor]:
        shift_q, log_q = self.out(h_qd).float().unbind(1)
        log_q = self.reach * torch.tanh(log_q / self.reach)
        if prior is None:
            return self.mean_g[genes_q] + shift_q, torch.exp(self.log_sd_g[genes_q] + log_q)
        return prior.mean_q + shift_q, prior.sd_q * torch.exp(log_q)

    def nll(self, parameters: tuple[Tensor, Tensor], values_q: Tensor) -> Tensor:
        mean_q, sd_q = parameters
        return 0.5 * (((values_q - mean_q) / sd_q) ** 2 + LOG_2PI) + sd_q.log()

    def mean(self, parameters: tuple[Tensor, Tensor]) -> Tensor:
        return parameters[0]

    def sd(self, parameters: tuple[Tensor, Tensor]) -> Tensor:
        return parameters[1] * self.sd_scale

    def calibrate(self, errors_q: Tensor) -> Gaussian:
        """Make the 50, 80 and 95 % intervals hold what they say, as nearly as one number for all of them can.

        Parameters
        ----------
        errors_q
            (q,) errors in sds, of samples that were not trained on.
        """
        levels_3 = torch.tensor(LEVELS, dtype=torch.double)
        reach_s3 = SCALES[:, None] * torch.special.ndtri((1 + levels_3) / 2)
        ordered_q = errors_q.abs().double().sort().values
        inside_s3 = torch.searchsorted(ordered_q, reach_s3) / max(len(ordered_q), 1)
        self.sd_scale.copy_(SCALES[(inside_s3 - levels_3).abs().amax(1).argmin()])
        return self
