"""Files of a few samples: what can be made into each other is not read anew."""

from __future__ import annotations

import numpy as np
import pytest

from exval.data.few import open_like
from exval.errors import InputError


@pytest.mark.parametrize("unit", ["log1p", "cp10k", "counts"])
def test_five_cells_of_counts_stay_counts(baron_small, unit):
    source, notes = open_like(baron_small[:5].copy(), lambda: (unit, "the reference"))
    assert source.unit == "counts" and notes == []


def test_five_patients_of_log2_are_read_as_log2(baron_small):
    few = baron_small[:5].copy()
    few.X = np.log2(few.X.toarray() + 1)
    few.layers.clear()
    source, notes = open_like(few, lambda: ("log2", "the cohort"))
    assert source.unit == "log2" and "too few to tell the unit" in notes[0]
    again, notes = open_like(few, lambda: None)
    assert again.unit != "counts" and notes == []
    with pytest.raises(InputError):
        open_like(few[:0].copy(), lambda: ("log2", "the cohort"))
