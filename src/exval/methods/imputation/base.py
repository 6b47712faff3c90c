"""What every imputation method shares: the cells it sees, the guards, and the typed values it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sp

from exval.errors import DivergedError, GeneError, InputError, UnitError
from exval.methods.base import Method
from exval.methods.imputation.values import Imputed

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Cells", "Imputed", "Imputer"]


@dataclass(eq=False)
class Cells:
    """What a method learns from: cells with at least one value, genes seen at least once, genes sorted by name.

    Parameters
    ----------
    log_ng
        (n, g) CSR float32, log1p(CP10k).
    counts
        (n, g) CSR float32 counts, or None where the file has none.
    total_n
        (n,) float64 counts of each cell over the whole file (not over these genes alone); NaN without counts.
    genes
        (g,) names.
    names
        (n,) of the cells.
    labels_n
        (n,) groups the user gave, for methods that may use them; None otherwise.
    truth_ng
        (n, g) log1p(CP10k) of the known truth, for the control ``oracle`` alone.
    """

    log_ng: sp.csr_matrix
    counts: sp.csr_matrix | None
    total_n: np.ndarray
    genes: np.ndarray
    names: np.ndarray
    labels_n: np.ndarray | None = None
    truth_ng: Any = None

    @property
    def n(self) -> int:
        """Number of cells."""
        return self.log_ng.shape[0]

    @property
    def counts_ng(self) -> sp.csr_matrix:
        """The counts, or a ``UnitError`` where there are none."""
        if self.counts is None:
            raise UnitError(
                "this method needs raw counts, and the file holds none (normalised values cannot be turned back): "
                "name the layer that has them with --layer (round corrected counts first), or take magic, alra or "
                "drimpute, which work on log1p values"
            )
        return self.counts

    @cached_property
    def cp10k_ng(self) -> sp.csr_matrix:
        """(n, g) CSR float32, CP10k."""
        out = self.log_ng.copy()
        out.data = np.expm1(out.data)
        return out

    @cached_property
    def size_n(self) -> np.ndarray:
        """(n,) size factors: total counts over their mean."""
        _ = self.counts_ng
        return self.total_n / self.total_n.mean()


class Imputer(Method):
    """Base of the imputation methods: ``fit(adata)``, then ``impute(adata, genes)`` for the same cells.

    A subclass defines ``learn`` and ``block``. What it keeps between the two should be small (factors, a graph, the
    weights of a network): dense values are made for the genes asked for, and only then.

    The base leaves out cells without any value and genes without any value before ``learn`` (they are zero in the
    answer), hands genes over in alphabetical order, so that the order in the file cannot matter, refuses NaN, values
    below zero and too few cells, and checks what comes back.

    Attributes
    ----------
    unit
        Of what ``block`` returns: ``"counts"`` (expected counts at the cell's own depth), ``"cp10k"`` or ``"log1p"``.
    needs_counts
        Log values are refused.
    has_sd
        ``block(columns, sd=True)`` returns a standard deviation beside the value.
    stochastic
        Depends on ``seed``; exact methods do not, and are equivariant under a permutation of cells and genes.
    labels
        ``"never"``, ``"optional"`` (groups improve it) or ``"required"``; a method that was given labels may not be
        scored against them.
    heavy
        Not tried by ``recommend`` unless it is named.
    min_cells
        Fewest cells that it can learn from.
    presets
        Name of a preset -> settings that differ from the defaults: ``"paper"`` as published, ``"cpu"`` for two cores.
    """

    transductive = True
    unit: ClassVar[str] = "log1p"
    needs_counts: ClassVar[bool] = False
    has_sd: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    labels: ClassVar[str] = "never"
    heavy: ClassVar[bool] = False
    min_cells: ClassVar[int] = 2
    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    def learn(self, cells: Cells) -> None:
        """Fit on the cells; keep in attributes that end in an underscore what ``block`` needs."""
        raise NotImplementedError

    def block(self, columns: np.ndarray, sd: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """(n, q) values of some of ``cells.genes``, float32, in ``unit``; with ``sd`` a pair with their sd."""
        raise NotImplementedError

    def fit(self, adata: AnnData, label: str | None = None) -> Imputer:
        """Learn from the cells.

        Parameters
        ----------
        adata
            Prepared: ``X`` CSR log1p(CP10k), ``layers["counts"]`` where there are counts.
        label
            Column of obs with groups; used only by methods that can (``labels``).

        Raises
        ------
        InputError, UnitError
            Counts are needed and absent; too few cells; labels are needed and not given; values below zero.
        """
        cells = self._cells(adata, label)
        self._total_n = cells.total_n
        self.learn(cells)
        return self

    def impute(self, adata: AnnData, genes: Sequence[str] | None = None, *, sd: bool = False) -> Imputed:
        """Values of the cells that were fitted.

        Parameters
        ----------
        adata
            The cells given to ``fit``.
        genes
            Names, in any order; all by default.
        sd
            Also the standard deviation, where the method has one (``has_sd``).

        Returns
        -------
        Imputed
            (n, q) in ``unit``; rows of cells without any count and columns of genes without any are zero.

        Raises
        ------
        InputError
            Other cells than those fitted; GeneError: a gene that the file does not have; DivergedError: NaN.
        """
        names = np.asarray(adata.obs_names, dtype=object)
        if len(names) != len(self._all_names) or (names != self._all_names).any():
            raise InputError(f"{self.title} imputes the cells it was fitted on, and no others: fit it on these")
        asked = list(self._file_genes) if genes is None else list(map(str, genes))
        where = self._gene_index.get_indexer(asked)
        known = self._file_index.get_indexer(asked)
        if (known < 0).any():
            lost = [gene for gene, at in zip(asked, known) if at < 0]
            raise GeneError(f"{len(lost)} of the genes asked for are not in the file: {', '.join(lost[:5])}")
        n, there = len(names), np.flatnonzero(where >= 0)
        both = sd and self.has_sd
        found: Any = np.zeros((len(self._rows), 0), np.float32)
        if len(there):
            found = self.block(where[there], sd=True) if both else self.block(where[there])
        parts = found if isinstance(found, tuple) else (found, found) if both else (found,)
        values, *spread = (self._laid(part, n, asked, there) for part in parts)
        total_n = np.full(n, np.nan)
        total_n[self._rows] = self._total_n
        return Imputed(values, self.unit, asked, total_n, spread[0] if spread else None)

    def _laid(self, part: np.ndarray, n: int, asked: Sequence[str], there: np.ndarray) -> np.ndarray:
        """What a block returned, checked, with the rows of empty cells and the columns of empty genes; no copy if none
        is needed."""
        if part.shape != (len(self._rows), len(there)):
            raise ValueError(f"{self.title} returned {part.shape} values for {(len(self._rows), len(there))}")
        low, high = (float(part.min()), float(part.max())) if part.size else (0.0, 0.0)
        if not np.isfinite([low, high]).all():
            gene = asked[there[int(np.flatnonzero(~np.isfinite(part).all(0))[0])]]
            raise DivergedError(f"{self.title} returned NaN or inf for {gene}: nothing was written")
        part = np.asarray(part, np.float32) if low >= 0 else np.maximum(part, 0, dtype=np.float32)
        if part.shape == (n, len(asked)):
            return part
        whole = np.zeros((n, len(asked)), np.float32)
        whole[np.ix_(self._rows, there)] = part
        return whole

    @property
    def filled(self) -> np.ndarray:
        """Positions, among the cells fitted, of those with any value: the rows of what the method keeps."""
        return self._rows

    def _cells(self, adata: AnnData, label: str | None) -> Cells:
        from exval.methods.base import labels_of

        x_ng = sp.csr_matrix(adata.X)
        if x_ng.shape[0] == 0 or x_ng.shape[1] == 0:
            raise InputError(f"there is nothing to impute: {x_ng.shape[0]} cells, {x_ng.shape[1]} genes")
        if x_ng.nnz and x_ng.data.min() < 0:
            raise UnitError("values below zero cannot be imputed as expression; give counts or log1p values")
        if not np.isfinite(x_ng.data).all():
            raise InputError("there is NaN or inf among the values; exval check names the cells")
        if self.labels == "required" and label is None:
            raise InputError(f"{self.title} needs groups of cells: name a column of obs with --label")
        file_genes = np.asarray(adata.var_names, dtype=object)
        order = np.argsort(file_genes.astype(str), kind="stable")
        counts = sp.csr_matrix(adata.layers["counts"]) if "counts" in adata.layers else None
        seen = x_ng if counts is None else counts
        if (seen.data == 0).any():
            seen = seen.copy()
            seen.eliminate_zeros()
        self._rows = np.flatnonzero(np.diff(seen.indptr) > 0)
        found = np.zeros(x_ng.shape[1], dtype=bool)
        for start in range(0, seen.nnz, 1 << 22):  # an index of another width is copied: not all at once
            found[seen.indices[start : start + (1 << 22)]] = True
        columns = order[found[order]]
        del seen
        self._all_names = np.asarray(adata.obs_names, dtype=object)
        self._file_genes, self._file_index = file_genes, pd.Index(file_genes)
        self._gene_index = pd.Index(file_genes[columns])
        if len(self._rows) < self.min_cells:
            what = "cell has" if len(self._rows) == 1 else "cells have"
            raise InputError(f"{self.title} needs at least {self.min_cells} cells; {len(self._rows)} {what} any value")
        total = np.full(len(self._rows), np.nan)
        if counts is not None:
            total = np.asarray(counts.sum(1), dtype=np.float64).ravel()[self._rows]
            if "exval_total" in adata.obs and np.isfinite(adata.obs["exval_total"]).all():
                total = adata.obs["exval_total"].to_numpy(np.float64)[self._rows]
        labels = None
        if label is not None and self.labels != "never":
            labels = labels_of(adata, label)[self._rows]
        truth = adata.layers["exval_truth"][self._rows][:, columns] if "exval_truth" in adata.layers else None

        def cut(matrix: sp.csr_matrix) -> sp.csr_matrix:
            whole = len(self._rows) == matrix.shape[0] and np.array_equal(columns, np.arange(matrix.shape[1]))
            out = sp.csr_matrix(matrix if whole else matrix[self._rows][:, columns], dtype=np.float32)
            out.sort_indices()
            return out

        cells = Cells(cut(x_ng), None if counts is None else cut(counts), total, file_genes[columns],
                      self._all_names[self._rows], labels, truth)  # fmt: skip
        if self.needs_counts:
            _ = cells.counts_ng
        return cells
