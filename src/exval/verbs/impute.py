"""``impute``: dense, denoised values for the cells of a file, with the check that they invent nothing."""

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
        Of the values written: ``counts``, ``cp10k`` or ``log1p``.
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
    species: str = "auto",
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
) -> AnnData | None:
    """Impute in place: ``layers["exval_imputed"]`` and, where the method has one, ``layers["exval_sd"]``.

    Parameters
    ----------
    adata
        Counts or log-normalised values.
    method
        Registry name, folder of a pretraining run, ``cmd:...``, an :class:`exval.methods.imputation.base.Imputer`, or
        ``"auto"``: the method that does best for ``goal`` on these cells, which may be to leave them as they are.
    goal
        For ``"auto"``: plot, clustering, de, markers, trajectory or recovery.
    genes, out_genes
        Genes given to the method and genes returned: names, or a path with one a line. With either, ``copy=True`` is
        needed: a layer has all genes of its AnnData.
    label
        Column of obs with types: groups for the null arm (predicted clusters without it); given to the method only if
        the method needs labels.
    settings, preset
        Parameters of the method, and ``"paper"`` or ``"cpu"``.
    out_unit
        ``counts``, ``cp10k`` or ``log1p``; by default the unit of the values used.
    sd
        Write the standard deviation too.
    check
        Fit once more with permuted genes to see what the method invents.
    key_added
        Name of the layer; the sd appends ``_sd`` to it unless it is the default.
    copy
        Return an AnnData with the layers instead.
    layer, unit, species
        See :func:`exval.data.source.open_source`.
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
    names = ("goal", "genes", "out_genes", "label", "settings", "preset", "out_unit", "sd", "check", "key_added",
             "layer", "unit", "species", "seed", "device", "threads")  # fmt: skip
    unknown = set(settings) - set(names)
    if unknown:
        raise TypeError(f"impute_file() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    chosen = {"sd": True, "check": True, "key_added": KEY, "species": "auto", "seed": 0, "device": "auto", **settings}
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
