"""Recipes: plain functions that return the whole configuration of one run. One file per published system."""

from __future__ import annotations

from exval.recipes.config import RunConfig, make_config, settings
from exval.recipes.gexbert import PRESETS as GEXBERT_SIZES
from exval.recipes.gexbert import gexbert, gexbert_published
from exval.recipes.xtrimogene import PRESETS as XTRIMOGENE_SIZES
from exval.recipes.xtrimogene import xtrimogene, xtrimogene_published

#: Every recipe, by name.
RECIPES = {
    "xtrimogene": xtrimogene,
    "xtrimogene-published": xtrimogene_published,
    "gexbert": gexbert,
    "gexbert-published": gexbert_published,
}
#: The publication of each recipe.
REFERENCES = {
    name: "Jiang and Hassanpour 2025, arXiv 2504.09704"
    if name.startswith("gexbert")
    else "Gong et al. 2023, NeurIPS; Hao et al. 2024, Nature Methods"
    for name in RECIPES
}

#: Sizes of each recipe, by name, the smallest first.
PRESETS = {name: tuple(GEXBERT_SIZES if name.startswith("gexbert") else XTRIMOGENE_SIZES) for name in RECIPES}

__all__ = ["PRESETS", "RECIPES", "REFERENCES", "RunConfig", "make_config", "settings"]
