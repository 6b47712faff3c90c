"""Kaplan-Meier curves of the groups of risk."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, details, name, table, tag
from exval.report.section import Section
from exval.report.survival import shown_methods, time_unit

COLUMNS = ("method", "group", "time", "survival", "lo", "hi", "at_risk")


def section(folder: Folder) -> Section | None:
    """The method kept, the reference and the best other; the rest folded away; then another cohort."""
    km = folder.table("km", *COLUMNS)
    if km is None:
        return None
    first = [one for one in shown_methods(folder) if one in set(km.method)] or [str(km.method.iloc[0])]
    rest = [one for one in dict.fromkeys(km.method.astype(str)) if one not in first]
    parts: list[object] = [tag("div", [_one(folder, km, "km_groups", one) for one in first], cls="grid"),
                           _sizes(folder, "km_groups", first)]  # fmt: skip
    if rest:
        drawings = [_one(folder, km, "km_groups", one) for one in rest]
        parts.append(details("Groups of the other methods", tag("div", drawings, cls="grid")))
    far = folder.table("external_km", *COLUMNS)
    if far is not None:
        there = [one for one in first if one in set(far.method)]
        parts += [tag("h3", f"On {folder.config.get('external') or 'another cohort'}, same cut-offs"),
                  tag("div", [_one(folder, far, "external_groups", one, "external_km") for one in there], cls="grid"),
                  _sizes(folder, "external_groups", there)]  # fmt: skip
    return Section.of("groups", "Groups of risk", parts)


def _one(folder: Folder, km: pd.DataFrame, sizes: str, method: str, table_name: str = "km") -> Html:
    groups = folder.table(sizes, "method", "logrank_p")
    p = None if groups is None else next(iter(groups.logrank_p[groups.method == method]), None)
    kinds = list(dict.fromkeys(km.group[km.method == method]))
    alt = f"Kaplan-Meier curves by {method}: {', '.join(map(str, kinds))}."
    return figure(
        lambda: pl.kaplan_meier(km, method=method, p=p, unit=time_unit(folder), name=table_name),
        alt,
        f"{method}. Bands: 95 %. Cut at the {'median' if len(kinds) < 3 else 'tertiles'} of the training risks.",
    )


def _sizes(folder: Folder, sizes: str, methods: list[str]) -> Html | None:
    groups = folder.table(sizes, "method", "group", "n", "events", "median")
    if groups is None:
        return None
    rows = [
        [name(e["method"]), f"{e['group']} risk" if e["group"] != "all" else "all", numbers.count(e["n"]),
         numbers.count(e["events"]), f"{e['median']:.3g}" if numbers.known(e["median"]) else "not reached"]
        for method in methods
        for e in groups[groups.method == method].to_dict("records")
    ]  # fmt: skip
    return table(["method", "group", "samples", "events", f"median {time_unit(folder)}"], rows, text=2)
