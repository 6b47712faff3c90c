"""Masking: some non-zeros and a few zeros are hidden and asked."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from exval.data.batch import ExpressionBatch, offsets_of
from exval.rng import Draw
from exval.visibility.base import Split, depth, keep_smallest, log1p_cp10k, merge, packed, sums, to_log1p, totals


class Masking(BaseModel):
    """Hide some non-zeros and a few zeros, and ask for them.

    Source: xTrimoGene (Gong et al. 2023, NeurIPS), section 3.2. scFoundation's paper says 30 % of zeros and 30 % of
    non-zeros ("published"); its released configuration says 3 % of zeros ("released"), which keeps the two balanced.

    Parameters
    ----------
    nonzeros, zeros
        Share of the non-zero and of the zero genes of the panel that are asked.
    hide, swap
        Of the asked genes, the share that is hidden and the share that is shown with the value of another gene of the
        sample; the rest is shown as it is (0.8 / 0.1 / 0.1 as released).
    max_visible, max_queries
        Caps per sample on the tokens of the encoder and on the queries, redrawn at every step; None for no cap. What a
        cap leaves out is unknown to the attention, never zero.
    thinning
        Probability that the counts shown are a binomial thinning of the sample (read-depth-aware pretraining), with a
        rate from Beta(2, 2). Needs counts. The prior of the original is in a supplement that we could not read; this
        one is ours.
    thin_above
        Only samples with more counts than this are thinned.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from exval.rng import Draw
    >>> batch = ExpressionBatch.from_csr(sp.csr_matrix([[3., 0., 1., 0., 2., 5.]]), n_genes=6, unit="counts")
    >>> split = Masking(nonzeros=0.5, zeros=0.5).split(batch, Draw(seed=0))
    >>> asked = set(split.queries.genes_t.tolist())
    >>> shown = set(split.visible.genes_t.tolist())
    >>> asked & shown
    set()
    """

    model_config = ConfigDict(extra="forbid")
    units: ClassVar[tuple[str, ...]] = ("counts", "cp10k", "log1p")
    kind: Literal["masking"] = "masking"
    nonzeros: float = Field(0.3, ge=0, le=1)
    zeros: float = Field(0.03, ge=0, lt=1)
    hide: float = Field(1.0, ge=0, le=1)
    swap: float = Field(0.0, ge=0, le=1)
    max_visible: int | None = Field(None, ge=1)
    max_queries: int | None = Field(None, ge=1)
    thinning: float = Field(0.0, ge=0, le=1)
    thin_above: float = 1000.0

    @model_validator(mode="after")
    def _shares(self) -> Masking:
        if self.hide + self.swap > 1 + 1e-9:
            raise ValueError(f"visibility.hide + visibility.swap is {self.hide + self.swap:g}; it can be 1 at most")
        return self

    def target(self, batch: ExpressionBatch) -> ExpressionBatch:
        """The batch as its values are shown and asked."""
        return to_log1p(batch)

    def split(self, batch: ExpressionBatch, draw: Draw) -> Split:
        """Divide ``batch``; the same sample, seed and step always give the same division."""
        target, total_n = to_log1p(batch), totals(batch)
        shown_t, shown_total_n = target.values_t, total_n
        if self.thinning and total_n is not None:
            counts_t = self._thin(batch, draw)
            left_n = sums(batch, counts_t) / sums(batch, batch.values_t).clamp(min=1e-9)
            shown_total_n = total_n * left_n
            shown_t = log1p_cp10k(counts_t, batch.sample_t, shown_total_n)
        key_t = draw.key_packed(target)
        nonzero_t = shown_t != 0
        asked_t = nonzero_t & (draw.uniform("ask", key_t) < self.nonzeros)
        asked_zeros = self._ask_zeros(target, nonzero_t, draw)

        fate_t = draw.uniform("fate", key_t)
        hidden_t = asked_t & (fate_t < self.hide)
        swapped_t = asked_t & ~hidden_t & (fate_t < self.hide + self.swap)
        shown = target.with_values(shown_t, "log1p")
        nonzero = shown.keep(nonzero_t)  # thinning makes zeros, which are no values to swap in
        hidden = target.keep(hidden_t)

        zero_fate = draw.uniform("fate", draw.key_packed(asked_zeros))
        swapped = asked_zeros.keep((zero_fate >= self.hide) & (zero_fate < self.hide + self.swap))
        if len(swapped.genes_t):
            swapped = swapped.with_values(_other_values(nonzero, swapped, draw), "log1p")
            swapped = swapped.keep(swapped.values_t != 0)
        if swapped_t.any():
            shown = shown.with_values(torch.where(swapped_t, _other_values(nonzero, target, draw), shown_t), "log1p")
        shown = shown.keep(nonzero_t & ~hidden_t)
        if len(swapped.genes_t):
            shown = merge(shown, swapped)
        hidden = merge(hidden, asked_zeros.keep(zero_fate < self.hide))
        visible, unknown = shown, hidden
        if self.max_visible is not None:
            token_t = keep_smallest(draw.uniform("cap", draw.key_packed(shown)), shown, self.max_visible)
            visible, unknown = shown.keep(token_t), merge(hidden, shown.keep(~token_t))

        queries = merge(target.keep(asked_t), asked_zeros)
        if self.max_queries is not None:
            u = draw.uniform("query", draw.key_packed(queries))
            queries = queries.keep(keep_smallest(u, queries, self.max_queries))
        return Split(shown, hidden, queries, visible, unknown, depth(batch.n, total_n, shown_total_n))

    def asked_shares(self, batch: ExpressionBatch) -> tuple[Tensor, Tensor]:
        """How often :meth:`split` asks: (t,) the probability of each stored pair, (n,) that of each zero of a sample.

        A cap divides what it lets through equally. Zeros that thinning makes are not foreseen.

        Examples
        --------
        >>> import scipy.sparse as sp
        >>> batch = ExpressionBatch.from_csr(sp.csr_matrix([[3., 0., 1., 0.]]), n_genes=4, unit="counts")
        >>> [share.tolist() for share in Masking(nonzeros=0.5, zeros=0.25, max_queries=1).asked_shares(batch)]
        [[0.3333333432674408, 0.3333333432674408], [0.1666666716337204]]
        """
        stored_t = (batch.values_t != 0).float()
        stored_n = sums(batch, stored_t)
        sizes = torch.tensor([len(p) for p in batch.panels], device=stored_n.device)
        zeros = self.zeros if batch.implicit == "zero" else 0.0
        expected_n = self.nonzeros * stored_n + zeros * (sizes[batch.panel_n] - stored_n)
        most = math.inf if self.max_queries is None else self.max_queries
        let_n = (most / expected_n.clamp(min=1e-9)).clamp(max=1.0)
        return stored_t * self.nonzeros * let_n[batch.sample_t], zeros * let_n

    def _thin(self, batch: ExpressionBatch, draw: Draw) -> Tensor:
        """(t,) counts shown: those of the batch, or a binomial thinning of them."""
        values = batch.values_t.clone()
        at = batch.offsets_n1.tolist()
        own_n = sums(batch, batch.values_t).tolist()
        for i, sample in enumerate(batch.id_n.tolist()):
            generator = draw.generator("thin", sample)
            if own_n[i] > self.thin_above and generator.random() < self.thinning:
                counts = batch.values_t[at[i] : at[i + 1]].cpu().numpy().astype("int64")
                thinned = generator.binomial(counts, generator.beta(2, 2)).astype("float32")
                values[at[i] : at[i + 1]] = torch.from_numpy(thinned).to(values.device)
        return values

    def _ask_zeros(self, target: ExpressionBatch, nonzero_t: Tensor, draw: Draw) -> ExpressionBatch:
        """Asked zeros of each sample and their targets (not zero where thinning made the zero).

        Instead of a draw for each of the 20,000 genes, K genes are drawn with replacement, with K such that a gene is
        drawn at least once with probability ``zeros``: ln(1 - zeros) / ln(1 - 1 / panel).
        """
        device = target.genes_t.device
        if self.zeros == 0 or target.implicit != "zero":
            return target.keep(torch.zeros_like(nonzero_t))
        sizes = torch.tensor([len(p) for p in target.panels], device=device)
        panel_at = offsets_of(sizes)
        panels = torch.cat(target.panels)
        expected = {
            i: math.log1p(-self.zeros) / math.log1p(-1 / size) if size > 1 else self.zeros
            for i, size in enumerate(sizes.tolist())
        }
        want_n = torch.tensor([expected[i] for i in target.panel_n.tolist()], dtype=torch.double, device=device)
        draws_n = (want_n + draw.uniform("zeros", draw.key(target.id_n))).floor().long()
        sample = torch.repeat_interleave(torch.arange(target.n, device=device), draws_n)
        nth = torch.arange(len(sample), device=device) - offsets_of(draws_n)[:-1][sample]
        panel = target.panel_n[sample]
        u = draw.uniform("zero", draw.key(target.id_n[sample], nth))
        gene = panels[panel_at[panel] + (u * sizes[panel]).long()]
        key = torch.unique(sample * target.n_genes + gene)
        own_key = target.sample_t * target.n_genes + target.genes_t.long()
        place = torch.searchsorted(own_key, key).clamp(max=max(len(own_key) - 1, 0))
        if len(own_key):
            stored = own_key[place] == key
            targets = torch.where(stored, target.values_t[place], 0.0)
            is_zero = ~stored | ~nonzero_t[place]
            key, targets = key[is_zero], targets[is_zero]
        else:
            targets = torch.zeros(len(key), device=device)
        lengths_n = torch.bincount(key // target.n_genes, minlength=target.n)
        return packed(target, key % target.n_genes, targets, lengths_n)


def _other_values(source: ExpressionBatch, of: ExpressionBatch, draw: Draw) -> Tensor:
    """For each pair of ``of`` the value of a random pair of the same sample in ``source``."""
    sample = of.sample_t
    u, lengths = draw.uniform("swap", draw.key_packed(of)), source.lengths_n[sample]
    # A sample without any value has none to give: 0, never its neighbour's.
    at = torch.where(lengths > 0, source.offsets_n1[:-1][sample] + (u * lengths).long(), len(source.values_t))
    return torch.cat([source.values_t, source.values_t.new_zeros(1)])[at]
