"""Negative binomial likelihoods of counts, with the costly terms at the non-zeros alone."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


class Packed(NamedTuple):
    """The non-zeros of some rows: the row within the batch, the column, and the value of each."""

    row_t: Tensor
    column_t: Tensor
    value_t: Tensor


def nb_nll(log_mean_bg: Tensor, log_theta: Tensor, counts: Packed) -> Tensor:
    """Sum over all entries of the negative log-likelihood of counts.

    A zero costs ``theta log(1 + mean / theta)``; the terms with gamma functions are needed at the non-zeros only,
    which makes a training step several times cheaper.

    Parameters
    ----------
    log_mean_bg
        (b, g) logarithm of the expected counts.
    log_theta
        (b, g) or (g,) logarithm of the inverse dispersion: the variance is ``mean + mean^2 / theta``.
    counts
        The non-zeros of the batch; constants, no gradient goes to them.

    Returns
    -------
    Tensor
        Scalar, in natural logarithms.

    Examples
    --------
    >>> none = Packed(torch.tensor([], dtype=torch.long), torch.tensor([], dtype=torch.long), torch.tensor([]))
    >>> round(float(nb_nll(torch.zeros(1, 1), torch.zeros(1), none)), 4)  # a zero at mean 1, theta 1: log 2
    0.6931
    """
    return _zero_cost(log_mean_bg, log_theta).sum() + _at_non_zeros(log_mean_bg, log_theta, counts).sum()


def zinb_nll(log_mean_bg: Tensor, log_theta: Tensor, logit_bg: Tensor, counts: Packed) -> Tensor:
    """As :func:`nb_nll`, where a count may also be a zero by itself with probability ``sigmoid(logit)``.

    Examples
    --------
    >>> one = Packed(torch.tensor([0]), torch.tensor([0]), torch.tensor([1.0]))
    >>> args = torch.zeros(1, 2), torch.zeros(2)
    >>> never = zinb_nll(*args, torch.full((1, 2), -30.0), one)
    >>> bool(torch.isclose(never, nb_nll(*args, one)))
    True
    """
    cost_bg = _zero_cost(log_mean_bg, log_theta)
    zero_bg = torch.logaddexp(logit_bg, -cost_bg)  # log(pi + (1 - pi) NB(0)) + softplus(logit)
    at = (counts.row_t, counts.column_t)
    instead_t = zero_bg[at] + cost_bg[at] + _at_non_zeros(log_mean_bg, log_theta, counts)
    return (softplus(logit_bg) - zero_bg).sum() + instead_t.sum()


def _zero_cost(log_mean_bg: Tensor, log_theta: Tensor) -> Tensor:
    """theta log(1 + mean / theta)."""
    return log_theta.exp() * softplus(log_mean_bg - log_theta)


def _at_non_zeros(log_mean_bg: Tensor, log_theta: Tensor, counts: Packed) -> Tensor:
    """What a count y > 0 costs beyond a zero."""
    row_t, column_t, y_t = counts
    many = log_theta.dim() == 1  # index_select adds gradients of one gene in a fixed order, at any number of threads
    log_theta_t = log_theta.index_select(0, column_t) if many else log_theta[row_t, column_t]
    orders_t = log_rising(torch.ones_like(y_t), y_t) - log_rising(log_theta_t.exp(), y_t)
    return orders_t + y_t * softplus(log_theta_t - log_mean_bg[row_t, column_t])


def log_rising(x: Tensor, y: Tensor) -> Tensor:
    """``lgamma(x + y) - lgamma(x)`` for x > 0 and y >= 0, differentiable in x alone.

    By Stirling's series after five steps of the recurrence, in the precision of the input: the gamma functions of
    torch take ten times as long, and a difference of two of them loses digits for large x.

    Examples
    --------
    >>> log_rising(torch.tensor([2.0]), torch.tensor([3.0])).exp().round().tolist()  # 2 * 3 * 4
    [24.0]
    """
    return _LogRising.apply(x, y)


class _LogRising(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        low, high = x + 5, x + y + 5
        # (high - 1/2) log high - (low - 1/2) log low - y, written so that large x cancels before it is rounded
        main = (low - 0.5) * torch.log1p(y / low) + y * (high.log() - 1)
        return main + _series(high) - _series(low) + (_product(x).log() - _product(x + y).log())

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        x, y = ctx.saved_tensors
        low, high = x + 5, x + y + 5
        slope = torch.log1p(y / low) + _slope(high) - _slope(low)
        for k in range(5):
            slope += y / ((x + k) * (x + y + k))
        return grad * slope, None


def _product(x: Tensor) -> Tensor:
    """x (x + 1) ... (x + 4)."""
    return x * (x + 1) * (x + 2) * (x + 3) * (x + 4)


def _series(x: Tensor) -> Tensor:
    inverse = 1 / x
    square = inverse * inverse
    return inverse * (1 / 12 - square * (1 / 360 - square / 1260))


def _slope(x: Tensor) -> Tensor:
    inverse = 1 / x
    square = inverse * inverse
    return -inverse / 2 - square * (1 / 12 - square * (1 / 120 - square / 252))
