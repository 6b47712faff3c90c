"""What every method for missing values shares: genes, units, scaling, checks, and the values it gives back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from exval.data.scaling import Scaling, fit_scaling
from exval.errors import DivergedError, GeneError, InputError, UnitError
from exval.methods.base import Card
from exval.methods.matrix import dense_values

if TYPE_CHECKING:
    from anndata import AnnData

MIN_SAMPLES = 5


@dataclass(frozen=True, eq=False)
class Completed:
    """Samples with their missing values filled.

    Parameters
    ----------
    values_ng
        (n, g) float32 in ``unit``: measured values as they were, the others filled; NaN for ``unfillable`` genes.
    unit
        Of the values: ``"log2"``, ``"z"`` or ``"log1p"``.
    genes
        (g,) names.
    sd_ng
        (n, g) float32 standard deviation of the missing measurement, noise included; 0 where measured; or None.
    unfillable
        Genes that have gaps here and were never measured in training.
    notes
        What a user should know, a line each.
    """

    values_ng: np.ndarray
    unit: str
    genes: Sequence[str]
    sd_ng: np.ndarray | None = None
    unfillable: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Completer(BaseEstimator):
    """Base of the methods for missing values: ``fit(adata)`` on some samples, ``complete(adata)`` for any others.

    A subclass defines ``learn(z_ng)`` and ``fill(z_mg, sd)`` on standardised values with NaN. The base matches genes by
    name, scales every gene by mean and SD of its measured training values (winsorised, see
    :func:`exval.data.scaling.fit_scaling`; z clipped to +-10), hands genes over in alphabetical order and
    samples in an order that depends on their values alone, so that the order in the file cannot matter, and leaves out
    samples without any value and genes without variation, which it fills with their mean (sd 0).

    Attributes
    ----------
    has_sd
        ``fill(z_mg, sd=True)`` returns a predictive standard deviation beside the values.
    stochastic
        Depends on ``seed``.
    presets
        Name of a preset -> settings that differ from the defaults: ``"tiny"`` for tests.
    genes_, scaling_, unit_, n_samples_
        After ``fit``: (g,) genes measured in training, their :class:`Scaling`, the unit, the samples learnt from.
    """

    name: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    card: ClassVar[Card]
    has_sd: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    seed: int = 0
    _group_n: np.ndarray | None = None

    @property
    def title(self) -> str:
        """What the method is called in tables."""
        return self.name

    def n_parameters(self) -> int:
        """Fitted numbers: the sizes of all arrays in attributes that end in an underscore, and in their fields."""
        parts = [value for key, value in vars(self).items() if key.endswith("_")]
        parts += [field for part in parts if is_dataclass(part) for field in vars(part).values()]
        arrays = [part for part in parts if isinstance(part, np.ndarray) and part.dtype != object]
        within = [part.n_parameters() for part in parts if isinstance(part, Completer)]
        return sum(array.size for array in arrays) + sum(within)

    def learn(self, z_ng: np.ndarray) -> None:
        """Fit (n, g) float64 with NaN: at least 5 samples and 2 genes, each measured twice or more and varying."""
        raise NotImplementedError

    def fill(self, z_mg: np.ndarray, sd: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """(m, g) values of all entries (those measured are not looked at); with ``sd`` a pair with their sd."""
        raise NotImplementedError

    def fit(self, adata: AnnData) -> Completer:
        """Learn from the measured values of training samples.

        Parameters
        ----------
        adata
            Prepared: ``X`` dense with NaN for not measured (or CSR, absent is zero), unit in ``uns["exval_unit"]``.

        Raises
        ------
        InputError
            Fewer than 5 samples with a value, fewer than 2 genes with one, infinite values.
        """
        x_ng, names = self._read(adata)
        measured_ng = ~np.isnan(x_ng)
        columns = np.flatnonzero(measured_ng.any(0))
        columns = columns[np.argsort(names[columns].astype(str), kind="stable")]
        rows = np.flatnonzero(measured_ng.any(1))
        x_ng = x_ng[rows][:, columns]
        if len(x_ng) < MIN_SAMPLES:
            raise InputError(f"{self.title} needs at least {MIN_SAMPLES} training samples; {len(x_ng)} have any value")
        if len(columns) < 2:
            raise InputError(f"{self.title} needs at least 2 genes that were measured; there are {len(columns)}")
        order = _order_by_content(x_ng)
        x_ng, rows = x_ng[order], rows[order]
        self.genes_, self.unit_, self.n_samples_ = names[columns], _unit(adata), len(x_ng)
        self.scaling_: Scaling = fit_scaling(x_ng)
        self._learnt = np.flatnonzero(self.scaling_.varies_g)
        z_ng = self.scaling_.standardised(x_ng)[:, self._learnt]
        there = ~np.isnan(z_ng).all(1)
        z_ng, patient = z_ng[there], adata.obs.get("exval_patient")
        self._group_n = None if patient is None else patient.astype(str).to_numpy()[rows[there]]
        if len(self._learnt) < 2 or len(z_ng) < MIN_SAMPLES:
            self._learnt = self._learnt[:0]  # nothing to learn from: every gap is filled with the mean
        else:
            self.learn(z_ng)
        return self

    def complete(self, adata: AnnData, *, genes: Sequence[str] | None = None, sd: bool = False) -> Completed:
        """Fill what was not measured in any samples.

        Parameters
        ----------
        adata
            Prepared, in the unit that was fitted; its genes may be others and in another order.
        genes
            Names of the columns wanted, in this order: genes of the file, and genes of the training samples that the
            file lacks. Default: those of the file.
        sd
            Also the standard deviation, where the method has one (``has_sd``).

        Returns
        -------
        Completed
            A sample does not depend on the others in the call.

        Raises
        ------
        UnitError
            Another unit than in training.
        GeneError
            No gene in common with training, or a gene asked for that is in neither.
        DivergedError
            The method returned NaN or inf.
        """
        if not hasattr(self, "scaling_"):
            raise InputError(f"{self.title} has to be fitted on training samples before it can fill others")
        x_ng, names = self._read(adata)
        if _unit(adata) != self.unit_:
            raise UnitError(f"{self.title} was fitted on {self.unit_} values; these are {_unit(adata)}: convert them")
        known = pd.Index(self.genes_)
        if not known.isin(names).any():
            raise GeneError(f"none of the {len(known)} genes that {self.title} was fitted on is in the file")
        asked = list(names) if genes is None else list(map(str, genes))
        at_file, at_training = pd.Index(names).get_indexer(asked), known.get_indexer(asked)
        lost = [gene for gene, a, b in zip(asked, at_file, at_training) if a < 0 and b < 0]
        if lost:
            raise GeneError(f"{len(lost)} of the genes asked for are in neither file: {', '.join(lost[:5])}")
        values_ng = np.full((len(x_ng), len(asked)), np.nan, np.float32)
        values_ng[:, at_file >= 0] = x_ng[:, at_file[at_file >= 0]]
        gap_ng = np.isnan(values_ng)
        trained = at_training >= 0
        rows = np.flatnonzero(gap_ng[:, trained].any(1))
        both = sd and self.has_sd
        sd_ng = np.zeros(values_ng.shape, np.float32) if both else None
        if len(rows):
            x_mg = np.full((len(rows), len(known)), np.nan)
            where = pd.Index(names).get_indexer(known)
            x_mg[:, where >= 0] = x_ng[np.ix_(rows, where[where >= 0])]
            filled_mg, spread_mg = self._filled(self.scaling_.standardised(x_mg), both)
            column = at_training[trained]
            here = np.ix_(rows, np.flatnonzero(trained))
            values_ng[here] = np.where(gap_ng[here], filled_mg[:, column], values_ng[here])
            if sd_ng is not None:
                sd_ng[here] = np.where(gap_ng[here], spread_mg[:, column], 0)
        if sd_ng is not None:
            sd_ng[np.isnan(values_ng)] = np.nan
        unfillable = tuple(asked[j] for j in np.flatnonzero(np.isnan(values_ng).any(0)))
        blank = int(np.isnan(x_ng[:, pd.Index(names).isin(self.genes_[self._learnt])]).all(1).sum())
        return Completed(values_ng, self.unit_, asked, sd_ng, unfillable, self._notes(unfillable, blank))

    def _filled(self, z_mg: np.ndarray, sd: bool) -> tuple[np.ndarray, np.ndarray]:
        """Values and sd of all training genes in their unit."""
        mean_g, sd_g = self.scaling_.mean_g, self.scaling_.sd_g
        values_mg, spread_mg = np.tile(mean_g, (len(z_mg), 1)), np.tile(sd_g, (len(z_mg), 1))
        z_mg = z_mg[:, self._learnt]
        some = np.flatnonzero(~np.isnan(z_mg).all(1))  # the others take mean and SD
        if len(some):
            found: Any = self.fill(z_mg[some], sd=True) if sd else (self.fill(z_mg[some]),)
            if found[0].shape != (len(some), len(self._learnt)):
                raise ValueError(f"{self.title} returned {found[0].shape} for {(len(some), len(self._learnt))} values")
            if not all(np.isfinite(part).all() for part in found):
                raise DivergedError(f"{self.title} returned NaN or inf: nothing was filled")
            here = np.ix_(some, self._learnt)
            values_mg[here] += found[0] * sd_g[self._learnt]
            if sd:
                spread_mg[here] *= found[1]
        return values_mg, spread_mg

    def _notes(self, unfillable: tuple[str, ...], blank: int) -> tuple[str, ...]:
        notes = []
        if unfillable:
            some = ", ".join(unfillable[:5]) + (", ..." if len(unfillable) > 5 else "")
            notes.append(f"{len(unfillable)} genes stay empty, since no training sample measured them: {some}")
        if blank:
            notes.append(f"{blank} samples measured none of the training genes: they are given the training mean")
        return tuple(notes)

    def _read(self, adata: AnnData) -> tuple[np.ndarray, np.ndarray]:
        """All values of a file and the names of its genes, checked."""
        names = np.asarray(adata.var_names, dtype=object)
        if len(set(names)) < len(names):
            raise GeneError(f"{len(names) - len(set(names))} gene names repeat; merge them before filling values")
        x_ng = dense_values(adata)
        if np.isinf(x_ng).any():
            i, j = np.argwhere(np.isinf(x_ng))[0]
            raise InputError(f"the value of {names[j]} in {adata.obs_names[i]} is infinite; leave it empty (NaN)")
        return x_ng, names


def _unit(adata: AnnData) -> str:
    return str(adata.uns.get("exval_unit", "log1p"))


def _order_by_content(x_ng: np.ndarray) -> np.ndarray:
    """An order of the samples that follows from their values alone."""
    plain_ng = np.where(np.isnan(x_ng), np.nan, x_ng + 0.0)  # one NaN and one zero
    return np.argsort([hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in plain_ng], kind="stable")
