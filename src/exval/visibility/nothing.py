"""Nothing is shown: what is known of a sample is its context, and everything measured is asked."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict

from exval.data.batch import ExpressionBatch
from exval.data.units import UNITS
from exval.rng import Draw
from exval.visibility.base import Split, depth, to_model_unit


class Nothing(BaseModel):
    """All measured values are asked of a sample whose place alone is known.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> batch = ExpressionBatch.from_csr(sp.csr_matrix([[1.0, 2.0]]), n_genes=2, unit="z", implicit="missing")
    >>> split = Nothing().split(batch, Draw(seed=0))
    >>> len(split.shown.genes_t), len(split.queries.genes_t)
    (0, 2)
    """

    model_config = ConfigDict(extra="forbid")
    units: ClassVar[tuple[str, ...]] = UNITS
    kind: Literal["nothing"] = "nothing"

    def target(self, batch: ExpressionBatch) -> ExpressionBatch:
        """The batch as its values are asked."""
        return to_model_unit(batch).explicit()

    def split(self, batch: ExpressionBatch, draw: Draw) -> Split:
        """Everything to the queries; the draw is not used."""
        asked = self.target(batch)
        none = asked.keep(torch.zeros(len(asked.values_t), dtype=torch.bool))
        return Split(none, asked, asked, none, asked, depth(asked.n, None, None))

    def asked_shares(self, batch: ExpressionBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Every stored pair is asked; what is not stored never is."""
        return torch.ones(len(batch.values_t)), torch.zeros(batch.n)
