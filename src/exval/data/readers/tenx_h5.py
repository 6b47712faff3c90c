"""10x Genomics HDF5 matrices, Cell Ranger 2 and 3 layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from exval.data.matrix import CsrFileMatrix
from exval.data.readers.base import Opened, Reader
from exval.data.readers.tenx_mtx import keep_expression
from exval.errors import InputError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_PARTS = {"barcodes", "data", "indices", "indptr", "shape"}


class TenxH5Reader(Reader):
    """``matrix/`` with ``features/`` (Cell Ranger 3), or one group per genome with ``genes`` (Cell Ranger 2).

    Both store genes x cells by columns, which is cells x genes by rows: cells are streamed as they are.
    """

    name = "10x-h5"

    @classmethod
    def matches(cls, path: Path, head: bytes) -> bool:
        """An HDF5 file with a group that has barcodes and a compressed matrix."""
        if not head.startswith(_HDF5):
            return False
        import h5py

        try:
            with h5py.File(path, "r") as file:
                return bool(_groups(file))
        except OSError:
            return False

    def open(self, path: Path, **options: Any) -> Opened:
        """Open the file; the handle stays open until ``close``."""
        import h5py
        import pandas as pd

        file = h5py.File(path, "r")
        try:
            groups = _groups(file)
            if len(groups) > 1:
                raise InputError(
                    f"{path}: cells of several genomes in one file ({', '.join(groups)}); export those of one"
                )
            group = file[groups[0]]
            features = group.get("features")
            ids = _text(features["id"] if features is not None else group["genes"])
            names = _text(features["name"] if features is not None else group["gene_names"])
            kinds = _text(features["feature_type"]) if features is not None and "feature_type" in features else None
            var = pd.DataFrame({"gene_ids": ids}, index=pd.Index(names))
            obs = pd.DataFrame(index=pd.Index(_text(group["barcodes"])))
            shape = (len(obs), len(var))
            if tuple(int(i) for i in group["shape"][:]) != shape[::-1]:
                raise InputError(f"{path}: the matrix does not fit its barcodes and features; the file is damaged")
            matrix = CsrFileMatrix(group["data"], group["indices"], group["indptr"][:], shape)
            return keep_expression(Opened(obs=obs, var=var, matrices={"X": matrix}, close=file.close), kinds)
        except OSError as error:
            file.close()
            raise InputError(f"{path}: the file is truncated or damaged; copy it again") from error
        except BaseException:
            file.close()
            raise


def _groups(file: Any) -> list[str]:
    import h5py

    return [
        name
        for name, group in file.items()
        if isinstance(group, h5py.Group) and set(group) >= _PARTS and ("features" in group or "genes" in group)
    ]


def _text(dataset: Any) -> np.ndarray:
    return np.array([one.decode() if isinstance(one, bytes) else str(one) for one in dataset[:]], dtype=object)
