"""Files to tables and matrices, one format per file; the format is told by the content, not by the name."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

from exval.data.readers.base import Opened, Reader
from exval.errors import ExvalError, InputError
from exval.registry import Registry

READERS: Registry[Reader] = Registry("exval.data.readers", "exval.data.readers.base:Reader", "reader")
ORIENTATIONS = ("cells-by-genes", "genes-by-cells")

_HEAD = 4096
_HDF5 = b"\x89HDF\r\n\x1a\n"
_R_EXPORT = (
    "R objects cannot be read here; in R run  zellkonverter::writeH5AD(as.SingleCellExperiment(x), 'x.h5ad')  "
    "and give x.h5ad"
)


def open_file(path: str | os.PathLike, *, orientation: str | None = None) -> Opened:
    """Open an expression file of any known format.

    Parameters
    ----------
    path
        h5ad, 10x h5, 10x mtx folder, csv/tsv/txt, any of the text formats gzipped.
    orientation
        For text tables: ``"cells-by-genes"`` or ``"genes-by-cells"``; told by the gene names if not given.

    Raises
    ------
    InputError
        Missing, unreadable, empty, truncated or of an unknown format: one line that says what to do.
    """
    path = Path(path).expanduser()
    if orientation not in (None, *ORIENTATIONS):
        raise InputError(f"orientation {orientation!r} is not known; use {' or '.join(ORIENTATIONS)}")
    try:
        head = _head(path)
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read it") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    for reader in READERS.items():
        if reader[1].matches(path, head):
            try:
                return reader[1]().open(path, orientation=orientation)
            except PermissionError as error:
                raise InputError(f"{error.filename or path}: no permission to read it") from error
            except ExvalError as error:
                if str(path) in str(error):
                    raise
                raise type(error)(f"{path}: {error}") from error
            except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
                raise InputError(f"{path}: the file is truncated or damaged ({error}); copy it again") from error
    raise InputError(f"{path}: {_unknown(path, head)}")


def _head(path: Path) -> bytes:
    if not path.exists():
        near = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        from difflib import get_close_matches

        close = get_close_matches(path.name, near, n=1)
        raise InputError(f"{path}: no such file" + (f"; did you mean {close[0]!r}?" if close else ""))
    if path.is_dir():
        os.listdir(path)
        return b""
    if not path.is_file():
        raise InputError(f"{path}: not a file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path, "rb") as packed:
                head = packed.read(_HEAD)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{path}: the gzip file is truncated or damaged; copy it again") from error
        if not head:
            raise InputError(f"{path}: the file is empty")
    return head


def _unknown(path: Path, head: bytes) -> str:
    suffix = path.suffix.lower()
    if path.is_dir():
        if any((path / one).exists() for one in (".zgroup", ".zattrs", "zarr.json", ".zarray")) or suffix == ".zarr":
            return "zarr stores are not read; write it as h5ad: anndata.io.read_zarr(path).write_h5ad('x.h5ad')"
        inner = sorted(one.parent.name for one in path.glob("*/*matrix.mtx*"))
        hint = f"; give the folder {inner[0]!r} inside it" if inner else ""
        return f"the folder holds no expression matrix (matrix.mtx, barcodes.tsv, features.tsv or genes.tsv){hint}"
    if head[:5] in (b"RDX2\n", b"RDX3\n", b"RDA3\n") or head[:2] in (b"X\n", b"A\n", b"B\n"):
        return _R_EXPORT
    if suffix in (".rds", ".rda", ".rdata", ".h5seurat"):
        return _R_EXPORT
    if head.startswith(_HDF5):
        return _unknown_hdf5(path)
    for magic, kind in (
        (b"PK\x03\x04", "a zip archive or Excel workbook: unpack it, or save the sheet as csv"),
        (b"PAR1", "a parquet table: write it as csv or h5ad"),
        (b"BZh", "packed with bzip2: unpack it, or use gzip"),
        (b"\xfd7zXZ", "packed with xz: unpack it, or use gzip"),
        (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it, or use gzip"),
        (b"%PDF", "a PDF document"),
        (b"\x80\x04", "a Python pickle, which is never opened: write it as h5ad"),
        (b"\x93NUMPY", "a bare NumPy array without gene names: write it as h5ad"),
    ):
        if head.startswith(magic):
            return kind if kind.startswith("packed") else f"this is {kind}"
    return "the format is not known; known: h5ad, 10x h5, 10x mtx folder, csv, tsv, txt (also gzipped)"


def _unknown_hdf5(path: Path) -> str:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            keys = set(file)
    except OSError:
        return "the HDF5 file is truncated or damaged; copy it again"
    if {"row_attrs", "col_attrs", "matrix"} <= keys:
        return "loom files are not read; write it as h5ad: anndata.io.read_loom(path).write_h5ad('x.h5ad')"
    if "assays" in keys:
        return _R_EXPORT
    if "mod" in keys:
        return "this is a MuData file; write its RNA part as h5ad: mudata.read(path).mod['rna'].write_h5ad('x.h5ad')"
    return f"an HDF5 file, but neither h5ad nor 10x (it holds: {', '.join(sorted(keys)[:6]) or 'nothing'})"
