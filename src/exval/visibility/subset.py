"""A random subset of the measured genes is shown, another one asked."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from exval.data.batch import ExpressionBatch
from exval.data.units import UNITS
from exval.rng import Draw
from exval.visibility.base import Split, depth, ranks, to_model_unit, totals


class Subset(BaseModel):
    """Of each sample's measured genes a random subset is shown and a disjoint one asked, both redrawn at every step.

    How many are shown is drawn too, uniformly on a logarithmic scale, so that a panel of four genes is as familiar as
    one of hundreds. A measured zero is a value like any other.

    Source: GexBERT (Jiang and Hassanpour 2025, arXiv 2504.09704) draws a subset of genes for every patient and restores
    others; the random size is ours.

    Parameters
    ----------
    min_shown, max_shown
        Fewest and most genes shown; None for all but one.
    max_visible
        Most of them that the encoder reads, one token each; fitted factors read all that are shown.
    max_queries
        Most genes asked; 0 to ask for none, as when a label is learned from few genes.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> x = sp.csr_matrix(np.arange(1.0, 11.0)[None])
    >>> batch = ExpressionBatch.from_csr(x, n_genes=10, unit="log2", implicit="missing")
    >>> split = Subset(min_shown=3, max_shown=3, max_queries=4).split(batch, Draw(seed=0))
    >>> shown, asked = (set(part.genes_t.tolist()) for part in (split.visible, split.queries))
    >>> len(shown), len(asked), shown & asked
    (3, 4, set())
    """

    model_config = ConfigDict(extra="forbid")
    units: ClassVar[tuple[str, ...]] = UNITS
    kind: Literal["subset"] = "subset"
    min_shown: int = Field(4, ge=1)
    max_shown: int | None = Field(None, ge=1)
    max_visible: int | None = Field(256, ge=1)
    max_queries: int = Field(256, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Subset:
        if self.max_shown is not None and self.min_shown > self.max_shown:
            raise ValueError(
                f"visibility.min_shown {self.min_shown} is larger than visibility.max_shown {self.max_shown}"
            )
        return self

    def target(self, batch: ExpressionBatch) -> ExpressionBatch:
        """The batch as its values are shown and asked: zeros are stored too."""
        return to_model_unit(batch).explicit()

    def split(self, batch: ExpressionBatch, draw: Draw) -> Split:
        """Divide ``batch``; the same sample, seed and step always give the same division."""
        target = self.target(batch)
        u_n = draw.uniform("size", draw.key(target.id_n))
        # Something is left to ask, as far as two genes allow that.
        most_n = (target.lengths_n - (1 if self.max_queries else 0)).clamp(min=1)
        if self.max_shown is not None:
            most_n = most_n.clamp(max=self.max_shown)
        low, high_n = math.log(self.min_shown), torch.log(most_n.double() + 1)
        size_n = torch.exp(low + (high_n - low).clamp(min=0) * u_n).floor().long()
        size_n = torch.minimum(size_n, most_n)
        # Which genes come first is keyed by sample and gene: a subset of twice the size holds the smaller one.
        rank_t = ranks(draw.uniform("visible", draw.key_packed(target)), target)
        size_t = size_n[target.sample_t]
        shown_t = rank_t < size_t
        asked_t = (rank_t < size_t + self.max_queries) & ~shown_t
        read_t = shown_t  # where there are too many to read, the first of the same order: as random as any
        if self.max_visible is not None:
            read_t = shown_t & (rank_t < self.max_visible)
        keep, total_n = target.keep, totals(target)
        return Split(
            shown=keep(shown_t),
            hidden=keep(~shown_t),
            queries=keep(asked_t),
            visible=keep(read_t),
            unknown=keep(~read_t),
            depth_n2=depth(target.n, total_n, total_n),
        )

    def asked_shares(self, batch: ExpressionBatch) -> tuple[Tensor, Tensor]:
        """How often :meth:`split` asks: the same for all stored pairs, never for what is not stored."""
        return torch.ones(len(batch.values_t)), torch.zeros(batch.n)
