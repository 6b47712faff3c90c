"""Matrices that give rows: in memory, or in a file of any layout without ever holding the whole of it."""

from __future__ import annotations

import logging
import tempfile
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from scipy import sparse

from exval.errors import InputError, OutputError

_DENSE_ENTRIES = 20_000_000  # entries of a dense block read at once (80 MB in float32)
_CSC_ENTRIES = 8_000_000  # stored entries of a column block read at once
_IN_MEMORY_ENTRIES = 32_000_000  # up to 256 MB of values and indices are turned round in memory, more in a file
_BUCKET_ENTRIES = 16_000_000  # entries of a bucket of cells: 200 MB in the file
_log = logging.getLogger("exval")


class Matrix(ABC):
    """(n, g) values of which rows can be had as csr float32 with sorted column indices.

    Attributes
    ----------
    shape
        (n, g).
    layout
        ``"csr"``, ``"csc"`` or ``"dense"``: how it is stored.
    in_memory
        Whether the values are held in memory already.
    stored
        How many values are stored (an upper bound of the non-zeros).
    """

    shape: tuple[int, int]
    layout: str = "csr"
    in_memory: bool = False
    stored: int = 0

    @abstractmethod
    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        """Rows ``start`` to ``stop``, (stop - start, g)."""

    def take(self, rows: np.ndarray) -> sparse.csr_matrix:
        """The given rows in the given order; runs of neighbours are read at once."""
        rows = np.asarray(rows, dtype=np.int64)
        if not len(rows):
            return sparse.csr_matrix((0, self.shape[1]), dtype=np.float32)
        order = np.argsort(rows, kind="stable")
        inside, back = np.unique(rows[order], return_inverse=True)
        cuts = np.flatnonzero(np.diff(inside) > 1) + 1
        runs = [self.rows(int(run[0]), int(run[-1]) + 1) for run in np.split(inside, cuts)]
        block = runs[0] if len(runs) == 1 else sparse.vstack(runs, format="csr")
        if len(inside) == len(rows) and np.array_equal(order, np.arange(len(rows))):
            return block
        where = np.empty(len(rows), dtype=np.int64)
        where[order] = back
        return block[where]


class MemoryMatrix(Matrix):
    """An array or scipy sparse matrix that is in memory."""

    in_memory = True

    def __init__(self, values: Any) -> None:
        if sparse.issparse(values):
            self.layout = "csc" if values.format == "csc" else "csr"
            self._values = values if values.format == "csr" else values.tocsr()
            self.stored = self._values.nnz
        else:
            self.layout = "dense"
            self._values = np.asarray(values)
            self.stored = self._values.size
        self.shape = (int(self._values.shape[0]), int(self._values.shape[1]))

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        return _csr(self._values[start:stop])

    def take(self, rows: np.ndarray) -> sparse.csr_matrix:
        return _csr(self._values[np.asarray(rows, dtype=np.int64)])


class DenseFileMatrix(Matrix):
    """A two-dimensional HDF5 dataset."""

    layout = "dense"

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.shape = (int(dataset.shape[0]), int(dataset.shape[1]))
        self.stored = self.shape[0] * self.shape[1]

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        step = max(1, _DENSE_ENTRIES // max(self.shape[1], 1))
        blocks = [_csr(self._dataset[lo : min(lo + step, stop)]) for lo in range(start, stop, step)]
        if not blocks:
            return sparse.csr_matrix((0, self.shape[1]), dtype=np.float32)
        return blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, format="csr")


