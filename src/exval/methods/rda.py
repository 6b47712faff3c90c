"""Regularised discriminant analysis over the factors of a low-rank Gaussian: one fit, any panel."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exval.data.packing import all_stored
from exval.data.scaling import fit_scaling
from exval.errors import GeneError, InputError
from exval.methods.base import Card, Method, labels_of
from exval.methods.matrix import dense_values, moments, sorted_genes, variable_genes
from exval.methods.probe import two_classes
from exval.methods.softmax import softmax


class RDA(Method):
    """A Gaussian for each class, of which any subset of genes may be shown: genes that are not are integrated out.

    Genes are standardised and a low-rank Gaussian is fitted to all training samples
    (:class:`exval.nn.posterior.Posterior`); every class has a mean and a covariance of its own over the factors
    (:class:`exval.nn.class_gaussians.ClassGaussians`). This is what the label head of the recipe "gexbert" starts
    from, without a network: hold a fine-tuned run against it.

    Parameters
    ----------
    n_genes
        How many of the most variable genes to keep; a panel is read as far as it is among them.
    rank
        Most factors; a third of the samples, if that is less.
    seed
        Of the fit.

    Attributes
    ----------
    genes_
        (g,) names of the genes kept.
    scaling_
        Their training means and sds.

    Examples
    --------
    >>> from exval.tasks.patients.cohorts import load
    >>> cohort = load("simulated", None)
    >>> method = RDA().fit(cohort[:160].copy(), "site")
    >>> said = method.predict(cohort[160:, :3].copy())  # three genes; nothing is fitted anew
    """

    name = "rda"
    integrates = True
    card = Card(
        category="low rank",
        sees=("expression", "labels"),
        space_in="log1p(CP10k)",
        space_out="class probabilities",
        cost="a low-rank Gaussian: seconds for 1,000 samples of 1,500 genes, minutes for single cells",
        reference="Friedman 1989, JASA 84:165; factors after Tipping and Bishop 1999, J. R. Stat. Soc. B 61:611",
        summary="A Gaussian for each class over low-rank factors; answers for any panel without a new fit.",
    )

    def __init__(self, n_genes: int = 5000, rank: int = 160, seed: int = 0) -> None:
        self.n_genes = n_genes
        self.rank = rank
        self.seed = seed

    def fit(self, adata, label=None):
        import torch

        from exval.nn.class_gaussians import ClassGaussians
        from exval.nn.posterior import Posterior

        self.classes_, class_n = two_classes(labels_of(adata, label), label)
        x_ng, names = sorted_genes(adata)
        chosen = variable_genes(*moments(x_ng), self.n_genes)
        self.genes_ = names[chosen]
        x_np = dense_values(adata, self.genes_)
        self.scaling_ = fit_scaling(x_np)
        batch = self._batch(x_np)
        with torch.no_grad():
            self.factors_ = Posterior(len(self.genes_), min(self.rank, len(self.genes_))).eval()
            self.factors_.fit(batch, seed=self.seed, folds=False)
            gaussians = ClassGaussians(len(self.classes_), self.factors_.rank)
            self.gaussians_ = gaussians.fit(self.factors_, batch, torch.as_tensor(class_n)).eval()
        return self

    def n_parameters(self) -> int:
        """Means, loadings and noise of the genes, and the moments of the classes."""
        fitted = [self.factors_.mean_g, self.factors_.loadings_gr, self.factors_.noise_g]
        return sum(table.numel() for table in (*fitted, *self.gaussians_.buffers()))

    def _batch(self, x_np: np.ndarray):
        from exval.data.batch import ExpressionBatch

        z_np = all_stored(self.scaling_.standardised(x_np).astype(np.float32))
        return ExpressionBatch.from_csr(z_np, n_genes=len(self.genes_), unit="z", implicit="missing")

    def predict_proba(self, adata) -> pd.DataFrame:
        import torch

        from exval.nn.class_gaussians import samples_at_once

        if not np.isin(self.genes_, adata.var_names).any():
            raise GeneError(
                f"none of the {len(self.genes_)} genes the method was fitted on is in the file; check var_names"
            )
        out = np.zeros((adata.n_obs, len(self.classes_)))
        with torch.inference_mode():
            shared = int(np.isin(self.genes_, adata.var_names).sum())
            for rows in np.array_split(np.arange(adata.n_obs), samples_at_once(adata.n_obs, adata.n_obs * shared)):
                if not len(rows):
                    break
                batch = self._batch(dense_values(adata[rows], self.genes_))
                out[rows] = softmax(self.gaussians_(self.factors_, batch).double().numpy())
        if not np.isfinite(out).all():
            raise InputError("values are too extreme for the Gaussians of the classes; look for infinities in the file")
        return pd.DataFrame(out, index=adata.obs_names, columns=self.classes_)
