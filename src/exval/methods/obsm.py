"""An embedding that is already in the file."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.methods.base import Card, Method


class ObsmEmbedding(Method):
    """Whatever stands in ``adata.obsm[key]``, judged like every embedding by a logistic regression on it.

    Parameters
    ----------
    key
        Key of ``obsm``, e.g. ``"X_scGPT"``.

    Notes
    -----
    How the embedding was made is not known here: if it saw the cells of the test folds (a PCA of the whole file did),
    the comparison favours it.
    """

    card = Card(
        category="embedding",
        sees=("whatever its maker saw, test cells included",),
        space_in="given",
        space_out="embedding",
        cost="not counted: it was computed before",
        reference="the file's own",
        summary="An embedding already in the file.",
    )

    def __init__(self, key: str) -> None:
        self.key = key

    @property
    def title(self) -> str:
        return f"obsm:{self.key}"

    @property
    def spent_seconds(self) -> float:
        return float("nan")

    @property
    def blind_spot(self) -> str:
        """What nobody can tell of it."""
        return (
            f"what {self.title} was computed from is not known: if it saw the test cells (a PCA of the whole file "
            "did) or their labels, its figures are too good"
        )

    def fit(self, adata, label=None):
        self.n_features_ = self.embed(adata).shape[1]
        return self

    def embed(self, adata) -> np.ndarray:
        """(n, d) float32; an ``InputError`` if the key is absent or holds NaN or inf."""
        if self.key not in adata.obsm:
            there = ", ".join(map(str, adata.obsm.keys())) or "none"
            raise InputError(f"no embedding {self.key!r} in obsm; there are: {there}")
        z_nd = np.asarray(adata.obsm[self.key], dtype=np.float32)
        if z_nd.ndim != 2 or not np.isfinite(z_nd).all():
            raise InputError(f"obsm[{self.key!r}] is not a finite table of numbers (NaN, inf or wrong shape)")
        return z_nd
