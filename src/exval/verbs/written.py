"""What ``annotate`` and ``embed`` write: into AnnData, a csv, or a copy of the file that keeps everything else."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.errors import InputError, OutputError

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.data.source import Source


def column_names(label: str, key_added: str | None) -> tuple[str, str, str]:
    """Names of the three columns.

    Examples
    --------
    >>> column_names("cell_type", None)
    ('exval_cell_type', 'exval_cell_type_score', 'exval_cell_type_unsure')
    """
    key = key_added or f"exval_{label.replace('/', '_')}"
    return key, f"{key}_score", f"{key}_unsure"


def refuse_foreign(columns: Any, names: tuple[str, ...], record: Any) -> None:
    """An ``InputError`` if one of the names is taken by a column that exval did not write."""
    ours = {str(key) for key in np.atleast_1d(record.get("keys", []))} if hasattr(record, "get") else set()
    taken = [name for name in names if name in columns and name not in ours]
    if taken:
        raise InputError(f"obs column {taken[0]!r} exists and is not exval's; choose another name with --key-added")


def merged_record(old: Any, new: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """``uns["exval"]``: what was there, updated, with the list of all columns that exval wrote."""
    old = dict(old) if hasattr(old, "items") else {}
    keys = sorted({*(str(k) for k in np.atleast_1d(old.get("keys", []))), *names})
    return {**old, **new, "keys": np.array(keys, dtype=object)}


def write_into(
    adata: AnnData, table: pd.DataFrame, record: dict[str, Any], colours: list[str] | None, obsm: dict | None = None
) -> None:
    """Set the columns of ``table`` in ``obs`` by position, arrays in ``obsm``, record and colours in ``uns``."""
    for name in table.columns:
        values = table[name].array if isinstance(table[name].dtype, pd.CategoricalDtype) else table[name].to_numpy()
        adata.obs[name] = values
    adata.obsm.update(obsm or {})
    adata.uns["exval"] = merged_record(adata.uns.get("exval"), record, (*table.columns, *(obsm or {})))
    for name in table.columns:  # those of an earlier annotation belong to its classes
        adata.uns.pop(f"{name}_colors", None)
    if colours is not None:
        adata.uns[f"{table.columns[0]}_colors"] = np.array(colours, dtype=object)


def check_out(out: str | Path, given: Any, force: bool) -> Path:
    """The output's path, or an error: unknown ending, the input itself, existing without ``force``."""
    from exval.data.files import refuse_existing

    path = Path(out)
    if not path.name.endswith((".csv", ".csv.gz", ".h5ad")):
        raise OutputError(f"{path}: the output ends in .h5ad (annotated copy) or .csv (only the new columns)")
    for one in given:
        if isinstance(one, (str, Path)) and Path(one).exists() and path.exists() and path.samefile(one):
            raise OutputError(f"{path} is an input; choose another name, the original is never overwritten")
    return refuse_existing(path, force)


def write_output(
    source: Source,
    path: Path,
    table: pd.DataFrame,
    record: dict[str, Any],
    colours: list[str] | None,
    obsm: dict[str, np.ndarray] | None = None,
    before: Callable[[], Any] | None = None,
) -> None:
    """Write the csv or the annotated copy, atomically; ``before`` is called when it is complete and has no name yet.

    An h5ad input is copied as a file and the columns are added to the copy: the matrix is never read, whatever its
    size, and everything in it is kept.
    """
    from exval.data.files import atomic_path

    with atomic_path(path) as part:
        if path.name.endswith(".h5ad"):
            if source.path is not None and source.path.suffix == ".h5ad" and grouped(source.path):
                shutil.copyfile(source.path, part)
                add_to_file(part, table, record, colours, obsm or {})
            else:
                whole = whole_of(source)
                write_into(whole, table, record, colours, obsm)
                whole.write_h5ad(part)
        else:
            table.set_axis(source.obs.index, axis=0).to_csv(part, index_label="cell")
        if before is not None:
            before()


