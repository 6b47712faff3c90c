"""Lists are what the registries hold, and strict JSON."""

from __future__ import annotations

import json

from exval.cli.app import main
from exval.methods.base import METHODS


def test_every_method_is_listed(capsys):
    assert main(["methods", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(METHODS)
    assert all(row["summary"] and row["verbs"] for row in rows)
    assert main(["methods"]) == 0
    text = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in text] == list(METHODS)


def test_recipes_and_their_settings(capsys):
    assert main(["recipes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert "xtrimogene" in [row["name"] for row in rows] and all(row["summary"] for row in rows)
    for row in rows:
        for preset in row["presets"]:
            assert main(["recipes", row["name"], "--preset", preset, "--json"]) == 0
            settings = {one["name"]: one["value"] for one in json.loads(capsys.readouterr().out)}
            assert settings["train.lr"] > 0
    assert main(["recipes", "xtrimogene"]) == 0
    assert "model.width" in capsys.readouterr().out
