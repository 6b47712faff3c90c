"""Packed samples: every operation against the dense matrix, and no pair ever separated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from exval.data.batch import ExpressionBatch, offsets_of, pad
from exval.errors import InputError
from packs import batches, packed, pairs


@given(batches(), st.data())
def test_selecting_takes_whole_samples(batch, data):
    rows = data.draw(st.lists(st.integers(0, batch.n - 1), max_size=8))
    taken, known = batch.select(rows), pairs(batch)
    assert pairs(taken) == [known[i] for i in rows]
    assert taken.id_n.tolist() == batch.id_n[rows].tolist()
    assert taken.panel_n.tolist() == batch.panel_n[rows].tolist()
    assert taken.obs["label"].tolist() == batch.obs["label"][rows].tolist()


def test_rows_by_truth_values_slice_and_from_the_end():
    batch = packed(5)
    known = pairs(batch)
    assert pairs(batch.select(np.array([True, False, False, True, False]))) == [known[0], known[3]]
    assert pairs(batch.select([-1, -5])) == [known[4], known[0]]
    assert pairs(batch.select(torch.tensor([2, 2]))) == [known[2]] * 2
    assert batch.select([]).n == 0
    with pytest.raises(IndexError):
        batch.select([5])


@given(batches(), st.integers(0, 99))
def test_keeping_pairs(batch, seed):
    mask = torch.rand(len(batch.genes_t), generator=torch.Generator().manual_seed(seed)) < 0.5
    kept, known = batch.keep(mask), pairs(batch)
    assert kept.n == batch.n and len(kept.genes_t) == int(mask.sum())
    for own, all_ in zip(pairs(kept), known):
        assert own.items() <= all_.items()
    both = [{**a, **b} for a, b in zip(pairs(kept), pairs(batch.keep(~mask)))]
    assert both == known


@given(batches())
def test_dense_and_padded_and_back(batch):
    dense = batch.dense()
    for i, own in enumerate(pairs(batch)):
        assert {g: dense[i, g].item() for g in own} == own and int((dense[i] != 0).sum()) == len(own)
    genes, values, mask = batch.padded(pad_gene=-7, pad_value=-1.0)
    assert [dict(zip(g[m].tolist(), v[m].tolist())) for g, v, m in zip(genes, values, mask)] == pairs(batch)
    assert (genes[~mask] == -7).all() and (values[~mask] == -1).all()
    again = ExpressionBatch.from_csr(sparse.csr_matrix(dense.numpy()), n_genes=batch.n_genes, unit="counts")
    assert pairs(again) == pairs(batch)


@given(batches(), st.data())
def test_joining_undoes_selecting(batch, data):
    cut = data.draw(st.integers(0, batch.n))
    parts = [batch.select(np.arange(cut)), batch.select(np.arange(cut, batch.n))]
    whole = ExpressionBatch.cat(parts)
    assert pairs(whole) == pairs(batch) and torch.equal(whole.id_n, batch.id_n)
    measured = lambda b: [b.panels[i].tolist() for i in b.panel_n.tolist()]  # noqa: E731
    assert measured(whole) == measured(batch)


def test_joining_keeps_each_sample_with_its_own_panel():
    a, b = packed(3, n_panels=3, seed=1), packed(4, n_panels=2, seed=2)
    joined = ExpressionBatch.cat([a, b])
    expected = [x.panels[i].tolist() for x in (a, b) for i in x.panel_n.tolist()]
    assert [joined.panels[i].tolist() for i in joined.panel_n.tolist()] == expected
    assert len(joined.panels) == 4  # the whole panel is the same in both
    with pytest.raises(ValueError, match="cannot be joined"):
        ExpressionBatch.cat([a, packed(2, unit="log1p")])


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_columns_of_a_file_are_found_in_the_vocabulary_in_any_order(n, g, seed):
    rng = np.random.default_rng(seed)
    x_ng = sparse.random(n, g, 0.5, random_state=seed, format="csr", dtype=np.float32)
    columns = rng.permutation(g + 3)[:g]
    columns[rng.random(g) < 0.3] = -1
    batch = ExpressionBatch.from_csr(x_ng, n_genes=g + 3, unit="log1p", columns=columns)
    dense, expected = batch.dense().numpy(), np.zeros((n, g + 3), np.float32)
    for j, column in enumerate(columns):
        if column >= 0:
            expected[:, column] = x_ng[:, [j]].toarray()[:, 0]
    assert np.array_equal(dense, expected)
    assert batch.panels[0].tolist() == sorted(columns[columns >= 0])
    for own in np.split(batch.genes_t.numpy(), batch.offsets_n1[1:-1].numpy()):
        assert (np.diff(own) > 0).all()


def test_stored_zeros_are_zeros_for_counts_and_values_for_log2():
    x_ng = sparse.csr_matrix((np.array([0.0, 2.0]), [2, 0], [0, 2]), shape=(1, 3))
    counts = ExpressionBatch.from_csr(x_ng.copy(), n_genes=3, unit="counts")
    assert pairs(counts) == [{0: 2.0}]
    log2 = ExpressionBatch.from_csr(x_ng.copy(), n_genes=3, unit="log2", implicit="missing")
    assert pairs(log2) == [{0: 2.0, 2: 0.0}]
    assert log2.dense()[0].isnan().tolist() == [False, True, False] and not counts.dense().isnan().any()


def test_what_does_not_fit_is_refused():
    x_ng = sparse.csr_matrix(np.eye(3))
    with pytest.raises(InputError, match="3 columns for 5 genes"):
        ExpressionBatch.from_csr(x_ng, n_genes=5, unit="counts")
    with pytest.raises(InputError, match="2 columns but the matrix has 3"):
        ExpressionBatch.from_csr(x_ng, n_genes=5, unit="counts", columns=[0, 1])
    batch = packed()
    with pytest.raises(ValueError, match="a pair was separated"):
        batch.with_values(batch.values_t[:-1], "log1p")


def test_offsets_and_padding_by_hand():
    at = offsets_of(torch.tensor([2, 0, 1]))
    assert at.tolist() == [0, 2, 2, 3]
    assert pad(torch.tensor([[1.0], [2.0], [3.0]]), at, -1.0)[..., 0].tolist() == [[1, 2], [-1, -1], [3, -1]]
    assert pad(torch.zeros(0, 3), torch.tensor([0]), 0).shape == (0, 0, 3)
