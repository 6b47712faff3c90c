"""``data build`` on files whose names tell nothing about their rows."""

import pandas as pd
import pytest

from exval.errors import InputError
from exval.verbs.build import build_store

SYMBOLS = ["INS", "GCG", "SST", "PPY", "ACTB", "GAPDH"]


def test_a_table_with_gene_names_on_both_sides_needs_its_orientation(tmp_path):
    table = pd.DataFrame([[1, 0, 2], [0, 3, 1], [4, 0, 1], [0, 0, 5], [1, 1, 0], [2, 0, 1]], SYMBOLS, SYMBOLS[:3])
    table.to_csv(tmp_path / "x.csv")
    with pytest.raises(InputError, match="--orientation"):
        build_store(tmp_path / "x.csv", tmp_path / "store")
    found = [
        build_store(tmp_path / "x.csv", tmp_path / one, orientation=one) for one in ("genes-by-cells", "cells-by-genes")
    ]
    assert [store.n for store in found] == [3, 6]
    assert [store.n_genes for store in found] == [6, 3]
