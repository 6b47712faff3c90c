"""GexBERT: learn patients by restoring random subsets of genes from other random subsets.

Source: Jiang and Hassanpour 2025, arXiv 2504.09704. No code, layer counts or loss were found; sizes and loss are ours.
"""

from __future__ import annotations

from typing import NamedTuple

from exval.errors import InputError
from exval.models.config import ModelConfig, Part
from exval.recipes.config import RunConfig
from exval.train.config import TrainConfig
from exval.visibility import Subset


class Size(NamedTuple):
    """Shape and training defaults of a preset."""

    width: int
    layers: int
    heads: int  # 64 wide from "small" on, as in BERT: narrower ones are slower on a CPU
    decoder_layers: int
    factors: int
    genes: int  # most tokens of the encoder, and most genes asked, of a sample per step
    batch_size: int
    lr: float
    steps: int


PRESETS = {
    "tiny": Size(64, 2, 2, 1, 160, 128, 32, 1e-3, 600),
    "small": Size(128, 4, 2, 2, 160, 512, 32, 5e-4, 3_000),
    "base": Size(256, 8, 4, 2, 200, 2048, 128, 3e-4, 50_000),
}


def gexbert(preset: str = "tiny") -> RunConfig:
    """exval's version: continuous values on a per-gene scale, and a fitted low-rank Gaussian that the network corrects.

    Untrained it answers as probabilistic PCA does for any subset of genes; what training adds is what a Gaussian cannot
    say. What differs from the publication can be set back one by one, or at once with "gexbert-published".

    Examples
    --------
    >>> gexbert("small").visibility.min_shown
    4
    """
    size = _size(preset)
    pooling = ("S", "T", "max", "mean", "factors")
    model = _model(size, "continuous", "gaussian").model_copy(
        update={"factors": size.factors, "posterior": True, "prior": True, "pooling": pooling, "readout": True}
    )
    return _config("gexbert", preset, size, model)


def gexbert_published(preset: str = "tiny") -> RunConfig:
    """As published, as far as it could be read: quantile bins in and out, no factors.

    Examples
    --------
    >>> gexbert_published().model.values.name
    'gene-bins'
    """
    size = _size(preset)
    return _config("gexbert-published", preset, size, _model(size, "gene-bins", "gene-bins"))


def _size(preset: str) -> Size:
    if preset not in PRESETS:
        raise InputError(f"no preset is called {preset!r}; known: {', '.join(PRESETS)}")
    return PRESETS[preset]


def _model(size: Size, values: str, head: str) -> ModelConfig:
    return ModelConfig(
        width=size.width,
        layers=size.layers,
        heads=size.heads,
        decoder_width=size.width,
        decoder_layers=size.decoder_layers,
        decoder_heads=size.heads,
        zeros=False,
        scale=True,
        values=Part(name=values),
        head=Part(name=head),
    )


def _config(recipe: str, preset: str, size: Size, model: ModelConfig) -> RunConfig:
    return RunConfig(
        recipe=recipe,
        preset=preset,
        dense=True,
        model=model,
        visibility=Subset(min_shown=4, max_visible=size.genes, max_queries=size.genes),
        train=TrainConfig(batch_size=size.batch_size, lr=size.lr, steps=size.steps, valid_share=0.1, valid_passes=4),
        infer_visible=size.genes,
    )
