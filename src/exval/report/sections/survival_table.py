"""Methods side by side: discrimination, error, calibration and cost."""

from __future__ import annotations

import pandas as pd

from exval import pl
from exval.pl._palette import GREY
from exval.pl._text import clean, shorten
from exval.report import numbers
from exval.report.benchmark import p_value
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, join, table, tag
from exval.report.section import Section


def section(folder: Folder) -> Section | None:
    """The table, the figure of C, and the same of another cohort."""
    found = folder.table("survival_table", "method", "c", "lo", "hi", "standing")
    if found is None:
        return None
    parts = [_table(folder, found), tag("p", _legend(folder, found), cls="note"), _figure(folder, found)]
    far = folder.table("external", "method", "c", "lo", "hi", "standing")
    if far is not None:
        name = str(folder.config.get("external") or "another cohort")
        parts += [tag("h3", f"Fitted on all patients, scored on {name}"), _table(folder, far), _absent(far, name)]
    return Section.of("methods", "The methods, side by side", parts)


def _table(folder: Folder, found: pd.DataFrame) -> Html:
    reference = next(iter(found.method[found.standing == "reference"]), None)
    times = [name for name in found if name.startswith("auc@")]
    versus = f"from {shorten(reference, 20)}" if reference else ""
    at = "at " + ", ".join(name[4:] for name in times) if times else ""
    head: list[object] = [
        "method", _two("C", "higher is better"), _two("difference", versus), "Uno's C", _two("AUC", at),
        _two("Brier", "gain over null"), _two("D-cal.", "p"), _two("groups", "log-rank p"), _two("CPU", "time"),
    ]  # fmt: skip
    body: list[object] = []
    for entry in found.to_dict("records"):
        name = str(entry["method"])
        if entry.get("status", "ok") != "ok":
            cells = tag("td", f"failed: {clean(entry.get('note')) or 'no reason was recorded'}", colspan=len(head) - 1)
            body.append(tag("tr", tag("td", _name(folder, name), cls="method"), cells, cls="failed"))
            continue
        chosen = bool(entry.get("chosen") is True)
        body.append(tag("tr", _cells(folder, entry, chosen, times), cls="chosen" if chosen else None))
    return table(head, body, cls="full methods")


def _cells(folder: Folder, entry: dict, chosen: bool, times: list[str]) -> list[Html]:
    def num(*parts: object) -> Html:
        return tag("td", join(*parts), cls="num")

    gap = "reference"
    if entry["standing"] != "reference":
        gap = join(numbers.score(entry["difference"], sign=True),
                   _below(numbers.interval(entry["difference_lo"], entry["difference_hi"], sign=True)))  # fmt: skip
    at = [numbers.score(entry[name], 2) for name in times if numbers.known(entry[name])]
    scaled = entry.get("scaled_brier")
    gain = f"{100 * scaled:+.1f} %".replace("-", "−") if numbers.known(scaled) else ""
    return [
        tag("td", _name(folder, str(entry["method"]), "kept" if chosen else ""), cls="method"),
        num(tag("strong", numbers.score(entry["c"])), _below(numbers.interval(entry["lo"], entry["hi"]))),
        num(gap),
        num(numbers.score(entry.get("uno_c"))),
        num(numbers.score(entry.get("mean_auc")), _below(" · ".join(at))),
        num(numbers.score(entry.get("integrated_brier")), _below(gain)),
        num(_p(entry.get("d_calibration_p"))),
        num(_p(entry.get("logrank_p"))),
        num(numbers.seconds(entry.get("seconds"))),
    ]


def _p(value: object) -> str:
    return p_value(float(value)).removeprefix("p = ").removeprefix("p ") if numbers.known(value) else numbers.DASH


def _name(folder: Folder, name: str, badge: str = "") -> Html:
    dot = tag("span", cls="dot", style=f"background:{folder.method_colours.get(name, GREY)}")
    return join(dot, tag("span", shorten(name, 30), cls="name", title=name),
                tag("span", badge, cls="badge") if badge else None)  # fmt: skip


def _two(first: str, second: str) -> Html:
    return join(first, Html("<br>"), tag("small", second)) if second else join(first)


def _below(text: str) -> Html | None:
    return join(Html("<br>"), tag("small", text)) if text else None


def _figure(folder: Folder, found: pd.DataFrame) -> Html:
    return tag("div", figure(
        lambda: pl.concordance(found, palette=folder.method_colours),
        f"Harrell's C with its interval for {int(found.c.notna().sum())} methods.",
        "Right of the dashed line is better than chance; the thin line is the reference. Intervals of two methods may "
        "overlap where their paired difference is clear.",
    ), cls="grid")  # fmt: skip


def _legend(folder: Folder, found: pd.DataFrame) -> str:
    unit = folder.dataset.get("split_by") or "patient"
    text = "No patient was scored by a model that was fitted on it. "
    text += (
        f"In brackets: 95 % interval, bootstrap over {unit}s. " if found.lo.notna().any() else "No interval is given. "
    )
    low, high = (folder.config.get("times") or [None, None])[:2]
    if numbers.known(low) and numbers.known(high):
        text += f"AUC and Brier score from {low:.3g} to {high:.3g}. "
    return text + (
        "Gain over null: how much lower the Brier score is than with one curve for everybody. D-cal.: a small p says "
        "that probabilities are wrong. Log-rank: between groups of risk, out of fold; folds share training patients, "
        "so that it is a description, not a proof. The method kept was chosen on these figures, and "
        "the one that the verdict holds against the reference is the best of several, which favours it."
    )


def _absent(far: pd.DataFrame, name: str) -> Html | None:
    if "absent" not in far or not (far.absent.fillna(0) > 0).any():
        return None
    worst = far.sort_values("absent", ascending=False).iloc[0]
    whole = f" of the {int(worst.genes)}" if numbers.known(worst.genes) else ""
    text = f"{name} has no value of {int(worst.absent)}{whole} genes of {worst.method}"
    return tag("p", f"{text}: they took their training mean.", cls="note")
