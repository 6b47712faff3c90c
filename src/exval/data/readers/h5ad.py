"""AnnData files: tables are read, matrices stay in the file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from exval.data.matrix import Matrix, matrix_of
from exval.data.readers.base import Lazy, Opened, Reader
from exval.errors import InputError

_HDF5 = b"\x89HDF\r\n\x1a\n"


class H5adReader(Reader):
    """h5ad, with X, layers and raw dense, CSR or CSC."""

    name = "h5ad"

    @classmethod
    def matches(cls, path: Path, head: bytes) -> bool:
        """An HDF5 file with obs and var."""
        if not head.startswith(_HDF5):
            return False
        import h5py

        try:
            with h5py.File(path, "r") as file:
                return "obs" in file and "var" in file
        except OSError:
            return False

    def open(self, path: Path, **options: Any) -> Opened:
        """Open an h5ad file; the handle stays open until ``close``."""
        import h5py

        file = h5py.File(path, "r")
        try:
            return self._open(path, file)
        except BaseException:
            file.close()
            raise

    def _open(self, path: Path, file: Any) -> Opened:
        import h5py
        from anndata.io import read_elem

        if isinstance(file["obs"], h5py.Dataset):  # the layout before anndata 0.7
            return self._open_old(path, file)

        def read(name: str) -> Any:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return read_elem(file[name])
            except (OSError, KeyError, ValueError) as error:
                raise InputError(f"{path}: {name} cannot be read: the file is truncated or damaged") from error
            except Exception as error:  # anndata wraps whatever goes wrong in its own IORegistryError
                if type(error).__name__ in ("IORegistryError", "AnnDataReadError"):
                    raise InputError(f"{path}: {name} is written in a way that this anndata cannot read") from error
                raise

        matrices: dict[str, Matrix] = {}
        if "layers" in file:
            for name in file["layers"]:
                matrices[f"layers/{name}"] = _matrix(path, file[f"layers/{name}"], f"layers/{name}")
        if "X" in file and file["X"].attrs.get("encoding-type") != "null":
            matrices["X"] = _matrix(path, file["X"], "X")
        raw_var = None
        if isinstance(file.get("raw"), h5py.Group) and "X" in file["raw"]:
            matrices["raw"] = _matrix(path, file["raw/X"], "raw")
            raw_var = read("raw/var")
        names = list(file["obsm"]) if "obsm" in file else []
        return Opened(
            obs=read("obs"),
            var=read("var"),
            matrices=matrices,
            raw_var=raw_var,
            obsm=Lazy(names, lambda name: read(f"obsm/{name}")),
            close=file.close,
        )

    def _open_old(self, path: Path, file: Any) -> Opened:
        import anndata

        file.close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return opened_anndata(anndata.read_h5ad(path))


def opened_anndata(adata: Any) -> Opened:
    """An AnnData object as a reader would give it; a backed one stays backed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrices = {f"layers/{name}": matrix_of(values) for name, values in adata.layers.items()}
        if adata.X is not None:
            matrices["X"] = matrix_of(adata.X)
        raw_var = None
        if adata.raw is not None:
            matrices["raw"] = matrix_of(adata.raw.X)
            raw_var = adata.raw.var
        return Opened(obs=adata.obs, var=adata.var, matrices=matrices, raw_var=raw_var, obsm=adata.obsm, adata=adata)


def _matrix(path: Path, values: Any, place: str) -> Matrix:
    try:
        return matrix_of(values)
    except InputError as error:
        raise InputError(f"{path}: {place}: {error}") from error
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: {place} cannot be read: the file is truncated or damaged") from error