class CsrFileMatrix(Matrix):
    """Compressed rows whose values and column indices stay where they are (HDF5 datasets, memory maps).

    Parameters
    ----------
    data, indices
        (stored,) values and columns; anything that can be sliced.
    indptr
        (n + 1,) in memory.
    shape
        (n, g).
    """

    def __init__(self, data: Any, indices: Any, indptr: np.ndarray, shape: tuple[int, int]) -> None:
        self._data, self._indices, self._indptr = data, indices, np.asarray(indptr, dtype=np.int64)
        self.shape = (int(shape[0]), int(shape[1]))
        self.stored = int(data.shape[0])
        _check_compressed(self._indptr, self.shape[0], self.stored, int(indices.shape[0]))

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        lo, hi = int(self._indptr[start]), int(self._indptr[stop])
        data = np.asarray(self._data[lo:hi]).astype(np.float32, copy=False)
        indices = np.asarray(self._indices[lo:hi])
        if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= self.shape[1]):
            raise InputError("the matrix refers to genes that the file does not list: the file is damaged")
        shape = (stop - start, self.shape[1])
        out = sparse.csr_matrix((data, indices, self._indptr[start : stop + 1] - lo), shape=shape)
        out.sum_duplicates()
        return out


class CscFileMatrix(Matrix):
    """Compressed columns in a file: turned round once, on the first call for rows.

    Up to 32 million entries are turned in memory. More are sorted into buckets of neighbouring cells in a temporary
    file, in one pass over the genes; a bucket is read when one of its cells is asked for, and the last one is kept.
    """

    layout = "csc"

    def __init__(self, data: Any, indices: Any, indptr: np.ndarray, shape: tuple[int, int]) -> None:
        self._data, self._indices, self._indptr = data, indices, np.asarray(indptr, dtype=np.int64)
        self.shape = (int(shape[0]), int(shape[1]))
        self.stored = int(data.shape[0])
        self._turned: Matrix | None = None
        _check_compressed(self._indptr, self.shape[1], self.stored, int(indices.shape[0]))

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        if self._turned is None:
            self._turned = self._turn()
        return self._turned.rows(start, stop)

    def _turn(self) -> Matrix:
        _log.info("the matrix is stored gene by gene (CSC): turning it cell by cell once (%d entries)", self.stored)
        per_row = np.zeros(self.shape[0], dtype=np.int64)
        for lo in range(0, self.stored, _CSC_ENTRIES):
            rows = np.asarray(self._indices[lo : lo + _CSC_ENTRIES])
            if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= self.shape[0]):
                raise InputError("the matrix refers to cells that the file does not list: the file is damaged")
            per_row += np.bincount(rows, minlength=self.shape[0])
        if self.stored <= _IN_MEMORY_ENTRIES:
            values = np.asarray(self._data[:]).astype(np.float32, copy=False)
            return MemoryMatrix(sparse.csc_matrix((values, self._indices[:], self._indptr), self.shape).tocsr())
        try:
            return _Buckets(self._data, self._indices, self._indptr, self.shape, per_row)
        except OSError as error:
            raise OutputError(
                f"no room for a temporary file in {tempfile.gettempdir()} to turn a gene-by-gene (CSC) matrix: "
                f"{error.strerror}; save the file with X in CSR, or set TMPDIR"
            ) from error


