"""Choose a method on held-out cells of the reference; a tie goes to the cheaper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exval.bench.intervals import in_words
from exval.errors import InputError
from exval.methods.base import Method
from exval.tasks.annotate import common_rows, difference
from exval.tasks.crossval import OutOfFold, caution, out_of_fold
from exval.tasks.pick import Pick, blind_score, pick
from exval.tasks.splits import Splits
from exval.tasks.unknown import unsure_below

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.tasks.sharing import Thinner


@dataclass
class Choice:
    """The chosen method and what spoke for it.

    Parameters
    ----------
    method
        Unfitted.
    why
        One sentence.
    table
        Columns ``method, macro_f1, lo, hi, seconds, chosen, why``; lo and hi belong to the difference from the best.
    found
        What all candidates said of held-out cells.
    splits
        Who was held out.
    own_threshold
        For a run that could not be compared: from the few reference cells whose labels it was not taught.
    """

    method: Method
    why: str
    table: pd.DataFrame
    found: OutOfFold
    splits: Splits
    own_threshold: float | None = None

    def threshold(self, title: str | None = None) -> float:
        """Score below which a cell is unsure: the 5 % quantile among correctly named held-out cells of a method."""
        if self.own_threshold is not None and title in (None, self.method.title):
            return self.own_threshold
        table = self.found.of(title or self.method.title)
        return unsure_below(table.score[table.truth.astype(str) == table.prediction.astype(str)].to_numpy())


def choose(
    adata: AnnData,
    label: str,
    methods: list[Method],
    splits: Splits,
    thin: Thinner | None = None,
    insist: str | None = None,
    barred: dict[str, str] | None = None,
) -> Choice:
    """Cross-validate the candidates and take one by the rule of :func:`exval.tasks.pick.pick`.

    Parameters
    ----------
    adata
        The reference, prepared, on the genes shared with the file to be named.
    label
        Column with the types.
    methods
        Candidates, at least one.
    splits
        Who is held out.
    thin
        See :func:`exval.tasks.crossval.out_of_fold`.
    insist
        Title of a method that the user named and nothing else. It is used even if it cannot be compared.
    barred
        Title -> why this method cannot be compared.

    Raises
    ------
    InputError
        If every candidate failed.

    Notes
    -----
    A fine-tuned run that was taught the labels of reference cells cannot be scored on them: it is left out of the
    comparison, and used only if the user insisted.
    """
    taught = {m.title: int(m.taught(adata).sum()) for m in methods if hasattr(m, "taught")}
    reasons = {
        k: f"it was taught the labels of {v} of the {adata.n_obs} reference cells" for k, v in taught.items() if v
    } | (barred or {})
    barred = {m.title: m for m in methods if m.title in reasons}
    found = out_of_fold(adata, label, [m for m in methods if m.title not in barred], splits, thin)
    usable = [m for m in methods if m.title not in found.failed and m.title not in barred]
    if not usable:
        raise InputError("no method could be compared: " + "; ".join(f"{k}: {v}" for k, v in found.failed.items()))
    common, titles = common_rows(found.predictions), [m.title for m in usable]
    taken = pick(found, titles, common, splits)
    chosen, seconds = taken.chosen, found.cost().seconds
    rows = []
    for name, value in taken.ranked.items():
        gap, said = taken.against.get(name, (None, "best of the simple ones" if taken.unclear else "best"))
        lo, hi = (np.nan, np.nan) if gap is None else (gap.lo, gap.hi)
        rows.append({"method": name, "macro_f1": value, "lo": lo, "hi": hi, "seconds": seconds[name], "why": said})
    rows += [{"method": k, "macro_f1": np.nan, "lo": np.nan, "hi": np.nan, "seconds": np.nan, "why": f"failed: {v}"}
             for k, v in found.failed.items()]  # fmt: skip
    rows += [{"method": k, "macro_f1": np.nan, "lo": np.nan, "hi": np.nan, "seconds": np.nan,
              "why": f"not compared: {reasons[k]}"} for k in barred]  # fmt: skip
    table = pd.DataFrame(rows)
    if insist in barred:
        table["chosen"] = table.method == insist
        if taught.get(insist):
            threshold, note = _unheld(barred[insist], adata, label, thin)
        else:
            threshold, note = _at_full_depth(barred[insist], adata, label, splits)
        why = (
            f"{insist}, as asked: {reasons[insist]}, so it cannot be compared on them ({note}); the best of the "
            f"others, {taken.best}: macro-F1 {taken.ranked[taken.best]:.3f}."
        )
        return Choice(barred[insist], why, table, found, splits, threshold)
    table["chosen"] = table.method == chosen
    why = _sentences(taken, found, common, splits)
    why += "".join(f" {name} was not compared: {reasons[name]}." for name in barred)
    return Choice(next(m for m in usable if m.title == chosen), why, table, found, splits)


def _sentences(taken: Pick, found: OutOfFold, common: np.ndarray, splits: Splits) -> str:
    """How good the chosen method is on held-out cells, and how it was chosen."""
    chosen, seconds = taken.chosen, found.cost().seconds
    where = (
        f"held-out reference {splits.row_name}s"
        if splits.groups_n is None
        else f"held-out {splits.name}s of the reference"
    )
    alone = f"{chosen}: macro-F1 {taken.ranked[chosen]:.3f} on {where}"
    if len(taken.ranked) == 1:
        return f"{alone} ({splits.caution})." if splits.caution else f"{alone}."
    blind = blind_score(found, list(taken.ranked.index), common, splits)
    apart = [] if blind is None else [name for name in blind[1] if name != chosen]
    if blind is None or len(apart) == len(blind[1]):
        why = f"{alone}, which also chose it"
    else:
        why = f"{chosen}: macro-F1 {blind[0]:.3f} on {where} that had no say in the choice"
        if apart:
            why += f" ({len(apart)} of {len(blind[1])} folds were answered by {', '.join(sorted(set(apart)))})"
    held = [
        in_words(name, other, difference(found, name, other, common, splits), unit=splits.unit,
                 caution=caution(splits, name, found.seen), cost_ratio=seconds[name] / max(seconds[other], 1e-9))
        for name, other in taken.contests
    ]  # fmt: skip
    why += "; " + " ".join(held)
    why += f" {chosen} is the cheaper equal of {taken.best}." if chosen != taken.best else ""
    return why + (f" {taken.unclear} is not clearly better." if taken.unclear else "")


def _at_full_depth(method: Method, adata: AnnData, label: str, splits: Splits) -> tuple[float, str]:
    """Threshold and score of an embedding on held-out cells as deep as they are: it cannot be thinned."""
    alone = choose(adata, label, [method], splits)
    return alone.threshold(), f"macro-F1 {alone.table.macro_f1[0]:.3f} on cells as deep as they are"


def _unheld(run: Method, adata: AnnData, label: str, thin: Thinner | None) -> tuple[float, str]:
    """Threshold of a run from the reference cells whose labels it was not taught, and how good it is on them."""
    rest = adata[~run.taught(adata)].copy()
    if rest.n_obs < 20:
        return 0.5, "no cells are left to judge it on; the threshold is 0.5"
    if thin is not None:
        rest = thin(rest, None)
    proba = run.predict_proba(rest)
    truth = rest.obs[label].astype(str).to_numpy()
    right = np.asarray(proba.columns)[proba.to_numpy().argmax(1)] == truth
    score_n = proba.to_numpy().max(1)[right]
    return (
        unsure_below(score_n),
        f"accuracy {right.mean():.3f} on the {len(truth)} that decided when to stop, which is optimistic",
    )
