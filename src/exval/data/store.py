"""Samples x genes as a memory-mapped CSR of (gene, value) records: any rows, at any time, without loading the rest."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from exval.data import layout
from exval.data.batch import ExpressionBatch
from exval.data.files import atomic_path, refuse_existing
from exval.data.packing import pack_source, totals
from exval.data.source import open_source
from exval.data.writer import StoreWriter
from exval.errors import GeneError, InputError

__all__ = ["Store"]


class Store:
    """Packed samples over one vocabulary, on disk (memory-mapped) or in memory.

    Open one with :meth:`open`, make one with :func:`exval.data.building.build_store`, :meth:`from_source` or
    :meth:`from_csr`. Views (:meth:`select`, :meth:`with_vocabulary`, :meth:`with_labels`) share the data. Reading is
    safe from several threads.

    Attributes
    ----------
    unit : str
        "counts", "cp10k", "log1p", "log2" or "z".
    implicit : str
        What an absent gene of the panel means: "zero", or "missing" (log2, z: there 0.0 is stored like any value).
    genes : pandas.Index
        (n_genes,) canonical names of the vocabulary.
    manifest : dict
        What the store consists of: ``sources`` with name, number of samples, panel size and gene mapping.
    path : pathlib.Path or None
        The folder, None in memory.

    Examples
    --------
    >>> store = Store.from_csr(sparse.csr_matrix([[0., 2., 0.], [1., 0., 5.]]), ["ACTB", "GCG", "INS"], unit="counts")
    >>> batch = store.batch([1, 0])
    >>> batch.genes_t.tolist(), batch.values_t.tolist(), batch.offsets_n1.tolist()
    ([0, 2, 1], [1.0, 5.0, 2.0], [0, 2, 3])
    """

    def __init__(self, manifest: dict, genes: Iterable[str], arrays: dict[str, Any], path: Path | None = None) -> None:
        self.manifest, self.path = manifest, path
        self.unit, self.implicit = manifest["unit"], manifest["implicit"]
        self.genes = pd.Index(genes, dtype=object, name="symbol")
        self._width = manifest["record_bytes"]
        self._arrays = arrays
        self._offsets, self._pairs = arrays["offsets"], memoryview(arrays["pairs"]).cast("B")
        self._rows: np.ndarray | None = None
        self._table: np.ndarray | None = None
        self._labels: dict[str, torch.Tensor] = {}

    # making

    @classmethod
    def open(cls, path: str | os.PathLike) -> Store:
        """Open a store; nothing but its table of samples is read until it is asked for.

        Raises
        ------
        InputError
            If this is no store, a newer exval wrote it, or a file is missing or has the wrong size.
        """
        path = Path(path).absolute()
        manifest = layout.read_manifest(path)
        layout.check_files(path, manifest)
        try:
            names = ["offsets", "hashes", "identities", "panel_n", "panels"]
            names += ["totals"] * ("totals.npy" in manifest["files"])
            arrays = {name: _mapped(path / f"{name}.npy") for name in names}
            arrays["pairs"] = np.asarray(np.memmap(path / "pairs.bin", mode="r")) if manifest["nnz"] else b""
            lines = (path / "genes.tsv").read_text(encoding="utf-8").splitlines()[1:]
        except ValueError:
            raise InputError(f"the store {path} is damaged: a file cannot be read; copy or build it again") from None
        return cls(manifest, [line.split("\t")[1] for line in lines], arrays, path)

    @classmethod
    def from_csr(
        cls,
        chunks: sparse.csr_matrix | Iterable[sparse.csr_matrix],
        genes: Sequence[str],
        *,
        unit: str,
        obs: pd.DataFrame | None = None,
        name: str = "matrix",
        out: str | os.PathLike | None = None,
        force: bool = False,
    ) -> Store:
        """Make a store of a matrix, whole or in chunks of samples.

        Parameters
        ----------
        chunks
            (n, g) CSR in ``unit``, or an iterable of such chunks.
        genes
            (g,) canonical names of the columns: they become the vocabulary, in this order.
        obs
            (n rows) what is known about the samples.
        out
            Where to write; None keeps the store in memory.

        Returns
        -------
        Store
        """
        chunks = [chunks] if sparse.issparse(chunks) else chunks

        def fill(writer: StoreWriter) -> None:
            writer.begin(name, genes)
            for x_ng in chunks:
                writer.add(x_ng, total_n=totals(x_ng, unit))

        return cls.write(genes, unit, fill, out=out, force=force, obs=obs)

    @classmethod
    def from_source(cls, source: Any, vocabulary: Sequence[str] | None = None) -> Store:
        """Pack a file or an AnnData in memory.

        Parameters
        ----------
        source
            A :class:`exval.data.source.Source`, or anything that :func:`exval.data.source.open_source` takes.
        vocabulary
            Names of the genes to keep, in this order; None keeps all recognised ones, sorted.

        Raises
        ------
        GeneError
            If the source has none of the vocabulary's genes.
        """
        source = open_source(source)
        known = source.var_names[source.recognised]
        if vocabulary is not None and not known.isin(vocabulary).any():
            raise GeneError(
                f"{source.name} has none of the {len(vocabulary):,} genes asked for; is the species the same?"
            )
        genes = sorted(known) if vocabulary is None else list(vocabulary)
        implicit = "missing" if source.has_missing else None
        return cls.write(genes, source.unit, lambda writer: pack_source(writer, source), implicit=implicit)

    @classmethod
    def write(
        cls,
        genes: Sequence[str],
        unit: str,
        fill: Callable[[StoreWriter], None],
        *,
        out: str | os.PathLike | None = None,
        force: bool = False,
        obs: pd.DataFrame | None = None,
        implicit: str | None = None,
    ) -> Store:
        """Make a store of whatever a function writes; on disk it appears when it is complete.

        Parameters
        ----------
        genes
            The vocabulary.
        fill
            Called once with a :class:`exval.data.writer.StoreWriter`.
        out, force, obs
            As in :meth:`from_csr`.
        implicit
            What an absent gene of a panel means; by default what the unit implies.
        """
        if out is None:
            writer = StoreWriter(genes, unit, implicit=implicit)
            fill(writer)
            manifest = writer.finish(obs)
            return cls(manifest, writer.genes, manifest.pop("arrays"))
        with (
            atomic_path(refuse_existing(out, force)) as part,
            closing(StoreWriter(genes, unit, part, implicit)) as writer,
        ):
            fill(writer)
            writer.finish(obs)
        return cls.open(out)

    # describing

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self._offsets) - 1 if self._rows is None else len(self._rows)

    def __len__(self) -> int:
        return self.n

    @property
    def n_genes(self) -> int:
        """Size of the vocabulary."""
        return len(self.genes)

    def __repr__(self) -> str:
        where = "memory" if self.path is None else str(self.path)
        return f"Store({self.n:,} samples x {self.n_genes:,} genes, {self.unit}, {where})"

    @cached_property
    def obs(self) -> pd.DataFrame:
        """(n rows) what is known about the samples; ``obs["source"]`` says which file each came from."""
        obs = self._arrays.get("obs")
        if obs is None:
            obs = self._arrays["obs"] = pd.read_parquet(self.path / "obs.parquet")
        return obs if self._rows is None else obs.iloc[self._rows]

    @property
    def content_hash_n(self) -> np.ndarray:
        """(n,) uint64 hash of each sample's recognised genes and values, equal wherever the same sample stands."""
        return self._of_rows(self._arrays["hashes"])

    @property
    def content(self) -> str:
        """One hash of all samples, whatever their order."""
        return f"{int(self.content_hash_n.sum(dtype=np.uint64)):016x}"

    @property
    def identity_n(self) -> np.ndarray:
        """(n,) uint64 hash by which a sample is recognised, in whatever unit its values stand elsewhere."""
        return self._of_rows(self._arrays["identities"])

    @property
    def panel_n(self) -> np.ndarray:
        """(n,) which of ``panels`` each sample was measured with."""
        return self._of_rows(self._arrays["panel_n"])

    @property
    def total_n(self) -> np.ndarray | None:
        """(n,) total counts over all genes of the file, recognised or not; None where they are unknown."""
        totals = self._arrays.get("totals")
        return None if totals is None else self._of_rows(totals)

    @property
    def length_n(self) -> np.ndarray:
        """(n,) stored pairs of each sample (before a change of vocabulary)."""
        return self._of_rows(np.diff(self._offsets))

    @cached_property
    def panels(self) -> tuple[torch.Tensor, ...]:
        """The distinct gene sets that were measured: sorted index tensors into the vocabulary."""
        found = [np.flatnonzero(row) for row in self._arrays["panels"]]
        if self._table is not None:
            found = [np.sort(self._table[panel][self._table[panel] >= 0]) for panel in found]
        return tuple(torch.from_numpy(panel.astype(np.int64)) for panel in found)

    def verify(self) -> None:
        """Read every file and compare its checksum.

        Raises
        ------
        InputError
            Naming the first damaged file.
        """
        if self.path is not None:
            layout.check_files(self.path, self.manifest, contents=True)

    # reading

    def batch(self, rows) -> ExpressionBatch:
        """The given samples, packed.

        Parameters
        ----------
        rows
            (m,) sample numbers in any order, a slice, or (n,) truth values.

        Returns
        -------
        ExpressionBatch
            ``genes_t`` int32, ``values_t`` float32 in the store's unit. ``id_n`` is the content hash without its
            lowest bit, so that a sample keeps its random draws wherever it is stored.
        """
        rows = self._numbers(rows)
        at = rows if self._rows is None else self._rows[rows]
        genes_t, values_t, offsets_n1 = self._read(at)
        totals = self._arrays.get("totals")
        return ExpressionBatch(
            genes_t=torch.from_numpy(genes_t),
            values_t=torch.from_numpy(values_t),
            offsets_n1=torch.from_numpy(offsets_n1),
            n_genes=len(self.genes),
            panels=self.panels,
            panel_n=torch.from_numpy(self._arrays["panel_n"][at].astype(np.int64)),
            unit=self.unit,
            implicit=self.implicit,
            id_n=torch.from_numpy((self._arrays["hashes"][at] >> np.uint64(1)).view(np.int64)),
            total_n=None if totals is None else torch.from_numpy(totals[at]),
            obs={name: codes[torch.from_numpy(rows)] for name, codes in self._labels.items()},
        )

    def csr(self, rows=slice(None)) -> sparse.csr_matrix:
        """(m, n_genes) float32 in the store's unit; a stored 0.0 stays an explicit zero."""
        rows = self._numbers(rows)
        genes_t, values_t, offsets = self._read(rows if self._rows is None else self._rows[rows])
        return sparse.csr_matrix((values_t, genes_t, offsets), shape=(len(rows), self.n_genes))

    def dense(self, rows=slice(None)) -> np.ndarray:
        """(m, n_genes) float32; NaN where absent means "not measured"."""
        return self.batch(rows).dense().numpy()

    def _read(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Genes, values and offsets of the stored samples ``at``."""
        begin, end = self._offsets[at], self._offsets[at + 1]
        offsets_n1 = np.zeros(len(at) + 1, dtype=np.int64)
        np.cumsum(end - begin, out=offsets_n1[1:])
        if len(at):  # neighbours on disk are read as one piece
            cut = np.flatnonzero(at[1:] != at[:-1] + 1)
            if len(cut) < len(at) - 1:
                begin, end = begin[np.concatenate([[0], cut + 1])], end[np.concatenate([cut, [-1]])]
        pieces = zip((begin * self._width).tolist(), (end * self._width).tolist())
        genes_t, values_t = layout.unpack(b"".join([self._pairs[a:b] for a, b in pieces]), self._width)
        return (genes_t, values_t, offsets_n1) if self._table is None else self._renamed(genes_t, values_t, offsets_n1)

    def _renamed(self, genes_t, values_t, offsets_n1):
        """The same pairs in the view's vocabulary, without the genes that it lacks."""
        genes_t = self._table.take(genes_t)
        kept = np.flatnonzero(genes_t >= 0)
        if len(kept) < len(genes_t):
            genes_t, values_t = genes_t.take(kept), values_t.take(kept)
            offsets_n1 = np.searchsorted(kept, offsets_n1)
        if not self._in_order:
            genes_t, values_t = layout.ascending(genes_t, values_t, offsets_n1, len(self.genes))
        return genes_t, values_t, offsets_n1

    # views

    def select(self, rows) -> Store:
        """A view of some samples, e.g. those of one side of a split; nothing is copied.

        >>> store = Store.from_csr(sparse.eye(3, format="csr"), ["A", "B", "C"], unit="counts")
        >>> store.select([2, 0]).csr().toarray().tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
        """
        rows = self._numbers(rows)
        view = self._view()
        view._rows = rows if self._rows is None else self._rows[rows]
        view._labels = {name: codes[torch.from_numpy(rows)] for name, codes in self._labels.items()}
        return view

    def with_vocabulary(self, names: Sequence[str]) -> Store:
        """A view over other genes, e.g. those of a run: genes it lacks are dropped, the order becomes the run's.

        Raises
        ------
        GeneError
            If the store has none of these genes.
        """
        target = pd.Index(names, dtype=object, name="symbol")
        if not target.is_unique:
            raise GeneError(f"the gene {target[target.duplicated()][0]} stands twice in the vocabulary")
        if target.equals(self.genes):
            return self
        table = target.get_indexer(self.genes).astype(np.int32)
        if not (table >= 0).any():
            raise GeneError(f"none of the {len(target):,} genes asked for is in the store; is the species the same?")
        if self._table is not None:
            table = np.where(self._table >= 0, table[self._table], np.int32(-1))
        view = self._view()
        view.genes, view._table = target, table
        view._in_order = bool((np.diff(table[table >= 0]) > 0).all())
        return view

    def with_labels(self, **codes_n) -> Store:
        """A view whose batches carry per-sample numbers in ``batch.obs``, e.g. class codes.

        Parameters
        ----------
        codes_n
            (n,) array for each name.
        """
        view = self._view()
        view._labels = {**self._labels, **{name: torch.as_tensor(np.asarray(x)) for name, x in codes_n.items()}}
        for name, codes in view._labels.items():
            if len(codes) != self.n:
                raise ValueError(f"{name} has {len(codes)} values for {self.n} samples")
        return view

    def _view(self) -> Store:
        view = copy.copy(self)
        for name in ("obs", "panels"):
            view.__dict__.pop(name, None)
        return view

    def _numbers(self, rows) -> np.ndarray:
        """Rows as int64 within 0..n-1."""
        if isinstance(rows, slice):
            return np.arange(self.n)[rows]
        rows = np.asarray(rows)
        if rows.dtype == bool:
            if len(rows) != self.n:
                raise IndexError(f"{len(rows)} truth values for {self.n} samples")
            return np.flatnonzero(rows)
        rows = rows.astype(np.int64).ravel()
        if len(rows) and (rows.min() < 0 or rows.max() >= self.n):
            raise IndexError(f"row {rows.min() if rows.min() < 0 else rows.max()} of {self.n} samples")
        return rows

    def _of_rows(self, array_n: np.ndarray) -> np.ndarray:
        return array_n if self._rows is None else array_n[self._rows]


def _mapped(file: Path) -> np.ndarray:
    """A saved array, memory-mapped and seen as a plain one (slices of numpy.memmap are slow)."""
    return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
