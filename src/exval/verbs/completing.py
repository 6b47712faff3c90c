"""One filling of missing values from the arguments to the layers: read, refuse, check, fit, fill; then tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.errors import ExvalError, GeneError, InputError, OutputError, UnitError
from exval.methods.completion.run import as_completer
from exval.verbs.completed import cautions, verdict

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.data.source import Source
    from exval.methods.completion.base import Completer
    from exval.tasks.completing.check import Check

AUTO = "ppca"
SHEETS = 6  # dense copies of the file, in single precision, that are in memory at once


@dataclass(eq=False)
class Completion:
    """Filling one file, from the arguments to the layers; ``run`` does the work, ``write`` and ``results`` tell of it.

    Parameters
    ----------
    source
        The file, opened with ``missing``.
    data
        What it was opened from, for what is known of its layers.
    method
        Name, run folder, completer or ``auto``.
    ref, ref_unit
        A cohort that the method is fitted on, and its unit where it is not detected; None: the file itself.
    genes, out_genes
        Genes given and kept (default: all of the file), and genes added that only the reference or the run has.
    settings
        Parameters of the method.
    sd, check
        Write the sd; hide a tenth of what was measured to see how far off the method is.
    key
        Name of the layer.
    species, seed, device, threads
        As in :func:`exval.verbs.impute.impute`.
    """

    source: Source
    data: Any
    method: Any
    ref: Any = None
    ref_unit: str | None = None
    genes: Any = None
    out_genes: Any = None
    settings: dict[str, Any] | None = None
    sd: bool = True
    check: bool = True
    key: str = "exval_imputed"
    species: str = "auto"
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    warnings: list[str] = field(default_factory=list)
    checked: Check | None = None
    added: Check | None = None

    def run(self) -> None:
        """Read, refuse, check, fit and fill."""
        from threadpoolctl import threadpool_limits

        from exval.tasks.completing.ask import as_dense, measured_genes
        from exval.verbs.layers import refuse_too_large
        from exval.verbs.target import target_of

        source = self.source
        one = as_completer(AUTO if self.method == "auto" else self.method, self.settings, seed=self.seed,
                           device=self.device)  # fmt: skip
        self.title = one.title
        self._refuse_foreign()
        with threadpool_limits(self.threads):
            file = as_dense(source.to_adata(obsm=False, measured=True))
            reference, self.ref_name = self._reference(file, one)
            given, added = self._genes(file, reference, one)
            refuse_too_large(source.n, file.n_vars + len(added), SHEETS, None)
            self.warnings = [*source.warnings, *self.warnings]
            shown = file if given is None else file[:, given].copy()
            basis = measured_genes(shown if reference is None else reference)
            self.target = target_of(source).cut(given, added)
            self._refuse_idle(basis, one)
            with self._settings_blamed():
                answer, names = self._asked(one, shown, basis, reference is not None, added)
        self._fill(names, answer)
        self.shown = shown
        self.verdict = verdict(self)
        self.warnings += cautions(self)

    @contextmanager
    def _settings_blamed(self) -> Iterator[None]:
        """A parameter of the wrong kind is the user's fault, and said in one line."""
        try:
            yield
        except (ValueError, TypeError, ZeroDivisionError, IndexError) as error:
            if isinstance(error, ExvalError) or not self.settings:
                raise
            told = ", ".join(f"{name}={value}" for name, value in self.settings.items())
            raise InputError(f"{self.title} cannot be fitted with {told}: {error}") from error

    def _asked(
        self, one: Completer, shown: AnnData, basis: AnnData, referred: bool, added: list[str]
    ) -> tuple[Any, list[str]]:
        """Check, fit, and ask about every column of the output."""
        from exval.bench.cost import Cost
        from exval.tasks.completing.ask import ask, measured_genes
        from exval.tasks.completing.check import held_out, held_out_genes

        if self.check:
            mean = as_completer("mean")
            patient_n, unit = self.source.patients[:2]
            self.checked = held_out(one, mean, measured_genes(shown), basis if referred else None,
                                    groups_n=patient_n, unit=unit, seed=self.seed)  # fmt: skip
            if added and referred:
                patient_n, unit = self._ref_patients
                self.added = held_out_genes(one, mean, basis, list(shown.var_names), added, groups_n=patient_n,
                                            unit=unit, seed=self.seed)  # fmt: skip
        names = list(dict.fromkeys(map(str, self.target.gene_p)))
        with Cost() as cost:
            self.fitted = one.fit(basis)
            answer = ask(self.fitted, shown, genes=names)
        self.seconds, self.peak_mb = cost.seconds, cost.peak_mb
        return answer, names

    def _refuse_foreign(self) -> None:
        from exval.verbs.written import record_in

        record = record_in(self.data)[1]
        ours = {str(k) for k in np.atleast_1d(record.get("keys", []))} if hasattr(record, "get") else set()
        places = self.source._opened.matrices
        for name in (self.key, self._sd_key):
            if f"layers/{name}" in places and name not in ours:
                raise OutputError(f"layer {name!r} exists and is not exval's; choose another name with --key-added")

    @property
    def _sd_key(self) -> str:
        return "exval_sd" if self.key == "exval_imputed" else f"{self.key}_sd"

    def _reference(self, file: AnnData, one: Any) -> tuple[AnnData | None, str]:
        """The cohort to fit on, in the unit of the file."""
        from exval.data.source import open_source
        from exval.tasks.completing.ask import as_dense

        if self.ref is None:
            return None, ""
        if hasattr(one, "seen"):
            raise InputError(f"{one.title} is trained already; leave out --ref")
        ref = open_source(self.ref, unit=self.ref_unit, species=self.species, missing=True)
        if ref.unit != self.source.unit:
            raise UnitError(
                f"{ref.name} holds {ref.unit} and {self.source.name} {self.source.unit}: a reference has to be in the "
                "unit of the file (--unit, --ref-unit if one was misread)"
            )
        self._ref_patients = ref.patients[:2]
        adata = as_dense(ref.to_adata(obsm=False, measured=True))
        shared = int(np.isin(file.var_names, adata.var_names).sum())
        if not shared:
            raise GeneError(f"{ref.name} and {self.source.name} share no gene; check the species and the gene names")
        if shared < file.n_vars:
            self.warnings.append(
                f"{file.n_vars - shared} of the {file.n_vars} genes are not in the reference and help nothing there"
            )
        if ref.unit == "z":
            self.warnings.append(
                "z-scores: the file and the reference were each standardised on their own samples, so that a filled "
                "value is relative to the reference"
            )
        self.warnings += [f"{ref.name}: {line}" for line in ref.warnings]
        return adata, ref.name

    def _genes(self, file: AnnData, reference: AnnData | None, one: Any) -> tuple[list[str] | None, list[str]]:
        """Genes of the file that are kept, None for all, and genes that are added to it."""
        from exval.verbs.layers import read_genes

        given = read_genes(self.genes, self.source, "--genes")
        if self.out_genes is None:
            return given, []
        known = list(reference.var_names) if reference is not None else list(getattr(one, "genes", ()))
        own = list(map(str, file.var_names))
        if isinstance(self.out_genes, str) and self.out_genes.lower() == "all":
            asked = known
        else:
            union = list(dict.fromkeys([*own, *map(str, known)]))
            lookup = SimpleNamespace(var_names=union, genes=SimpleNamespace(
                names_in=self.source.genes.names_in, canonical=self.source.genes.canonical,
                species=self.source.genes.species))  # fmt: skip
            try:
                asked = read_genes(self.out_genes, lookup, "--out-genes")
            except GeneError as error:
                if known:
                    also = f"in the file or {self.ref_name or self.title}"
                    raise GeneError(str(error).replace("in the file", also)) from None
                raise GeneError(
                    f"{error}; genes that the file lacks need a cohort that has them: --ref COHORT"
                ) from None
        if given is not None:
            given = list(dict.fromkeys([*given, *(gene for gene in asked if gene in set(own))]))
        return given, [gene for gene in map(str, asked) if gene not in set(own)]

    def _refuse_idle(self, basis: AnnData, one: Any) -> None:
        missing_np = np.isnan(self.target.values_np)
        name = self.source.name
        if not missing_np.any():
            otherwise = f"cells are denoised from counts or log1p values, not {self.source.unit}"
            if self.source.unit == "log1p":
                otherwise = "cells are denoised by other methods (exval methods --verb impute)"
            need = "--out-genes LIST (or all)" + ("" if self.ref is not None else " and --ref COHORT")
            raise InputError(
                f"nothing to fill: every value of {name} was measured; genes that it lacks need {need}, and {otherwise}"
            )
        known = set(map(str, getattr(one, "genes", ()) or basis.var_names))
        if not missing_np[:, np.isin(self.target.gene_p.astype(str), list(known))].any():
            raise InputError(
                f"nothing can be filled: what {name} lacks are genes that nobody measured; give a cohort that has them "
                "(--ref COHORT)"
            )

    def _fill(self, names: list[str], answer: Any) -> None:
        """The layers: what was measured bit for bit, what was not as the method says, NaN where it says nothing."""
        where_p = pd.Index(names).get_indexer(self.target.gene_p.astype(str))
        measured_np = self.target.values_np
        told_np, sd_np = self._in_file_scale(
            answer.values_ng[:, where_p], None if answer.sd_ng is None else answer.sd_ng[:, where_p]
        )
        gap_np = np.isnan(measured_np)
        self.layers = {self.key: np.where(gap_np, told_np.astype(measured_np.dtype), measured_np)}
        if self.sd and sd_np is not None:
            self.layers[self._sd_key] = np.where(gap_np, sd_np, 0.0).astype(np.float32)
        left_np = np.isnan(self.layers[self.key])
        self.filled = int(gap_np.sum() - left_np.sum())
        self.never = sorted(set(self.target.gene_p[left_np.any(0)].astype(str)))
        self.share = self.filled / max(gap_np.size, 1)

    def _in_file_scale(self, values: np.ndarray, sd: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Logarithms of another total were brought to 10,000 when they were read; back to the total of the file."""
        scale = self.source._choice.scale
        if scale == 1.0 or self.source.unit != "log1p":
            return values, sd
        linear = np.expm1(values)
        slope = (linear + 1) / scale / (linear / scale + 1)
        return np.log1p(np.maximum(linear, 0) / scale), None if sd is None else sd * slope
