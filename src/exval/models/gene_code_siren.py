"""The published network of place, tissue and one number for the gene, and that number."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

OCTAVES = 11


class GeneCodeSiren(nn.Module):
    r"""Sine layers and a linear head, one value a row.

    :math:`h_0 = \sin(\omega (W_0 x + b_0))`, :math:`h_l = \sin(\omega (W_l h_{l-1} + b_l))`,
    :math:`y = v^\top h_L + c`. Weights of the first layer start uniform in :math:`\pm 1/n_{in}`, all others in
    :math:`\pm \sqrt{6 / n_{in}} / \omega`; biases as in ``torch.nn.Linear``.

    Source: Sitzmann et al. 2020 (NeurIPS), section 3.2; size and input of arXiv 2506.11158.

    Parameters
    ----------
    n_in
        Numbers in a row, see :func:`encoded`.
    width, layers
        Of the sine layers; ``layers`` counts those after the first.
    omega
        Of all sine layers.

    Examples
    --------
    >>> sum(p.numel() for p in GeneCodeSiren(27, 512, 12).parameters())
    3166721
    """

    def __init__(self, n_in: int, width: int = 512, layers: int = 12, omega: float = 30.0) -> None:
        super().__init__()
        self.omega = omega
        self.sines = nn.ModuleList([nn.Linear(n_in if i == 0 else width, width) for i in range(layers + 1)])
        self.head = nn.Linear(width, 1)
        for i, layer in enumerate([*self.sines, self.head]):
            n = layer.in_features
            bound = 1 / n if i == 0 else math.sqrt(6 / n) / omega
            nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, x_ri: Tensor) -> Tensor:
        """(r,) a value for each row of (r, n_in)."""
        h = x_ri
        for layer in self.sines:
            h = torch.sin(self.omega * layer(h))
        return self.head(h)[:, 0]


def encoded(code_g: np.ndarray, octaves: int = OCTAVES) -> np.ndarray:
    r"""(g, 1 + 2 octaves) float32: a gene's code e, then :math:`\sin(2^k e), \cos(2^k e)` for k = 0, 1, ...

    Source: arXiv 2506.11158 (encoding as in NeRF, Mildenhall et al. 2020, without the factor pi).

    Examples
    --------
    >>> encoded(np.array([0.0, 0.5]), octaves=2).astype(float).round(3).tolist()
    [[0.0, 0.0, 1.0, 0.0, 1.0], [0.5, 0.479, 0.878, 0.841, 0.54]]
    """
    angle_gk = np.multiply.outer(np.asarray(code_g, dtype=np.float64), 2.0 ** np.arange(octaves))
    waves_gk2 = np.stack([np.sin(angle_gk), np.cos(angle_gk)], axis=2)
    return np.column_stack([code_g, waves_gk2.reshape(len(angle_gk), -1)]).astype(np.float32)


def gene_codes(scaled_ng: np.ndarray, seed: int = 0) -> np.ndarray:
    """(g,) a number from 0 to 1 for each gene: the first spectral embedding of the genes by their values.

    scikit-learn's ``SpectralEmbedding`` with its defaults joins a gene to a tenth of the genes, itself among them.
    With few genes nothing is then joined, and the embedding is that of its random start: the least number of neighbours
    is taken from which on the graph hangs together, and where genes then share a code all are spread evenly in the
    order of the embedding. Below three genes there is nothing to embed and they are numbered.

    Parameters
    ----------
    scaled_ng
        (n, g) values of the training samples.
    seed
        Of the solver's start.

    Examples
    --------
    >>> x, phase_g = np.linspace(0, 6, 50)[:, None], np.linspace(0, 2, 20)
    >>> steps = np.diff(gene_codes(np.sin(x + phase_g)))
    >>> bool((steps > 0).all() or (steps < 0).all())
    True
    """
    from scipy.sparse.csgraph import connected_components
    from sklearn.manifold import SpectralEmbedding
    from sklearn.neighbors import kneighbors_graph

    g = scaled_ng.shape[1]
    if g < 3:
        return np.linspace(0, 1, g)
    k = usual = max(g // 10, 1)
    while connected_components(kneighbors_graph(scaled_ng.T, k, include_self=True), directed=False)[0] > 1:
        k += 1
    code_g = SpectralEmbedding(1, n_neighbors=k, random_state=seed).fit_transform(scaled_ng.T)[:, 0]
    code_g = (code_g - code_g.min()) / np.ptp(code_g)
    rounded_g = code_g.round(5)  # as far as the solver goes
    if k > usual and len(set(rounded_g)) < g:
        return np.argsort(np.argsort(rounded_g, kind="stable")) / (g - 1)
    return code_g
