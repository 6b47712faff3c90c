"""Attention whose cost grows linearly with the number of tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def orthogonal_features(n_features: int, head_width: int, seed: int) -> Tensor:
    """(m, d) random directions, orthogonal in blocks of d, with Gaussian lengths (Choromanski et al. 2021, ICLR)."""
    generator = torch.Generator().manual_seed(seed)
    blocks = []
    for _ in range(math.ceil(n_features / head_width)):
        q, r = torch.linalg.qr(torch.randn(head_width, head_width, generator=generator))
        # Without the signs of R the rows are no uniform directions (Mezzadri 2007), and the kernel is biased.
        blocks.append((q * r.diagonal().sign()).T)
    directions = torch.cat(blocks)[:n_features]
    lengths = torch.randn(n_features, head_width, generator=generator).norm(dim=1)
    return directions * lengths[:, None]


class Performer(nn.Module):
    """Self-attention over full-length samples with positive random features of the softmax kernel (FAVOR+).

    Source: Choromanski et al. 2021, ICLR, section 2.3; as in the decoder of the released scFoundation code, the number
    of features is int(d_head ln d_head).

    Parameters
    ----------
    width, heads
        d and h; the width of a head is d / h.
    seed
        Of the random features, which are part of the saved state.

    Shapes
    ------
    x_nld (n, length, d), optional valid_nl (n, length) -> (n, length, d).
    """

    #: Added to every feature, as released. Most features of a key are far below the largest one, so it draws the
    #: weights towards equal ones and bounds how near to softmax many features come.
    floor = 1e-4

    def __init__(self, width: int, heads: int, seed: int = 0) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        m = max(int(self.head_width * math.log(self.head_width)), 1)
        self.register_buffer("directions_md", orthogonal_features(m, self.head_width, seed))

    def features(self, x: Tensor, is_query: bool, valid_nl: Tensor | None = None) -> Tensor:
        """Positive features; the shift that keeps exp in range cancels in the quotient. What is not valid has no part
        in it."""
        x = x * self.head_width**-0.25
        half = x.square().sum(-1, keepdim=True) / 2
        if valid_nl is not None:
            half = half.masked_fill(~valid_nl[:, None, :, None], torch.inf)
        projected = x @ self.directions_md.T.to(x.dtype) - half
        shift = projected.amax(dim=-1 if is_query else (-1, -2), keepdim=True).detach()
        return torch.exp(projected - shift) + self.floor

    def forward(self, x_nld: Tensor, valid_nl: Tensor | None = None) -> Tensor:
        n, length, _ = x_nld.shape
        q, k, v = self.qkv(x_nld).view(n, length, 3, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        q, k = self.features(q, True), self.features(k, False, valid_nl)
        if valid_nl is not None:
            k = k * valid_nl[:, None, :, None]
        context = k.transpose(-1, -2) @ v
        total = k.sum(-2)
        out = (q @ context) / (q @ total[..., None])
        return self.out(out.transpose(1, 2).reshape(x_nld.shape))


class PerformerBlock(nn.Module):
    """Pre-norm block around :class:`Performer`."""

    def __init__(self, width: int, heads: int, seed: int = 0) -> None:
        super().__init__()
        from exval.nn.blocks import FeedForward

        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Performer(width, heads, seed)
        self.feed = FeedForward(width)

    def forward(self, x_nld: Tensor, valid_nl: Tensor | None = None) -> Tensor:
        x_nld = x_nld + self.attention(self.norm1(x_nld), valid_nl)
        return x_nld + self.feed(self.norm2(x_nld))


class ZeroAttention(nn.Module):
    r"""Queries attend to all observed zeros of their sample, at the cost of the non-zeros.

    A zero token is the same in every sample: gene vector plus the zero vector. In linear attention a sample needs only
    the sum over its zero tokens, which is the sum over its panel minus the terms of the genes that are not zero:

    .. math::
        S_{zeros} = \sum_{g \in panel} \phi(k_g) v_g^\top - \sum_{g \in nonzero \cup hidden} \phi(k_g) v_g^\top

    The first sum is shared by all samples of a panel. The identity is exact; the kernel is
    :math:`\phi(x) = \mathrm{elu}(x) + 1` (Katharopoulos et al. 2020, ICML).

    Parameters
    ----------
    width
        Of the queries.
    token_width
        Width of the zero tokens.
    inner, heads
        Width of keys and values over all heads, and number of heads. Every non-zero of a sample costs a gather of
        twice the width, so it is narrow.
    """

    def __init__(self, width: int, token_width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads, self.inner = heads, inner
        self.q = nn.Linear(width, inner)
        self.kv = nn.Linear(token_width, 2 * inner)
        self.out = nn.Linear(inner, width)

    @staticmethod
    def features(x: Tensor) -> Tensor:
        return nn.functional.elu(x) + 1

    def forward(
        self,
        x_qd: Tensor,
        q_n1: Tensor,
        zero_gd: Tensor,
        panels: tuple[Tensor, ...],
        panel_n: Tensor,
        absent_t: Tensor,
        absent_n1: Tensor,
    ) -> Tensor:
        """Attend.

        Parameters
        ----------
        x_qd, q_n1
            Queries and their offsets.
        zero_gd
            (G, token width) the zero token of every gene of the vocabulary.
        panels, panel_n
            Measured genes, and which panel each sample has.
        absent_t, absent_n1
            Genes of the panel that are *not* observed zeros of the sample: its non-zeros and the hidden ones.
        """
        # A small difference of large sums: bfloat16 would leave little of it.
        q_qd, kv_ge = self.q(x_qd), self.kv(zero_gd)
        with torch.autocast(x_qd.device.type, enabled=False):
            out_qd = self._attend(q_qd.float(), q_n1, kv_ge.float(), panels, panel_n, absent_t, absent_n1)
        return self.out(out_qd)

    def _attend(self, q_qd, q_n1, kv_ge, panels, panel_n, absent_t, absent_n1) -> Tensor:
        """(q, d) what the queries gather, in float32."""
        heads, d_head = self.heads, self.inner // self.heads
        k_gd, v_gd = kv_ge.chunk(2, dim=1)
        kv_ge = torch.cat([self.features(k_gd), v_gd], dim=1)
        split = lambda x: x.view(len(x), 2, heads, d_head).permute(1, 2, 0, 3)  # noqa: E731  (k and v, h, tokens, d)
        panel_sums = []
        for panel in panels:
            k, v = split(kv_ge if len(panel) == len(kv_ge) else kv_ge.index_select(0, panel))
            panel_sums.append((k.transpose(1, 2) @ v, k.sum(1)))
        q_qhd = self.features(q_qd).view(len(q_qd), heads, d_head)
        floor = 1e-3 * kv_ge[:, : k_gd.shape[1]].detach().mean()
        out = []
        # One gather and one split for all samples: one for each would fill whole tables of zeros in the backward pass.
        own = kv_ge.index_select(0, absent_t).split(absent_n1.diff().tolist())
        for own_ae, q_i, which in zip(own, q_qhd.split(q_n1.diff().tolist()), panel_n.tolist()):
            k, v = split(own_ae)
            context, total = panel_sums[which]
            q = q_i.transpose(0, 1)
            weight = q @ (total - k.sum(1))[..., None]
            # Without any zero only rounding is left, which the floor turns into nothing.
            out.append((q @ (context - k.transpose(1, 2) @ v) / weight.clamp(min=floor)).transpose(0, 1).flatten(1))
        return torch.cat(out) if out else q_qd
