"""Recipes: plain functions that return the whole configuration of one run. One file per published system."""

from __future__ import annotations

from exval.recipes.config import RunConfig, make_config, settings
from exval.recipes.xtrimogene import PRESETS, xtrimogene, xtrimogene_published

#: Every recipe, by name.
RECIPES = {"xtrimogene": xtrimogene, "xtrimogene-published": xtrimogene_published}

__all__ = ["PRESETS", "RECIPES", "RunConfig", "make_config", "settings"]
