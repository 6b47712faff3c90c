"""The result folder comes back as it was written, or says what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exval import __version__
from exval.bench.cost import Cost
from exval.bench.results import COLUMNS, Results, config_hash, make_rows, plain
from exval.errors import InputError

ROWS = [
    {"method": "pca", "metric": "macro_f1", "value": 0.9, "lo": 0.8, "hi": 0.95, "n": 10},
    {"method": "logreg", "metric": "macro_f1", "value": 0.95},
    {"method": "pca", "metric": "macro_f1", "value": 0.5, "fold": 0},
]


def made() -> Results:
    predictions = pd.DataFrame({"sample": ["x"], "truth": pd.Categorical(["a"]), "prediction": ["b"]})
    config = {"seed": np.int64(3), "dataset": {"n": 5}, "bad": float("nan")}
    return Results(make_rows(ROWS, task="annotate"), predictions, config, "Said.", {"cost": pd.DataFrame({"a": [1]})})


def test_columns_are_those_of_the_design():
    assert list(COLUMNS) == [
        "system", "method", "task", "data", "split", "fold", "seed", "slice", "metric", "value", "lo", "hi", "n",
        "unit", "seconds", "peak_mb", "status", "note", "config_hash", "version",
    ]  # fmt: skip


def test_round_trip(tmp_path):
    folder = made().save(tmp_path / "found")
    back = Results.load(folder)
    pd.testing.assert_frame_equal(back.rows, made().rows)
    assert back.verdict == "Said." and back.predictions.truth.tolist() == ["a"]
    assert back.extras["cost"].a.tolist() == [1]
    assert back.config["version"] == __version__ and back.config["bad"] is None
    assert json.loads((folder / "config.json").read_text())["seed"] == 3


def test_table_shows_pooled_figures_best_first():
    assert made().table().method.tolist() == ["logreg", "pca"]


def test_unknown_column_is_a_fault_of_the_program():
    with pytest.raises(ValueError, match="colour"):
        make_rows([{"colour": 1}])


@pytest.mark.parametrize("name", ["results.parquet", "config.json"])
def test_incomplete_folder(tmp_path, name):
    folder = made().save(tmp_path / "found")
    (folder / name).unlink()
    with pytest.raises(InputError, match="no result folder"):
        Results.load(folder)


def test_damaged_table(tmp_path):
    folder = made().save(tmp_path / "found")
    (folder / "results.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match="cannot be read"):
        Results.load(folder)


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=4))
def test_hash_does_not_depend_on_order(config):
    assert config_hash(config) == config_hash(dict(reversed(config.items())))
    assert config_hash({**config, "new key": 1}) != config_hash(config)


def test_plain_is_json():
    value = {"a": np.arange(2), "b": {3, 1}, "c": np.float32("inf"), "d": np.bool_(True)}
    assert plain(value) == {"a": [0, 1], "b": [1, 3], "c": None, "d": True}


def test_cost_sees_work_and_memory():
    with Cost() as cost:
        block = np.ones(30_000_000)
        total = sum(float(block[i::1000].sum()) for i in range(1000))
    assert total == 30_000_000 and cost.seconds > 0 and cost.peak_mb > 150
