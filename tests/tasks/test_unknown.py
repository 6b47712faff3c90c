"""Types left out: what the share caught is held against comes from fits of the same size."""

from __future__ import annotations

import numpy as np
import pytest

from exval.data.source import open_source
from exval.methods import METHODS
from exval.metrics.classification import auroc
from exval.tasks.unknown import leave_one_type_out, unsure_below


def test_known_and_absent_types_are_judged_by_fits_of_one_size(baron_small):
    """With few cells a type the method is unsure of known types as well, and the table says so."""
    adata = open_source(baron_small).to_adata()
    few, area_few = leave_one_type_out(adata, "cell_type", METHODS["logreg"](), most_cells=4)
    many, area_many = leave_one_type_out(adata, "cell_type", METHODS["logreg"](), most_cells=100)
    assert set(few.label) == set(many.label) == set(adata.obs["cell_type"].astype(str))
    assert few.n.tolist() == [4] * 5 and many.n.tolist() == [12] * 5
    assert area_few <= area_many + 0.1, "a worse fit does not separate better"
    for table in (few, many):
        assert table.false_unsure_share.nunique() == 1 and (table.share_caught == table.caught / table.n).all()


@pytest.mark.parametrize("scores, expected", [([], 1.0), ([0.5], 0.5), (np.linspace(0, 1, 101), 0.05)])
def test_threshold(scores, expected):
    assert unsure_below(np.asarray(scores, dtype=float)) == pytest.approx(expected)


def test_auroc_of_perfect_separation():
    assert auroc(np.array([True, False]), np.array([0.9, 0.1])) == 1
