"""``annotate``: name the cells of a file after a labelled reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.data.units import BULK
from exval.errors import ExvalError, InputError
from exval.logs import warn

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass
class Annotation:
    """What ``annotate`` found.

    Parameters
    ----------
    method, why
        The chosen method, and the sentence that says why.
    threshold
        Score below which a cell is unsure.
    verdict
        The first line of the report.
    table
        The new columns, indexed by cell.
    warnings
        Lines that the user should see.
    out, report
        What was written.
    """

    method: str
    why: str
    threshold: float
    verdict: str
    table: pd.DataFrame
    warnings: list[str] = field(default_factory=list)
    out: Path | None = None
    report: Path | None = None

    def lines(self) -> list[str]:
        """For people: the verdict, and what was written."""
        lines = [self.verdict]
        lines += [f"Cells:  {self.out}"] if self.out else []
        lines += [f"Report: {self.report / 'report.html'}"] if self.report else []
        return lines


def annotate(
    adata: AnnData,
    ref: Any,
    *,
    label: str = "cell_type",
    method: Any = "auto",
    split_by: str | None = None,
    label_map: Any = None,
    truth: str | None = None,
    folds: int = 5,
    genes: Any = None,
    key_added: str | None = None,
    copy: bool = False,
    report: str | Path | None = None,
    force: bool = False,
    layer: str | None = None,
    unit: str | None = None,
    ref_layer: str | None = None,
    ref_unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
) -> AnnData | None:
    """Name cells in place: the best class, its score, and whether it is unsure.

    Methods are compared on held-out reference cells, on the genes that both files have and at the depth of ``adata``;
    the best by macro-F1 names the cells, the cheaper one of equals. A cell is unsure if its score is below the 5 %
    quantile of the scores of correctly named held-out reference cells.

    Parameters
    ----------
    adata
        Cells to be named; counts or log-normalised values.
    ref
        Labelled cells: AnnData or path.
    label
        Column of ``ref.obs`` with the types.
    method
        ``"auto"`` (the cheap methods), a registry name (that one), a run folder or ``obsm:X_name`` (competes with the
        cheap methods); several may be given.
    split_by
        Column of ``ref.obs`` (donor, study) to hold out. Without it cells are, which is optimistic.
    label_map
        csv or mapping: name in the reference (or in ``truth``) -> name to use.
    truth
        Column of ``adata.obs`` with known types: scored in the report, not used.
    folds, seed
        Of the choice.
    genes
        A panel to be used alone: names, or a path with one a line. Methods are chosen on that panel too.
    key_added
        Name of the first column instead of ``exval_{label}``; the others append ``_score`` and ``_unsure``.
    copy
        Return an annotated copy instead.
    report
        Folder for a report; none by default.
    force
        Replace a folder that exval wrote there before.
    layer, unit, ref_layer, ref_unit, species
        See :func:`exval.data.source.open_source`.
    orientation
        Of a csv or tsv whose cells are named: ``"cells-by-genes"`` or ``"genes-by-cells"``; detected by default.
    device, threads
        For methods that use them.

    Returns
    -------
    AnnData or None
        None unless ``copy``. Sets ``obs[key]`` (categorical), ``obs[key + "_score"]``, ``obs[key + "_unsure"]``
        (bool), ``uns["exval"]`` and, where the reference has colours, ``uns[key + "_colors"]``.

    Raises
    ------
    InputError, UnitError, GeneError, OutputError
        One line on what to do; nothing is changed.

    Examples
    --------
    >>> import exval
    >>> cells = exval.datasets.baron()
    >>> known, new = cells[::4].copy(), cells[1::40].copy()
    >>> annotate(new, known, method="logreg", folds=2)
    >>> float((new.obs["exval_cell_type"].astype(str) == new.obs["cell_type"].astype(str)).mean()) > 0.9
    True
    """
    if not hasattr(adata, "obs"):
        raise InputError("annotate takes an AnnData; for a path use exval.annotate_file(path, ref, out=...)")
    from exval.verbs.written import write_into

    if report is not None:
        _refuse_report(Path(report), force)
    target = adata
    if copy:
        target = adata.to_memory() if adata.isbacked else adata.copy()
    settings = {
        "label": label, "method": method, "split_by": split_by, "label_map": label_map, "truth": truth, "folds": folds,
        "genes": genes,
        "key_added": key_added, "layer": layer, "unit": unit, "ref_layer": ref_layer, "ref_unit": ref_unit,
        "species": species, "orientation": orientation, "seed": seed, "device": device, "threads": threads,
    }  # fmt: skip
    found, record, colours, results, _ = _annotate(target, ref, **settings)
    if report is not None:
        _write_report(results, Path(report))
    write_into(target, found.table, record, colours)
    warn(found.warnings)
    return target if copy else None


def annotate_file(
    path: Any, ref: Any, *, out: str | Path, report: str | Path | None = None, force: bool = False, **settings: Any
) -> Annotation:
    """Name the cells of a file; the file is streamed and never changed.

    Parameters
    ----------
    path
        h5ad, 10x or table; an AnnData is taken too.
    ref
        Labelled cells: path or AnnData.
    out
        ``*.h5ad``: a copy of the file with the new columns. ``*.csv``: the new columns only.
    report
        Folder of the report; by default ``OUT.report`` beside the output.
    force
        Replace existing outputs.
    settings
        As in :func:`annotate`.

    Returns
    -------
    Annotation

    Raises
    ------
    InputError, UnitError, GeneError, OutputError
        One line on what to do; nothing is written.

    Examples
    --------
    >>> import exval, tempfile
    >>> cells = exval.datasets.baron()
    >>> out = tempfile.mkdtemp() + "/names.csv"
    >>> found = annotate_file(cells[1::40].copy(), cells[::4].copy(), out=out, method="logreg", folds=2)
    >>> found.method, found.report.name
    ('logreg', 'names.csv.report')
    """
    from exval.data.files import refuse_existing
    from exval.verbs.written import check_out, write_output

    target = check_out(out, (path, ref), force)
    own = report is None
    folder = Path(f"{out}.report") if own else Path(report)
    if own:
        refuse_existing(folder, force)
    else:
        _refuse_report(folder, force)
    found, record, colours, results, source = _annotate(path, ref, **settings)
    found.out, found.report = target, folder
    # The output takes its name last: if the report cannot be written, an older output is still there.
    write_output(source, target, found.table, record, colours, before=lambda: _write_report(results, folder))
    warn(found.warnings)
    return found


def _refuse_report(folder: Path, force: bool) -> None:
    """Refuse to replace a folder that exval wrote (a report, a run); one of the user's is added to."""
    from exval.data.files import MARKERS, check_writable, refuse_existing

    check_writable(folder)
    if folder.is_file() or any((folder / marker).is_file() for marker in MARKERS):
        refuse_existing(folder, force)


