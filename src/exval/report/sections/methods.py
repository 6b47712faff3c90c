"""Methods side by side: figure, interval and cost in one row."""

from __future__ import annotations

import pandas as pd

from exval.pl._palette import GREY
from exval.pl._text import clean, shorten
from exval.pl.comparison import LOWER_IS_BETTER, NAMES, default_metric, pooled
from exval.report import numbers
from exval.report.folder import Folder
from exval.report.html import Html, esc, join, table, tag
from exval.report.section import Section
from exval.report.strip import Strip

OTHER_METRICS = 2
PREFERRED = ("accuracy", "ece", "rmse", "poisson_deviance")
ARMS = {
    "molecules": "molecules held out (binomial thinning)",
    "thinning": "molecules held out (binomial thinning)",
    "entries": "whole entries hidden",
}
MOST_METHODS = 60


def section(folder: Folder) -> Section | None:
    """A table for the whole, or one for each arm of a recovery."""
    rows = folder.rows
    if not len(rows):
        return None
    slices = [name for name in dict.fromkeys(rows["slice"].astype(str)) if name == "all" or name.startswith("arm=")]
    arms = [name for name in slices if name.startswith("arm=")]
    parts: list[object] = []
    for name in arms or slices[:1] or ["all"]:
        body = _table(folder, name)
        if body is not None:
            parts += [tag("p", tag("strong", f"Arm: {_arm(name)}")) if arms else None, body]
    if not parts:
        return None
    return Section.of("methods", "The methods, side by side", parts, tag("p", _legend(folder, slices), cls="note"))


def _arm(name: str) -> str:
    kind, _, rest = clean(name.removeprefix("arm=")).partition(",")
    return ARMS.get(kind, kind) + ("," + rest if rest else "")


def _table(folder: Folder, slice: str) -> Html | None:
    rows = folder.rows
    inside = rows[(rows["slice"] == slice) & (rows.status == "ok")]
    failed = rows[rows.status == "failed"].drop_duplicates("method")
    if not len(inside) and not len(failed):
        return None
    metric = default_metric(inside if len(inside) else rows)
    main = pooled(rows, metric, slice).head(MOST_METHODS)
    plain = [name for name in dict.fromkeys(inside.metric.astype(str)) if not name.startswith("difference:")]
    others = sorted(
        (name for name in plain if name != metric), key=lambda name: (name not in PREFERRED, plain.index(name))
    )
    others = others[:OTHER_METRICS]
    more = {name: pooled(rows, name, slice).set_index("method").value for name in others}
    against = _reference(folder, metric, slice, list(main.method))
    other = rows.note.str.startswith("against ") & (rows.note != f"against {against}")
    compared = rows if against is None else rows[~other]
    delta = pooled(compared, f"difference:{metric}", slice).set_index("method")
    is_choice = folder.table("selection", "chosen") is not None
    first = folder.chosen if is_choice or not len(main) else str(main.method.iloc[0])
    badge = "chosen" if is_choice else "leads"
    dots = _units(folder, metric)
    strip = Strip.over(main, dots)
    cost = _cost(folder, main)
    compare_to = against if against in cost.index else first
    base = cost.seconds.get(compare_to, float("nan"))
    label = esc(NAMES.get(metric, metric))
    arrow = "lower is better" if metric in LOWER_IS_BETTER else "higher is better"
    head: list[object] = ["method", join(label, Html("<br>"), tag("small", arrow)), strip.axis()]
    if len(delta):
        head.append(
            join(
                "difference",
                Html("<br>"),
                tag("small", f"from {shorten(against, 20)}" if against else "between methods"),
            )
        )
    head += [NAMES.get(name, name) for name in others] + ["CPU time"]
    memory, size = cost.peak_mb.notna().any(), cost.parameters.notna().any()
    head += ["memory"] * bool(memory) + ["parameters"] * bool(size)
    body: list[object] = []
    for entry in main.itertuples():
        name, color = str(entry.method), folder.method_colours.get(str(entry.method), GREY)
        value = join(tag("strong", numbers.score(entry.value)), _bracket(numbers.interval(entry.lo, entry.hi)))
        cells = [
            tag("td", _name(name, color, badge if name == first else ""), cls="method"),
            tag("td", value, cls="num"),
        ]
        cells.append(tag("td", strip.row(entry.value, entry.lo, entry.hi, dots.get(name, []), color)))
        if len(delta):
            cells.append(tag("td", _difference(delta, name, against), cls="num"))
        cells += [tag("td", numbers.score(more[other].get(name)), cls="num") for other in others]
        spent = cost.loc[name] if name in cost.index else pd.Series(dtype=float)
        cells.append(tag("td", _seconds(spent.get("seconds"), base, name == compare_to), cls="num"))
        cells += [tag("td", numbers.megabytes(spent.get("peak_mb")), cls="num")] * bool(memory)
        cells += [tag("td", numbers.parameters(spent.get("parameters")), cls="num")] * bool(size)
        body.append(tag("tr", cells, cls="chosen" if name == first else None))
    for entry in failed.itertuples():
        reason = tag("td", f"failed: {clean(entry.note) or 'no reason was recorded'}", colspan=len(head) - 1)
        dot = _name(str(entry.method), folder.method_colours.get(str(entry.method), GREY))
        body.append(tag("tr", tag("td", dot, cls="method"), reason, cls="failed"))
    return table(head, body, cls="full methods")


