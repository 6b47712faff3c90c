"""What may be said of a list of genes, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.bench.intervals import Interval
from exval.tasks.explaining.deletion import RANDOM
from exval.tasks.explaining.untrained import is_untrained

if TYPE_CHECKING:
    from exval.tasks.explaining.explain import Found

LEVEL = 0.05
LISTED = 4  # classes that are named one by one
MEASURES = {
    "accuracy": "accuracy",
    "harrell_c": "Harrell's C",
    "agreement": "agreement with the run's own classes",
    "rank_agreement": "rank correlation with the run's own risks",
}
CONFIRMED, OPEN = "confirmed", "not confirmed"
UNTRAINED_LIST = "that of an untrained network"
AS_UNTRAINED, AS_RANDOM = "no better than an untrained network", "no better than random"


@dataclass
class Conclusion:
    """Verdict, one word for the whole, a row for each list, rows of ``results.parquet``."""

    verdict: str
    standing: str
    lists: pd.DataFrame
    rows: list[dict[str, Any]]


def conclude(found: Found, name: str) -> Conclusion:
    """Words for what was found.

    Parameters
    ----------
    found
        All figures.
    name
        Of the run.

    Returns
    -------
    Conclusion
        ``standing`` is ``confirmed`` if the run is better than chance, its list is none of an untrained network and
        deletion makes the run fail earlier than random genes do; otherwise ``no better than an untrained network``,
        ``no better than random`` or ``not confirmed``.
    """
    lists = _lists(found)
    chance, falls = _no_better_than_chance(found), _falls(found, RANDOM)
    if chance or falls == "later":
        standing = AS_RANDOM
    elif lists.iloc[0]["untrained"]:
        standing = AS_UNTRAINED
    else:
        standing = CONFIRMED if falls == "earlier" else OPEN
    sentences = [_opening(found, name, standing), chance]
    if not chance:
        sentences += [_network(found, lists), _deletion(found), _sets(found)]
    return Conclusion(" ".join(line for line in sentences if line), standing, lists, _rows(found))


def _lists(found: Found) -> pd.DataFrame:
    """``class, n, untrained, p_top, set_top, p_ranks, set_ranks, label``: what is known of each list."""
    rows = []
    for name in found.lists:
        n = found.importance.loc[found.importance["class"] == name, "n"].max()
        row = {"class": name, "n": int(n), "untrained": is_untrained(found.network(name))}
        for test in ("top", "ranks"):
            row[f"p_{test}"], row[f"set_{test}"] = np.nan, ""
            if found.sets is not None:
                best = found.sets[(found.sets["class"] == name) & (found.sets.test == test)].iloc[0]
                row[f"p_{test}"], row[f"set_{test}"] = float(best.p_family), str(best["set"])
        rows.append({**row, "label": _label(row, found)})
    return pd.DataFrame(rows)


def _label(row: dict[str, Any], found: Found) -> str:
    """One list in words."""
    parts = [f"no better than {UNTRAINED_LIST}" if row["untrained"] else f"unlike {UNTRAINED_LIST}"]
    if found.sets is not None:
        hit = row["p_top"] <= LEVEL
        said = f"overlaps with {row['set_top']}" if hit else "overlaps with no set more than random genes do"
        parts.append(f"{said} ({p_words(row['p_top'])})")
    return "; ".join(parts)


def p_words(p: float) -> str:
    """A p value as text.

    Examples
    --------
    >>> p_words(0.4321), p_words(0.000999)
    ('p = 0.43', 'p = 0.001')
    """
    return f"p = {p:.3f}" if p < 0.095 else f"p = {p:.2f}"


def _opening(found: Found, name: str, standing: str) -> str:
    what = "risk" if found.question.survival else f"{len(found.question.names)} classes"
    head = f"{name}, {what}, {found.method} on {len(found.material.rank_rows)} samples: "
    return (
        head
        + {
            CONFIRMED: "the run decides by the genes listed, as far as the checks go.",
            OPEN: "that the run decides by the genes listed is not confirmed.",
            AS_UNTRAINED: f"the list of genes is no better than {UNTRAINED_LIST}.",
            AS_RANDOM: "the list of genes is no better than a random one.",
        }[standing]
    )


def _no_better_than_chance(found: Found) -> str:
    """A sentence where the run itself is not tellably better than chance; empty where it is, or truth is not known."""
    above = found.deleted.above_chance
    if above is None or not np.isfinite(above.lo) or above.lo > 0:
        return ""
    measure, value = MEASURES[found.deleted.measure], found.deleted.whole.value
    against = "0.5" if found.question.survival else "naming the most frequent class"
    return (
        f"The run itself is not tellably better than chance here ({measure} {value:.3f}, {_signed(above)} against "
        f"{against}), so that there is nothing to explain; {found.material.met}."
    )


def _network(found: Found, lists: pd.DataFrame) -> str:
    main = found.network(found.lists[0])
    same = is_untrained(main)
    text = (
        f"Networks of random weights give {'much the same' if same else 'another'} list (Spearman {main.spearman:.2f}, "
        f"{main.overlap:.0f} of the first {found.top} genes shared, {main.chance:.0f} by chance at most)"
    )
    rest = lists.iloc[1:]
    other = rest[~rest.untrained] if same else rest[rest.untrained]
    if 0 < len(other) < len(rest):
        text += (
            f", though not for {_names(list(other['class']))}"
            if same
            else f", but not for {_names(list(other['class']))}"
        )
    return text + "."


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:LISTED])
    return shown + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def _falls(found: Found, other: str) -> str:
    """``earlier``, ``later`` or ``cannot tell``: when the run fails, against another ranking."""
    gap = found.deleted.gaps[found.method, other]
    if not np.isfinite(gap.lo):
        return "cannot tell"
    return "earlier" if gap.hi < 0 else "later" if gap.lo > 0 else "cannot tell"


def _signed(gap: Interval) -> str:
    bounds = f" [{gap.lo:+.3f}, {gap.hi:+.3f}]" if np.isfinite(gap.lo) else " (no interval)"
    return f"{gap.value:+.3f}{bounds}".replace("-", "−")


def _deletion(found: Found) -> str:
    words = {"earlier": "faster than", "later": "more slowly than", "cannot tell": "not tellably faster than"}
    others = {RANDOM: "random genes do", "untrained network": "the list of an untrained network",
              "univariate": "single genes ranked without a network"}  # fmt: skip
    parts = []
    for other, title in others.items():
        gap = found.deleted.gaps[found.method, other]
        parts.append(f"{words[_falls(found, other)]} {title} ({_signed(gap)})")
    measure = MEASURES[found.deleted.measure]
    return f"Without its genes {measure} falls {parts[0]}, {parts[1]}, and {parts[2]}; {found.material.met}."


def _sets(found: Found) -> str:
    if found.sets is None:
        return ""
    top = found.sets[found.sets.test == "top"]
    names = found.lists[1:] if len(found.lists) > 1 else found.lists
    best = {name: top[top["class"] == name].iloc[0] for name in names}
    hits = [(name, row) for name, row in best.items() if row.p_family <= LEVEL]
    first, more = f"The first {found.top} genes", "more than random genes do"
    if not hits:
        whose = " of any class" if len(names) > 1 else ""
        least = min(row.p_family for row in best.values())
        return f"{first}{whose} overlap with no set {more} ({p_words(least)})."
    if len(names) == 1:
        return f"{first} overlap with {hits[0][1]['set']} {more} ({p_words(hits[0][1].p_family)})."
    shown = ", ".join(f"{row['set']} ({name}, {p_words(row.p_family)})" for name, row in hits[:LISTED])
    rest = f" and {len(hits) - LISTED} more" if len(hits) > LISTED else ""
    chance = f"{LEVEL * len(names):.1f} expected by chance"
    if len(hits) == len(names):
        return f"{first} of every class ({chance}) overlap with a set {more}: {shown}{rest}."
    whose = f"{len(hits)} of {len(names)} classes ({chance})"
    return f"{first} of {whose} overlap with a set {more}: {shown}{rest}; those of the others with none."


def _rows(found: Found) -> list[dict[str, Any]]:
    deleted, n = found.deleted, len(found.material.delete_rows)

    def row(method: str, metric: str, figure: Interval, note: str = "") -> dict[str, Any]:
        return {"method": method, "metric": metric, "value": figure.value, "lo": figure.lo, "hi": figure.hi, "n": n,
                "note": note}  # fmt: skip

    note = f"mean {deleted.measure} over the grid of deletions; lower is more faithful"
    rows = [row("all genes", deleted.measure, deleted.whole)]
    rows += [row(name, "deletion_area", area, note) for name, area in deleted.areas.items()]
    rows += [row(name, "difference:deletion_area", gap, f"against {other}")
             for (name, other), gap in deleted.gaps.items()]  # fmt: skip
    beside = [(f"untrained {entry['kind']}", entry) for entry in found.sanity.to_dict("records")]
    beside += [(entry["other"], entry) for entry in found.agreement.to_dict("records")]
    for method, entry in beside:
        at = {"method": method, "slice": f"class={entry['class']}", "n": found.top}
        rows.append({**at, "metric": "spearman", "value": entry["spearman"]})
        rows.append({**at, "metric": "top_k_overlap", "value": entry["overlap"] / found.top})
    return rows
