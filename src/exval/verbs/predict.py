"""``predict``: the prognosis of new patients by a model that ``survival`` has kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exval.errors import InputError, OutputError, UnitError
from exval.logs import warn

if TYPE_CHECKING:
    import pandas as pd

    from exval.tasks.survival.saved import FittedMethod, SavedModels

MOST_WEIGHT = 0.5  # of the weight of a model's genes may be missing; beyond, its risk is that of the mean patient
MOST_GENES = 0.95  # of the genes, for models without a weight of each
FAR, STRANGE = 3.0, 1.5  # SD from the training mean, median over genes and samples; of the cohort itself it is 0.7


def predict(
    folder: str | Path,
    data: Any,
    *,
    method: str | None = None,
    clinical_table: str | Path | None = None,
    out: str | Path | None = None,
    force: bool = False,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
) -> pd.DataFrame:
    """Risk and survival of new patients, and what was missing.

    Parameters
    ----------
    folder
        What :func:`exval.survival` wrote, or a run that :func:`exval.finetune` taught survival.
    data
        Path, AnnData or source, on the scale of the cohort. Genes that it lacks count as not measured.
    method
        A method of the folder; by default the one that it chose.
    clinical_table
        csv with the clinical columns, where the file has them not.
    out
        A csv to write.
    force
        Replace it.
    layer, unit, species, orientation
        See :func:`exval.data.source.open_source`. Of fewer than ten samples the unit cannot be told: it is taken to be
        that of the cohort.

    Returns
    -------
    pandas.DataFrame
        A row for each sample, by name: ``risk`` (higher is worse; of one model only), ``percentile`` among the patients
        whom the model was fitted on, ``group`` (``unknown`` where too little was measured), ``survival_T`` at each
        horizon, ``share_missing`` of the model's genes, ``note``. ``attrs``: ``method``, ``cohort``,
        ``missing_genes``, ``notes``.

    Raises
    ------
    InputError, UnitError, GeneError, OutputError
        No such model; values on another scale; no gene shared; a clinical column is absent.

    Examples
    --------
    >>> import tempfile, exval
    >>> from exval.data.patients import simulated_patients
    >>> folder = tempfile.mkdtemp() + "/out"
    >>> _ = exval.survival(simulated_patients(100, 30), time="os_months", event="os_event", method="cox", folds=2,
    ...                    out=folder)
    >>> found = predict(folder, simulated_patients(3, 20, seed=1))
    >>> found.shape[0], found["note"].iloc[0][:27]
    (3, '10 of 30 genes not measured')
    """
    from exval.data.few import open_like
    from exval.data.files import atomic_path, refuse_existing
    from exval.tasks.survival.cohort import refuse_other_space
    from exval.tasks.survival.saved import SavedModels
    from exval.tasks.survival.taught import NOTE, is_run, models_of_run

    if out is not None:
        if not str(out).endswith((".csv", ".csv.gz")):
            raise OutputError(f"{out}: the output is a table; give a name that ends in .csv")
        refuse_existing(out, force)
    models = models_of_run(folder) if is_run(folder) else SavedModels.open(folder)
    title, one = models.get(method)
    source, notes = open_like(
        data, lambda: (models.terms.unit, models.terms.cohort), layer=layer, unit=unit, species=species,
        orientation=orientation,
    )  # fmt: skip
    adata = source.to_adata(measured=True)
    if one.method.uses_genes:
        refuse_other_space(adata, models.terms.space, source.name, models.terms.cohort)
        notes += _distance(adata, one, source.name, models.terms.cohort)
    gone = _clinical(adata, one, clinical_table, source.name)
    table, lost = _table(adata, one, models, gone)
    if len(lost):
        shown = ", ".join(lost[:10]) + (f" and {len(lost) - 10} more" if len(lost) > 10 else "")
        taken = "; the training mean was taken" if one.method.expression_ is not None else ""
        notes.append(f"{len(lost)} genes of the model are not in {source.name}: {shown}{taken}")
    notes += [NOTE] if is_run(folder) else []
    notes += [line for line in source.warnings if "names of samples repeat" not in line]
    table.attrs = {"method": title, "cohort": models.terms.cohort, "missing_genes": lost, "notes": notes}
    if out is not None:
        with atomic_path(out) as part:
            table.to_csv(part, index_label="sample")
    warn(notes)
    return table


def _distance(adata: Any, one: FittedMethod, name: str, cohort: str) -> list[str]:
    """How far the values lie from those of the cohort: far off is another unit, somewhat off another platform."""
    run = getattr(getattr(one.method, "embedder", None), "run", None)
    if one.method.expression_ is not None:
        z_np = np.abs(one.method.expression_.read(adata))
    elif run is not None and run.model.scale is not None:
        import torch

        from exval.methods.matrix import dense_values

        values = torch.as_tensor(dense_values(adata, np.array(run.genes, dtype=object)), device=run.device)
        z_np = run.model.scale.into(values, torch.arange(len(run.genes), device=run.device)).abs().cpu().numpy()
    else:
        return []
    if np.isnan(z_np).all():
        return []
    middle = float(np.nanmedian(z_np))
    text = f"the values of {name} lie {middle:.1f} SD from those of {cohort} (median over genes; 0.7 within it)"
    if middle > FAR:
        raise UnitError(f"{text}: another unit or normalisation; give values made as those of the cohort were")
    return [f"{text}: another platform or normalisation? Risks may be shifted"] if middle > STRANGE else []


def _clinical(adata: Any, one: FittedMethod, table: Any, name: str) -> np.ndarray:
    """(n,) the clinical columns that each sample has no value of, as text; sets them in obs from a table."""
    from exval.data.columns import column, texts
    from exval.tasks.survival.covariates import join_table

    wanted = list(one.method.clinical_.columns_)
    if not wanted:
        return np.full(adata.n_obs, "", dtype=object)
    if table is not None:
        adata.obs, _, _ = join_table(adata.obs, table, wanted)
    gone: list[list[str]] = [[] for _ in range(adata.n_obs)]
    for covariate in wanted:
        if covariate not in adata.obs:
            try:
                column(adata.obs, covariate)
            except InputError as error:
                raise InputError(
                    f"{one.method.title} needs the clinical column {covariate!r}, which {name} has not ({error}); give "
                    "--clinical-table, or another --method"
                ) from None
        for i, word in enumerate(texts(adata.obs[covariate])):
            if word is None:
                gone[i].append(covariate)
    return np.array([", ".join(names) for names in gone], dtype=object)


def _table(adata: Any, one: FittedMethod, models: SavedModels, gone: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
    import pandas as pd

    from exval.tasks.survival.external import genes_of, lost_weight, share_missing
    from exval.tasks.survival.strata import assign, stratum_names

    terms = models.terms
    risk = one.method.risk(adata)
    survival = one.method.survival(adata, np.asarray(terms.horizons))
    share = share_missing(one.method, adata)
    genes = genes_of(one.method) or []
    there = set(adata.var_names)
    lost = [gene for gene in genes if gene not in there]
    below = np.searchsorted(one.training_risk, risk, side="left")
    equal = np.searchsorted(one.training_risk, risk, side="right") - below
    table = pd.DataFrame(index=adata.obs_names.astype(str))
    table["risk"] = risk
    table["percentile"] = 100 * (below + 0.5 * equal) / max(len(one.training_risk), 1)
    divided = len(one.cuts) > 0
    table["group"] = stratum_names(assign(risk, one.cuts), terms.n_groups, divided)
    for i, horizon in enumerate(terms.horizons):
        table[f"survival_{horizon:g}"] = survival[:, i]
    blind = lost_weight(one.method, adata) > (MOST_WEIGHT if one.method.expression_ is not None else MOST_GENES)
    table.loc[blind, "group"], table.loc[blind, "percentile"] = "unknown", np.nan
    table["share_missing"] = share
    taken = ": taken at training mean" if one.method.expression_ is not None else ""
    table["note"] = [_note(s, len(genes), taken, words, b) for s, words, b in zip(share, gone, blind)]
    return table, lost


def _note(share: float, n_genes: int, taken: str, clinical: str, blind: bool) -> str:
    parts = ["too little of what the model weighs was measured: no group of risk"] if blind else []
    if share > 0 and n_genes:
        parts.append(f"{round(share * n_genes)} of {n_genes} genes not measured{taken}")
    if clinical:
        parts.append(f"{clinical} missing: taken as in training")
    return "; ".join(parts)


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """What a prediction says as a whole, for ``--json``.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"group": ["low", "high"], "share_missing": [0.0, 0.5]})
    >>> summary(table)["groups"]
    {'low': 1, 'high': 1}
    """
    counts = table["group"].value_counts(sort=False)
    return {
        "n": len(table), **{key: table.attrs.get(key) for key in ("method", "cohort")},
        "groups": {str(name): int(n) for name, n in counts.items()},
        "mean_share_missing": float(table["share_missing"].mean()) if len(table) else None,
        "missing_genes": list(table.attrs.get("missing_genes", [])), "notes": list(table.attrs.get("notes", [])),
    }  # fmt: skip
