"""Raw attention, as papers read it: how much the tokens of the whole sample look at each gene."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from exval.progress import Progress
from exval.tasks.explaining.reading import readings

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.models.encdec import EncoderDecoder
    from exval.run import Run
    from exval.visibility import Split

CONTEXT = 2  # T and S stand first among the tokens of a sample


def gene_attention(run: Run, adata: AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Attention from the context tokens of every sample to its genes.

    Attention weights are not kept by the model, whose fast kernels never form them: they are computed here once more
    from the queries and keys of every layer. Attention is not the reason of an answer (Jain and Wallace 2019, NAACL);
    it stands beside the attributions because published work reads it so (Jiang and Hassanpour 2025, arXiv 2504.09704).

    Parameters
    ----------
    run
        The run.
    adata
        Prepared.

    Returns
    -------
    attention_ng, read_ng
        (n, g) float32 weights averaged over the tokens T and S, over heads and layers, and (n, g) bool whether the
        gene was read; the zeros of a cell, for which there is no token, get 0.
    """
    n, g = adata.n_obs, len(run.genes)
    attention_ng, read_ng = np.zeros((n, g), np.float32), np.zeros((n, g), bool)
    with Progress("Attention", n) as progress, torch.inference_mode():
        for rows, reading in readings(run, adata):
            weight_t = context_attention(run.model, reading.split)
            spread_t = torch.zeros_like(reading.values_t).index_copy(0, reading.read_t, weight_t)
            attention_ng[rows] = reading.dense(spread_t)
            read_ng[rows] = reading.weighed(factors=False)
            progress.advance(len(rows))
    return attention_ng, read_ng


def context_attention(model: EncoderDecoder, split: Split) -> Tensor:
    """(v,) attention from T and S to each pair that the encoder reads: the mean over both, heads and layers."""
    with _watched(model) as seen:
        encoded = model.encode(split)
    is_gene_t = encoded.gene_t < model.n_genes
    return torch.stack(seen).mean(0)[is_gene_t]


@contextmanager
def _watched(model: EncoderDecoder) -> Iterator[list[Tensor]]:
    """Inside, every layer of the encoder leaves the attention of the context tokens behind, (t,) over all tokens."""
    seen: list[Tensor] = []

    def watch(layer: nn.Module, given: tuple) -> None:
        x_td, offsets_n1 = given[0], given[1]
        lengths = offsets_n1.diff().tolist()
        query, key, _ = layer.qkv(x_td).unflatten(1, (3, layer.heads, x_td.shape[1] // layer.heads)).unbind(1)
        parts = []
        for q_thd, k_thd in zip(query.split(lengths), key.split(lengths)):
            logits_hct = torch.einsum("chd,thd->hct", q_thd[:CONTEXT], k_thd) / k_thd.shape[2] ** 0.5
            parts.append(torch.softmax(logits_hct.float(), dim=2).mean((0, 1)))
        seen.append(torch.cat(parts))

    hooks = [block.attention.register_forward_pre_hook(watch) for block in model.encoder]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
