"""A sample as a run reads it, with the values free to move and everything else held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from exval.rng import Draw
from exval.visibility import Split

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.data.batch import ExpressionBatch
    from exval.models.encdec import EncoderDecoder
    from exval.run import Run
    from exval.tasks.explaining.question import Question

TOKENS = 24_000  # tokens of the encoder, and a tenth of the shown values, held in one pass


@dataclass(frozen=True)
class Reading:
    """Some samples as the run divides them: which genes are shown, and which of them the encoder reads.

    The division is made once, at the true values, as ``predict`` makes it. Values may then be replaced: in the value
    encoder and in the factors at the same time, since both read the same numbers.

    Parameters
    ----------
    split
        From the run's way of showing everything.
    """

    split: Split

    @property
    def n(self) -> int:
        """Samples."""
        return self.split.shown.n

    @property
    def values_t(self) -> Tensor:
        """(t,) the values shown, in the unit that the model reads."""
        return self.split.shown.values_t

    @property
    def genes_t(self) -> Tensor:
        """(t,) their genes."""
        return self.split.shown.genes_t.long()

    @cached_property
    def read_t(self) -> Tensor:
        """(v,) where among the shown values those stand that the encoder reads."""
        return torch.searchsorted(_keys(self.split.shown), _keys(self.split.visible))

    def at(self, values_t: Tensor) -> Split:
        """The division with other values."""
        shown, visible = self.split.shown, self.split.visible
        return replace(
            self.split,
            shown=shown.with_values(values_t, shown.unit),
            visible=visible.with_values(values_t[self.read_t], visible.unit),
        )

    def answer(self, model: EncoderDecoder, values_t: Tensor, question: Question, code_n: Tensor) -> Tensor:
        """(n,) the number explained, at other values."""
        return question.of(model(self.at(values_t)).logits_nc, code_n)

    def dense(self, values_t: Tensor) -> np.ndarray:
        """(n, g) float32 of one number for each shown value; 0 elsewhere."""
        out = np.zeros((self.n, self.split.shown.n_genes), np.float32)
        out[self.split.shown.sample_t.cpu().numpy(), self.genes_t.cpu().numpy()] = (
            values_t.detach().float().cpu().numpy()
        )
        return out

    def weighed(self, factors: bool) -> np.ndarray:
        """(n, g) bool: genes that could have had a say.

        With fitted factors all that were measured. Without, those that the encoder read, and the zeros of a cell, which
        it reads by leaving them out; what a cap left out is unknown, not unimportant.
        """
        shown, visible = self.split.shown, self.split.visible
        out = np.zeros((self.n, shown.n_genes), bool)
        if shown.implicit == "zero":
            for i, panel in enumerate(shown.panels):
                out[np.ix_((shown.panel_n == i).cpu().numpy(), panel.cpu().numpy())] = True
        elif factors:
            out[shown.sample_t.cpu().numpy(), self.genes_t.cpu().numpy()] = True
        if not factors:
            if shown.implicit == "zero":
                out[shown.sample_t.cpu().numpy(), self.genes_t.cpu().numpy()] = False
            out[visible.sample_t.cpu().numpy(), visible.genes_t.long().cpu().numpy()] = True
        return out


def _keys(batch: ExpressionBatch) -> Tensor:
    return batch.sample_t * batch.n_genes + batch.genes_t.long()


def readings(run: Run, adata: AnnData) -> Iterator[tuple[np.ndarray, Reading]]:
    """A few samples at a time: their rows, and how the run reads them.

    Parameters
    ----------
    run
        The run.
    adata
        Prepared.
    """
    from exval.run import fixed_ids

    batch = run.batch(adata)
    most = run.config.infer_visible or batch.n_genes
    longest = max(int(batch.lengths_n.max()) if batch.n else 1, 1)
    if run.config.dense and batch.implicit == "zero":
        longest = max(len(panel) for panel in batch.panels)
    size = int(np.clip(TOKENS // max(min(most, longest), longest // 10, 1), 1, 64))
    for rows in np.array_split(np.arange(batch.n), max(-(-batch.n // size), 1)):
        split = run.config.show.split(fixed_ids(batch.select(rows)), Draw(0))
        yield rows, Reading(split.to(run.device))


def baseline_of(run: Run, adata: AnnData) -> tuple[Tensor, str]:
    """(g,) the values that attributions start from, and what they are in words.

    Patients: the training mean of each gene, which the run remembers (that of the file where it does not). Cells: zero
    expression.
    """
    from exval.methods.matrix import dense_values

    model = run.model
    if not run.config.dense:
        return torch.zeros(len(run.genes), device=run.device), "zero expression"
    if model.scale is not None:
        return model.scale.mean_g.detach().clone(), "the training mean of each gene"
    if model.factors is not None:
        return model.factors.mean_g.detach().clone(), "the training mean of each gene"
    x_ng = dense_values(adata, np.asarray(run.genes))
    there_g = (~np.isnan(x_ng)).sum(0)
    mean_g = np.nansum(x_ng, 0) / np.maximum(there_g, 1)
    return torch.as_tensor(mean_g, dtype=torch.float, device=run.device), "the mean of each gene in the file"
