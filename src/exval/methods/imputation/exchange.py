"""Cells and genes to and from files, for programs that are no part of exval."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from exval.errors import InputError

INPUTS = ("mtx", "csv", "h5ad")
OUTPUTS = ("csv", "mtx", "h5ad", "npy")


def write_input(place: Path, kind: str, values_ng: sp.csr_matrix, genes: np.ndarray, names: np.ndarray) -> Path:
    """Write values and names; returns the path that a command is told.

    Parameters
    ----------
    place
        Without an extension; a folder for ``"mtx"``, else the extension is added.
    kind
        ``"mtx"`` (genes x cells, genes.tsv, cells.tsv), ``"csv"`` (genes x cells) or ``"h5ad"`` (cells x genes).
    values_ng
        (n, g) CSR.
    genes, names
        (g,) and (n,) names.
    """
    values_ng = sp.csr_matrix(values_ng)
    whole = not values_ng.nnz or bool((values_ng.data == np.round(values_ng.data)).all())
    if kind == "mtx":
        from scipy.io import mmwrite

        place.mkdir()
        mmwrite(place / "matrix.mtx", values_ng.T.tocoo().astype(np.int64 if whole else np.float64))
        (place / "genes.tsv").write_text("".join(f"{gene}\n" for gene in genes))
        (place / "cells.tsv").write_text("".join(f"{name}\n" for name in names))
        return place
    if kind == "csv":
        path = place.with_suffix(".csv")
        dense_gn = values_ng.T.toarray()
        pd.DataFrame(dense_gn.astype(np.int64) if whole else dense_gn, genes, names).to_csv(path)
        return path
    import anndata

    path = place.with_suffix(".h5ad")
    obs, var = pd.DataFrame(index=pd.Index(names, dtype=str)), pd.DataFrame(index=pd.Index(genes, dtype=str))
    anndata.AnnData(values_ng, obs, var).write_h5ad(path)
    return path


def read_output(asked: Path, genes: np.ndarray, names: np.ndarray, title: str) -> tuple[np.ndarray, np.ndarray]:
    """Read what a command wrote and put it into the order of genes and cells.

    Parameters
    ----------
    asked
        The file asked for; if it is not there, another one in its folder with a known extension is taken.
    genes, names
        (g,) and (n,) names, in the order wanted.
    title
        What the command is called in messages.

    Returns
    -------
    values_ng
        (n, g) float32; zero for genes that did not come back.
    there_g
        (g,) which genes came back.

    Raises
    ------
    InputError
        Nothing was written, it cannot be read, cells are missing, or its shape fits neither way round.
    """
    path = asked
    if not path.exists():
        others = sorted(p for p in asked.parent.rglob("*") if p.suffix.lstrip(".") in OUTPUTS and p.is_file())
        if not others:
            raise InputError(f"{title} ended without an error and wrote nothing to {{output}}")
        path = others[0]
    elif path.is_dir():
        path = path / "matrix.mtx"
    try:
        table = _READ[path.suffix.lstrip(".")](path)
    except InputError:
        raise
    except Exception as error:  # whatever a reader makes of a broken file
        raise InputError(f"{title} wrote a {path.suffix} file that cannot be read: {error}") from error
    if table.ndim != 2:
        raise InputError(f"{title} wrote values with {table.ndim} dimensions; a table of cells and genes was asked for")
    return _in_order(table, list(map(str, genes)), list(map(str, names)), title)


class _Table:
    """Values with the names of rows and columns, where the file has them, and which way round it is without them."""

    def __init__(self, values, rows=None, columns=None, genes_first: bool = False) -> None:
        self.values, self.rows, self.columns, self.genes_first = values, rows, columns, genes_first
        self.ndim, self.shape = values.ndim, values.shape

    def dense(self) -> np.ndarray:
        values = self.values.toarray() if sp.issparse(self.values) else self.values
        return np.asarray(values, dtype=np.float32)


def _read_csv(path: Path) -> _Table:
    table = pd.read_csv(path, index_col=0)
    rows, columns = table.index.astype(str), table.columns.astype(str)
    if table.shape[1] and not all(pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes):
        raise ValueError("there is text among its values")
    return _Table(table.to_numpy(), list(rows), list(columns), genes_first=True)


def _read_mtx(path: Path) -> _Table:
    from scipy.io import mmread

    values = mmread(path)
    beside = [path.parent / name for name in ("genes.tsv", "cells.tsv")]
    told = [[line.split("\t")[0] for line in p.read_text().splitlines()] if p.is_file() else None for p in beside]
    for rows, columns in (told, told[::-1]):
        if (rows is None or len(rows) == values.shape[0]) and (columns is None or len(columns) == values.shape[1]):
            return _Table(values, rows, columns, genes_first=True)
    return _Table(values, genes_first=True)


def _read_h5ad(path: Path) -> _Table:
    import anndata

    found = anndata.read_h5ad(path)
    return _Table(found.X, list(map(str, found.obs_names)), list(map(str, found.var_names)))


_READ = {
    "csv": _read_csv,
    "mtx": _read_mtx,
    "h5ad": _read_h5ad,
    "npy": lambda path: _Table(np.load(path, allow_pickle=False)),
}


def _in_order(table: _Table, genes: list[str], names: list[str], title: str) -> tuple[np.ndarray, np.ndarray]:
    n, g = len(names), len(genes)
    found = [
        (_match(table.rows, names), _match(table.columns, genes)),
        (_match(table.columns, names), _match(table.rows, genes)),
    ]
    values_ng, there_g = np.zeros((n, g), np.float32), np.ones(g, dtype=bool)
    for turned, (cells_at, genes_at) in enumerate(found):
        if cells_at is None and genes_at is None:
            continue
        shape = table.shape[::-1] if turned else table.shape
        if cells_at is None and shape[0] == n:
            cells_at = np.arange(n)
        if genes_at is None and shape[1] == g:
            genes_at = np.arange(g)
        if cells_at is None or genes_at is None:
            continue
        if (cells_at < 0).any():
            raise InputError(f"{title} left out {int((cells_at < 0).sum()):,} of {n:,} cells; all have to come back")
        there_g = genes_at >= 0
        dense = table.dense().T if turned else table.dense()
        values_ng[:, there_g] = dense[cells_at][:, genes_at[there_g]]
        return values_ng, there_g
    straight, turned = table.shape == (n, g), table.shape == (g, n)
    if not straight and not turned:
        raise InputError(
            f"{title} wrote {table.shape[0]:,} x {table.shape[1]:,} values whose names are not those of the "
            f"{n:,} cells and {g:,} genes it was given"
        )
    dense = table.dense()
    return (dense.T if turned and (table.genes_first or not straight) else dense).copy(), there_g


def _match(given: list[str] | None, wanted: list[str]) -> np.ndarray | None:
    """Where each name wanted stands among those given (-1: nowhere); None if fewer than half of those given are known.

    R replaces characters in names of columns (``HLA-A`` becomes ``HLA.A``): what its ``make.names`` gives counts too.
    """
    if given is None:
        return None
    where = {name: at for at, name in reversed(list(enumerate(given)))}
    for rule in (str, _r_name):
        at = np.array([where.get(rule(name), -1) for name in wanted])
        if (at >= 0).sum() * 2 > len(given) or (at >= 0).all():
            return at
    return None


def _r_name(name: str) -> str:
    """A name as R's ``make.names`` makes it.

    Examples
    --------
    >>> _r_name("HLA-A"), _r_name("7SK"), _r_name("AB_1.2")
    ('HLA.A', 'X7SK', 'AB_1.2')
    """
    plain = re.sub(r"[^A-Za-z0-9._]", ".", name)
    return plain if re.match(r"[A-Za-z]|\.(?![0-9])", plain) else "X" + plain
