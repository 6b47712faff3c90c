"""``survival``: from a cohort and two columns to a prognosis, its figures, and a model for new patients."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.errors import InputError
from exval.logs import warn

if TYPE_CHECKING:
    from exval.bench.results import Results


def survival(
    data: Any,
    *,
    time: str,
    event: str | None = None,
    censored: str | None = None,
    genes: Any = None,
    clinical: str | Sequence[str] = (),
    clinical_table: str | Path | None = None,
    method: Any = None,
    split_by: str | None = None,
    patient: str | None = None,
    external: Any = None,
    folds: int = 5,
    repeats: int = 1,
    null: int = 1000,
    groups: int = 2,
    horizons: Sequence[float] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    force: bool = False,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> Results:
    """Compare prognoses of patients whom the methods were not fitted on, and keep every method for new ones.

    Parameters
    ----------
    data
        Path, AnnData or source: samples with expression; NaN means not measured.
    time
        Column of obs with times above 0, in any unit of time.
    event, censored
        One of the two: the column in which 1 is an event, or in which 1 is *censored*.
    genes
        A panel: a file with one gene a line, a text with commas, or names. It is also held against random panels.
    clinical
        Columns of obs (or of ``clinical_table``) that are used alone and beside the genes: age, stage.
    clinical_table
        csv beside the file with a column of sample names; outcome columns may stand in it too, as they must where
        ``data`` is a table of numbers.
    method
        Names (``exval methods --verb survival``), ``obsm:X_name``, run folders; repeated or comma-separated. Without
        it: clinical (where there are columns), cox, coxnet and rsf. ``null-survival`` always stands in the table.
    split_by
        Column held out as a whole (site). Without it patients are.
    patient
        Column that names the patient of a sample; TCGA barcodes are known. A patient never stands on both sides.
    external
        Another cohort with the same columns on the same scale, scored by the methods fitted on all of this one.
    folds, repeats, seed
        Of the split; repeats are no new patients and never narrow an interval.
    null
        Random panels that ``genes`` are held against; 0 for none.
    groups
        Groups of risk, 2 or 3.
    horizons
        Times at which survival is told, in the unit of ``time``; three that fit by default.
    out
        Folder to write: tables, ``report.html``, and ``model/``, which :func:`exval.predict` takes.
    force
        Replace an existing folder.
    layer, unit, species, orientation
        See :func:`exval.data.source.open_source`.
    device, threads
        For methods that use them.

    Returns
    -------
    Results

    Raises
    ------
    InputError, UnitError, GeneError, OutputError
        One line on what to do.

    Examples
    --------
    >>> import exval
    >>> from exval.data.patients import simulated_patients
    >>> found = survival(simulated_patients(100, 30), time="os_months", event="os_event", clinical="age",
    ...                  method="cox", folds=2)
    >>> sorted(found.extras["survival_table"]["method"])
    ['clinical', 'cox', 'cox + clinical', 'null-survival']
    """
    from threadpoolctl import threadpool_limits

    from exval.data.files import atomic_path, refuse_existing
    from exval.data.source import open_source
    from exval.methods.survival.embedding import EmbeddingCox
    from exval.tasks.survival.cohort import read_cohort, read_external
    from exval.tasks.survival.evaluate import Asked, evaluate_survival
    from exval.tasks.survival.lineup import line_up
    from exval.tasks.survival.panel import read_panel
    from exval.tasks.survival.saved import write_models
    from exval.tasks.survival.strata import NAMES

    began = clock.monotonic()
    if groups not in NAMES or groups < 2:
        raise InputError(f"patients are divided into 2 or 3 groups of risk, not {groups} (--groups)")
    if folds < 2 or repeats < 1 or null < 0:
        raise InputError("--folds is 2 or more, --repeats 1 or more, --null 0 or more")
    if out is not None:
        refuse_existing(out, force)
    reading = {"layer": layer, "unit": unit, "species": species, "orientation": orientation, "missing": True}
    source = open_source(data, **reading)
    panel = read_panel(genes, source)
    columns = {"time": time, "event": event, "censored": censored, "clinical": clinical,
               "clinical_table": clinical_table, "patient": patient}  # fmt: skip
    obsm = "obsm:" in str(method)
    cohort = read_cohort(source, **columns, split_by=split_by, obsm=obsm)
    methods = line_up(method, cohort.covariates, None if panel is None else panel.genes, seed=seed, device=device)
    other = None
    if external is not None:
        far = open_source(external, **{**reading, "layer": None})
        columns["clinical"] = cohort.covariates
        if {*cohort.covariates, time, event or censored} <= set(far.obs.columns):
            columns["clinical_table"] = None
        other = read_external(far, cohort, **columns, obsm=obsm)
    for one in methods:
        if isinstance(one, EmbeddingCox) and hasattr(one.embedder, "key") and one.embedder.title.startswith("obsm:"):
            one.embedder.embed(cohort.adata)
    table = None if clinical_table is None else Path(clinical_table).name
    config = {
        "task": "survival", "data": source.name, "time_column": time, "event": event, "censored": censored,
        "genes": None if panel is None else {"name": panel.name, "n": len(panel.genes), "absent": list(panel.absent)},
        "clinical": list(cohort.covariates), "clinical_table": table,
        "split_by": split_by, "patient": patient, "external": None if other is None else other.name, "folds": folds,
        "repeats": repeats, "null": null, "groups": groups, "layer": layer, "unit": source.unit, "species": species,
        "dataset": {"name": source.name, "n": len(cohort.time_n), "patients": len(set(cohort.patient_n)),
                    "events": int(cohort.event_n.sum()), "genes": len(source.var_names), "unit": source.unit,
                    "split_by": split_by or "patient"},
    }  # fmt: skip
    asked = Asked(folds, repeats, seed, groups, horizons, null, time)
    with threadpool_limits(threads):
        made = evaluate_survival(cohort, methods, asked, config, panel, other)
    found = made.results
    found.config["seconds"] = round(clock.monotonic() - began, 1)
    if out is not None:
        from exval.report import write_report

        with atomic_path(out) as part:
            part.mkdir()
            lost = write_models(part / "model", made.fitted, made.terms)
            found.config["warnings"] += [f"{title} is not kept for new patients: {why}" for title, why in lost.items()]
            found.save(part)
            write_report(part)
    warn(found.config["warnings"])
    return found
