"""Packing samples into a store, chunk by chunk, on disk or in memory."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from exval import __version__
from exval.data import files, layout
from exval.data.hashing import content_hash, gene_hash, identity_hash
from exval.data.units import BULK
from exval.errors import InputError

__all__ = ["StoreWriter", "implicit_of"]

_WIDEN_BYTES = 1 << 24


def implicit_of(unit: str) -> str:
    """What an absent gene of the panel means in a unit: "zero", or "missing" (log2, z).

    Examples
    --------
    >>> implicit_of("counts"), implicit_of("z")
    ('zero', 'missing')
    """
    return "missing" if unit in BULK else "zero"


class StoreWriter:
    """Takes chunks of samples of one or more sources and packs them over one vocabulary.

    Parameters
    ----------
    genes
        (g,) the vocabulary: canonical names, unique.
    unit
        "counts", "cp10k", "log1p", "log2" or "z".
    implicit
        "zero" or "missing"; by default what the unit implies.
    folder
        Where to write; None keeps everything in memory. The folder is written in place: wrap it into
        :func:`exval.data.files.atomic_path`.

    Examples
    --------
    >>> writer = StoreWriter(["GCG", "INS"], "counts")
    >>> writer.begin("lab", ["INS", "XIST"])
    >>> writer.add(sparse.csr_matrix([[3.0, 9.0]]), total_n=np.array([12.0]))
    >>> writer.finish()["nnz"]
    1
    """

    def __init__(self, genes, unit: str, folder: Path | None = None, implicit: str | None = None) -> None:
        self.genes = pd.Index(genes, dtype=object, name="symbol")
        if not self.genes.is_unique:
            raise InputError(f"the gene {self.genes[self.genes.duplicated()][0]} stands twice in the vocabulary")
        self.unit, self.implicit, self.folder = unit, implicit or implicit_of(unit), folder
        self.width = layout.NARROW if unit == "counts" and len(self.genes) <= 1 << 16 else layout.WIDE
        if folder is not None:
            folder.mkdir()
        self._sink = self._open("pairs.bin")
        self._lengths: list[np.ndarray] = []
        self._hashes: list[np.ndarray] = []
        self._identities: list[np.ndarray] = []
        self._totals: list[np.ndarray | None] = []
        self._panel_n: list[np.ndarray] = []
        self._panels: list[np.ndarray] = []
        self._obs: list[pd.DataFrame] = []
        self.sources: list[dict] = []

    def begin(self, name: str, columns, **record) -> None:
        """Start a source; all genes it names that the vocabulary knows were measured in it.

        Parameters
        ----------
        name
            Name of the source.
        columns
            (c,) gene of each column of the chunks that follow; those that the vocabulary lacks are left out.
        record
            What the manifest should say about the source.
        """
        columns = pd.Index(columns, dtype=object)
        if not columns.is_unique:
            raise InputError(f"{name}: the gene {columns[columns.duplicated()][0]} has two columns")
        self._target_c = self.genes.get_indexer(columns)
        self._hash_c = gene_hash(columns)
        panel = np.zeros(len(self.genes), dtype=bool)
        panel[self._target_c[self._target_c >= 0]] = True
        same = [i for i, known in enumerate(self._panels) if np.array_equal(known, panel)]
        if not same:
            self._panels.append(panel)
        self._panel = same[0] if same else len(self._panels) - 1
        self.sources.append({"name": name, "n": 0, "panel_genes": int(panel.sum()), "content_hash": 0, **record})

    def add(self, x_nc: sparse.csr_matrix, *, total_n=None, obs: pd.DataFrame | None = None) -> None:
        """Append samples of the current source.

        Parameters
        ----------
        x_nc
            (n, c) CSR in the store's unit. Stored zeros are values where an absent gene means "not measured", and
            dropped otherwise.
        total_n
            (n,) total counts over all genes of the file, None where they are unknown.
        obs
            (n rows) what is known about the samples.
        """
        x_nc = x_nc.tocsr()
        if not x_nc.has_canonical_format:
            x_nc = x_nc.copy()
            x_nc.sum_duplicates()
        zeros = self.implicit == "missing"
        hash_n = content_hash(x_nc, self._hash_c, zeros=zeros)
        genes_t, values_t, length_n = self._mapped(x_nc, zeros)
        if self.width == layout.NARROW and not layout.fits_narrow(genes_t, values_t):
            self._widen()
        self._sink.write(layout.pack(genes_t, values_t, self.width))
        self._lengths.append(length_n)
        self._hashes.append(hash_n)
        self._identities.append(hash_n if zeros else identity_hash(x_nc, self._hash_c))
        self._totals.append(None if total_n is None else np.asarray(total_n, dtype=np.float32))
        self._panel_n.append(np.full(x_nc.shape[0], self._panel, dtype=np.int32))
        if obs is not None:
            self._obs.append(obs)
        source = self.sources[-1]
        source["n"] += x_nc.shape[0]
        source["content_hash"] = (source["content_hash"] + int(hash_n.sum(dtype=np.uint64))) % 2**64

    def _mapped(self, x_nc, zeros: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pairs over the vocabulary, ascending within each sample, and their number for each sample."""
        n = x_nc.shape[0]
        genes_t, values_t = self._target_c[x_nc.indices], x_nc.data
        keep_t = genes_t >= 0
        if not zeros:
            keep_t &= values_t != 0
        length_n = np.diff(x_nc.indptr)
        if not keep_t.all():
            sample_t = np.repeat(np.arange(n), length_n)[keep_t]
            genes_t, values_t = genes_t[keep_t], values_t[keep_t]
            length_n = np.bincount(sample_t, minlength=n)
        if (np.diff(self._target_c[self._target_c >= 0]) < 0).any():
            offsets_n1 = np.concatenate([[0], length_n.cumsum()])
            genes_t, values_t = layout.ascending(genes_t, values_t, offsets_n1, len(self.genes))
        return genes_t, values_t, length_n.astype(np.int64)

    def finish(self, obs: pd.DataFrame | None = None) -> dict:
        """Write what is left, the manifest last.

        Parameters
        ----------
        obs
            (n rows) what is known about the samples, if it was not given chunk by chunk.

        Returns
        -------
        dict
            The manifest, and under ``"arrays"`` what a store in memory consists of.
        """
        cat = lambda parts, dtype: np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)  # noqa: E731
        length_n = cat(self._lengths, np.int64)
        known = [total for total in self._totals if total is not None]
        manifest = {
            "format": layout.FORMAT,
            "format_version": layout.FORMAT_VERSION,
            "exval": __version__,
            "n": len(length_n),
            "n_genes": len(self.genes),
            "nnz": int(length_n.sum()),
            "record_bytes": self.width,
            "unit": self.unit,
            "implicit": self.implicit,
            "sources": [{**source, "content_hash": f"{source['content_hash']:016x}"} for source in self.sources],
        }
        arrays = {
            "offsets": np.concatenate([np.zeros(1, np.int64), length_n.cumsum()]),
            "hashes": cat(self._hashes, np.uint64),
            "identities": cat(self._identities, np.uint64),
            "panel_n": cat(self._panel_n, np.int32),
            "panels": np.array(self._panels, dtype=np.uint8).reshape(len(self._panels), len(self.genes)),
            "totals": cat(known, np.float32) if known and len(known) == len(self._totals) else None,
        }
        obs = joined_obs(self._obs if obs is None else [obs], len(length_n))
        if len(obs) != len(length_n):
            raise InputError(f"obs describes {len(obs):,} samples, but there are {len(length_n):,}")
        if self.folder is None:
            return {**manifest, "files": {}, "arrays": {**arrays, "pairs": self._sink.getbuffer(), "obs": obs}}
        self.close()
        for name, array in arrays.items():
            if array is not None:
                np.save(self.folder / f"{name}.npy", array, allow_pickle=False)
        obs.to_parquet(self.folder / "obs.parquet")
        lines = [f"{i}\t{name}\n" for i, name in enumerate(self.genes)]
        (self.folder / "genes.tsv").write_text("index\tsymbol\n" + "".join(lines), encoding="utf-8")
        manifest["files"] = {
            file.name: {"bytes": file.stat().st_size, "sha256": layout.checksum(file)}
            for file in sorted(self.folder.iterdir())
        }
        files.write_json(self.folder / "manifest.json", manifest)
        return manifest

    def close(self) -> None:
        """Close the file being written, if there is one."""
        if self.folder is not None:
            self._sink.close()

    def _open(self, name: str):
        return io.BytesIO() if self.folder is None else open(self.folder / name, "w+b")

    def _widen(self) -> None:
        """A value came that needs 8 bytes: rewrite what was packed in 4."""
        wide = self._open("pairs.wide")
        with self._sink as narrow:
            narrow.seek(0)
            while chunk := narrow.read(_WIDEN_BYTES):
                wide.write(layout.pack(*layout.unpack(chunk, layout.NARROW), layout.WIDE))
        if self.folder is not None:
            (self.folder / "pairs.wide").replace(self.folder / "pairs.bin")
        self._sink, self.width = wide, layout.WIDE


