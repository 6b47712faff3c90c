"""Matrices in memory and in files give the same rows."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from anndata.io import write_elem
from scipy import sparse

from exval.data import matrix as module
from exval.data.matrix import CscFileMatrix, CsrFileMatrix, matrix_of
from exval.errors import InputError, OutputError

rng = np.random.default_rng(1)
VALUES = (rng.poisson(0.5, size=(37, 23)) * rng.integers(1, 9, size=(37, 23))).astype(np.float32)
VALUES[5] = 0
VALUES[:, 7] = 0
LAYOUTS = {
    "array": VALUES,
    "csr": sparse.csr_matrix(VALUES),
    "csc": sparse.csc_matrix(VALUES),
    "coo": sparse.coo_matrix(VALUES),
    "csr-array": sparse.csr_array(VALUES),
    "int": VALUES.astype(np.int64),
}


@pytest.fixture
def in_file(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        write_elem(file, "dense", VALUES)
        write_elem(file, "csr", sparse.csr_matrix(VALUES))
        write_elem(file, "csc", sparse.csc_matrix(VALUES))
        yield file


def _same(matrix):
    assert matrix.shape == VALUES.shape
    for rows in (slice(0, 37), slice(3, 9), slice(4, 4)):
        out = matrix.rows(rows.start, rows.stop)
        assert out.dtype == np.float32 and out.has_sorted_indices
        np.testing.assert_array_equal(out.toarray(), VALUES[rows])
    for rows in ([], [4], [30, 2, 3, 4, 2], np.arange(37)[::-1], [0, 36]):
        np.testing.assert_array_equal(
            matrix.take(np.array(rows, dtype=int)).toarray(), VALUES[np.array(rows, dtype=int)]
        )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory(layout):
    _same(matrix_of(LAYOUTS[layout]))


@pytest.mark.parametrize("layout", ["dense", "csr", "csc"])
def test_file(in_file, layout, monkeypatch):
    monkeypatch.setattr(module, "_CSC_ENTRIES", 17)
    monkeypatch.setattr(module, "_DENSE_ENTRIES", 50)
    matrix = matrix_of(in_file[layout])
    assert matrix.layout == layout and not matrix.in_memory
    _same(matrix)


@pytest.mark.parametrize("bucket", [1, 30, 10_000])
def test_large_csc_is_turned_in_a_temporary_file(in_file, monkeypatch, bucket):
    monkeypatch.setattr(module, "_CSC_ENTRIES", 40)
    monkeypatch.setattr(module, "_BUCKET_ENTRIES", bucket)
    monkeypatch.setattr(module, "_IN_MEMORY_ENTRIES", 10)
    matrix = matrix_of(in_file["csc"])
    _same(matrix)
    assert isinstance(matrix._turned, module._Buckets)


def test_no_room_for_the_temporary_file(in_file, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_IN_MEMORY_ENTRIES", 10)
    monkeypatch.setattr(module.tempfile, "TemporaryFile", full)
    with pytest.raises(OutputError, match="No space left on device"):
        matrix_of(in_file["csc"]).rows(0, 1)


def test_unsorted_and_repeated_entries_are_put_right():
    matrix = CsrFileMatrix(np.array([1.0, 2.0, 3.0]), np.array([2, 0, 2]), np.array([0, 3]), (1, 3))
    assert matrix.rows(0, 1).toarray().tolist() == [[2.0, 0.0, 4.0]]


@pytest.mark.parametrize(
    ("data", "indices", "indptr"),
    [([1.0], [0], [0, 1, 5]), ([1.0], [0, 1], [0, 1, 1]), ([1.0], [0], [0, 1]), ([1.0, 1.0], [0, 1], [0, 2, 1])],
)
def test_damaged(data, indices, indptr):
    with pytest.raises(InputError, match="damaged"):
        CsrFileMatrix(np.array(data), np.array(indices), np.array(indptr), (2, 2))


def test_entries_outside_are_refused():
    with pytest.raises(InputError, match="damaged"):
        CsrFileMatrix(np.array([1.0]), np.array([7]), np.array([0, 1]), (1, 2)).rows(0, 1)
    with pytest.raises(InputError, match="damaged"):
        CscFileMatrix(np.array([1.0]), np.array([7]), np.array([0, 1]), (2, 1)).rows(0, 1)


def test_not_a_matrix():
    with pytest.raises(InputError, match="not a matrix"):
        matrix_of(np.arange(3))
    with pytest.raises(InputError, match="not numbers"):
        matrix_of(np.array([["a"]], dtype=object))
