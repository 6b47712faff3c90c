"""What a store looks like on disk: its files, its manifest, and the record that holds one gene with its value.

A gene and its value are one record, so that no reader can take one without the other. There are two records:

* 4 bytes where all values are whole numbers below 32,768 and the vocabulary has at most 65,536 genes: the value in the
  upper and the gene in the lower half of a little-endian int32;
* 8 bytes otherwise: the gene as int32, then the value as float32.

One record a pair is read with one slice a sample: at random rows that is as fast as two arrays of 4 bytes each under
scipy's row indexing, in half the space (``benchmarks/store.py``).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from exval.errors import InputError

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "ascending",
    "check_files",
    "checksum",
    "fits_narrow",
    "pack",
    "read_manifest",
    "unpack",
]

FORMAT = "exval-store"
FORMAT_VERSION = 1
NARROW, WIDE = 4, 8
_KEYS = ("n", "n_genes", "nnz", "record_bytes", "unit", "implicit", "sources", "files")


def fits_narrow(genes_t: np.ndarray, values_t: np.ndarray) -> bool:
    """Whether the pairs can be held in 4 bytes each without loss.

    Examples
    --------
    >>> fits_narrow(np.array([19_999]), np.array([255.0])), fits_narrow(np.array([0]), np.array([0.5]))
    (True, False)
    """
    if len(values_t) == 0:
        return True
    return bool(
        genes_t.max() < 1 << 16
        and values_t.min() >= 0
        and values_t.max() < 1 << 15
        and (values_t == np.floor(values_t)).all()
    )


def pack(genes_t: np.ndarray, values_t: np.ndarray, width: int) -> np.ndarray:
    """Records of ``width`` bytes.

    Parameters
    ----------
    genes_t, values_t
        (t,) gene index and value of each pair; they have to fit (:func:`fits_narrow`) if ``width`` is 4.

    Returns
    -------
    numpy.ndarray
        (t * width,) uint8.

    Examples
    --------
    >>> genes_t, values_t = unpack(pack(np.array([7, 9]), np.array([2.0, 300.0]), 4), 4)
    >>> genes_t.tolist(), values_t.tolist()
    ([7, 9], [2.0, 300.0])
    """
    if width == NARROW:
        records = values_t.astype("<i4") << 16 | genes_t.astype("<i4")
    else:
        records = np.empty((len(genes_t), 2), dtype="<i4")
        records[:, 0] = genes_t
        records[:, 1] = values_t.astype("<f4").view("<i4")
    return records.reshape(-1).view(np.uint8)


def unpack(records, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Genes (int32) and values (float32), both freshly allocated, from the bytes of :func:`pack`.

    Parameters
    ----------
    records
        Bytes, or anything with a buffer.

    Returns
    -------
    genes_t, values_t
        (t,) int32 and (t,) float32.
    """
    x = np.frombuffer(records, dtype="<i4")
    if width == NARROW:
        values_t = np.empty(len(x), dtype=np.float32)
        np.right_shift(x, 16, out=values_t, casting="unsafe")
        return x & 0xFFFF, values_t
    return x[::2].copy(), x.view("<f4")[1::2].copy()


def ascending(
    genes_t: np.ndarray, values_t: np.ndarray, offsets_n1: np.ndarray, n_genes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same pairs with the genes of each sample in ascending order.

    Parameters
    ----------
    genes_t, values_t, offsets_n1
        Packed pairs; genes are below ``n_genes`` and differ within a sample.

    Examples
    --------
    >>> genes_t, values_t = ascending(np.array([3, 1, 2]), np.array([5.0, -6.0, 7.0]), np.array([0, 2, 3]), 4)
    >>> genes_t.tolist(), values_t.tolist()
    ([1, 3, 2], [-6.0, 5.0, 7.0])
    """
    n = len(offsets_n1) - 1
    start_t = np.repeat(np.arange(n) * n_genes, np.diff(offsets_n1))
    place_t = start_t + genes_t
    if n * n_genes >= 1 << 31:
        order_t = np.argsort(place_t)
        return genes_t[order_t], values_t[order_t]
    # Place and value as one number: sorting numbers is several times faster than sorting their positions.
    key_t = np.sort(place_t << 32 | values_t.astype("<f4", copy=False).view("<u4"))
    return ((key_t >> 32) - start_t).astype(np.int32), key_t.astype("<u4").view("<f4")


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(path: str | os.PathLike) -> dict:
    """The manifest of a store.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    InputError
        If the folder is no store, its manifest is damaged, or a newer exval wrote it.
    """
    path = Path(path)
    file = path / "manifest.json"
    if not path.exists():
        raise InputError(f"there is no store {path}")
    if not file.is_file():
        raise InputError(f"{path} is not a store: it has no manifest.json; make one with exval data build")
    try:
        manifest = json.loads(file.read_bytes())
    except ValueError:
        raise InputError(f"{file} is damaged (not JSON); build the store again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path} is not a store: its manifest.json describes something else")
    version = manifest.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise InputError(f"{file} is damaged (no format_version); build the store again")
    if version > FORMAT_VERSION:
        raise InputError(
            f"{path} has store format {version}, this exval reads up to {FORMAT_VERSION}: "
            f"upgrade exval, or build the store again with this one"
        )
    if missing := [key for key in _KEYS if key not in manifest]:
        raise InputError(f"{file} is damaged (no {missing[0]}); build the store again")
    return manifest


def check_files(path: str | os.PathLike, manifest: dict, *, contents: bool = False) -> None:
    """Compare the files of a store with its manifest.

    Parameters
    ----------
    contents
        Compare checksums, too (reads everything); otherwise only presence and size.

    Raises
    ------
    InputError
        Naming the first file that is missing or damaged.
    """
    for name, expected in manifest["files"].items():
        file = Path(path) / name
        if not file.is_file():
            raise InputError(f"the store {path} is damaged: {name} is missing; build the store again")
        size = file.stat().st_size
        if size != expected["bytes"]:
            raise InputError(
                f"the store {path} is damaged: {name} has {size:,} bytes instead of {expected['bytes']:,}; "
                "copy or build the store again"
            )
        if contents and checksum(file) != expected["sha256"]:
            raise InputError(
                f"the store {path} is damaged: the checksum of {name} differs; copy or build the store again"
            )
