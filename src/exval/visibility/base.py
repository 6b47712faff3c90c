"""What a division of a batch is, and the steps that several ways of dividing share."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from exval.data.batch import ExpressionBatch, offsets_of
from exval.data.units import BULK
from exval.errors import UnitError


@dataclass(frozen=True)
class Split:
    """One way of dividing a batch.

    Parameters
    ----------
    shown
        All pairs shown, in log1p(CP10k), log2 or z. Observed zeros of cells are not listed: they are the panel less
        ``shown`` less ``hidden``.
    hidden
        Every gene of the panel whose value is neither shown nor to be read as zero: hidden non-zeros and hidden zeros.
        Its values mean nothing.
    queries
        The pairs asked; their values are the targets.
    visible
        Those of ``shown`` that the encoder reads, one token each: all of them, or as many as a cap allows.
    unknown
        What a decoder must not read as zero: ``hidden``, and what the cap left out of ``visible``.
    depth_n2
        log10 of the total counts (target, input): the T and S scalars of scFoundation; NaN where totals are unknown.
    """

    shown: ExpressionBatch
    hidden: ExpressionBatch
    queries: ExpressionBatch
    visible: ExpressionBatch
    unknown: ExpressionBatch
    depth_n2: Tensor

    def to(self, device) -> Split:
        """Every tensor on ``device``."""
        return Split(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def totals(batch: ExpressionBatch) -> Tensor | None:
    """(n,) total counts of each sample: the file's, else the sum of what is stored; None if these are not counts."""
    if batch.unit != "counts":
        return None
    return batch.total_n if batch.total_n is not None else sums(batch, batch.values_t)


def depth(n: int, target_total_n: Tensor | None, shown_total_n: Tensor | None) -> Tensor:
    """(n, 2) log10 of the totals of target (T) and of what is shown (S); NaN where unknown or zero."""
    if target_total_n is None or shown_total_n is None:
        return torch.full((n, 2), float("nan"))
    both = torch.stack([target_total_n, shown_total_n], 1).float()
    return torch.where(both > 0, torch.log10(both.clamp(min=1e-9)), float("nan"))


def log1p_cp10k(counts_t: Tensor, sample_t: Tensor, total_n: Tensor) -> Tensor:
    """(t,) log1p of counts per 10,000 of the sample's total."""
    return torch.log1p(counts_t * (1e4 / total_n.clamp(min=1e-9))[sample_t].to(counts_t.dtype))


def to_log1p(batch: ExpressionBatch) -> ExpressionBatch:
    """The batch in log1p(CP10k); counts are scaled by the totals of the whole file where those are known."""
    if batch.unit == "log1p":
        return batch
    if batch.unit == "cp10k":
        return batch.with_values(torch.log1p(batch.values_t), "log1p")
    if batch.unit != "counts":
        raise UnitError(f"counts, CP10k or log1p(CP10k) are needed, not {batch.unit}; give --unit if it was misread")
    return batch.with_values(log1p_cp10k(batch.values_t, batch.sample_t, totals(batch)), "log1p")


def to_model_unit(batch: ExpressionBatch) -> ExpressionBatch:
    """The batch in the unit that models read: log1p(CP10k) of counts and what derives from them; log2 and z stay."""
    return batch if batch.unit in BULK else to_log1p(batch)


def merge(a: ExpressionBatch, b: ExpressionBatch) -> ExpressionBatch:
    """The pairs of both, sample by sample, ascending in gene; no pair may stand in both."""
    key = torch.cat([x.sample_t * x.n_genes + x.genes_t.long() for x in (a, b)])
    order = torch.argsort(key)
    genes = torch.cat([a.genes_t.long(), b.genes_t.long()])[order]
    values = torch.cat([a.values_t, b.values_t])[order]
    return packed(a, genes, values, a.lengths_n + b.lengths_n)


def packed(like: ExpressionBatch, genes: Tensor, values: Tensor, lengths_n: Tensor) -> ExpressionBatch:
    """Other pairs of the samples of ``like``."""
    return replace(like, genes_t=genes, values_t=values, offsets_n1=offsets_of(lengths_n))


def sums(batch: ExpressionBatch, values_t: Tensor) -> Tensor:
    """(n,) sum of a value per pair over each sample."""
    return torch.zeros(batch.n, device=values_t.device).index_add_(0, batch.sample_t, values_t)


def ranks(u_t: Tensor, batch: ExpressionBatch) -> Tensor:
    """(t,) place of each pair within its sample, from 0, by ascending ``u_t``, which lies in [0, 1)."""
    order = torch.argsort(batch.sample_t + u_t, stable=True)
    rank_t = torch.empty_like(order)
    rank_t[order] = torch.arange(len(order), device=order.device)
    return rank_t - batch.offsets_n1[:-1][batch.sample_t]


def keep_smallest(u_t: Tensor, batch: ExpressionBatch, most: int) -> Tensor:
    """(t,) true for the ``most`` pairs of each sample with the smallest ``u_t``."""
    return ranks(u_t, batch) < most
