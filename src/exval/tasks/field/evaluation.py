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
from exval.tasks.field.conclude import conclude
from exval.tasks.field.score import gene_scores
from exval.tasks.splits import Splits

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
    data, unit, config
        Name of the file, unit of its values, and what else was asked for.

    Returns
    -------
    Results
        ``rows``: for every field and arm (slice ``arm=...``) the mean over genes and folds of ``pearson``,
        ``spearman``, ``r2``, ``pearson_within``, ``rmse``, ``nll`` and ``coverage_50/80/95``; ``difference:r2`` and
        ``difference:pearson`` from ``against``, paired over genes and held-out units. ``extras``: ``field_genes`` (one
        row for each field, arm, fold and gene), ``cost``, ``splits``.

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
    for fold, method in track(work, "Cross-validating", total=len(work)):
        if method.title in failed:
            continue
        try:
            made, cost = _one(places, values_ng, genes, method, fold, several)
        except FAULTS as error:
            failed[method.title] = " ".join(f"{error or type(error).__name__}".split())
            logger.info("%s failed: %s", method.title, failed[method.title])
            continue
        genes_table += made
        costs.append(cost)
    if len(failed) == len(titles):
        raise InputError("no field could be scored: " + "; ".join(f"{k}: {v}" for k, v in failed.items()))
    table = pd.concat([part for part in genes_table if part.method.iloc[0] not in failed], ignore_index=True)
    config = {
        **(config or {}), "task": "field", "method": titles, "split_by": splits.name,
        "n_folds": len({fold.fold for fold in splits.folds}), "repeats": len({fold.seed for fold in splits.folds}),
    }  # fmt: skip
    config.setdefault("dataset", {"name": data, "n": len(places), "genes": len(genes), "unit": unit, "label": None,
                                  "split_by": splits.name, "classes": []})  # fmt: skip
    config.setdefault("cards", {method.title: vars(method.card) for method in methods})
    found = conclude(table, pd.DataFrame(costs), splits, titles, failed, against)
    config["against"] = found.against
    config["warnings"] = [*config.get("warnings", []), *(f"{title} failed: {why}" for title, why in failed.items())]
    rows = make_rows(found.rows, task="field", data=data, config_hash=config_hash(config))
    extras = {"field_genes": table, "cost": found.cost}
    if len(splits.notes):
        extras["splits"] = splits.notes
    return Results(rows, pd.DataFrame(), config, found.verdict, extras)


def _one(places, values_ng, genes, method, fold, several: bool) -> tuple[list[pd.DataFrame], dict[str, Any]]:
    """Figures of every gene for one field and fold, arm by arm, and the cost."""
    train, test = places.take(fold.train), places.take(fold.test).without_donor()
    with Cost() as cost:
        one = clone(method).fit(train, values_ng[fold.train], genes)
        told = {arm: one.predict(test.without_regions() if arm == ARMS[1] else test, sd=True)
                for arm in (ARMS if several else ARMS[1:])}  # fmt: skip
    region_m = places.regions_nk[fold.test, 0] if several else None
    head = {"method": method.title, "fold": fold.fold, "seed": fold.seed, "n": len(fold.test)}
    made = [
        pd.DataFrame({
            "gene": np.asarray(genes, dtype=str), "arm": arm, **head,
            **gene_scores(values_ng[fold.test], answer.mean_mg, answer.sd_mg, region_m, one.mean_g_),
        })
        for arm, answer in told.items()
    ]  # fmt: skip
    return made, {"method": method.title, "seconds": cost.seconds, "peak_mb": cost.peak_mb,
                  "parameters": one.n_parameters()}  # fmt: skip
