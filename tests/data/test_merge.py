"""Merging of duplicate genes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from exval.data.merge import plan_merge


def test_by_hand():
    x = sparse.csr_matrix(np.array([[1, 2, 4, 0], [0, 3, 0, 5]], dtype=np.float32))
    names = np.array(["B", "A", "B", "C"], dtype=object)
    added = plan_merge(names, add=True)
    assert added.names.tolist() == ["B", "A", "C"]
    assert added.apply(x).toarray().tolist() == [[5, 2, 0], [0, 3, 5]]
    kept = plan_merge(names, add=False, mean=np.array([0.5, 2.5, 2.0, 2.5]))
    assert kept.apply(x).toarray().tolist() == [[4, 2, 0], [0, 3, 5]]
    assert plan_merge(names[1:], add=True).apply(x[:, 1:]) is not None
    assert plan_merge(names[1:], add=True).trivial


@settings(max_examples=80, deadline=None)
@given(arrays(np.int16, st.tuples(st.integers(0, 6), st.integers(1, 9)), elements=st.integers(0, 20)), st.data())
def test_counts_are_conserved_and_pairs_kept(x, data):
    names = np.array(
        data.draw(st.lists(st.sampled_from("ABCD"), min_size=x.shape[1], max_size=x.shape[1])), dtype=object
    )
    merge = plan_merge(names, add=True)
    out = merge.apply(sparse.csr_matrix(x, dtype=np.float32))
    np.testing.assert_array_equal(np.asarray(out.sum(1)).ravel(), x.sum(1))
    for j, name in enumerate(merge.names):
        np.testing.assert_array_equal(out.toarray()[:, j], x[:, names == name].sum(1))
    mean = x.mean(0) if len(x) else np.zeros(x.shape[1])
    best = plan_merge(names, add=False, mean=mean)
    kept = best.apply(sparse.csr_matrix(x, dtype=np.float32)).toarray()
    for j, name in enumerate(best.names):
        rivals = np.flatnonzero(names == name)
        winner = rivals[np.argmax(mean[rivals])]
        np.testing.assert_array_equal(kept[:, j], x[:, winner])
