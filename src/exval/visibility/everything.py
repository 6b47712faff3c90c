"""Everything is shown."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from exval.data.batch import ExpressionBatch
from exval.data.units import UNITS
from exval.rng import Draw
from exval.visibility.base import Split, depth, keep_smallest, to_model_unit, totals
from exval.visibility.masking import Masking


class Everything(BaseModel):
    """Everything is shown and nothing asked: for embedding and for predicting a label.

    Parameters
    ----------
    max_visible
        At most so many values per sample; a fixed draw per sample and step.
    dense
        Zeros are shown like any other value (patients); otherwise only what is not zero (cells).
    """

    model_config = ConfigDict(extra="forbid")
    units: ClassVar[tuple[str, ...]] = UNITS
    kind: Literal["everything"] = "everything"
    max_visible: int | None = Field(None, ge=1)
    dense: bool = False

    def target(self, batch: ExpressionBatch) -> ExpressionBatch:
        """The batch as its values are shown."""
        return to_model_unit(batch).explicit() if self.dense else to_model_unit(batch)

    def split(self, batch: ExpressionBatch, draw: Draw) -> Split:
        if not self.dense:
            return Masking(nonzeros=0.0, zeros=0.0, max_visible=self.max_visible).split(batch, draw)
        shown = self.target(batch)
        none = shown.keep(torch.zeros(len(shown.values_t), dtype=torch.bool))
        visible, left = shown, none
        if self.max_visible is not None:
            read_t = keep_smallest(draw.uniform("cap", draw.key_packed(shown)), shown, self.max_visible)
            visible, left = shown.keep(read_t), shown.keep(~read_t)
        total_n = totals(shown)
        return Split(shown, none, none, visible, left, depth(shown.n, total_n, total_n))
