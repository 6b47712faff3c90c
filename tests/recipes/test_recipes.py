"""Recipes, and what ``--set`` makes of them."""

from __future__ import annotations

import pytest

from exval.errors import InputError
from exval.models.encdec import EncoderDecoder
from exval.recipes import PRESETS, RECIPES, make_config, settings
from exval.recipes.config import RunConfig


@pytest.mark.parametrize(("recipe", "preset"), [(name, size) for name in RECIPES for size in PRESETS[name]])
def test_every_recipe_and_preset_is_a_valid_configuration(recipe, preset):
    config = make_config(recipe, preset)
    assert (config.recipe, config.preset) == (recipe, preset)
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(("preset", "millions"), [("3m", 3), ("10m", 10), ("100m", 100)])
def test_presets_are_as_large_as_their_names(preset, millions):
    """Vocabularies of 19,264 genes as in scFoundation; the names of the published sizes count all parameters."""
    import torch

    with torch.device("meta"):
        model = EncoderDecoder(make_config("xtrimogene-published", preset).model, 19_264)
    assert 0.75 * millions < sum(p.numel() for p in model.parameters()) / 1e6 < 1.35 * millions


def test_the_published_shape_and_masking():
    config = make_config("xtrimogene-published", "100m")
    m, v = config.model, config.visibility
    assert (m.layers, m.width, m.heads) == (12, 768, 12)
    assert (m.decoder_layers, m.decoder_width, m.decoder_heads) == (6, 512, 8)
    assert (v.nonzeros, v.zeros, v.hide, v.swap) == (0.3, 0.03, 0.8, 0.1) and v.thinning > 0
    assert m.decoder == "linear" and m.factors == 0 and m.pooling == ("S", "T", "max", "mean")
    assert m.head.options == {"gene_bias": False} and m.values.name == "auto-bins"


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("train.lr", "0.002", 0.002),
        ("train.lr", 0.002, 0.002),
        ("model.width", "32", 32),
        ("visibility.max_visible", "null", None),
        ("model.pooling", "S,T", ("S", "T")),
        ("model.pooling", "mean", ("mean",)),
        ("model.pooling", '["max"]', ("max",)),
        ("model.values.name", "bins", "bins"),
        ("model.zeros", "false", False),
        ("train.precision", "bf16", "bf16"),
        ("infer_visible", "9", 9),
    ],
)
def test_settings_are_read(path, value, read):
    node = make_config("xtrimogene", "tiny", {path: value})
    for name in path.split("."):
        node = getattr(node, name)
    assert node == read


def test_options_of_parts_can_be_added():
    config = make_config("xtrimogene", "tiny", {"model.values.options.n_bins": "20"})
    assert config.model.values.options == {"n_bins": 20}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("train.lrr", "1", "no setting is called 'train.lrr'; did you mean 'train.lr'"),
        ("trian.lr", "1", "did you mean 'train.lr'"),
        ("lr", "1", "did you mean 'train.lr'"),
        ("model.widht", "8", "did you mean 'model.width'"),
        ("visibility.nonzero", "0.2", "did you mean 'visibility.nonzeros'"),
        ("model.width.deep", "8", "no setting is called"),
        ("nonsense", "8", "known: .*train.lr"),
        ("train.lr", "fast", "train.lr = 'fast' does not fit: input should be a valid number"),
        ("train.lr", "-1", "train.lr = -1 does not fit"),
        ("train.lr", "Infinity", "train.lr = inf does not fit"),
        ("train.steps", "0", "train.steps = 0 does not fit"),
        ("train", "5", "train = 5 does not fit"),
        ("visibility.nonzeros", "1.5", "visibility.nonzeros = 1.5 does not fit"),
        ("model.decoder", "quick", "model.decoder = 'quick' does not fit: input should be 'queried' or 'linear'"),
        ("model.heads", "3", "model.width 64 does not divide by model.heads 3"),
        ("model.factors", "0", "set model.pooling=S,T,max,mean too"),
        ("visibility.swap", "0.2", r"visibility.hide \+ visibility.swap is 1.2"),
        ("format_version", "2", "format_version cannot be set"),
        ("model.n_classes", "2", "model.n_classes cannot be set"),
        ("train.seed", "2", "train.seed cannot be set"),
        ("kind", "finetune", "kind cannot be set"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(path, value, message):
    with pytest.raises(InputError, match=message) as fault:
        make_config("xtrimogene", "tiny", {path: value})
    assert "\n" not in str(fault.value) and len(str(fault.value)) < 1500


def test_unknown_recipes_and_presets():
    with pytest.raises(InputError, match="did you mean 'xtrimogene'"):
        make_config("xtrimogen", "tiny")
    with pytest.raises(InputError, match="known: tiny, 3m, 10m, 100m"):
        make_config("xtrimogene", "huge")


def test_everything_listed_can_be_set_to_what_it_is():
    config = make_config("xtrimogene", "tiny")
    rows = [row for row in settings(config) if row["name"] != "train.seed"]
    assert len(rows) > 30
    for row in rows:
        assert make_config("xtrimogene", "tiny", {row["name"]: row["value"]}) == config, row
