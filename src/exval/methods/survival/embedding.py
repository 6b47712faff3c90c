"""How an embedding is judged by survival: a ridge Cox regression on it, fitted on training patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from exval.data.columns import names_of
from exval.data.hashing import hashes_of
from exval.errors import DivergedError, GeneError, InputError
from exval.methods.base import Card, Method
from exval.methods.matrix import dense_values
from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.design import LIMIT
from exval.methods.survival.linear import LinearSurvival, feature_rows, stacked
from exval.methods.survival.ridge import RIDGES, ridge_cox

if TYPE_CHECKING:
    from anndata import AnnData


class EmbeddingCox(LinearSurvival):
    """An embedding, standardised, and a ridge Cox regression on it; clinical columns beside, unpenalised.

    It carries no registry name: it wraps whatever method offers ``embed`` (a pretrained run, ``pca``, ``obsm:X_name``).

    Parameters
    ----------
    embedder
        A method with ``embed``; it is fitted on the training patients.
    covariates
        Columns of obs that stand beside the embedding.
    genes
        A panel that the embedder is given; all genes by default.
    ridge
        Penalty; ``None`` chooses from 10^4 to 10^-1.5 by the cross-validated partial likelihood.
    folds, seed
        Of that choice.

    Attributes
    ----------
    embedder_
        The fitted embedder.
    ridge_
        What was chosen.
    weights_
        (d,) log hazard ratio of one SD of each dimension.

    Examples
    --------
    >>> from exval.methods import resolve
    >>> EmbeddingCox(resolve("pca"), covariates=("age",)).title
    'pca + clinical'
    """

    card = Card(
        category="embedding",
        sees=("the embedding", "clinical columns where given", "survival"),
        space_in="that of the embedding",
        space_out="log hazard ratio",
        cost="that of the embedding, and a second",
        reference="Cox 1972; ridge and its choice Verweij and van Houwelingen 1993, 1994, Statistics in Medicine",
        summary="Standardises an embedding and fits a ridge Cox regression on it.",
    )

    def __init__(
        self,
        embedder: Method,
        covariates: Sequence[str] = (),
        genes: Sequence[str] | None = None,
        ridge: float | None = None,
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__(covariates, genes)
        self.embedder = embedder
        self.ridge = ridge
        self.folds = folds
        self.seed = seed

    @property
    def title(self) -> str:
        """The embedder's, with ``+ clinical`` where covariates are given."""
        return self.embedder.title + (" + clinical" if names_of(self.covariates) else "")

    @property
    def spent_seconds(self) -> float:
        return self.embedder.spent_seconds

    def _panel(self, adata: AnnData) -> AnnData:
        if self.genes is None:
            return adata
        panel = sorted(set(names_of(self.genes)) & set(adata.var_names))
        if not panel:
            raise GeneError(
                f"none of the {len(names_of(self.genes))} genes of the panel is in the file; check their names"
            )
        return adata[:, panel].copy()

    def embed(self, adata: AnnData) -> np.ndarray:
        """(n, d) float32, as the embedder gives it."""
        return self.embedder_.embed(self._panel(adata))

    def design(self, adata):
        self.embedder_ = self.embedder.fit(self._panel(adata))
        z_nd = self._finite(self.embedder_.embed_to_learn(self._panel(adata), hashes_of(adata)))
        self.mean_, sd = z_nd.mean(0), z_nd.std(0)
        self.sd_ = np.where(sd > 1e-9 * (1e-9 + np.abs(self.mean_)), sd, np.inf)
        if not np.isfinite(self.sd_).any():
            raise InputError(f"the embedding of {self.title} is the same for all {len(z_nd)} training patients")
        self._training = z_nd
        return None

    def _finite(self, z_nd: np.ndarray) -> np.ndarray:
        z_nd = np.asarray(z_nd, dtype=np.float64)
        if not np.isfinite(z_nd).all():
            raise DivergedError(f"{self.title} gave an embedding with NaN or inf: nothing was kept")
        return z_nd

    def values(self, adata):
        z_nd = self.__dict__.pop("_training", None)  # left by design, so that fit embeds once
        z_nd = self._finite(self.embed(adata)) if z_nd is None else z_nd
        z_nd = np.clip((z_nd - self.mean_) / self.sd_, -LIMIT, LIMIT)
        genes = self._genes()
        self.missing_ = None if genes is None else int(np.isnan(self._of(adata, genes)).all(axis=0).sum())
        return z_nd

    def _genes(self) -> np.ndarray | None:
        """Names of the genes that the embedder knows, where it tells them."""
        genes = getattr(self.embedder_, "genes_", None)
        genes = getattr(getattr(self.embedder_, "run", None), "genes", None) if genes is None else genes
        return None if genes is None else np.asarray(list(genes), dtype=object)

    def _of(self, adata: AnnData, genes: np.ndarray) -> np.ndarray:
        return dense_values(self._panel(adata), genes)

    def missing_share(self, adata):
        """(n,) share of the embedder's genes that each sample has no value of; NaN where it does not name them."""
        genes = self._genes()
        if genes is None:
            return np.full(adata.n_obs, np.nan)
        return np.isnan(self._of(adata, genes)).mean(axis=1)

    def learn(self, z_np, c_nq, time_n, event_n):
        ridges = RIDGES if self.ridge is None else (self.ridge,)
        fit = ridge_cox(z_np, c_nq, time_n, event_n, ridges=ridges, folds=self.folds, seed=self.seed,
                        group_n=self._group_n)  # fmt: skip
        self.settle(z_np, c_nq, time_n, event_n, fit.weights_p, fit.weights_q)
        self.ridge_ = fit.ridge
        design, names = self.clinical_, [f"dimension {i + 1}" for i in range(len(fit.weights_p))]
        self.features_ = stacked(
            feature_rows("clinical", design.names_, design.units_, fit.weights_q, fit.se_q),
            feature_rows("component", names, ["SD"] * len(names), fit.weights_p),
        )

    def n_parameters(self) -> int:
        return self.embedder_.n_parameters() + self.weights_.size + self.clinical_weights_.size


def as_survival(
    method: Method,
    covariates: Sequence[str] | None = None,
    genes: Sequence[str] | None = None,
    **settings: Any,
) -> Method:
    """A method that gives risks, from any that can be made to.

    Parameters
    ----------
    method
        A method that provides ``survival`` is taken as it is; one that embeds is wrapped in :class:`EmbeddingCox`.
    covariates, genes
        Where they are given and the method has such a parameter, the answer is a copy of it with these.
    settings
        ``ridge``, ``folds``, ``seed`` of the wrapper.

    Raises
    ------
    InputError
        If the method neither gives risks nor embeds.

    Examples
    --------
    >>> from exval.methods import resolve
    >>> as_survival(resolve("cox"), ["age"]).title, as_survival(resolve("pca")).title
    ('cox + clinical', 'pca')
    """
    given = {"covariates": covariates, "genes": genes}
    given = {key: names_of(value) for key, value in given.items() if value is not None}
    if "survival" in method.provides:
        known = {key: value for key, value in given.items() if key in method.get_params(deep=False)}
        return clone(method).set_params(**known) if known and isinstance(method, SurvivalMethod) else method
    if "embed" in method.provides:
        return EmbeddingCox(method, **given, **settings)
    raise InputError(
        f"{method.title} gives no risk of patients and does not embed them; `exval methods` lists what each one does"
    )
