"""Compare fields at samples that they were not fitted on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from exval.bench.cost import Cost
from exval.bench.results import Results, config_hash, make_rows
from exval.errors import InputError
from exval.fields.base import Field
from exval.fields.places import Places
from exval.progress import track
from exval.tasks.crossval import FAULTS
from exval.tasks.field.ceiling import ceiling
from exval.tasks.field.conclude import conclude
from exval.tasks.field.diagnosis import kept_word, left_over
from exval.tasks.field.kept import Kept
from exval.tasks.field.score import gene_scores
from exval.tasks.splits import Fold, Splits

logger = logging.getLogger("exval")
ARMS = ("regions told", "position alone")


def evaluate_fields(
    places: Places,
    values_ng: np.ndarray,
    genes: Sequence[str],
    methods: Sequence[Field],
    splits: Splits,
    *,
    against: str = "knn",
    show: str | None = None,
    data: str = "samples",
    unit: str = "log2",
    config: dict[str, Any] | None = None,
) -> Results:
    """Fit every field on the training samples of each fold and ask it about the held-out ones.

    A held-out donor is nobody in particular to the fields. Where regions are known, every field is asked twice: with
    the regions of the held-out samples told (*regions told*), and by the position alone, which is what is known of a
    voxel without an atlas. A field that does not look at regions says the same both times.

    Parameters
    ----------
    places, values_ng, genes
        The n samples; values in any unit, no gaps.
    methods
        Unfitted fields; each fold fits a clone.
    splits
        From :func:`exval.tasks.field.splits.field_splits`.
    against
        Title of the field that the others are compared with; the first if it is absent or failed.
    show
        Title of the field whose predictions the report draws; the best by R2 where it is not given or failed.
    data, unit, config
        Name of the file, unit of its values, and what else was asked for.

    Returns
    -------
    Results
        ``rows``: for every field and arm (slice ``arm=...``) the mean over genes and folds of ``pearson``,
        ``spearman``, ``r2``, ``pearson_within``, ``rmse``, and for fields with an sd ``nll`` and
        ``coverage_50/80/95``; ``difference:r2`` and ``difference:pearson`` from ``against``, paired over genes and
        held-out units. ``predictions``: see :class:`exval.tasks.field.kept.Kept`; which genes were kept stands in
        ``config["predictions"]``. ``extras``: ``field_genes`` (one row for each field, arm, fold and gene), ``cost``,
        ``splits``, ``field_variogram``, ``field_coverage`` and ``field_deciles``
        (:mod:`exval.tasks.field.diagnosis`), ``field_ceiling`` (:func:`exval.tasks.field.ceiling.ceiling`).

    Raises
    ------
    InputError
        Two fields of one title; none could be scored.

    Examples
    --------
    >>> from exval.fields.knn import KNearest
    >>> from exval.fields.mean import MeanField
    >>> from exval.tasks.field.splits import field_splits
    >>> rng = np.random.default_rng(0)
    >>> xyz = rng.uniform(-40, 40, (120, 3))
    >>> places = Places.of(xyz, donor_n=list("abcd") * 30)
    >>> found = evaluate_fields(places, np.sin(xyz[:, 1:] / 20), ["A", "B"], [MeanField(), KNearest()],
    ...                         field_splits(places))
    >>> found.table("r2").method.tolist()
    ['knn', 'mean']
    """
    titles = [method.title for method in methods]
    if len(set(titles)) < len(titles) or not titles:
        raise InputError("give at least one field, and fields of different titles")
    several = bool(places.told().any())
    genes_table, costs, failed = [], [], {}
    work = [(fold, method) for fold in splits.folds for method in methods]
    kept = Kept(places, values_ng, genes, sum(len(fold.test) for fold in splits.folds) * len(methods) * (1 + several))
    for fold, method in track(work, "Cross-validating", total=len(work)):
        if method.title in failed:
            continue
        try:
            made, cost = one_fold(places, values_ng, genes, method, fold, several, kept)
        except FAULTS as error:
            failed[method.title] = " ".join(f"{error or type(error).__name__}".split())
            logger.info("%s failed: %s", method.title, failed[method.title])
            continue
        genes_table += made
        costs.append(cost)
    if len(failed) == len(titles):
        raise InputError("no field could be scored: " + "; ".join(f"{k}: {v}" for k, v in failed.items()))
    table = pd.concat([part for part in genes_table if part.method.iloc[0] not in failed], ignore_index=True)
    kept.drop(list(failed))
    config = {
        **(config or {}), "task": "field", "method": titles, "split_by": splits.name,
        "n_folds": len({fold.fold for fold in splits.folds}), "repeats": len({fold.seed for fold in splits.folds}),
    }  # fmt: skip
    config.setdefault("dataset", {"name": data, "n": len(places), "genes": len(genes), "unit": unit, "label": None,
                                  "split_by": splits.name, "classes": []})  # fmt: skip
    config.setdefault("cards", {method.title: vars(method.card) for method in methods})
    found = conclude(table, pd.DataFrame(costs), splits, titles, failed, against)
    first = table[table.arm == table.arm.iloc[0]]
    best = str(first.groupby("method").r2.mean().idxmax())
    chosen = kept.choose(first)
    config.update(against=found.against, best=best, shown=show if show in set(table.method) else best)
    config["predictions"] = (
        f"all {len(genes)} genes"
        if kept.whole
        else (f"{len(chosen)} of {len(genes)} genes, spread evenly over the R2 of the best field: {', '.join(chosen)}")
    )
    config["warnings"] = [*config.get("warnings", []), *(f"{title} failed: {why}" for title, why in failed.items())]
    rows = make_rows(found.rows, task="field", data=data, config_hash=config_hash(config))
    coverage, deciles = kept_word(kept)
    extras = {
        "field_genes": table, "cost": found.cost, "splits": splits.notes, "field_coverage": coverage,
        "field_deciles": deciles, "field_ceiling": ceiling(places, values_ng, genes),
        "field_variogram": left_over(kept, config["shown"], found.against, str(first.arm.iloc[0])),
    }  # fmt: skip
    extras = {name: part for name, part in extras.items() if part is not None and len(part)}
    return Results(rows, kept.table(chosen), config, found.verdict, extras)


def one_fold(
    places: Places,
    values_ng: np.ndarray,
    genes: Sequence[str],
    method: Field,
    fold: Fold,
    several: bool,
    kept: Kept | None = None,
) -> tuple[list[pd.DataFrame], dict[str, Any]]:
    """Fit one field on the training samples of one fold and judge what it tells of the others.

    Parameters
    ----------
    places, values_ng, genes
        All samples.
    method
        An unfitted field; a clone of it is fitted.
    fold
        Who is held out.
    several
        Ask with the regions told as well (regions are known).
    kept
        Where predictions are noted.

    Returns
    -------
    tables
        One for each arm, a row for each gene: columns of ``field_genes``.
    cost
        ``method, seconds, peak_mb, parameters``.
    """
    train, test = places.take(fold.train), places.take(fold.test).without_donor()
    with Cost() as cost:
        one = clone(method).fit(train, values_ng[fold.train], genes)
        told = {arm: one.predict(test.without_regions() if arm == ARMS[1] else test, sd=True)
                for arm in (ARMS if several else ARMS[1:])}  # fmt: skip
    region_m = places.regions_nk[fold.test, 0] if several else None
    head = {"method": method.title, "fold": fold.fold, "seed": fold.seed, "n": len(fold.test)}
    if kept is not None:
        for arm, answer in told.items():
            kept.take({"method": method.title, "arm": arm, "fold": fold.fold, "seed": fold.seed}, fold.test, answer)
    made = [
        pd.DataFrame({
            "gene": np.asarray(genes, dtype=str), "arm": arm, **head,
            **gene_scores(values_ng[fold.test], answer.mean_mg, answer.sd_mg, region_m, one.mean_g_),
        })
        for arm, answer in told.items()
    ]  # fmt: skip
    return made, {"method": method.title, "seconds": cost.seconds, "peak_mb": cost.peak_mb,
                  "parameters": one.n_parameters()}  # fmt: skip