def _name(name: str, color: str, badge: str = "") -> Html:
    dot = tag("span", cls="dot", style=f"background:{color}")
    return join(
        dot, tag("span", shorten(name, 30), cls="name", title=name), tag("span", badge, cls="badge") if badge else None
    )


def _bracket(text: str) -> Html | None:
    return join(Html("<br>"), tag("small", text)) if text else None


def _difference(delta: pd.DataFrame, name: str, against: str | None) -> Html:
    if name not in delta.index:
        return esc("reference" if name == against else numbers.DASH)
    entry = delta.loc[name]
    return join(numbers.score(entry.value, sign=True), _bracket(numbers.interval(entry.lo, entry.hi, sign=True)))


def _seconds(value: object, base: float, is_base: bool) -> Html:
    """CPU time, and how many times that of the method compared with."""
    text = numbers.seconds(value)
    if is_base or not (numbers.known(value) and numbers.known(base) and base > 0):
        return esc(text)
    ratio = float(value) / base
    shown = f"{ratio:,.0f} ×" if ratio >= 9.5 else f"{ratio:.1f} ×" if ratio >= 0.095 else "< 0.1 ×"
    return join(text, Html("<br>"), tag("small", shown))


def _reference(folder: Folder, metric: str, slice: str, ranked: list[str]) -> str | None:
    """What the differences are from: said in their notes (``against NAME``; of several the best, as in the verdict),
    else the one method that has none."""
    rows = folder.rows
    compared = rows[(rows.metric == f"difference:{metric}") & (rows["slice"] == slice) & (rows.status == "ok")]
    named = {note.removeprefix("against ") for note in compared.note.astype(str) if note.startswith("against ")}
    if named:
        return next((name for name in ranked if name in named), None)
    left = {name for name in ranked if name not in set(compared.method.astype(str))}
    return left.pop() if len(left) == 1 and len(compared) else None


def _units(folder: Folder, metric: str) -> dict[str, list[float]]:
    """The figure of each donor, where there are too few for an interval."""
    units = folder.table("units", "method", "group", "metric", "value")
    if units is None:
        return {}
    units = units[(units.metric == metric) & units.value.notna()]
    return {str(name): part.value.tolist() for name, part in units.groupby("method") if part.group.nunique() < 60}


def _cost(folder: Folder, main: pd.DataFrame) -> pd.DataFrame:
    spent = main.set_index("method").reindex(columns=["seconds", "peak_mb", "parameters"]).astype(float)
    extra = folder.table("cost", "method")
    if extra is not None:
        extra = extra.drop_duplicates("method").set_index("method").reindex(columns=spent.columns)
        spent = extra.apply(pd.to_numeric, errors="coerce").reindex(spent.index).combine_first(spent)
    return spent.reindex(columns=["seconds", "peak_mb", "parameters"])


def _legend(folder: Folder, slices: list[str]) -> str:
    rows = folder.rows[folder.rows["slice"].isin(slices)]
    whole = rows[(rows.metric == default_metric(rows)) & (rows.status == "ok")]
    whole = whole[whole.fold == -1] if (whole.fold == -1).any() else whole
    units = [unit for unit in dict.fromkeys(whole.unit.astype(str)) if unit]
    unit = units[0] if units else "unit"
    seeds = whole.seed.nunique()
    split = whole.split.astype(str)
    met = whole.method[split.str.contains("labels taught|seen in pretraining")].astype(str).unique()
    given = [name for name in dict.fromkeys(rows.method.astype(str)) if name.startswith("obsm:")]
    text = f"No {folder.thing} was scored by a model that was fitted on it"
    text += f", but {', '.join(met)} had met test {folder.thing}s before (see above)" if len(met) else ""
    text += f"; what {', '.join(given)} was computed from is not known here. " if given else ". "
    if whole.lo.notna().any():
        text += f"In brackets: 95 % interval, bootstrap over {_plural(unit)}. "
    else:
        text += (
            "No interval is given" + ("" if unit in ("cell", "sample") else f": fewer than six {_plural(unit)}") + ". "
        )
    if _units(folder, default_metric(rows)):
        text += f"Small marks: one for each {_singular(unit)}. "
    if seeds > 1:
        text += f"Mean over {seeds} seeds of the split. "
    text += "CPU time: fit and predict on all folds, and the training of a run; "
    return text + "×: times that of the method called reference."


def _singular(unit: str) -> str:
    return "unit" if unit in ("cell", "sample") else unit


def _plural(unit: str) -> str:
    return unit if unit.endswith("s") else f"{unit}s"
