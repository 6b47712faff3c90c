"""Small random batches and models, and the hypothesis strategies that draw them."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st

from exval.data.batch import ExpressionBatch, offsets_of
from exval.models.config import ModelConfig
from exval.models.encdec import EncoderDecoder

settings.register_profile("calm", deadline=None)  # first calls are slow, and so is a busy machine
settings.load_profile("calm")


def packed(
    n: int = 5,
    g: int = 24,
    *,
    density: float = 0.4,
    seed: int = 0,
    unit: str = "counts",
    n_panels: int = 1,
    empty: tuple[int, ...] = (),
) -> ExpressionBatch:
    """Random samples; with more than one panel every sample in turn is measured with another one."""
    rng = np.random.default_rng(seed)
    whole = np.arange(g)
    panels = [whole] + [np.sort(rng.choice(g, max(g * 2 // 3, 1), replace=False)) for _ in range(n_panels - 1)]
    panel_n = np.arange(n) % n_panels
    genes, values = [], []
    for i in range(n):
        panel = panels[panel_n[i]]
        own = panel[:0] if i in empty else panel[rng.random(len(panel)) < density]
        genes.append(own)
        counts = 1.0 + rng.poisson(3.0, len(own))
        values.append(counts if unit == "counts" else np.log1p(counts))
    return ExpressionBatch(
        genes_t=torch.as_tensor(np.concatenate(genes)),
        values_t=torch.as_tensor(np.concatenate(values), dtype=torch.float),
        offsets_n1=offsets_of(torch.tensor([len(x) for x in genes])),
        n_genes=g,
        panels=tuple(torch.as_tensor(p) for p in panels),
        panel_n=torch.as_tensor(panel_n),
        unit=unit,
        id_n=torch.as_tensor(rng.integers(0, 2**62, n)),
        obs={"label": torch.as_tensor(rng.integers(0, 3, n))},
    )


@st.composite
def batches(draw, *, unit: str = "counts", most: int = 6) -> ExpressionBatch:
    """Batches of any shape: one sample, one gene, samples without values, several panels."""
    n = draw(st.integers(1, most))
    return packed(
        n,
        draw(st.integers(1, 30)),
        density=draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        seed=draw(st.integers(0, 10**6)),
        unit=unit,
        n_panels=draw(st.integers(1, 3)),
        empty=tuple(draw(st.sets(st.integers(0, n - 1), max_size=2))),
    )


def tiny_model(g: int = 24, *, seed: int = 0, fitted: bool = True, **changes) -> EncoderDecoder:
    """A model of width 8 in evaluation mode; with ``factors`` its components are random but orthonormal."""
    torch.manual_seed(seed)
    sizes = {"width": 8, "decoder_width": 12, "decoder_heads": 3}
    model = EncoderDecoder(ModelConfig(**{**sizes, **changes}), g)
    for name, parameter in model.named_parameters():  # trained weights are not as small as those of a new model
        if "genes" in name or "special" in name or "table" in name:
            torch.nn.init.normal_(parameter)
    if model.factors is not None and fitted:
        rank = min(model.factors.rank, g)
        model.factors.loadings_gr[:, :rank] = torch.linalg.qr(torch.randn(g, g))[0][:, :rank]
        model.factors.mean_g.copy_(torch.rand(g))
    return model.eval()


def pairs(batch: ExpressionBatch) -> list[dict[int, float]]:
    """For each sample its genes with their values."""
    at = batch.offsets_n1.tolist()
    genes, values = batch.genes_t.tolist(), batch.values_t.tolist()
    return [dict(zip(genes[a:b], values[a:b])) for a, b in zip(at, at[1:])]