class _Buckets(Matrix):
    """The entries of a CSC matrix in one temporary file, sorted by bucket of neighbouring rows."""

    _entry = np.dtype([("row", np.int32), ("column", np.int32), ("value", np.float32)])

    def __init__(
        self, data: Any, indices: Any, indptr: np.ndarray, shape: tuple[int, int], per_row: np.ndarray
    ) -> None:
        from exval.progress import track

        self.shape, self.stored = shape, int(indptr[-1])
        before = np.concatenate([[0], np.cumsum(per_row)])
        edges = [0]
        while edges[-1] < shape[0]:
            reach = int(np.searchsorted(before, before[edges[-1]] + _BUCKET_ENTRIES, side="right")) - 1
            edges.append(min(max(reach, edges[-1] + 1), shape[0]))
        self._edges = np.array(edges)
        self._starts = before[self._edges]
        self._kept: tuple[int, sparse.csr_matrix] | None = None
        # The file has no name; the system frees it when it is closed, at the latest with the process.
        self._file = tempfile.TemporaryFile(prefix="exval-")  # noqa: SIM115
        bucket_of = np.repeat(np.arange(len(edges) - 1, dtype=np.uint16), np.diff(self._edges))
        cursor = self._starts[:-1].copy()
        for lo in track(range(0, self.stored, _CSC_ENTRIES), "Turning the matrix cell by cell"):
            hi = min(lo + _CSC_ENTRIES, self.stored)
            entries = np.empty(hi - lo, dtype=self._entry)
            entries["row"], entries["value"] = indices[lo:hi], data[lo:hi]
            first, last = np.searchsorted(indptr, [lo, hi - 1], side="right") - 1
            ends = np.clip(indptr[first : last + 2], lo, hi)
            entries["column"] = np.repeat(np.arange(first, last + 1), np.diff(ends))
            bucket = bucket_of[entries["row"]]
            entries = entries[np.argsort(bucket, kind="stable")]
            end = 0
            for i, n in enumerate(np.bincount(bucket, minlength=len(cursor)).tolist()):
                self._file.seek(int(cursor[i]) * self._entry.itemsize)
                self._file.write(entries[end : end + n].tobytes())
                cursor[i] += n
                end += n
        self._file.flush()

    def _bucket(self, i: int) -> sparse.csr_matrix:
        if self._kept is None or self._kept[0] != i:
            self._kept = None
            self._file.seek(int(self._starts[i]) * self._entry.itemsize)
            size = int(self._starts[i + 1] - self._starts[i]) * self._entry.itemsize
            entries = np.frombuffer(self._file.read(size), dtype=self._entry)
            where = (entries["row"] - int(self._edges[i]), entries["column"])
            shape = (int(self._edges[i + 1] - self._edges[i]), self.shape[1])
            self._kept = i, sparse.csr_matrix((entries["value"], where), shape=shape)
        return self._kept[1]

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        parts = []
        first = int(np.searchsorted(self._edges, start, side="right")) - 1
        for i in range(first, len(self._edges) - 1):
            low, high = int(self._edges[i]), int(self._edges[i + 1])
            if low >= stop:
                break
            parts.append(_csr(self._bucket(i)[max(start, low) - low : min(stop, high) - low]))
        if not parts:
            return sparse.csr_matrix((0, self.shape[1]), dtype=np.float32)
        return parts[0] if len(parts) == 1 else sparse.vstack(parts, format="csr")


def matrix_of(values: Any) -> Matrix:
    """Wrap an array, a scipy matrix, an HDF5 dataset or an h5ad group of a sparse matrix.

    Raises
    ------
    InputError
        Something else, or not two-dimensional.

    Examples
    --------
    >>> matrix_of(np.eye(3)).rows(0, 2).toarray().tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    import h5py

    if hasattr(values, "group") and hasattr(values, "format"):  # a sparse matrix of a backed AnnData
        values = values.group
    if isinstance(values, h5py.Group):
        if not {"data", "indices", "indptr"} <= set(values):
            raise InputError("a matrix of the file is incomplete (data, indices or indptr is missing)")
        shape = tuple(values.attrs["shape"] if "shape" in values.attrs else values.attrs["h5sparse_shape"])
        kind = values.attrs.get("encoding-type", values.attrs.get("h5sparse_format", "csr"))
        kind = kind.decode() if isinstance(kind, bytes) else str(kind)
        cls = CscFileMatrix if kind.startswith("csc") else CsrFileMatrix
        return cls(values["data"], values["indices"], values["indptr"][:], shape)
    if len(getattr(values, "shape", ())) != 2:
        raise InputError("the values are not a matrix of cells x genes")
    if getattr(values, "dtype", np.dtype(float)).kind not in "biuf":
        raise InputError("the values are not numbers")
    return DenseFileMatrix(values) if isinstance(values, h5py.Dataset) else MemoryMatrix(values)


def _csr(values: Any) -> sparse.csr_matrix:
    out = sparse.csr_matrix(values, dtype=np.float32)
    if not out.has_canonical_format:
        out = out.copy()
        out.sum_duplicates()
    return out


def _check_compressed(indptr: np.ndarray, n: int, n_data: int, n_indices: int) -> None:
    if len(indptr) != n + 1 or n_data != n_indices or int(indptr[-1]) != n_data or (np.diff(indptr) < 0).any():
        raise InputError("the sparse matrix of the file does not fit together (truncated or damaged); write it again")