def joined_obs(parts: list[pd.DataFrame], n: int) -> pd.DataFrame:
    """One table with every column of the parts; categories are joined and the index is made of unique strings."""
    if not parts:
        return pd.DataFrame(index=pd.RangeIndex(n).astype(str))
    whole = pd.concat([part.reset_index(drop=True) for part in parts], ignore_index=True)
    joined = {}
    for column in whole.columns:
        dtypes = [part[column].dtype for part in parts if column in part]
        if all(isinstance(dtype, pd.CategoricalDtype) for dtype in dtypes):
            joined[str(column)] = whole[column].astype("category")
        else:
            joined[str(column)] = _tidy(whole[column]) if whole[column].dtype == object else whole[column]
    index = pd.Index([str(name) for part in parts for name in part.index])
    if not index.is_unique:
        import anndata.utils

        index = anndata.utils.make_index_unique(index, join="-")
    return pd.DataFrame(joined).set_axis(index, axis=0) if joined else pd.DataFrame(index=index)


def _tidy(column: pd.Series) -> pd.Series:
    """Values of one type, as a file needs them: numbers and truth values if all are, else text."""
    better = column.infer_objects()
    if better.dtype != object:
        return better
    kinds = {type(value) for value in column.dropna()}
    if kinds <= {int, float, np.float64, np.float32, np.int64, np.int32}:
        return pd.to_numeric(column)
    return column.where(column.isna(), column.astype(str)).astype(object)
