"""Attention within samples of different length: one function, several paths that must give the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from exval.data.batch import pad


def loop(q_thd: Tensor, k_thd: Tensor, v_thd: Tensor, q_n1: Tensor, k_n1: Tensor) -> Tensor:
    """One SDPA call per sample: nothing is padded. The fastest path on a CPU, where kernels start at no cost."""
    # split, not slices: the gradient of a slice is a zero tensor as long as the whole batch, once for every sample.
    q_n, k_n = q_n1.diff().tolist(), k_n1.diff().tolist()
    out = []
    for q_thd_i, k_thd_i, v_thd_i in zip(q_thd.split(q_n), k_thd.split(k_n), v_thd.split(k_n)):
        q, k, v = (x.transpose(0, 1)[None] for x in (q_thd_i, k_thd_i, v_thd_i))
        if q.shape[2] == 0 or k.shape[2] == 0:
            out.append(q_thd_i * 0)
        else:
            out.append(F.scaled_dot_product_attention(q, k, v)[0].transpose(0, 1))
    return torch.cat(out) if out else q_thd


def padded(q_thd: Tensor, k_thd: Tensor, v_thd: Tensor, q_n1: Tensor, k_n1: Tensor) -> Tensor:
    """Padded to the longest sample with a mask: runs anywhere, the reference for the others."""
    k_n, q_n = k_n1.diff(), q_n1.diff()
    if len(q_n) == 0 or len(q_thd) == 0:
        return q_thd
    if len(k_thd) == 0:
        return q_thd * 0
    q, k, v = (pad(x, at, 0.0).transpose(1, 2) for x, at in ((q_thd, q_n1), (k_thd, k_n1), (v_thd, k_n1)))
    valid = torch.arange(k.shape[2], device=k.device) < k_n[:, None]
    empty = k_n == 0
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=(valid | empty[:, None])[:, None, None])
    out = out.masked_fill(empty[:, None, None, None], 0.0)
    rows = torch.arange(q.shape[2], device=q.device) < q_n[:, None]
    return out.transpose(1, 2)[rows]


def bucketed(q_thd: Tensor, k_thd: Tensor, v_thd: Tensor, q_n1: Tensor, k_n1: Tensor, size: int = 4) -> Tensor:
    """Padded within buckets of ``size`` samples of similar length: little padding, few calls."""
    order = torch.argsort(k_n1.diff() + q_n1.diff(), stable=True)
    out = torch.empty_like(q_thd)
    from exval.data.batch import ranges

    pieces, places = [], []
    for rows in order.split(size):
        (q_at, q_off), (k_at, k_off) = ranges(q_n1, rows), ranges(k_n1, rows)
        pieces.append(padded(q_thd[q_at], k_thd[k_at], v_thd[k_at], q_off, k_off))
        places.append(q_at)
    return out.index_copy(0, torch.cat(places), torch.cat(pieces)) if pieces else out


def varlen(q_thd: Tensor, k_thd: Tensor, v_thd: Tensor, q_n1: Tensor, k_n1: Tensor) -> Tensor:
    """Variable-length flash attention: CUDA, bfloat16 or half."""
    from torch.nn.attention.varlen import varlen_attn

    if len(q_thd) == 0 or len(k_thd) == 0:  # a process may get no sample of a last short batch
        return q_thd * 0

    longest = lambda at: int(at.diff().max())  # noqa: E731
    return varlen_attn(
        q_thd.contiguous(),
        k_thd.contiguous(),
        v_thd.contiguous(),
        q_n1.to(torch.int32),
        k_n1.to(torch.int32),
        longest(q_n1),
        longest(k_n1),
    )


#: Every path, by name. Contract tests hold them against each other.
PATHS: dict[str, Callable[..., Tensor]] = {"loop": loop, "padded": padded, "bucketed": bucketed, "varlen": varlen}


def available(path: str, device: torch.device | str, dtype: torch.dtype) -> bool:
    """Whether a path runs for this device and type."""
    if path == "varlen":
        return torch.device(device).type == "cuda" and dtype in (torch.float16, torch.bfloat16)
    return True


def best_path(device: torch.device | str, dtype: torch.dtype) -> str:
    """The path to take where the caller does not say."""
    if torch.device(device).type == "cpu":
        return "loop"
    return "varlen" if available("varlen", device, dtype) else "padded"


def attend(
    q_thd: Tensor, k_thd: Tensor, v_thd: Tensor, q_n1: Tensor, k_n1: Tensor | None = None, path: str | None = None
) -> Tensor:
    """Softmax attention of each sample's queries to the same sample's keys.

    Parameters
    ----------
    q_thd
        (t_q, h, d) queries, packed; ``q_n1`` their offsets.
    k_thd, v_thd
        (t_k, h, d) keys and values, packed; ``k_n1`` their offsets (default: those of the queries).
    path
        A name of :data:`PATHS`; default: the fastest that the device offers.

    Returns
    -------
    (t_q, h, d). A sample without keys gives zeros.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(5, 2, 4)
    >>> attend(x, x, x, torch.tensor([0, 2, 5])).shape
    torch.Size([5, 2, 4])
    """
    k_n1 = q_n1 if k_n1 is None else k_n1
    return PATHS[path or best_path(q_thd.device, q_thd.dtype)](q_thd, k_thd, v_thd, q_n1, k_n1)