def grouped(path: Path) -> bool:
    """Whether obs is stored column by column (all files since anndata 0.7)."""
    import h5py

    with h5py.File(path, "r") as file:
        return isinstance(file.get("obs"), h5py.Group)


def add_to_file(
    path: Path,
    table: pd.DataFrame,
    record: dict[str, Any],
    colours: list[str] | None,
    obsm: dict[str, np.ndarray],
    keys: tuple[str, ...] = (),
) -> None:
    """Write columns, arrays, record and colours into an h5ad file in place; ``keys``: what else exval wrote."""
    import h5py
    from anndata.io import read_elem, write_elem

    with h5py.File(path, "r+") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        obs = file["obs"]
        for name in table.columns:
            column = table[name]
            write_elem(obs, name, column.array if isinstance(column.dtype, pd.CategoricalDtype) else column.to_numpy())
        order = [str(name) for name in obs.attrs.get("column-order", [])]
        order += [name for name in table.columns if name not in order]
        obs.attrs.create("column-order", np.array(order, dtype=object), dtype=h5py.string_dtype())
        for place in ("uns", "obsm"):
            if place not in file:
                write_elem(file, place, {})
        for name, values in obsm.items():
            write_elem(file["obsm"], name, values)
        old = read_elem(file["uns/exval"]) if "exval" in file["uns"] else None
        write_elem(file["uns"], "exval", merged_record(old, record, (*table.columns, *obsm, *keys)))
        for name in table.columns:
            if f"{name}_colors" in file["uns"]:
                del file["uns"][f"{name}_colors"]
        if colours is not None:
            write_elem(file["uns"], f"{table.columns[0]}_colors", np.array(colours, dtype=object))


def whole_of(source: Source) -> AnnData:
    """A copy of the AnnData given, or an AnnData of a file that is no h5ad, in its own unit."""
    from anndata import AnnData

    given = source.adata
    if given is not None:
        return given.to_memory() if given.isbacked else given.copy()
    adata = AnnData(source.csr(), obs=source.obs.copy(), var=pd.DataFrame(index=source.var_names))
    for key in source.obsm:
        adata.obsm[key] = source.obsm[key]
    return adata


def record_in(data: Any) -> tuple[list[str], Any]:
    """Names of the columns of obs and ``uns["exval"]`` of an AnnData or an h5ad file; nothing for other files."""
    if hasattr(data, "obs") and hasattr(data, "uns"):
        return list(map(str, data.obs.columns)), data.uns.get("exval", {})
    path = Path(data) if isinstance(data, (str, Path)) else None
    if path is None or path.suffix != ".h5ad":
        return [], {}
    import h5py
    from anndata.io import read_elem

    with h5py.File(path, "r") as file:
        columns = list(file["obs"]) if isinstance(file.get("obs"), h5py.Group) else []
        found = read_elem(file["uns/exval"]) if "uns" in file and "exval" in file["uns"] else {}
    return columns, found


def colours_of(data: Any, label: str) -> dict[str, str]:
    """Category -> colour as scanpy keeps them in ``uns[f"{label}_colors"]``; empty where there are none."""
    if hasattr(data, "uns") and hasattr(data, "obs"):
        column, colours = data.obs.get(label), data.uns.get(f"{label}_colors")
        categories = getattr(getattr(column, "cat", None), "categories", [])
    else:
        path = Path(data) if isinstance(data, (str, Path)) else None
        if path is None or path.suffix != ".h5ad":
            return {}
        import h5py
        from anndata.io import read_elem

        with h5py.File(path, "r") as file:
            place = f"uns/{label}_colors"
            if place not in file or f"obs/{label}/categories" not in file:
                return {}
            colours, categories = read_elem(file[place]), read_elem(file[f"obs/{label}/categories"])
    if colours is None or len(colours) < len(categories):
        return {}
    return {str(name): str(colour) for name, colour in zip(categories, colours)}
