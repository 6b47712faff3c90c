"""``impute``: denoised values for single cells, or filled ones where bulk samples were not measured; with a check."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.errors import InputError, OutputError
from exval.logs import warn
from exval.verbs.imputing import KEY, Job

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass
class Imputation:
    """What ``impute`` did.

    Parameters
    ----------
    method, why
        The method, and why it was chosen (empty where the user named it).
    unit
        Of the values written: ``counts``, ``cp10k``, ``log1p``, or that of a bulk file, ``log2`` or ``z``.
    layers
        Names of the layers.
    shape
        Cells and genes written.
    advice
        What the values may be used for, by the null arm.
    verdict
        The first line of the report.
    warnings
        Lines that the user should see.
    out, report
        What was written.
    """

    method: str
    why: str
    unit: str
    layers: tuple[str, ...]
    shape: tuple[int, int]
    advice: str
    verdict: str
    warnings: list[str] = field(default_factory=list)
    out: Path | None = None
    report: Path | None = None

    def lines(self) -> list[str]:
        """For people."""
        lines = [self.verdict]
        lines += [f"Values: {self.out}, layer {' and '.join(self.layers)} ({self.unit})"] if self.out else []
        lines += [f"Report: {self.report / 'report.html'}"] if self.report else []
        return lines


def impute(
    adata: AnnData,
    method: Any = "auto",
    *,
    ref: Any = None,
    goal: str | None = None,
    genes: Any = None,
    out_genes: Any = None,
    label: str | None = None,
    settings: dict[str, Any] | None = None,
    preset: str | None = None,
    out_unit: str | None = None,
    sd: bool = True,
    check: bool = True,
    key_added: str = KEY,
    copy: bool = False,
    layer: str | None = None,
    unit: str | None = None,
    ref_unit: str | None = None,
    species: str = "auto",
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
) -> AnnData | None:
    """Impute in place: ``layers["exval_imputed"]`` and, where the method has one, ``layers["exval_sd"]``.

    The file decides what that means. Counts and log1p values of single cells are denoised. In log2 values, z-scores and
    whatever holds NaN (bulk samples) only what was *not measured* is filled: measured values stay bit for bit, and
    their sd is 0.

    Parameters
    ----------
    adata
        Counts or log-normalised values; log2, z, or values with NaN for "not measured".
    method
        Registry name, folder of a pretraining run, ``cmd:...``, an :class:`exval.methods.imputation.base.Imputer`, or
        ``"auto"``: the method that does best for ``goal`` on these cells, which may be to leave them as they are. To
        fill: mean, knn, ppca, softimpute, forest, the folder of a gexbert run, a
        :class:`exval.methods.completion.base.Completer`; ``"auto"`` is ppca.
    ref
        (fill) A cohort in the same unit that the method is fitted on; by default the file itself.
    goal
        For ``"auto"``: plot, clustering, de, markers, trajectory or recovery.
    genes, out_genes
        Genes given to the method and genes returned: names, or a path with one a line. With either, ``copy=True`` is
        needed: a layer has all genes of its AnnData. To fill, ``out_genes`` adds: genes that only ``ref`` or the run
        has become columns at the end, NaN in X and restored in the layer (``"all"``: every such gene).
    label
        Column of obs with types: groups for the null arm (predicted clusters without it); given to the method only if
        the method needs labels.
    settings, preset
        Parameters of the method, and ``"paper"`` or ``"cpu"``.
    out_unit
        ``counts``, ``cp10k`` or ``log1p``; by default the unit of the values used. (Filled: the file's unit.)
    sd
        Write the standard deviation too.
    check
        Fit once more with permuted genes to see what the method invents; to fill: with a tenth of the measured values
        hidden, to see how far off it is.
    key_added
        Name of the layer; the sd appends ``_sd`` to it unless it is the default.
    copy
        Return an AnnData with the layers instead.
    layer, unit, species
        See :func:`exval.data.source.open_source`; ``ref_unit`` is the unit of ``ref``.
    seed, device, threads
        For methods that use them.

    Returns
    -------
    AnnData or None

    Raises
    ------
    InputError, UnitError, GeneError, OutputError
        One line on what to do; nothing is changed.

    Examples
    --------
    >>> import exval
    >>> cells = exval.datasets.baron()[::10, :2000].copy()
    >>> impute(cells, "mean", check=False)
    >>> cells.layers["exval_imputed"].shape, str(cells.uns["exval"]["impute_unit"])
    ((194, 2000), 'counts')
    """
    if not hasattr(adata, "obs"):
        raise InputError("impute takes an AnnData; for a path use exval.impute_file(path, method, out=...)")
    if (genes is not None or out_genes is not None) and not copy:
        raise InputError("a layer holds all genes of its AnnData: with genes= or out_genes= set copy=True")
    from exval.verbs import complete as filling

    source = filling.source_for_completion(adata, [] if method == "auto" else [method], ref=ref, layer=layer, unit=unit,
                                           species=species)  # fmt: skip
    if source is not None:
        filling.refuse_options(goal=goal, label=label, preset=preset, out_unit=out_unit)
        return filling.complete(
            source, adata, method, copy=copy, ref=ref, ref_unit=ref_unit, genes=genes, out_genes=out_genes, sd=sd,
            settings=settings, check=check, key=key_added, species=species, seed=seed, device=device, threads=threads,
        )  # fmt: skip
    job = Job(adata, method, goal, genes, out_genes, label, settings, preset, out_unit, sd, check, key_added, layer,
               unit, species, None, seed, device, threads)  # fmt: skip
    job.run(None)
    found = job.columns
    target = adata
    if copy:
        target = (adata.to_memory() if adata.isbacked else adata)[:, found.keep_p].copy()
    written = job.in_memory(target.n_vars)
    target.layers.update(written)
    target.uns["exval"] = job.record(target.uns.get("exval"))
    warn(job.warnings)
    return target if copy else None


def impute_file(
    path: Any, method: Any = "auto", *, out: str | Path, report: str | Path | None = None, force: bool = False,
    orientation: str | None = None, **settings: Any,
) -> Imputation:  # fmt: skip
    """Impute the cells of a file into a copy of it, block by block; the file is never changed.

    Parameters
    ----------
    path
        h5ad, 10x or table; an AnnData is taken too.
    method
        As in :func:`impute`.
    out
        ``*.h5ad``: a copy of the file with the layers (its genes cut to those asked for). obs and obsm are kept.
    report
        Folder of the report; by default ``OUT.report`` beside the output.
    force
        Replace existing outputs.
    settings
        As in :func:`impute`.

    Returns
    -------
    Imputation

    Raises
    ------
    InputError, UnitError, GeneError, OutputError
        One line on what to do; nothing is written.

    Examples
    --------
    >>> import exval, tempfile
    >>> cells = exval.datasets.baron()[::10, :500].copy()
    >>> found = impute_file(cells, "mean", out=tempfile.mkdtemp() + "/full.h5ad", check=False)
    >>> found.method, found.unit, found.shape
    ('mean', 'counts', (194, 500))
    """
    from exval.data.files import atomic_path, refuse_existing
    from exval.report import write_report
    from exval.verbs.written import check_out

    target = check_out(out, (path,), force)
    if target.suffix != ".h5ad":
        raise OutputError(f"{target}: imputed values are written into an .h5ad file, as a layer beside the values read")
    folder = Path(f"{out}.report") if report is None else Path(report)
    refuse_existing(folder, force)
    ref, ref_unit = settings.pop("ref", None), settings.pop("ref_unit", None)
    names = ("goal", "genes", "out_genes", "label", "settings", "preset", "out_unit", "sd", "check", "key_added",
             "layer", "unit", "species", "seed", "device", "threads")  # fmt: skip
    unknown = set(settings) - set(names)
    if unknown:
        raise TypeError(f"impute_file() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    chosen = {"sd": True, "check": True, "key_added": KEY, "species": "auto", "seed": 0, "device": "auto", **settings}
    from exval.verbs import complete as filling

    read = {name: chosen.get(name) for name in ("layer", "unit", "species")}
    source = filling.source_for_completion(path, [] if method == "auto" else [method], ref=ref, orientation=orientation,
                                           **read)  # fmt: skip
    if source is not None:
        filling.refuse_options(**{name: chosen.get(name) for name in filling.NOT_HERE})
        return filling.complete_file(
            source, path, method, target, folder, ref=ref, ref_unit=ref_unit, key=chosen["key_added"],
            **{name: chosen.get(name) for name in ("genes", "out_genes", "settings", "sd", "check", "species", "seed",
                                                   "device", "threads")},
        )  # fmt: skip
    job = Job(path, method, *(chosen.get(name) for name in names[:10]), chosen.get("layer"), chosen.get("unit"),
               chosen["species"], orientation, chosen["seed"], chosen["device"], chosen.get("threads"))  # fmt: skip
    job.run(target.absolute().parent)
    results = job.results()
    with atomic_path(target) as part:
        job.write(part)
        with atomic_path(folder) as page:
            results.save(page)
            write_report(page)
    warn(job.warnings)
    return Imputation(job.title, job.why, job.out_unit, job.layers, (job.source.n, len(job.columns.keep_p)),
                      job.advice, job.verdict, job.warnings, target, folder)  # fmt: skip
