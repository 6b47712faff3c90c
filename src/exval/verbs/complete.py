"""``impute`` and ``evaluate --task impute`` for bulk cohorts: what was not measured is filled, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exval.data.units import BULK
from exval.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.bench.results import Results
    from exval.data.source import Source
    from exval.verbs.impute import Imputation

NOT_HERE = {
    "goal": "--goal chooses among methods that denoise single cells",
    "label": "--label is for the check of denoised single cells",
    "preset": "--preset is for methods that denoise single cells",
    "out_unit": "--out-unit is for denoised counts; filled values come in the unit of the file",
}
DEFAULTS = ("mean", "knn", "ppca")
"""What stands in every evaluation, whatever was asked for."""


def source_for_completion(
    data: Any,
    specs: Sequence[Any],
    *,
    ref: Any = None,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
) -> Source | None:
    """The opened file if its missing values are to be filled; None if it is for the methods that denoise single cells.

    The file decides: log2, z and files with NaN are for filling, counts, CP10k and log1p without NaN for denoising. A
    log1p file without NaN is for filling if a method that only fills is named, or a reference.

    Parameters
    ----------
    data
        Path, AnnData or source.
    specs
        Methods asked for; empty for the default.
    ref
        A cohort to fit on.
    layer, unit, species, orientation
        See :func:`exval.data.source.open_source`.

    Raises
    ------
    InputError
        A method of the wrong kind for this file; the line names those that fit.

    Examples
    --------
    >>> import anndata, exval
    >>> source_for_completion(exval.datasets.baron()[::40, :300].copy(), ["magic"]) is None
    True
    """
    from exval.data.few import open_like
    from exval.methods.completion.run import completes, denoises

    source, taken = open_like(
        data, lambda: _reference(specs, ref, species), layer=layer, unit=unit, species=species, orientation=orientation
    )
    source.warnings += taken
    gaps = source.unit in BULK or (source.unit == "log1p" and source.has_missing)
    wanted = [spec for spec in specs if completes(spec) and not denoises(spec)]
    if gaps:
        wrong = [spec for spec in specs if denoises(spec) and not completes(spec)]
        if wrong:
            what = {"log2": "log2 values", "z": "z-scores"}.get(source.unit, "values that were not measured")
            raise InputError(
                f"{_title(wrong[0])} denoises counts of single cells, and {source.name} holds {what}; methods for this "
                f"file: {', '.join(_fitting(True))}, or the folder of a run of exval pretrain --recipe gexbert"
            )
        return source
    if not wanted and ref is None:
        if isinstance(data, (str, Path)):
            source.close()
        return None
    if source.unit in ("counts", "cp10k"):
        raise InputError(
            f"{_title(wanted[0]) if wanted else '--ref'} fills values that were not measured, and {source.name} holds "
            f"{source.unit}, in which every value was; methods for this file: {', '.join(_fitting(False))}"
        )
    return source


def _reference(specs: Sequence[Any], ref: Any, species: str) -> tuple[str, str] | None:
    """Unit and name of what the values are filled from: a cohort, or the first run."""
    from exval.data.source import open_source
    from exval.run import Run

    if ref is not None:
        source = open_source(ref, species=species, missing=True)
        return source.unit, source.name
    for spec in specs:
        if isinstance(spec, (str, Path)) and (Path(spec) / "model.safetensors").is_file():
            return Run(spec).unit, str(spec)
    return None


def _title(spec: Any) -> str:
    return spec if isinstance(spec, str) else str(getattr(spec, "title", spec))


def _fitting(gaps: bool) -> list[str]:
    if gaps:
        from exval.methods.completion import COMPLETERS

        return list(COMPLETERS)
    from exval.methods.imputation.pretrained import imputers

    return imputers(heavy=False, controls=False)


def refuse_options(**given: Any) -> None:
    """An ``InputError`` for an option that means nothing where values are filled.

    Examples
    --------
    >>> refuse_options(goal=None, label=None)
    """
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{NOT_HERE[name]}; leave it out for this file")


def complete(source: Source, data: Any, method: Any = "auto", *, copy: bool = False, **settings: Any) -> AnnData | None:
    """Fill an AnnData in place, or a copy of it; see :func:`exval.verbs.impute.impute`.

    Parameters
    ----------
    source
        From :func:`source_for_completion`.
    data
        The AnnData.
    method
        ``auto``, a name, a run folder or a completer.
    copy
        Return an AnnData with the layers instead.
    settings
        Of :class:`exval.verbs.completing.Completion`.
    """
    from exval.logs import warn
    from exval.verbs.completed import written
    from exval.verbs.completing import Completion

    job = Completion(source, data, method, **settings)
    job.run()
    warn(job.warnings)
    done = written(job)
    if copy:
        return done
    data.layers.update({name: done.layers[name] for name in job.layers})
    data.uns["exval"] = done.uns["exval"]
    return None


def complete_file(
    source: Source, path: Any, method: Any, target: Path, folder: Path, **settings: Any
) -> Imputation:  # fmt: skip
    """Fill a file into a copy, with its report; see :func:`exval.verbs.impute.impute_file`.

    Parameters
    ----------
    source, path
        The opened file and what it was opened from.
    method
        As in :func:`complete`.
    target, folder
        The ``.h5ad`` and the folder of the report: both or neither are written.
    settings
        Of :class:`exval.verbs.completing.Completion`.
    """
    from exval.data.files import atomic_path
    from exval.logs import warn
    from exval.report import write_report
    from exval.verbs.completed import ADVICE, results, why, written
    from exval.verbs.completing import Completion
    from exval.verbs.impute import Imputation

    job = Completion(source, path, method, **settings)
    job.run()
    adata, tables = written(job), results(job)
    with atomic_path(target) as part:
        adata.write_h5ad(part)
        with atomic_path(folder) as page:
            tables.save(page)
            write_report(page)
    warn(job.warnings)
    return Imputation(job.title, why(job), source.unit, tuple(job.layers), adata.shape, ADVICE, job.verdict,
                      job.warnings, target, folder)  # fmt: skip


def evaluate_file(
    source: Source,
    method: Any = None,
    *,
    split_by: str | None = None,
    genes: Any = None,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    device: str = "auto",
    config: dict[str, Any] | None = None,
) -> Results:
    """Score methods on hidden values of patients they were not fitted on; see :func:`exval.verbs.evaluate.evaluate`.

    Parameters
    ----------
    source
        From :func:`source_for_completion`.
    method
        Names, run folders, completers; ``all`` for every registered one. mean, knn and ppca are always added.
    split_by
        Column of obs held out as a whole; by default patients are.
    genes
        A panel: what stays visible in the arm ``panel``.
    folds, repeats, seed, device
        Of the split, and for methods that use them.
    config
        What else goes into ``config.json``.
    """
    from exval.methods.completion import COMPLETERS
    from exval.methods.completion.run import as_completer
    from exval.methods.resolve import split_specs
    from exval.tasks.completing import evaluate_completion
    from exval.tasks.completing.ask import as_dense
    from exval.tasks.splits import groups_of, make_splits
    from exval.verbs.layers import read_genes

    asked = split_specs(DEFAULTS if method is None else method)
    asked = list(dict.fromkeys(name for spec in asked for name in (COMPLETERS if spec == "all" else [spec])))
    methods = [as_completer(spec, seed=seed, device=device) for spec in asked]
    present = {one.title for one in methods}
    methods = [as_completer(name, seed=seed) for name in DEFAULTS if name not in present] + methods
    titles = [one.title for one in methods]
    if len(set(titles)) < len(titles):
        twice = next(title for title in titles if titles.count(title) > 1)
        raise InputError(f"two methods are called {twice!r}; rename one run folder, or give it once")
    groups_n, name = source.patients.id_n, source.patients.unit
    if split_by is not None:
        groups_n, name = groups_of(source.obs, split_by, source.patients.id_n)
    splits = make_splits(source.n, groups_n=groups_n, name=name, folds=folds, repeats=repeats, seed=seed)
    adata = as_dense(source.to_adata(obsm=False, measured=True))
    if np.isnan(adata.X).all():
        raise InputError(f"{source.name} holds no measured value")
    panel = read_genes(genes, source, "--genes", lenient=True)
    config = {
        **(config or {}), "data": source.name, "unit": source.unit, "split_by": split_by, "folds": folds,
        "dataset": {"name": source.name, "n": source.n, "genes": adata.n_vars, "unit": source.unit, "label": None,
                    "split_by": name, "classes": []},
    }  # fmt: skip
    return evaluate_completion(adata, methods, splits, panel=panel, seed=seed, data=source.name, config=config)
