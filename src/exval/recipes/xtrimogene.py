"""xTrimoGene / scFoundation: learn cells from hidden values of single genes.

Source: Gong et al. 2023, NeurIPS (xTrimoGene); Hao et al. 2024, Nature Methods (scFoundation). Of the sizes only "100m"
is published (encoder 12 x 768 with 12 heads, decoder 6 x 512 with 8); the others keep its ratio of two encoder layers
to one of the decoder and are ours.
"""

from __future__ import annotations

from typing import NamedTuple

from exval.errors import InputError
from exval.models.config import ModelConfig, Part
from exval.recipes.config import RunConfig
from exval.train.config import TrainConfig
from exval.visibility import Masking


class Size(NamedTuple):
    """Shape and training defaults of a preset."""

    width: int
    layers: int
    heads: int
    decoder_width: int
    decoder_layers: int
    decoder_heads: int
    factors: int
    tokens: int | None  # most tokens of the encoder and most queries of a sample per step
    batch_size: int
    lr: float
    steps: int


PRESETS = {
    "tiny": Size(64, 2, 2, 64, 1, 2, 32, 256, 32, 2e-3, 300),
    "3m": Size(96, 6, 4, 96, 3, 4, 64, 1024, 64, 1e-3, 5_000),
    "10m": Size(256, 6, 8, 192, 3, 6, 64, 2048, 128, 5e-4, 20_000),
    "100m": Size(768, 12, 12, 512, 6, 8, 128, None, 128, 1e-4, 100_000),
}


def xtrimogene(preset: str = "tiny") -> RunConfig:
    """exval's version: queried decoder that attends to zeros, factors, a readout of the sample embedding, gene means as
    the head's start.

    Masking as released (30 % of the non-zeros, 3 % of the zeros), all of it hidden; what differs from the publication
    can be set back one by one, or all at once with the recipe "xtrimogene-published".

    Examples
    --------
    >>> xtrimogene("100m").model.layers
    12
    """
    size = _size(preset)
    return RunConfig(
        recipe="xtrimogene",
        preset=preset,
        model=_model(size).model_copy(
            update={"factors": size.factors, "pooling": ("S", "T", "max", "mean", "factors"), "readout": True}
        ),
        visibility=Masking(nonzeros=0.3, zeros=0.03, max_visible=size.tokens, max_queries=size.tokens),
        train=TrainConfig(batch_size=size.batch_size, lr=size.lr, steps=size.steps),
        infer_visible=size.tokens,
    )


def xtrimogene_published(preset: str = "tiny") -> RunConfig:
    """As released: every gene decoded by linear attention, 80/10/10 replacement, read-depth-aware thinning.

    ``--set visibility.zeros=0.3`` gives the masking that the paper describes.

    Examples
    --------
    >>> xtrimogene_published("tiny").model.decoder
    'linear'
    """
    size = _size(preset)
    return RunConfig(
        recipe="xtrimogene-published",
        preset=preset,
        model=_model(size).model_copy(
            update={"decoder": "linear", "head": Part(name="scalar", options={"gene_bias": False})}
        ),
        visibility=Masking(nonzeros=0.3, zeros=0.03, hide=0.8, swap=0.1, thinning=0.5),
        train=TrainConfig(batch_size=size.batch_size, micro_batch=8, lr=size.lr, steps=size.steps, weight_decay=0.0),
    )


def _size(preset: str) -> Size:
    if preset not in PRESETS:
        raise InputError(f"no preset is called {preset!r}; known: {', '.join(PRESETS)}")
    return PRESETS[preset]


def _model(size: Size) -> ModelConfig:
    return ModelConfig(
        width=size.width,
        layers=size.layers,
        heads=size.heads,
        decoder_width=size.decoder_width,
        decoder_layers=size.decoder_layers,
        decoder_heads=size.decoder_heads,
        zero_width=max(16, size.decoder_width // 4),
    )
