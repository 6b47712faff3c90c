"""Columns of annotation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.data.labels import donor_like, label_column, label_like, labels_of
from exval.errors import InputError

OBS = pd.DataFrame(
    {
        "cell_type": pd.Categorical(["a", "b", None, "a"]),
        "Donor_ID": ["d1", "d2", "d1", "d2"],
        "n_counts": [1.5, 2.5, 3.0, 4.0],
        "leiden": [0, 1, 0, 1],
        "half": [1.0, np.nan, 2.0, 1.0],
        "blank": ["", " ", None, ""],
    }
)


def test_labels_keep_what_is_missing_as_nan():
    labels = labels_of(OBS, "cell_type")
    assert labels.tolist()[:2] == ["a", "b"] and labels.isna().tolist() == [False, False, True, False]
    assert labels_of(OBS, "half").tolist()[0] == "1" and labels_of(OBS, "half").isna().sum() == 1
    assert labels_of(OBS, "leiden").tolist() == ["0", "1", "0", "1"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("celltype", "did you mean 'cell_type'"),
        ("zzz", "Columns with labels: 'cell_type'"),
        ("n_counts", "measurements"),
        ("blank", "no cell has a label"),
    ],
)
def test_refused(name, words):
    with pytest.raises(InputError, match=words):
        labels_of(OBS, name)


def test_no_column_at_all():
    with pytest.raises(InputError, match="no column at all"):
        label_column(pd.DataFrame(index=["a"]), "cell_type")


def test_columns_recognised():
    assert label_like(OBS) == ["cell_type", "leiden"]
    assert donor_like(OBS) == ["Donor_ID"]
