"""Auto-discretisation: soft bins whose borders are learned."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exval.encoders.base import ValueEncoder


class AutoBins(ValueEncoder):
    r"""A value is spread softly over ``n_bins`` learned vectors.

    .. math::
        v_1 = w_1 v + c_1,\quad v_2 = \mathrm{LeakyReLU}_{0.1}(v_1),\quad
        v_3 = W_2 v_2 + c_2 + \alpha v_2,\quad e = T^\top \mathrm{softmax}(v_3)

    There is no temperature, and :math:`\alpha` is a constant. Mask, padding, zero and "not measured" have vectors of
    their own (the paper's zero vector; the released code passes 0 through the bins, which is one constant vector too).

    Source: xTrimoGene (Gong et al. 2023, NeurIPS), section 3.3; the block is AutoDis (Guo et al. 2021, KDD).

    Parameters
    ----------
    width
        d, width of the vectors.
    n_bins
        b, number of vectors in the table.
    alpha
        Weight of the residual.

    Shapes
    ------
    values_t (t,) in log1p(CP10k) -> (t, d).

    Examples
    --------
    >>> import torch
    >>> AutoBins(width=8, n_bins=10)(torch.tensor([0.5, 2.0])).shape
    torch.Size([2, 8])
    """

    name = "auto-bins"
    reference = "Gong et al. 2023, NeurIPS, section 3.3"

    def __init__(self, width: int, n_bins: int = 100, alpha: float = 1.0) -> None:
        super().__init__(width)
        self.alpha = alpha
        self.first = nn.Linear(1, n_bins)
        self.second = nn.Linear(n_bins, n_bins)
        self.table_kd = nn.Parameter(torch.empty(n_bins, width).normal_(std=0.02))

    def weights(self, values_t: Tensor) -> Tensor:
        """(t, b) how much of each bin a value takes; rows sum to one."""
        v_tk = F.leaky_relu(self.first(values_t[:, None].to(self.first.weight.dtype)), 0.1)
        return torch.softmax(self.second(v_tk) + self.alpha * v_tk, dim=-1)

    def encode_observed(self, values_t: Tensor) -> Tensor:
        return self.weights(values_t) @ self.table_kd
