"""10x Genomics folders: matrix.mtx with barcodes and genes (Cell Ranger 2) or features (Cell Ranger 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from exval.data.matrix import Matrix, MemoryMatrix
from exval.data.readers.base import Opened, Reader, open_text
from exval.errors import InputError


class TenxMtxReader(Reader):
    """A folder with matrix.mtx, barcodes.tsv and genes.tsv or features.tsv, each plain or gzipped.

    Names may carry a common prefix (``GSM123_matrix.mtx.gz``). The matrix file itself may be given as well.
    """

    name = "10x-mtx"

    @classmethod
    def matches(cls, path: Path, head: bytes) -> bool:
        """A folder with exactly one matrix.mtx, or a file in Matrix Market format."""
        return bool(_matrices(path)) if path.is_dir() else head.startswith(b"%%MatrixMarket")

    def open(self, path: Path, **options: Any) -> Opened:
        """Read the whole matrix (Matrix Market is text: its rows cannot be had one by one)."""
        import pandas as pd
        from scipy.io import mmread

        found = _matrices(path) if path.is_dir() else [path]
        if len(found) > 1:
            raise InputError(
                f"{path}: {len(found)} matrices in one folder ({found[0].name}, {found[1].name}, ...): give one"
            )
        file = found[0]
        prefix = file.name.split("matrix.mtx")[0] if "matrix.mtx" in file.name else ""
        barcodes = _table(file.parent, prefix, ("barcodes",))
        genes = _table(file.parent, prefix, ("features", "genes"))
        try:
            values = mmread(str(file), spmatrix=True)
        except (ValueError, OverflowError, OSError, EOFError) as error:
            raise InputError(
                f"{file}: the matrix is truncated or damaged ({str(error)[:80]}); copy it again"
            ) from error
        if tuple(values.shape) != (len(genes), len(barcodes)):
            raise InputError(
                f"{file}: {values.shape[0]} x {values.shape[1]} values, but {len(genes)} genes and {len(barcodes)} "
                "barcodes beside it: the files do not belong together"
            )
        var = pd.DataFrame(
            {"gene_ids": genes[0].to_numpy()}, index=pd.Index(genes[min(1, genes.shape[1] - 1)].to_numpy())
        )
        kinds = genes[2].to_numpy() if genes.shape[1] > 2 else None
        obs = pd.DataFrame(index=pd.Index(barcodes[0].to_numpy()))
        matrix = MemoryMatrix(sparse.csc_matrix(values).T.tocsr())
        return keep_expression(Opened(obs=obs, var=var, matrices={"X": matrix}), kinds)


class _Columns(Matrix):
    """Some columns of another matrix."""

    def __init__(self, inner: Matrix, keep: np.ndarray) -> None:
        self._inner, self._keep = inner, keep
        self.shape = (inner.shape[0], len(keep))
        self.layout, self.in_memory, self.stored = inner.layout, inner.in_memory, inner.stored

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        return self._inner.rows(start, stop)[:, self._keep]


def keep_expression(opened: Opened, kinds: np.ndarray | None) -> Opened:
    """Drop antibodies, guides, hashtags and peaks from a 10x matrix; ``kinds`` is the feature type of every row."""
    if kinds is None or (kinds == "Gene Expression").all():
        return opened
    keep = np.flatnonzero(kinds == "Gene Expression")
    if not len(keep):
        raise InputError(f"no feature of the file is gene expression (found: {', '.join(sorted(set(kinds))[:4])})")
    others = sorted(set(kinds) - {"Gene Expression"})
    opened.notes.append(
        f"{len(kinds) - len(keep)} features that are not gene expression left out ({', '.join(others)})"
    )
    opened.var = opened.var.iloc[keep]
    opened.matrices = {place: _Columns(matrix, keep) for place, matrix in opened.matrices.items()}
    return opened


def _matrices(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.name.endswith(("matrix.mtx", "matrix.mtx.gz")))


def _table(folder: Path, prefix: str, stems: tuple[str, ...]):
    import pandas as pd

    for stem in stems:
        for name in (f"{prefix}{stem}.tsv", f"{prefix}{stem}.tsv.gz"):
            if (file := folder / name).is_file():
                with open_text(file) as text:
                    lines = [line.rstrip("\r\n").split("\t") for line in text if line.strip()]
                if not lines:
                    raise InputError(f"{file}: the file is empty")
                return pd.DataFrame(lines)
    raise InputError(f"{folder}: {prefix}{' or '.join(stems)}.tsv(.gz) is missing beside the matrix")
