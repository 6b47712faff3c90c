"""Packed samples: the one object that crosses the borders between reading, hiding, modelling and scoring."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from exval.errors import InputError


@dataclass(frozen=True)
class ExpressionBatch:
    """``n`` samples as packed (gene, value) pairs over a vocabulary of ``n_genes`` genes.

    Only non-zero values are stored where ``implicit == "zero"`` (counts and what derives from them): a gene of the
    panel that is absent is an observed zero. Where ``implicit == "missing"`` (log2, z) every measured value is stored,
    0.0 too, and an absent gene was not measured. A gene outside the sample's panel was never measured.

    Parameters
    ----------
    genes_t
        (t,) index of each value's gene in the vocabulary, ascending within a sample. Any integer type.
    values_t
        (t,) float32 values in ``unit``.
    offsets_n1
        (n + 1,) where each sample's pairs begin; the last entry is t.
    n_genes
        Size of the vocabulary.
    panels
        The distinct gene sets that were measured, each a sorted index tensor.
    panel_n
        (n,) which of ``panels`` a sample was measured with.
    unit
        "counts", "cp10k", "log1p", "log2" or "z".
    implicit
        What an absent gene of the panel means: "zero" or "missing".
    id_n
        (n,) a stable integer for each sample. It keys every random draw about that sample, so that what is hidden from
        a sample depends neither on its neighbours nor on the batch it came in.
    total_n
        (n,) total counts over all genes of the file, recognised or not; None where the values are not counts.
    obs, context
        Per-sample tensors: labels; and images, coordinates or node ids.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> x_ng = sp.csr_matrix([[0., 2., 0.], [1., 0., 5.]])
    >>> batch = ExpressionBatch.from_csr(x_ng, n_genes=3, unit="counts")
    >>> batch.genes_t.tolist(), batch.values_t.tolist(), batch.offsets_n1.tolist()
    ([1, 0, 2], [2.0, 1.0, 5.0], [0, 1, 3])
    """

    genes_t: Tensor
    values_t: Tensor
    offsets_n1: Tensor
    n_genes: int
    panels: tuple[Tensor, ...]
    panel_n: Tensor
    unit: str
    implicit: str = "zero"
    id_n: Tensor | None = None
    total_n: Tensor | None = None
    obs: dict[str, Tensor] = field(default_factory=dict)
    context: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.genes_t.shape != self.values_t.shape:
            raise ValueError(f"{len(self.genes_t)} genes for {len(self.values_t)} values: a pair was separated")
        if self.id_n is None:
            object.__setattr__(self, "id_n", torch.arange(self.n))

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.offsets_n1) - 1

    @property
    def lengths_n(self) -> Tensor:
        """(n,) number of stored pairs of each sample."""
        return self.offsets_n1.diff()

    @property
    def sample_t(self) -> Tensor:
        """(t,) which sample each pair belongs to."""
        return torch.repeat_interleave(
            torch.arange(self.n, device=self.genes_t.device), self.lengths_n, output_size=len(self.genes_t)
        )

    @classmethod
    def from_csr(
        cls, x_ng, *, n_genes: int, unit: str, columns=None, implicit: str = "zero", **rest
    ) -> ExpressionBatch:
        """Pack a scipy CSR matrix (samples x genes).

        Parameters
        ----------
        x_ng
            CSR matrix; column indices are sorted here if they are not.
        columns
            (columns of x,) vocabulary index of each column, -1 where the vocabulary lacks the gene. Default: identity.
        rest
            Further fields. ``panels`` defaults to one panel of all mapped columns.
        """
        x_ng = x_ng.tocsr()
        if columns is None:
            if not x_ng.has_sorted_indices:
                x_ng = x_ng.sorted_indices()
            if x_ng.shape[1] != n_genes:
                raise InputError(f"the matrix has {x_ng.shape[1]} columns for {n_genes} genes; say which is which")
            indices, values, offsets = x_ng.indices, x_ng.data, x_ng.indptr
            columns = np.arange(n_genes)
        else:
            columns = np.asarray(columns, dtype=np.int64)
            if len(columns) != x_ng.shape[1]:
                raise InputError(f"the mapping names {len(columns)} columns but the matrix has {x_ng.shape[1]}")
            indices = columns[x_ng.indices]
            keep = indices >= 0
            sample = np.repeat(np.arange(x_ng.shape[0]), np.diff(x_ng.indptr))[keep]
            indices, values = indices[keep], x_ng.data[keep]
            order = np.lexsort((indices, sample))
            indices, values = indices[order], values[order]
            offsets = np.concatenate([[0], np.bincount(sample, minlength=x_ng.shape[0]).cumsum()])
        if implicit == "zero" and len(values) and (zero := values == 0).any():
            sample = np.repeat(np.arange(x_ng.shape[0]), np.diff(offsets))[~zero]
            indices, values = indices[~zero], values[~zero]
            offsets = np.concatenate([[0], np.bincount(sample, minlength=x_ng.shape[0]).cumsum()])
        if "panels" not in rest:
            rest["panels"] = (torch.as_tensor(np.unique(columns[columns >= 0])),)
            rest["panel_n"] = torch.zeros(x_ng.shape[0], dtype=torch.long)
        return cls(
            genes_t=torch.as_tensor(np.ascontiguousarray(indices)),
            values_t=torch.as_tensor(np.ascontiguousarray(values, dtype=np.float32)),
            offsets_n1=torch.as_tensor(np.asarray(offsets, dtype=np.int64)),
            n_genes=n_genes,
            unit=unit,
            implicit=implicit,
            **rest,
        )

    def select(self, rows) -> ExpressionBatch:
        """The given samples, in the given order; every gene stays with its value."""
        rows = np.asarray(rows)
        rows = torch.as_tensor(np.arange(self.n)[rows if rows.size else rows.astype(int)])
        take_t, offsets_n1 = ranges(self.offsets_n1, rows)
        pick = lambda x: None if x is None else x[rows]  # noqa: E731
        return replace(
            self,
            genes_t=self.genes_t[take_t],
            values_t=self.values_t[take_t],
            offsets_n1=offsets_n1,
            panel_n=self.panel_n[rows],
            id_n=self.id_n[rows],
            total_n=pick(self.total_n),
            obs={k: v[rows] for k, v in self.obs.items()},
            context={k: v[rows] for k, v in self.context.items()},
        )

    def keep(self, mask_t: Tensor) -> ExpressionBatch:
        """The pairs where ``mask_t`` is true; samples stay, with fewer pairs."""
        kept_n = torch.zeros(self.n, dtype=torch.long).index_add_(0, self.sample_t, mask_t.long())
        return replace(
            self, genes_t=self.genes_t[mask_t], values_t=self.values_t[mask_t], offsets_n1=offsets_of(kept_n)
        )

    def with_values(self, values_t: Tensor, unit: str) -> ExpressionBatch:
        """The same pairs with other values, e.g. after a conversion of units."""
        return replace(self, values_t=values_t, unit=unit)

    def explicit(self) -> ExpressionBatch:
        """The same samples with every measured zero stored: an absent gene is then one that was not measured.

        Examples
        --------
        >>> import scipy.sparse as sp
        >>> batch = ExpressionBatch.from_csr(sp.csr_matrix([[0., 2., 0.]]), n_genes=3, unit="log1p").explicit()
        >>> batch.genes_t.tolist(), batch.values_t.tolist(), batch.implicit
        ([0, 1, 2], [0.0, 2.0, 0.0], 'missing')
        """
        if self.implicit == "missing":
            return self
        sizes_m = torch.tensor([len(p) for p in self.panels], device=self.offsets_n1.device)
        offsets_n1 = offsets_of(sizes_m[self.panel_n])
        take, _ = ranges(offsets_of(sizes_m), self.panel_n)
        genes_t = torch.cat([p.long() for p in self.panels])[take]
        sample_t = torch.repeat_interleave(torch.arange(self.n, device=genes_t.device), offsets_n1.diff())
        values_t = torch.zeros(len(genes_t), device=genes_t.device)
        at = torch.searchsorted(sample_t * self.n_genes + genes_t, self.sample_t * self.n_genes + self.genes_t.long())
        values_t[at] = self.values_t
        return replace(self, genes_t=genes_t, values_t=values_t, offsets_n1=offsets_n1, implicit="missing")

    def dense(self, fill: float | None = None) -> Tensor:
        """(n, n_genes) values; absent genes are 0 where ``implicit`` is zero, else NaN, or ``fill``."""
        if fill is None:
            fill = 0.0 if self.implicit == "zero" else float("nan")
        x_ng = torch.full((self.n, self.n_genes), fill, dtype=self.values_t.dtype, device=self.values_t.device)
        x_ng[self.sample_t, self.genes_t.long()] = self.values_t
        return x_ng

    def padded(self, pad_gene: int = -1, pad_value: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
        """(n, longest) genes, values and a mask that is true where a pair stands."""
        return (
            pad(self.genes_t.long(), self.offsets_n1, pad_gene),
            pad(self.values_t, self.offsets_n1, pad_value),
            pad(torch.ones_like(self.values_t, dtype=torch.bool), self.offsets_n1, False),
        )

    def to(self, device) -> ExpressionBatch:
        """Every tensor on ``device``."""
        move = lambda x: x.to(device, non_blocking=True) if isinstance(x, Tensor) else x  # noqa: E731
        return replace(
            self,
            **{k: move(getattr(self, k)) for k in ("genes_t", "values_t", "offsets_n1", "panel_n", "id_n", "total_n")},
            panels=tuple(move(p) for p in self.panels),
            obs={k: move(v) for k, v in self.obs.items()},
            context={k: move(v) for k, v in self.context.items()},
        )

    @classmethod
    def cat(cls, batches: list[ExpressionBatch]) -> ExpressionBatch:
        """One batch of all samples; vocabulary, unit and panels must be the same objects or equal."""
        first = batches[0]
        for other in batches[1:]:
            if (other.n_genes, other.unit, other.implicit) != (first.n_genes, first.unit, first.implicit):
                raise ValueError("batches of different vocabularies or units cannot be joined")
        panels: list[Tensor] = []
        panel_n = []
        for batch in batches:
            where = []
            for panel in batch.panels:
                match = next((i for i, p in enumerate(panels) if torch.equal(p, panel)), None)
                if match is None:
                    match = len(panels)
                    panels.append(panel)
                where.append(match)
            panel_n.append(torch.tensor(where)[batch.panel_n])
        join = lambda get: None if get(first) is None else torch.cat([get(b) for b in batches])  # noqa: E731
        return replace(
            first,
            genes_t=join(lambda b: b.genes_t),
            values_t=join(lambda b: b.values_t),
            offsets_n1=offsets_of(torch.cat([b.lengths_n for b in batches])),
            panels=tuple(panels),
            panel_n=torch.cat(panel_n),
            id_n=join(lambda b: b.id_n),
            total_n=join(lambda b: b.total_n),
            obs={k: torch.cat([b.obs[k] for b in batches]) for k in first.obs},
            context={k: torch.cat([b.context[k] for b in batches]) for k in first.context},
        )


def offsets_of(lengths_n: Tensor) -> Tensor:
    """(n + 1,) offsets from (n,) lengths.

    >>> offsets_of(torch.tensor([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    return torch.cat([lengths_n.new_zeros(1), lengths_n.cumsum(0)])


def ranges(offsets_n1: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the pairs of ``rows`` and the offsets of the samples so taken."""
    lengths = offsets_n1.diff()[rows]
    out_n1 = offsets_of(lengths)
    shift = torch.repeat_interleave(offsets_n1[rows] - out_n1[:-1], lengths)
    return torch.arange(int(out_n1[-1]), device=shift.device) + shift, out_n1


def pad(x_t: Tensor, offsets_n1: Tensor, value) -> Tensor:
    """(n, longest, ...) from packed (t, ...), filled with ``value``."""
    lengths_n = offsets_n1.diff()
    n, longest = len(lengths_n), int(lengths_n.max()) if len(lengths_n) else 0
    out = x_t.new_full((n, longest, *x_t.shape[1:]), value)
    mask = torch.arange(longest, device=x_t.device) < lengths_n[:, None]
    out[mask] = x_t
    return out
