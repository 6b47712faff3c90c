"""Pretrained and fine-tuned runs among the survival methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from exval.data.columns import names_of
from exval.data.hashing import hashes_of
from exval.errors import GeneError
from exval.methods.base import Card
from exval.methods.run import RunMethod
from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.design import ClinicalDesign
from exval.methods.survival.embedding import EmbeddingCox

if TYPE_CHECKING:
    from anndata import AnnData


class KeptRun(RunMethod):
    """A pretrained run that looks up what it has computed already: a frozen embedding is the same in every fold.

    Parameters
    ----------
    folder, device
        As for :class:`~exval.methods.run.RunMethod`.
    """

    @property
    def key(self) -> str:
        """Where the embedding stands in ``obsm``."""
        return f"exval_run:{self.folder}"

    def embed(self, adata: AnnData) -> np.ndarray:
        """(n, d) float32."""
        kept = adata.obsm.get(self.key)
        return super().embed(adata) if kept is None else np.asarray(kept)

    def embed_to_learn(self, adata: AnnData, identity_n: np.ndarray) -> np.ndarray:
        """(n, d) float32, samples of its training as if it had not seen them."""
        kept = adata.obsm.get(self.key)
        return super().embed_to_learn(adata, identity_n) if kept is None else np.asarray(kept)


class TaughtRun(SurvivalMethod):
    """A run that was fine-tuned on survival, as it is: nothing is fitted here, and clinical columns have no part.

    Parameters
    ----------
    embedder
        The run.
    covariates
        Not used.
    genes
        A panel that the run is shown; all genes by default.
    """

    @property
    def card(self) -> Card:
        """That of the run."""
        return self.embedder.card

    def __init__(self, embedder: RunMethod, covariates: Sequence[str] = (), genes: Sequence[str] | None = None) -> None:
        super().__init__(covariates, genes)
        self.embedder = embedder

    @property
    def title(self) -> str:
        return self.embedder.title

    @property
    def spent_seconds(self) -> float:
        return self.embedder.spent_seconds

    def fit(self, adata: AnnData, label: str | None = None) -> TaughtRun:
        """Nothing is learned: the run has been taught before."""
        self.clinical_, self.expression_ = ClinicalDesign().fit(adata.obs, []), None
        self.embedder_, self.missing_ = self.embedder, None
        return self

    def risk(self, adata: AnnData) -> np.ndarray:
        """(n,) float64, higher is worse."""
        return self._check(self.embedder.risk(shown(adata, self.genes)), "risks")

    def survival(self, adata: AnnData, times_t: np.ndarray) -> np.ndarray:
        """(n, t) float64 probabilities."""
        found = self.embedder.survival(shown(adata, self.genes), np.asarray(times_t, dtype=np.float64))
        return np.clip(self._check(found, "survival probabilities"), 0.0, 1.0)

    def missing_share(self, adata: AnnData) -> np.ndarray:
        """(n,) NaN: see :func:`exval.tasks.survival.external.share_missing`."""
        return np.full(adata.n_obs, np.nan)

    def n_parameters(self) -> int:
        """Trained numbers."""
        return self.embedder.n_parameters()


def shown(adata: AnnData, genes: Sequence[str] | None) -> AnnData:
    """The columns of a panel; all of them without one.

    Examples
    --------
    >>> import anndata, pandas as pd
    >>> adata = anndata.AnnData(np.zeros((1, 2)), var=pd.DataFrame(index=["A", "B"]))
    >>> shown(adata, ["B", "C"]).var_names.tolist()
    ['B']
    """
    if genes is None:
        return adata
    wanted = set(names_of(genes))
    panel = sorted(wanted & set(adata.var_names))
    if not panel:
        raise GeneError(f"none of the {len(wanted)} genes of the panel is in the file; check var_names")
    return adata[:, panel].copy()


def embed_once(adata: AnnData, methods: Sequence[SurvivalMethod], genes: Sequence[str] | None) -> None:
    """Compute the embedding of every pretrained run and leave it in ``obsm``: no other sample has a part in it."""
    for method in methods:
        run = method.embedder if isinstance(method, EmbeddingCox) else None
        if isinstance(run, KeptRun) and run.key not in adata.obsm:
            adata.obsm[run.key] = run.embed_to_learn(shown(adata, genes), hashes_of(adata))
