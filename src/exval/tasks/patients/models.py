"""The models that are compared: one pretraining budget, one part swapped at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.run import Run


@dataclass(frozen=True)
class Variant:
    """A recipe with settings changed, and what is asked by it in words."""

    recipe: str = "gexbert"
    changes: dict[str, Any] = field(default_factory=dict)
    asks: str = ""


_PLAIN = {
    "model.factors": 0,
    "model.posterior": False,
    "model.prior": False,
    "model.pooling": ["S", "T", "max", "mean"],
}
VARIANTS = {
    "gexbert": Variant(asks="exval's version"),
    "gexbert-published": Variant("gexbert-published", asks="as published, as far as it could be read"),
    "values-gene-bins": Variant(changes={"model.values.name": "gene-bins"}, asks="values in as quantile bins"),
    "values-auto-bins": Variant(changes={"model.values.name": "auto-bins"}, asks="values in by auto-discretisation"),
    "head-gene-bins": Variant(changes={"model.head.name": "gene-bins"}, asks="values out as bins"),
    "shown-64": Variant(changes={"visibility.max_shown": 64}, asks="at most 64 genes shown"),
    "shown-256": Variant(changes={"visibility.max_shown": 256}, asks="at most 256 genes shown"),
    "no-factors": Variant(changes=_PLAIN, asks="continuous values, no fitted Gaussian"),
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
