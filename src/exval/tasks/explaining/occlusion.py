"""Occlusion: for encoders that put a value into a hard bin, through which no gradient passes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from exval.progress import Progress
from exval.tasks.explaining.gradients import Attributions
from exval.tasks.explaining.reading import TOKENS, readings
from exval.visibility import Split, merge

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.data.batch import ExpressionBatch
    from exval.encoders.base import ValueEncoder
    from exval.models.encdec import EncoderDecoder
    from exval.run import Run
    from exval.tasks.explaining.question import Question


def passes_gradient(encoder: ValueEncoder) -> bool:
    """Whether a value encoder is differentiable in the value: hard bins are not.

    Examples
    --------
    >>> from exval.encoders import ENCODERS
    >>> {name: passes_gradient(ENCODERS[name](4)) for name in ("auto-bins", "bins", "continuous")}
    {'auto-bins': True, 'bins': False, 'continuous': True}
    """
    weight = next(encoder.parameters())
    values_t = torch.tensor([0.5, 1.5], device=weight.device, requires_grad=True)
    genes_t = torch.zeros(2, dtype=torch.long, device=weight.device)
    with torch.enable_grad():
        out_td = encoder.encode_pairs(values_t, genes_t)
        if not out_td.requires_grad:
            return False
        (slope_t,) = torch.autograd.grad(out_td.sum(), values_t, allow_unused=True)
    return slope_t is not None


def occlude(
    run: Run,
    model: EncoderDecoder,
    adata: AnnData,
    code_n: np.ndarray,
    question: Question,
    *,
    passes: int = 64,
    seed: int = 0,
    description: str = "Occlusion",
) -> Attributions:
    """How much the answer changes when a gene is not measured, averaged over random blocks.

    The values shown of a sample are dealt at random into at most ``passes`` blocks. Each block in turn is taken away:
    those genes count as not measured, and no other gene is read instead. A gene is given its block's change divided by
    the size of the block: alone it is the plain occlusion (Zeiler and Fergus 2014, ECCV), in a block the expectation
    over its companions, whose part averages out over samples.

    Parameters
    ----------
    run, model, adata, code_n, question
        As for :func:`exval.tasks.explaining.gradients.attribute`.
    passes
        Blocks, and so forward passes, of a sample.
    seed
        Of the blocks.
    description
        What the progress bar says.

    Returns
    -------
    Attributions
        Positive where the gene raises the answer. They promise no sum: ``gap_n`` is NaN.
    """
    n, g = adata.n_obs, len(run.genes)
    values_ng, weighed_ng = np.zeros((n, g), np.float32), np.zeros((n, g), bool)
    factors = model.factors is not None
    with Progress(description, n) as progress, torch.inference_mode():
        for rows, reading in readings(run, adata):
            weighed_ng[rows] = reading.weighed(factors)
            code = torch.as_tensor(code_n[rows], device=run.device)
            whole_n = reading.answer(model, reading.values_t, question, code)
            for i, row in enumerate(rows):
                one = _repeated(reading.split, i, 1)
                touched = one.shown if factors else one.visible
                genes = touched.genes_t.long().cpu().numpy()
                if not len(genes):
                    continue
                rng = np.random.default_rng([seed, int(row), 57])
                blocks = np.array_split(rng.permutation(genes), min(passes, len(genes)))
                block_g = np.full(g, -1)
                for b, members in enumerate(blocks):
                    block_g[members] = b
                size = max(1, TOKENS // max(len(one.visible.genes_t) + len(one.shown.genes_t) // 10, 1))
                for part in np.array_split(np.arange(len(blocks)), -(-len(blocks) // size)):
                    split = _without(_repeated(reading.split, i, len(part)), torch.as_tensor(block_g), part)
                    left_b = question.of(model(split.to(run.device)).logits_nc, code[i].expand(len(part)))
                    change_b = (whole_n[i] - left_b).cpu().numpy()
                    for b, change in zip(part, change_b):
                        values_ng[row, blocks[b]] = change / len(blocks[b])
                progress.advance()
    return Attributions(values_ng, weighed_ng, np.full(n, np.nan))


def _repeated(split: Split, i: int, times: int) -> Split:
    """One sample several times, on the CPU."""
    split, rows = split.to("cpu"), np.full(times, i)
    parts = {f.name: getattr(split, f.name) for f in fields(split)}
    return Split(**{k: v[rows] if k == "depth_n2" else v.select(rows) for k, v in parts.items()})


def _without(split: Split, block_g: torch.Tensor, part: np.ndarray) -> Split:
    """Copy b of the sample without its b-th block: not shown, not read, not zero."""
    part_b = torch.as_tensor(part)

    def gone(batch: ExpressionBatch) -> torch.Tensor:
        return block_g[batch.genes_t.long()] == part_b[batch.sample_t]

    lost = split.shown.keep(gone(split.shown))
    return replace(
        split,
        shown=split.shown.keep(~gone(split.shown)),
        hidden=merge(split.hidden, lost),
        visible=split.visible.keep(~gone(split.visible)),
        unknown=merge(split.unknown.keep(~gone(split.unknown)), lost),
    )