def _write_report(results: Any, folder: Path) -> None:
    """A new folder appears whole; into one that holds other things already the files are written one by one."""
    from exval.data.files import atomic_path
    from exval.report import write_report

    if folder.is_dir() and any(folder.iterdir()) and not (folder / "config.json").is_file():
        results.save(folder)
        write_report(folder)
        return
    with atomic_path(folder) as part:
        results.save(part)
        write_report(part)


def _annotate(
    data: Any, ref: Any, *, label: str = "cell_type", method: Any = "auto", split_by: str | None = None,
    label_map: Any = None, truth: str | None = None, folds: int = 5, genes: Any = None, key_added: str | None = None,
    layer: str | None = None, unit: str | None = None, ref_layer: str | None = None, ref_unit: str | None = None,
    species: str = "auto", orientation: str | None = None, seed: int = 0, device: str = "auto",
    threads: int | None = None,
) -> tuple:  # fmt: skip
    from threadpoolctl import threadpool_limits

    from exval import __version__
    from exval.data.few import open_like
    from exval.data.labels import label_column
    from exval.data.source import open_source
    from exval.methods.probe import as_classifier
    from exval.tasks import naming, summary
    from exval.tasks.labelmap import read_label_map
    from exval.verbs.layers import read_genes
    from exval.verbs.written import colours_of, column_names, record_in, refuse_foreign

    mapping = read_label_map(label_map)
    methods = naming.candidates(method, seed, device)
    obsm = naming.needs_obsm(methods)
    reference = open_source(ref, layer=ref_layer, unit=ref_unit, species=species, missing=True)
    if reference.unit in BULK:
        methods = naming.candidates(method, seed, device, measured=True)
    with _about("the reference"):
        label_column(reference.obs, label)
        if split_by is not None:
            label_column(reference.obs, split_by)
    query, taken = open_like(
        data, lambda: (reference.unit, "the reference"), layer=layer, unit=unit, species=species,
        orientation=orientation,
    )  # fmt: skip
    query.warnings += taken
    panel = read_genes(genes, query, "--genes", lenient=True)
    if truth is not None:
        with _about("the file"):
            label_column(query.obs, truth)
    names = column_names(label, key_added)
    refuse_foreign(*_swap(record_in(data), names))
    with threadpool_limits(threads):
        setting = naming.prepare(query, reference, label, mapping, split_by, seed, obsm, methods, panel)
        naming.check_embeddings(setting, methods)
        choice = naming.choose_method(
            setting, label, methods, split_by=split_by, folds=folds, seed=seed, insist=naming.only_named(method)
        )
        threshold = choice.threshold()
        fitted = as_classifier(choice.method).fit(setting.thin.augment(setting.reference), label)
        named = naming.name_cells(query, fitted, setting, threshold, obsm)
        table = pd.DataFrame(dict(zip(names, (named.labels, named.score_n, named.unsure_n))), index=query.obs.index)
        config = {
            "task": "annotate", "data": query.name, "reference": reference.name, "label": label,
            "method": [m.title for m in methods], "chosen": choice.method.title, "split_by": split_by, "folds": folds,
            "seed": seed, "truth": truth, "panel": panel, "label_map": mapping, "threshold": threshold,
            "unit": query.unit, "key": names[0], "n_shared_genes": len(setting.shared.genes),
        }  # fmt: skip
        colours = {mapping.get(k, k): v for k, v in colours_of(ref, label).items()}
        results = summary.summarise(query, reference, setting, choice, named, config, mapping, colours)
    lines = results.config["warnings"]
    record = {
        "method": choice.method.title, "unit": query.unit, "version": __version__, "label": label,
        "reference": reference.name, "threshold": threshold, "verdict": results.verdict, "key": names[0],
        "mapping": _flat(query.genes.summary()), "warnings": "\n".join(lines),
        "n_shared_genes": len(setting.shared.genes), "seed": seed,
    }  # fmt: skip
    found = Annotation(choice.method.title, choice.why, threshold, results.verdict, table, lines)
    categories = list(named.labels.categories)
    known = [colours[name] for name in categories] if set(categories) <= set(colours) else None
    return found, record, known, results, query


@contextmanager
def _about(which: str) -> Iterator[None]:
    """Two files are open: an error says which of them it is about."""
    try:
        yield
    except ExvalError as error:
        raise type(error)(f"{which}: {error}") from error


def _swap(pair: tuple, names: tuple[str, ...]) -> tuple:
    return pair[0], names, pair[1]


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers and text only: what ``uns`` can hold in an h5ad file."""
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
    return {str(k): v for k, v in plain.items() if isinstance(v, (bool, int, float, str))}
