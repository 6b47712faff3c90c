"""Columns that a survival method computes with, from obs and from X; all that is learned is learned in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exval.data.columns import column, numbers, texts
from exval.errors import GeneError, InputError
from exval.methods.matrix import dense_values

if TYPE_CHECKING:
    from anndata import AnnData

LIMIT = 5.0  # standardised values are cut here: z-scored cohorts hold values up to 36,893
RARE = 5  # levels and gaps of fewer training patients get no coefficient of their own


class ClinicalDesign:
    """Clinical columns as numbers.

    Numeric columns are standardised with the mean and SD of the training patients and cut at 5 SD; a missing value is
    the training median, and where five or more training patients lack one, a column says so. A numeric column of two
    values becomes 0 and 1. Truth values and words become one column a level, without the first level; levels of fewer
    than five training patients are merged into ``other``, or into the first level where those are fewer than five too.
    A level that training did not have is ``other`` if there is one, else the first level. A missing word is a level.
    Columns that do not vary are dropped.

    Attributes
    ----------
    names_
        (q,) what each column says, e.g. ``"age"``, ``"stage = III"``, ``"age missing"``.
    units_
        (q,) the change that a coefficient stands for: ``"SD (10.6)"``, ``"1 against 0"``, ``"against I"``.
    dropped_
        Covariates that no column is left of.

    Examples
    --------
    >>> obs = pd.DataFrame({"age": ["50", "60", "70"] * 5, "stage": ["I", "I", "II"] * 5, "arm": "A"})
    >>> design = ClinicalDesign().fit(obs, ["age", "stage", "arm"])
    >>> design.names_, design.units_, design.dropped_
    (['age', 'stage = II'], ['SD (8.16)', 'against I'], ['arm'])
    >>> design.transform(pd.DataFrame({"age": [60, None], "stage": ["II", "IV"], "arm": "B"})).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """

    def fit(self, obs: pd.DataFrame, columns: Sequence[str]) -> ClinicalDesign:
        """Learn from the training patients.

        Raises
        ------
        InputError
            A column that is absent, that has a value of its own for nearly every patient (an identifier), or that
            mixes numbers with words.
        """
        self.columns_ = list(columns)
        self._parts: list[_Number | _Words] = []
        for name in self.columns_:
            values = column(obs, name)
            found = numbers(values, name)
            self._parts.append(_Words(name, values) if found is None else _Number(name, found))
        self._keep: np.ndarray = np.ones(sum(len(part.names) for part in self._parts), dtype=bool)
        whole = self.transform(obs)
        self._keep = np.ptp(whole, axis=0) > 1e-9 if len(whole) else self._keep
        owner = [part.name for part in self._parts for _ in part.names]
        self.names_ = [name for part in self._parts for name in part.names]
        self.units_ = [unit for part in self._parts for unit in part.units]
        kept = set(np.asarray(owner, dtype=object)[self._keep])
        self.names_, self.units_ = (list(np.asarray(x, dtype=object)[self._keep]) for x in (self.names_, self.units_))
        self.dropped_ = [name for name in self.columns_ if name not in kept]
        return self

    def transform(self, obs: pd.DataFrame) -> np.ndarray:
        """(n, q) float64, finite."""
        parts = [part.columns(column(obs, part.name)) for part in self._parts]
        return np.concatenate([np.zeros((len(obs), 0)), *parts], axis=1)[:, self._keep]


class _Number:
    """A numeric column: standardised, or 0 and 1 where it has two values; and whether it is missing."""

    def __init__(self, name: str, found: np.ndarray) -> None:
        self.name = name
        there = found[~np.isnan(found)]
        self.median = float(np.median(there)) if len(there) else 0.0
        distinct = np.unique(there)
        if len(distinct) == 2:
            self.centre, self.scale = float(distinct[0]), float(distinct[1] - distinct[0])
            unit = f"{distinct[1]:g} against {distinct[0]:g}"
        else:
            self.centre = float(there.mean()) if len(there) else 0.0
            sd = float(there.std()) if len(there) else 0.0
            self.scale = sd if sd > 1e-9 * (1e-9 + abs(self.centre)) else np.inf
            unit = f"SD ({sd:.3g})"
        self.gaps = bool(np.isnan(found).sum() >= RARE)
        self.names = [name] + [f"{name} missing"] * self.gaps
        self.units = [unit] + ["missing against known"] * self.gaps

    def columns(self, values: pd.Series) -> np.ndarray:
        found = numbers(values, self.name, strict=True)
        gone = np.isnan(found)
        z = np.clip((np.where(gone, self.median, found) - self.centre) / self.scale, -LIMIT, LIMIT)
        return np.column_stack([z, gone]) if self.gaps else z[:, None]


class _Words:
    """A column of levels: one column for each but the first."""

    def __init__(self, name: str, values: pd.Series) -> None:
        self.name = name
        words = texts(values)
        known = [word for word in words if word is not None]
        distinct = set(known)
        if len(known) >= 10 and len(distinct) > 0.8 * len(known):
            raise InputError(
                f"the covariate {name!r} has {len(distinct)} distinct values in {len(known)} patients: it names the "
                "patients, leave it out"
            )
        count = pd.Series(words, dtype=object).value_counts()
        ordered = isinstance(values.dtype, pd.CategoricalDtype)
        order = [str(one).strip() for one in values.cat.categories] if ordered else sorted(distinct)
        frequent = [level for level in dict.fromkeys(order) if count.get(level, 0) >= RARE]
        rest = sum(int(count[level]) for level in distinct if count[level] < RARE)
        levels = frequent[1:] + (["other"] if rest >= RARE and frequent and "other" not in frequent else [])
        self.first, self.levels, self.frequent = (frequent or [""])[0], levels, set(frequent)
        self.gaps = sum(word is None for word in words) >= RARE
        self.names = [f"{name} = {level}" for level in levels] + [f"{name} missing"] * self.gaps
        self.units = [f"against {self.first}"] * len(levels) + ["missing against known"] * self.gaps

    def columns(self, values: pd.Series) -> np.ndarray:
        words = texts(values)
        other = np.array([word is not None and word not in self.frequent for word in words], dtype=bool)
        out = [(words == level) | (other if level == "other" else False) for level in self.levels]
        out += [np.array([word is None for word in words], dtype=bool)] * self.gaps
        return np.stack(out, axis=1).astype(np.float64) if out else np.zeros((len(words), 0))


class ExpressionDesign:
    """Genes as standardised numbers.

    Genes that vary and that half of the training samples or more have a value of are kept. Mean and SD come from the
    measured training values; standardised values are cut at 5. What was not measured takes the training mean, zero,
    at training and at predicting alike.

    Attributes
    ----------
    genes_
        (p,) names, sorted.
    mean_, sd_
        (p,), in the unit of X.
    absent_
        Genes of the panel asked for that the training file does not hold, or that were dropped.

    Examples
    --------
    >>> import anndata
    >>> x = np.array([[1.0, 7, np.nan], [3.0, 7, 1.0], [5.0, 7, np.nan]])
    >>> train = anndata.AnnData(x, var=pd.DataFrame(index=["B", "A", "C"]))
    >>> design = ExpressionDesign().fit(train)
    >>> design.genes_.tolist(), design.transform(train).round(2).tolist()
    (['B'], [[-1.22], [0.0], [1.22]])
    """

    def fit(self, adata: AnnData, genes: Sequence[str] | None = None) -> ExpressionDesign:
        """Learn from the training samples.

        Parameters
        ----------
        adata
            Prepared.
        genes
            A panel; all genes by default.

        Raises
        ------
        InputError
            There are no samples or no genes; no gene varies. GeneError: none of the panel is in the file.
        """
        if adata.n_obs == 0 or adata.n_vars == 0:
            raise InputError(f"there is nothing to fit on: {adata.n_obs} samples, {adata.n_vars} genes")
        there = pd.Index(adata.var_names)
        asked = np.array(sorted(set(there if genes is None else map(str, genes))), dtype=object)
        names = asked[there.get_indexer(asked) >= 0]
        if not len(names):
            raise GeneError(f"none of the {len(asked)} genes of the panel is in the file; check their names")
        x_np = dense_values(adata, names)
        measured_p = (~np.isnan(x_np)).sum(0)
        often = measured_p >= max(1, 0.5 * len(x_np))
        x_np, names = x_np[:, often], names[often]
        count = np.maximum(measured_p[often], 1)
        mean = np.where(np.isnan(x_np), 0.0, x_np).sum(0) / count
        sd = np.sqrt((np.where(np.isnan(x_np), 0.0, x_np - mean) ** 2).sum(0) / count)
        varies = sd > 1e-6 * np.maximum(np.abs(mean), 1e-6)
        if not varies.any():
            raise InputError(
                f"none of the {len(asked)} genes varies and is measured in half of the {adata.n_obs} training samples"
            )
        self.genes_, self.mean_, self.sd_ = names[varies], mean[varies], sd[varies]
        kept = set(self.genes_)
        self.absent_ = [] if genes is None else [gene for gene in asked if gene not in kept]
        return self

    def read(self, adata: AnnData) -> np.ndarray:
        """(n, p) float64 standardised values, NaN where not measured.

        Raises
        ------
        GeneError
            If the file has none of the genes.
        """
        if not pd.Index(self.genes_).isin(adata.var_names).any():
            raise GeneError(
                f"none of the {len(self.genes_)} genes the method was fitted on is in the file; check var_names"
            )
        return np.clip((dense_values(adata, self.genes_) - self.mean_) / self.sd_, -LIMIT, LIMIT)

    def transform(self, adata: AnnData) -> np.ndarray:
        """(n, p) float64, finite; zero where not measured."""
        return np.nan_to_num(self.read(adata), nan=0.0)
