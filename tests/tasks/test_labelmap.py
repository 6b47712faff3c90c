"""Names of one lab in those of another."""

from __future__ import annotations

import numpy as np
import pytest

from exval.errors import InputError
from exval.tasks.labelmap import apply_map, read_label_map, unmatched


@pytest.mark.parametrize(
    "text", ["from,to\nB,B cell\nT,T cell\n", "to,from\nB cell,B\nT cell,T\n", "x;y\nB;B cell\nT;T cell\n"]
)
def test_csv(tmp_path, text):
    path = tmp_path / "map.csv"
    path.write_text(text)
    assert read_label_map(path) == {"B": "B cell", "T": "T cell"}


@pytest.mark.parametrize(
    "text, line", [("from,to\nB,x\nB,y\n", "two meanings"), ("one\nB\n", "has 1 column"), ("", "cannot be read")]
)
def test_faults(tmp_path, text, line):
    path = tmp_path / "map.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=line):
        read_label_map(path)
    with pytest.raises(InputError, match="no such file"):
        read_label_map(tmp_path / "other.csv")


def test_apply_keeps_missing_and_unknown_names():
    found = apply_map(np.array(["B", "NK", np.nan], dtype=object), {"B": "B cell"})
    assert found[:2].tolist() == ["B cell", "NK"] and found[2] != found[2]


def test_unmatched_suggests():
    assert unmatched({"B-cell", "qqq"}, {"B cell", "T cell"}) == ["'B-cell' (did you mean 'B cell'?)", "'qqq'"]
