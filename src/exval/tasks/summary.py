"""The result folder of ``annotate``: how the method was chosen, what it can and cannot be trusted with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.bench.results import POOLED, Results, config_hash, make_rows
from exval.data.units import row_name
from exval.metrics.classification import accuracy, balanced_accuracy, macro_f1, per_class
from exval.tasks.annotate import common_rows, extras_of
from exval.tasks.labelmap import apply_map, unmatched
from exval.tasks.map2d import map_cells
from exval.tasks.naming import CHEAP, Named, Setting
from exval.tasks.select import Choice
from exval.tasks.unknown import leave_one_type_out

if TYPE_CHECKING:
    from exval.data.source import Source

FEW_GENES = 50


def summarise(
    query: Source, ref: Source, setting: Setting, choice: Choice, named: Named, config: dict[str, Any],
    mapping: dict[str, str], colours: dict[str, str],
) -> Results:  # fmt: skip
    """Everything the report of ``annotate`` tells; nothing in it was used to name a cell."""
    found, splits, label, seed = choice.found, choice.splits, config["label"], config["seed"]
    titles = compared(choice)
    common = common_rows(found.predictions)
    cost = found.cost()
    extras = extras_of(found, titles, cost, splits, common)
    extras["selection"] = choice.table
    warnings = [*query.warnings, *(f"reference: {line}" for line in ref.warnings), *setting.notes]
    warnings += [f"{row.what}: {row.note}" for row in splits.notes.itertuples()]
    warnings += [f"{title} failed: {why}" for title, why in found.failed.items()]
    warnings += _seen(choice, setting)
    things = f"{row_name(query.unit)}s"
    if named.n_empty:
        warnings.append(f"{named.n_empty:,} {things} have no value on any shared gene: they are marked unsure")
    same = int(named.known_n.sum())
    if same:
        warnings.append(
            f"{same:,} of {query.n:,} {things} are in the reference too: their names were learned from "
            "their own labels" + (", and they are left out of the score against known types" if config["truth"] else "")
        )
    if named.n_untold:
        warnings.append(
            f"{named.n_untold:,} {things} have too few values on the shared genes to tell whether the reference has "
            "them too"
        )
    if len(setting.shared.genes) < FEW_GENES:
        warnings.append(f"only {len(setting.shared.genes)} genes are shared: few types can be told apart by so few")
    rows = _selection_rows(choice, cost)
    unknown, area = _unknown(setting, choice, label, titles, seed)
    extras["unknown_types"] = unknown
    rows.append({"method": choice.method.title, "split": "types left out", "metric": "auroc_unknown", "value": area,
                 "n": int(unknown.n.sum()), "unit": "cell"})  # fmt: skip
    rows_at, sample = setting.query_rows, setting.query_sample
    labels = np.asarray(named.labels, dtype=object)
    extras["map2d"] = map_cells(sample, labels[rows_at], named.unsure_n[rows_at], seed)
    extras["scores"] = _histogram(named.score_n, found.of(choice.method.title).score.to_numpy())
    extras["gene_mapping"] = _genes(query, ref, setting)
    said = query.obs.index.astype(str), labels, named.score_n
    predictions = pd.DataFrame({"sample": said[0], "truth": "", "prediction": labels, "score": named.score_n,
                                "method": choice.method.title, "fold": POOLED, "seed": seed, "group": ""})  # fmt: skip
    scored = ""
    if config["truth"]:
        truth_n = apply_map(query.obs[config["truth"]].astype(object).to_numpy(), mapping)
        predictions["truth"] = [str(x) if not pd.isna(x) else "" for x in truth_n]
        new = ~named.known_n
        more, scored, notes = _truth(
            truth_n[new], labels[new], named.unsure_n[new], choice.method.title, set(named.labels.categories),
            f" of the {int(new.sum()):,} {things} that are not in the reference" if same else "",
        )  # fmt: skip
        extras |= _truth_tables(truth_n[new], labels[new], choice.method.title)
        rows += more
        warnings += notes
    if mapping:
        before = {str(x) for x in ref.obs[label].dropna()}
        if config["truth"]:
            before |= {str(x) for x in query.obs[config["truth"]].dropna()}
        lost = unmatched(set(mapping), before)
        warnings += [f"label map: no label is called {', '.join(lost)}"] if lost else []
    share = float(named.unsure_n.mean()) if len(labels) else 0.0
    verdict = (
        f"{choice.why} {query.n:,} {things} named with {len(setting.shared.genes):,} shared genes, {share:.0%} unsure."
    )
    verdict += scored
    config = {
        **config, "warnings": warnings, "cards": {}, "colors": colours,
        "n_folds": len({fold.fold for fold in splits.folds}),
        "dataset": {"name": query.name, "n": query.n, "genes": len(query.var_names), "unit": query.unit, "label": label,
                    "split_by": config["split_by"], "classes": list(named.labels.categories),
                    "reference": {"name": ref.name, "n": setting.reference.n_obs, "unit": ref.unit,
                                  "shared_genes": len(setting.shared.genes)}},
    }  # fmt: skip
    common_columns = {"task": "annotate", "data": ref.name, "seed": seed, "config_hash": config_hash(config)}
    return Results(make_rows(rows, **common_columns), predictions, config, verdict, extras)


def compared(choice: Choice) -> list[str]:
    """Titles of the methods that have out-of-fold predictions, best first."""
    scored = set(choice.found.predictions.method)
    return [title for title in choice.table.method if title in scored]


def _selection_rows(choice: Choice, cost: pd.DataFrame) -> list[dict]:
    from exval.bench.intervals import macro_f1_interval

    splits, rows = choice.splits, []
    for title in compared(choice):
        table = choice.found.of(title)
        truth, said = table.truth.to_numpy(), table.prediction.to_numpy()
        groups = None if splits.groups_n is None else table.group.to_numpy()
        interval = macro_f1_interval(truth, said, groups_n=groups, repeat_n=table.seed.to_numpy())
        seen = ", seen in pretraining" if choice.found.seen.get(title) else ""
        head = {"method": title, "split": splits.name + seen, "unit": splits.unit, "n": interval.n_units,
                "seconds": cost.seconds[title], "peak_mb": cost.peak_mb[title],
                "note": "chose the method, so slightly favourable"}  # fmt: skip
        rows.append({**head, "metric": "macro_f1", "value": interval.value, "lo": interval.lo, "hi": interval.hi})
        rows.append({**head, "metric": "accuracy", "value": accuracy(truth, said)})
    rows += [{"method": k, "split": splits.name, "metric": "macro_f1", "value": np.nan, "status": "failed", "note": v}
             for k, v in choice.found.failed.items()]  # fmt: skip
    return rows


def _unknown(setting: Setting, choice: Choice, label: str, titles: list[str], seed: int) -> tuple[pd.DataFrame, float]:
    """Types left out, by the chosen method if it is cheap, else by the first cheap one that was tried."""
    from exval.methods.resolve import resolve

    cheap = [t for t in [choice.method.title, *titles] if t in CHEAP] or [choice.method.title]
    method = choice.method if cheap[0] == choice.method.title else resolve(cheap[0])
    return leave_one_type_out(setting.reference, label, method, thin=setting.thin, seed=seed)


def _seen(choice: Choice, setting: Setting) -> list[str]:
    return [f"{title} saw {n} of the held-out reference cells in pretraining: its figures are optimistic"
            for title, n in choice.found.seen.items() if n]  # fmt: skip


def _truth(
    truth_n: np.ndarray, labels: np.ndarray, unsure_n: np.ndarray, title: str, known: set[str], whose: str = ""
) -> tuple[list[dict], str, list[str]]:
    """Scores against known types of the query; a type the reference lacks can only be caught as unsure. ``whose`` says
    of which cells, where not of all."""
    has = ~pd.isna(truth_n)
    truth_n = truth_n[has].astype(str).astype(object)
    labels, unsure_n = labels[has].astype(object), unsure_n[has]
    inside = np.isin(truth_n.astype(str), sorted(known))
    lost = unmatched(set(truth_n), known)
    notes = [f"true types that the reference lacks: {', '.join(lost)}"] if lost else []
    head = {"method": title, "split": "the file itself", "unit": "cell"}
    rows: list[dict] = []
    text = ""
    if inside.any():
        pair = truth_n[inside], labels[inside]
        for metric, function in (
            ("macro_f1", macro_f1),
            ("accuracy", accuracy),
            ("balanced_accuracy", balanced_accuracy),
        ):
            rows.append({**head, "slice": "query", "metric": metric, "value": function(*pair), "n": int(inside.sum())})
        sure = inside & ~unsure_n
        if sure.any():
            rows.append({**head, "slice": "query, sure", "metric": "accuracy", "n": int(sure.sum()),
                         "value": accuracy(truth_n[sure], labels[sure])})  # fmt: skip
        text = f" Against the known types{whose}: macro-F1 {macro_f1(*pair):.3f}, accuracy {accuracy(*pair):.3f}"
        text += f", {unsure_n[inside].mean():.0%} of these unsure"
    if (~inside).any():
        caught = float(unsure_n[~inside].mean())
        note = "share of cells of absent types that is marked unsure"
        head |= {"slice": "query, absent types", "metric": "accuracy", "note": note}
        rows.append({**head, "value": caught, "n": int((~inside).sum())})
        text += f"; of {int((~inside).sum())} cells of types that the reference lacks, {caught:.0%} are unsure"
    return rows, (text.lstrip("; ") and " " + text.strip(" ;") + "."), notes


def _truth_tables(truth_n: np.ndarray, labels: np.ndarray, title: str) -> dict[str, pd.DataFrame]:
    """Class by class, and what is taken for what, on the file itself; a type that the reference lacks is in the truth
    only."""
    has = ~pd.isna(truth_n)
    if not has.any():
        return {}
    truth_n, labels = truth_n[has].astype(str).astype(object), labels[has].astype(str).astype(object)
    pairs = pd.DataFrame({"truth": truth_n, "prediction": labels}).value_counts().rename("n").reset_index()
    return {
        "truth_per_class": per_class(truth_n, labels).assign(method=title),
        "truth_confusion": pairs.assign(method=title),
    }


def _histogram(query_n: np.ndarray, reference_n: np.ndarray, n_bins: int = 20) -> pd.DataFrame:
    tables = []
    for kind, score_n in (("query", query_n), ("reference", reference_n)):
        count, edge = np.histogram(score_n, bins=n_bins, range=(0.0, 1.0))
        tables.append(pd.DataFrame({"bin_lo": edge[:-1], "bin_hi": edge[1:], "n": count, "kind": kind}))
    return pd.concat(tables, ignore_index=True)


def _genes(query: Source, ref: Source, setting: Setting) -> pd.DataFrame:
    how = np.asarray(query.genes.how).astype(str)
    names = np.asarray(query.genes.names_in).astype(str)
    rows = [{"how": kind, "n": int((how == kind).sum()), "examples": ", ".join(names[how == kind][:3])}
            for kind in dict.fromkeys(how.tolist())]  # fmt: skip
    shared = set(setting.shared.genes.tolist())
    for kind, part in (
        ("shared with the reference", setting.shared.genes.tolist()),
        ("only in the file", [g for g in query.var_names if g not in shared]),
        ("only in the reference", [g for g in ref.var_names if g not in shared]),
    ):
        rows.append({"how": kind, "n": len(part), "examples": ", ".join(map(str, part[:3]))})
    return pd.DataFrame(rows)
