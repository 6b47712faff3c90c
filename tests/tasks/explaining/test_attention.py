"""Raw attention against the fast kernels, asked for one token at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exval.data.source import open_source
from exval.nn.attention import attend
from exval.rng import Draw
from exval.run import Run
from exval.tasks.explaining.attention import context_attention, gene_attention
from exval.visibility import Everything
from packs import packed, tiny_model


def by_kernel(model, split) -> torch.Tensor:
    """The same by the kernel that the model uses: with one-hot values attention returns its own weights."""
    found = []

    def watch(layer, given):
        x_td, offsets = given[0], given[1]
        q, k, _ = layer.qkv(x_td).unflatten(1, (3, layer.heads, x_td.shape[1] // layer.heads)).unbind(1)
        t = len(x_td)
        hot = torch.eye(t)[:, None].expand(t, layer.heads, t)
        weights_tt = attend(q, k, hot, offsets, path="padded").mean(1)
        parts = [weights_tt[a : a + 2, a:b].mean(0) for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist())]
        found.append(torch.cat(parts))

    hooks = [block.attention.register_forward_pre_hook(watch) for block in model.encoder]
    encoded = model.encode(split)
    for hook in hooks:
        hook.remove()
    return torch.stack(found).mean(0)[encoded.gene_t < model.n_genes]


@pytest.mark.parametrize("factors", [0, 4])
def test_it_is_what_the_kernel_computes(factors):
    model = tiny_model(factors=factors, layers=3, heads=4, pooling=("S", "T", "max", "mean"))
    split = Everything().split(packed(5, empty=(2,)), Draw(0))
    with torch.inference_mode():
        found, wanted = context_attention(model, split), by_kernel(model, split)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    total_n = torch.zeros(5).index_add(0, split.visible.sample_t, found)
    assert (total_n < 1).all() and total_n[2] == 0  # the rest goes to the context tokens
    assert all(not block.attention._forward_pre_hooks for block in model.encoder)


def test_cells_have_none_for_zeros_and_patients_are_read_up_to_the_cap(tuned_run, baron_small):
    run = Run(tuned_run)
    adata = open_source(baron_small[:6].copy()).to_adata()
    attention_ng, read_ng = gene_attention(run, adata)
    zero_ng = adata[:, run.genes].X.toarray() == 0
    assert (attention_ng[zero_ng] == 0).all() and read_ng[zero_ng].all()
    assert (attention_ng[~zero_ng & read_ng] > 0).all()
    assert (~zero_ng & read_ng).sum(1).max() <= run.config.infer_visible
    np.testing.assert_allclose(gene_attention(run, adata[2:3].copy())[0][0], attention_ng[2], atol=1e-6)
