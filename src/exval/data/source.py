"""A file or AnnData as everything else sees it: one matrix in a declared unit, canonical genes, unique cell names."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from exval.data.choose import Choice, all_zero, choose, probe, refuse_broken
from exval.data.genes import GeneMapping, map_genes
from exval.data.merge import Merge, plan_merge
from exval.data.patient_ids import Patients, patients_of
from exval.data.readers.base import Opened
from exval.data.units import BULK, rescaled, to_log1p
from exval.errors import ExvalError, InputError, UnitError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_BLOCK_ENTRIES = 16_000_000  # stored values per block when streaming: some 0.5 GB with all copies
_CHECKED_AT_ONCE = 20_000_000  # stored values that are checked when a file is opened; larger ones while they are read


class Source:
    """Expression values of n cells; made by :func:`open_source`.

    Attributes
    ----------
    name, path
        The file's name and path (None for an AnnData object).
    n
        Number of cells.
    obs
        DataFrame with a unique index of strings; ``obs_names_made_unique`` says whether names were changed.
    matrix, choice
        Which matrix is used (``"X"``, ``"layers/counts"``, ``"raw"``), and the sentence that says why.
    unit, why, confidence
        One of ``counts cp10k log1p log2 z``, what shows it (``"declared"`` by the user), and how sure that is, 0 to 1.
    layout
        How the matrix is stored: ``csr``, ``csc`` or ``dense``.
    genes
        The mapping, one entry per *file* column.
    var_names
        Canonical genes after merging duplicates, (g,); the columns of every matrix that is given out.
    recognised
        (g,) bool: which of ``var_names`` are in the vocabulary.
    merged
        (g,) bool: which of them the file has in several columns.
    obsm
        Arrays per cell, read when asked for.
    adata
        The AnnData that it was made from; None for files.
    missing
        Whether NaN is taken for "not measured"; otherwise it is refused.
    warnings
        Sentences that a user should see.
    """

    def __init__(
        self, opened: Opened, choice: Choice, genes: GeneMapping, merge: Merge, name: str, path: Path | None,
        missing: bool = False,
    ) -> None:  # fmt: skip
        import pandas as pd

        self._opened, self._choice, self._merge = opened, choice, merge
        self._matrix = opened.matrices[choice.place]
        self.name, self.path, self.missing = name, path, missing
        self.matrix, self.unit, self.choice = choice.place, choice.unit, choice.sentence
        self.why, self.confidence = choice.guess.why, choice.guess.confidence
        self.layout = self._matrix.layout
        self.genes = genes
        self.n: int = self._matrix.shape[0]
        self.notes: list[str] = list(opened.notes)
        self.warnings: list[str] = list(choice.warnings)
        self.obs, self.obs_names_made_unique = _unique_index(opened.obs)
        if self.obs_names_made_unique:
            self.warnings.append("names of samples repeat: exval tells them apart by their place in the file")
        known: dict[str, bool] = {}
        for gene, how in zip(genes.canonical.tolist(), genes.how.tolist()):
            known[gene] = known.get(gene, False) or how != "unknown"
        self.var_names = pd.Index(merge.names)
        self.recognised = np.array([known[gene] for gene in merge.names.tolist()])
        self.merged = self.var_names.isin(pd.Index(genes.canonical)[pd.Index(genes.canonical).duplicated()])
        self.obsm: Mapping[str, Any] = opened.obsm
        self.adata: AnnData | None = opened.adata
        self._total_n: np.ndarray | None = None

    def __repr__(self) -> str:
        return (
            f"Source({self.name!r}, {self.n:,} cells x {len(self.var_names):,} genes, {self.unit} from {self.matrix})"
        )

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        self._opened.close()

    def csr(self, rows: slice | np.ndarray | list[int] | None = None) -> sparse.csr_matrix:
        """Values of some cells (all by default) in ``self.unit``.

        Returns
        -------
        csr_matrix
            (n, g) float32 with the columns ``var_names``, duplicates merged.

        Raises
        ------
        InputError
            NaN, inf, or a negative count; names the cell and the gene.
        """
        if rows is None:
            rows = slice(0, self.n)
        if isinstance(rows, slice) and rows.indices(self.n)[2] == 1:
            start, stop, _ = rows.indices(self.n)
            where = np.arange(start, max(start, stop))
            x = self._matrix.rows(start, max(start, stop))
        else:
            where = np.arange(self.n)[rows]
            x = self._matrix.take(where)
        refuse_broken(x, self._opened, self.matrix, where, self.unit, self.missing)
        if self._choice.scale != 1.0:
            x = rescaled(x, self.unit, self._choice.scale)
        return self._merge.apply(x)

    def to_adata(
        self, rows: slice | np.ndarray | list[int] | None = None, *, obsm: bool = True, measured: bool = False
    ) -> AnnData:
        """Some cells (all by default) as the AnnData that every method receives.

        Parameters
        ----------
        measured
            Take log2 and z too, and NaN for "not measured": such values stand in ``X`` as a dense array.

        Returns
        -------
        AnnData
            ``X``: csr float32, log1p(CP10k). ``layers["counts"]`` if and only if the unit is counts. ``var_names``:
            canonical symbols. ``obs`` as in the file plus ``exval_total`` (total counts, NaN where they are not known)
            and, where a patient has several samples, ``exval_patient``: no split may part them.
            With ``measured``, and values in log2 or z or with NaN among them: ``X`` dense float32 in the unit that
            ``uns["exval_unit"]`` names, NaN where not measured.

        Raises
        ------
        UnitError
            The unit is log2 or z, and ``measured`` is not set.
        """
        from anndata import AnnData

        where = np.arange(self.n)[slice(None) if rows is None else rows]
        x = self.csr(slice(0, self.n) if rows is None else rows)
        obs = self.obs.iloc[where].copy()
        totals = np.full(len(where), np.nan)
        if self.unit == "counts":
            totals = np.asarray(x.sum(1, dtype=np.float64)).ravel()
        obs["exval_total"] = totals
        if len(set(self.patients.id_n)) < self.n and self.patients.unit == "patient":
            obs["exval_patient"] = self.patients.id_n[where]
        dense = measured and (self.unit in BULK or bool(np.isnan(x.data).any()))
        try:
            log = x.toarray() if dense else to_log1p(x, self.unit, totals if self.unit == "counts" else None)
        except UnitError as error:
            raise UnitError(f"{self.name}: {error}") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = AnnData(log, obs=obs)
            out.var_names = self.var_names
            out.var["recognised"] = self.recognised
            out.var["merged"] = self.merged
            if self.unit == "counts":
                out.layers["counts"] = x
            if dense:
                out.uns["exval_unit"] = self.unit
            for name in self.obsm if obsm else ():
                out.obsm[name] = _rows_of(self.obsm[name], where)
        return out

    def iter_adata(
        self, size: int = 4096, *, obsm: bool = True, measured: bool = False
    ) -> Iterator[tuple[slice, AnnData]]:
        """Prepared AnnData of at most ``size`` cells after each other (fewer if they are dense): never the whole."""
        for rows in self._blocks(size):
            yield rows, self.to_adata(rows, obsm=obsm, measured=measured)

    def iter_csr(self, size: int = 4096) -> Iterator[tuple[slice, sparse.csr_matrix]]:
        """Like :meth:`iter_adata`, but the values alone, in ``self.unit``."""
        for rows in self._blocks(size):
            yield rows, self.csr(rows)

    def _blocks(self, size: int) -> Iterator[slice]:
        step = max(1, min(size, int(_BLOCK_ENTRIES * self.n / max(self._matrix.stored, 1))))
        for start in range(0, self.n, step):
            yield slice(start, min(start + step, self.n))

    @property
    def file_names(self) -> list[str]:
        """(n,) names of the samples as they stand in the file; those of ``obs`` are made unique."""
        return [str(name) for name in self._opened.obs.index]

    @cached_property
    def patients(self) -> Patients:
        """The patient of every sample (:mod:`exval.data.patient_ids`); equal names tell of bulk samples only."""
        return patients_of(self.file_names, self.obs, names_tell=self.unit in BULK)

    @cached_property
    def has_missing(self) -> bool:
        """Whether any value is NaN, which is allowed only where the source was opened with ``missing``."""
        return self.missing and any(bool(np.isnan(x.data).any()) for _, x in self.iter_csr())

    def total_n(self) -> np.ndarray | None:
        """(n,) total counts of every cell over all genes of the file, or None if the unit is not counts."""
        if self.unit != "counts":
            return None
        if self._total_n is None:
            self._total_n = np.empty(self.n, dtype=np.float64)
            for rows, x in self.iter_csr():
                self._total_n[rows] = np.asarray(x.sum(1, dtype=np.float64)).ravel()
        return self._total_n


def open_source(
    data: Any,
    *,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    need_genes: bool = True,
    orientation: str | None = None,
    missing: bool = False,
) -> Source:
    """Open expression data: tell the unit, map the genes, refuse what is broken.

    Parameters
    ----------
    data
        A path (h5ad, 10x h5, 10x mtx folder, csv/tsv/txt, gzipped), an AnnData (a backed one stays so), or a Source.
    layer
        Any layer's name, ``"X"`` or ``"raw"``; by default counts are looked for in ``layers["counts"]``, X, raw.
    unit
        Overrides the detection: counts, cp10k, log1p, log2 or z. An impossible one is refused.
    species
        ``"auto"``, ``"human"`` or ``"mouse"``.
    need_genes
        Refuse a file of whose genes less than half is recognised.
    orientation
        For text tables: ``"cells-by-genes"`` or ``"genes-by-cells"``.
    missing
        NaN means "not measured" (not among counts); otherwise it is refused.

    Raises
    ------
    InputError, UnitError, GeneError
        One line that names the file, what is wrong and what to do.

    Examples
    --------
    >>> from exval.data.examples import baron
    >>> source = open_source(baron())
    >>> source
    Source('AnnData', 1,937 cells x 20,102 genes, counts from X)
    >>> source.choice
    'values from X: counts (non-negative integers, largest 4,318)'
    >>> round(float(source.to_adata([0]).X.max()), 2)
    6.58
    """
    if isinstance(data, Source):
        if layer is None and unit in (None, data.unit):
            return data
        return _build(data._opened, layer, unit, species, need_genes, data.name, data.path, missing)
    if isinstance(data, (str, os.PathLike)):
        from exval.data.readers import open_file

        path = Path(data).expanduser()
        opened = open_file(path, orientation=orientation)
        name = path.name
    else:
        from anndata import AnnData

        from exval.data.readers.h5ad import opened_anndata

        if not isinstance(data, AnnData):
            raise InputError(f"cannot read a {type(data).__name__}; give a path or an AnnData")
        opened, path, name = opened_anndata(data), None, "AnnData"
    try:
        return _build(opened, layer, unit, species, need_genes, name, path, missing)
    except ExvalError as error:
        opened.close()
        text = str(error)
        raise type(error)(text if path is None or str(path) in text else f"{path}: {text}") from error
    except OSError as error:
        opened.close()
        raise InputError(f"{name}: the values cannot be read; the file is truncated or damaged") from error


def _build(
    opened: Opened, layer: str | None, unit: str | None, species: str, need_genes: bool, name: str, path: Path | None,
    missing: bool = False,
) -> Source:  # fmt: skip
    if not len(opened.obs):
        raise InputError("the file has no cell")
    if not len(opened.var):
        raise InputError("the file has no gene")
    choice = choose(opened, layer, unit, missing)
    var = opened.raw_var if choice.place == "raw" and opened.raw_var is not None else opened.var
    genes = map_genes(var.index, species, var, threshold=0.5 if need_genes else 0.0)
    matrix = opened.matrices[choice.place]
    rows = probe(opened, choice.place, choice.unit, missing)
    if all_zero(matrix, rows):
        raise InputError(f"{choice.place} holds nothing but zeros")
    add = choice.unit == "counts"
    merge = plan_merge(genes.canonical, add=add, mean=None if add else np.asarray(rows.mean(0)).ravel())
    source = Source(opened, choice, genes, merge, name, path, missing)
    if matrix.stored <= _CHECKED_AT_ONCE:
        for _ in source.iter_csr():
            pass
    return source


def _unique_index(obs: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    import pandas as pd
    from anndata.utils import make_index_unique

    index = pd.Index([str(name) for name in obs.index], dtype=object)
    out = obs.copy(deep=False)
    if index.is_unique:
        out.index = index
        return out, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out.index = make_index_unique(index)
    return out, True


def _rows_of(values: Any, where: np.ndarray) -> Any:
    return values.iloc[where] if hasattr(values, "iloc") else values[where]
