"""The models that are compared: one pretraining budget, one part swapped at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.run import Run


WHOLE = "gexbert"
BARE = "no-gaussian"


@dataclass(frozen=True)
class Variant:
    """A recipe with settings changed, which model it is one part away from, and what is asked by it in words."""

    recipe: str = "gexbert"
    changes: dict[str, Any] = field(default_factory=dict)
    of: str = ""
    asks: str = ""


_BARE = {
    "model.factors": 0,
    "model.posterior": False,
    "model.prior": False,
    "model.pooling": ["S", "T", "max", "mean"],
}


def _swap(asks: str, **changes: Any) -> Variant:
    """One part of the bare network swapped: with the fitted Gaussian, whatever the network does hides behind it."""
    return Variant(changes={**_BARE, **changes}, of=BARE, asks=asks)


VARIANTS = {
    WHOLE: Variant(asks="exval's version"),
    "gexbert-published": Variant("gexbert-published", of=WHOLE, asks="as published, as far as it could be read"),
    BARE: Variant(changes=_BARE, of=WHOLE, asks="continuous values, no fitted Gaussian"),
    "values-gene-bins": _swap("values in as quantile bins", **{"model.values.name": "gene-bins"}),
    "values-auto-bins": _swap("values in by auto-discretisation", **{"model.values.name": "auto-bins"}),
    "head-gene-bins": _swap("values out as bins", **{"model.head.name": "gene-bins"}),
    "shown-64": _swap("at most 64 genes shown", **{"visibility.max_shown": 64}),
    "shown-256": _swap("at most 256 genes shown", **{"visibility.max_shown": 256}),
}


def pretrained(adata: AnnData, variant: str, folder: Path, *, steps: int, preset: str, seed: int) -> Run:
    """Pretrain a variant on training patients alone."""
    from exval.verbs.pretrain import pretrain

    if variant not in VARIANTS:
        raise InputError(f"no model of the benchmark is called {variant!r}; known: {', '.join(VARIANTS)}")
    chosen = VARIANTS[variant]
    unit = str(adata.uns.get("exval_unit", "log1p"))
    return pretrain(
        adata, recipe=chosen.recipe, preset=preset, out=folder, steps=steps, overrides=dict(chosen.changes), unit=unit,
        seed=seed,
    )  # fmt: skip


def stripped(adata: AnnData) -> AnnData:
    """The values alone: what a model that learns without labels may see."""
    from anndata import AnnData

    out = AnnData(adata.X.copy(), var=adata.var[[]].copy())
    out.obs_names = adata.obs_names.copy()
    out.uns = dict(adata.uns)
    return out
