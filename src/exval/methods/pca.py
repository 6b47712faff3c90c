"""Principal components of variable genes."""

from __future__ import annotations

import numpy as np

from exval.methods.base import Card, Method
from exval.methods.components import principal_components
from exval.methods.matrix import linear_map, moments, sorted_genes, variable_genes


class PCA(Method):
    """Principal components of the highly variable genes, genes and components chosen on training cells only.

    Parameters
    ----------
    n_components
        Width of the embedding; fewer where cells or genes are fewer.
    n_genes
        How many highly variable genes to use; ``None`` for all that vary.
    scale
        Divide each gene by its standard deviation first.
    seed
        Of the randomised decomposition (above 4,000 genes and cells only).

    Attributes
    ----------
    components_
        (p, d), on the scale of log1p(CP10k).
    variance_
        (d,) variance of each component.
    """

    name = "pca"
    card = Card(
        category="embedding",
        sees=("expression",),
        space_in="log1p(CP10k)",
        space_out="embedding",
        cost="one eigendecomposition of 2,000 genes, a few seconds",
        reference="Pearson 1901; randomised form Halko et al. 2011",
        summary="50 principal components of 2,000 variable genes; judged by a logistic regression on them.",
    )

    def __init__(self, n_components: int = 50, n_genes: int | None = 2000, scale: bool = False, seed: int = 0) -> None:
        self.n_components = n_components
        self.n_genes = n_genes
        self.scale = scale
        self.seed = seed

    def fit(self, adata, label=None):
        x_ng, names = sorted_genes(adata)
        mean_g, var_g = moments(x_ng)
        chosen = variable_genes(mean_g, var_g, self.n_genes)
        scale = np.sqrt(var_g[chosen]) if self.scale else np.ones(len(chosen))
        self.genes_, self.mean_ = names[chosen], mean_g[chosen]
        vectors, self.variance_ = principal_components(x_ng[:, chosen], self.mean_, scale, self.n_components, self.seed)
        self.components_ = vectors / scale[:, None]
        return self

    def embed(self, adata) -> np.ndarray:
        """(n, d) float32 scores."""
        return linear_map(adata, self.genes_, self.mean_, self.components_).astype(np.float32)
