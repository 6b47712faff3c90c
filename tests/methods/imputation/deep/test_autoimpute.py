"""AutoImpute beyond the contract: zeros teach it nothing, the penalty shrinks."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from exval.methods.imputation.deep.autoimpute import AutoImpute


def test_zeros_teach_nothing(umi):
    """Where every non-zero is 2, the zeros are said to be 2 as well."""
    cells = umi.cells.copy()
    cells.X = sparse.csr_matrix((cells.X.toarray() > 0) * np.float32(2))
    method = AutoImpute(hidden=16, epochs=200, batch=32, penalty=1e-3, lr=3e-3).fit(cells)
    told = method.impute(cells).values_nq
    zero = cells.X.toarray() == 0
    assert zero.mean() > 0.3
    assert np.median(np.abs(told[zero] - 2)) < 0.1


def test_the_penalty_shrinks_the_weights(umi):
    free, bound = (AutoImpute(hidden=16, epochs=30, penalty=p).fit(umi.cells) for p in (0.0, 1e4))
    assert np.abs(bound.weights_["out"]).mean() < 0.5 * np.abs(free.weights_["out"]).mean()


def test_it_stops_when_the_loss_has_settled(umi):
    assert len(AutoImpute(hidden=4, epochs=50, tolerance=1e9).fit(umi.cells).history_.train) == 2
