"""Control: what was read, unchanged."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.methods.base import Card, Method
from exval.methods.gene_mean import fill


class Noop(Method):
    """Returns the visible value of every entry asked for; a hidden one is zero."""

    name = "noop"
    card = Card(
        category="control",
        sees=(),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="none",
        reference="textbook",
        summary="Changes nothing: visible values stay, hidden ones are zero.",
    )

    def fit(self, adata, label=None):
        self.n_genes_ = adata.n_vars
        return self

    def recover(self, adata, hidden: sp.csr_matrix) -> sp.csr_matrix:
        """CSR of ``hidden``'s sparsity with the visible values."""
        rows = np.repeat(np.arange(hidden.shape[0]), np.diff(hidden.indptr))
        x_ng = sp.csr_matrix(adata.X)
        return fill(hidden, np.asarray(x_ng[rows, hidden.indices]).ravel() if len(rows) else np.empty(0))
