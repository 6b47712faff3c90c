"""What a value head is."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor, nn


class Prior(NamedTuple):
    """(q,) mean and sd of each queried value before the network has its say: what a fitted linear model expects."""

    mean_q: Tensor
    sd_q: Tensor


class ValueHead(nn.Module):
    """Vectors in, a distribution over each queried value out.

    ``head(h_qd, genes_q)`` gives the parameters of the distribution; the other methods read them. Where the model has
    a fitted prior, ``head(h_qd, genes_q, prior)`` corrects it: a head that was just fitted answers with the prior.

    Parameters
    ----------
    width
        d, width of the vectors.
    n_genes
        Size of the vocabulary, for per-gene parameters.
    """

    name: ClassVar[str] = ""
    reference: ClassVar[str] = ""

    def __init__(self, width: int, n_genes: int) -> None:
        super().__init__()
        self.width, self.n_genes = width, n_genes

    def fit(self, genes_t: Tensor, values_t: Tensor, weights_t: Tensor | None = None) -> ValueHead:
        """Start from training (gene, value) pairs, each weighted by how often it will be asked. Default: nothing."""
        return self

    def forward(self, h_qd: Tensor, genes_q: Tensor, prior: Prior | None = None):
        """The parameters of (q,) distributions."""
        raise TypeError(f"{type(self).__name__} does not say what it predicts")

    def nll(self, parameters, values_q: Tensor) -> Tensor:
        """(q,) what is minimised: a negative log-likelihood up to constants."""
        raise TypeError(f"{type(self).__name__} does not say how to score a value")

    def mean(self, parameters) -> Tensor:
        """(q,) expected values, in the unit trained on."""
        raise TypeError(f"{type(self).__name__} has no mean")

    def sd(self, parameters) -> Tensor | None:
        """(q,) standard deviations, or None where the head has none."""
        return None
