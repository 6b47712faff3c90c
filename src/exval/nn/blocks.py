"""Transformer blocks on packed tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exval.nn.attention import attend


class FeedForward(nn.Sequential):
    """Linear, GELU, linear; four times as wide inside."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout))


class SelfAttention(nn.Module):
    """Softmax attention among the tokens of a sample: x_td, offsets -> (t, d)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x_td: Tensor, offsets_n1: Tensor, path: str | None = None) -> Tensor:
        q, k, v = self.qkv(x_td).unflatten(1, (3, self.heads, x_td.shape[1] // self.heads)).unbind(1)
        return self.out(attend(q, k, v, offsets_n1, path=path).reshape(x_td.shape))


class CrossAttention(nn.Module):
    """Queries of width ``width`` attend to tokens of width ``context_width`` of the same sample."""

    def __init__(self, width: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(context_width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x_qd, q_n1, context_td, context_n1, path: str | None = None) -> Tensor:
        d_head = x_qd.shape[1] // self.heads
        q = self.q(x_qd).unflatten(1, (self.heads, d_head))
        k, v = self.kv(context_td).unflatten(1, (2, self.heads, d_head)).unbind(1)
        return self.out(attend(q, k, v, q_n1, context_n1, path=path).reshape(x_qd.shape))


class EncoderBlock(nn.Module):
    """Pre-norm: attention, then feed-forward. (The released scFoundation encoder is post-norm; pre-norm trains without
    the long warm-up.)"""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.feed = FeedForward(width, dropout)

    def forward(self, x_td: Tensor, offsets_n1: Tensor, path: str | None = None) -> Tensor:
        x_td = x_td + self.attention(self.norm1(x_td), offsets_n1, path)
        return x_td + self.feed(self.norm2(x_td))


class LabelHead(nn.Module):
    """Class logits from a sample embedding.

    With factors there are two branches that are added: one reads the factors, the other the encoder's parts and starts
    at zero. A few hundred labelled cells teach the first within a hundred steps; the second corrects it where there
    are enough. One branch on both learned more slowly than the factors alone.

    Parameters
    ----------
    widths
        Width of each part of the embedding, by name and in order ("S", "T", "max", "mean", "factors").
    corrects
        Its logits are added to others that are right already: all of it starts at zero.
    """

    def __init__(
        self, widths: dict[str, int], n_classes: int, hidden: int = 256, dropout: float = 0.1, corrects: bool = False
    ) -> None:
        super().__init__()
        names = [name for name, width in widths.items() for _ in range(width)]
        is_factor = torch.tensor([name == "factors" for name in names])
        self.register_buffer("is_factor", is_factor, persistent=False)

        def branch(width: int) -> nn.Sequential:
            return nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, hidden),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, n_classes),
            )

        n_factors = int(is_factor.sum())
        self.factors = branch(n_factors) if n_factors else None
        self.encoder = branch(len(names) - n_factors) if n_factors < len(names) else None
        late = [self.encoder] if self.factors is not None and self.encoder is not None else []
        if corrects:
            late = [branch for branch in (self.factors, self.encoder) if branch is not None]
        for branch in late:
            nn.init.zeros_(branch[-1].weight)
            nn.init.zeros_(branch[-1].bias)

    def forward(self, h_nd: Tensor) -> Tensor:
        parts = []
        if self.factors is not None:
            parts.append(self.factors(h_nd[:, self.is_factor]))
        if self.encoder is not None:
            parts.append(self.encoder(h_nd[:, ~self.is_factor]))
        return sum(parts)


def segment_mean(x_td: Tensor, sample_t: Tensor, n: int) -> Tensor:
    """(n, d) mean over each sample's tokens; zeros for a sample without any."""
    total_nd = x_td.new_zeros(n, x_td.shape[1]).index_add_(0, sample_t, x_td)
    return total_nd / torch.bincount(sample_t, minlength=n).clamp(min=1)[:, None].to(x_td.dtype)


def segment_max(x_td: Tensor, sample_t: Tensor, n: int) -> Tensor:
    """(n, d) largest entry over each sample's tokens; zeros for a sample without any."""
    low = torch.finfo(x_td.dtype).min
    out = x_td.new_full((n, x_td.shape[1]), low).scatter_reduce(
        0, sample_t[:, None].expand_as(x_td), x_td, "amax", include_self=True
    )
    return torch.where(out == low, F.relu(out), out)
