"""The candidates for a goal tried one by one, in the order of their expected time, until the time is used up."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.bench.cost import Cost
from exval.bench.intervals import Interval
from exval.methods.imputation.base import Imputer
from exval.progress import Progress
from exval.tasks.crossval import FAULTS
from exval.tasks.imputing.cases import ImputeCase, case_of
from exval.tasks.imputing.goals import Trial
from exval.tasks.imputing.material import Material
from exval.tasks.imputing.null import NullArm, invents

if TYPE_CHECKING:
    from anndata import AnnData

PILOT, LARGER_PILOT, WORTH_A_LOOK_S = 120, 300, 20.0


class Search:
    """Try, compare with doing nothing, test in the null arm, pick.

    Parameters
    ----------
    trial
        The user's cells, divided.
    adata
        All molecules of the same cells, for the null arm.
    seed
        Of bootstrap and null arm.
    until
        Moment of ``time.monotonic`` after which nothing is begun.
    """

    def __init__(self, trial: Trial, adata: AnnData, seed: int, until: float) -> None:
        self.trial, self.adata, self.seed, self.until = trial, adata, seed, until
        self.rows: dict[str, dict[str, Any]] = {}
        self.chosen_units: dict[str, pd.DataFrame] = {}
        self.score_units: dict[str, pd.DataFrame] = {}
        self.methods: dict[str, Imputer] = {}
        self._null: ImputeCase | None = None

    def left(self) -> float:
        """Seconds left."""
        return self.until - time.monotonic()

    def run(self, todo: list[Imputer], progress: bool) -> None:
        """Try what there is time for; the first is ``nothing``."""
        self.methods = {method.title: method for method in todo}
        self._try(todo[0], 0.0)
        with Progress("Trying methods", len(todo)) as bar:
            piloted = [(self._pilot(method), i, method) for i, method in enumerate(todo[1:])]
            waiting = sorted(piloted, key=lambda one: one[:2])
            bar.advance()
            # a second fit, in the null arm, has to fit in too where values are to be tested
            reserve = 2.0 if self.trial.goal.tested else 1.0
            for expected, _, method in waiting:
                if method.title not in self.rows:
                    if reserve * expected > self.left():
                        why = f"about {expected:.0f} s, and {max(self.left(), 0):.0f} s were left"
                        self._row(method, "not tried", why)
                    else:
                        self._try(method, expected)
                bar.advance(text=method.title if progress else "")

    def _pilot(self, method: Imputer) -> float:
        """Seconds that a fit will take, from one on 120 cells; where they may be many, from how they grow up to 300."""
        visible = self.trial.visible
        if visible.n_obs <= 2 * PILOT:
            return 0.0
        if self.left() < 0:
            return float("inf")
        try:
            self._seconds(method, max(method.min_cells, 60))  # the first pays for what is imported and compiled
            took, times = self._seconds(method, PILOT), visible.n_obs / PILOT
            expected = took * times
            if took * times**2 > WORTH_A_LOOK_S and visible.n_obs > 2 * LARGER_PILOT:
                larger = self._seconds(method, LARGER_PILOT)
                power = float(np.clip(np.log(larger / took) / np.log(LARGER_PILOT / PILOT), 1.0, 3.0))
                expected = larger * (visible.n_obs / LARGER_PILOT) ** power
        except FAULTS:
            return 0.0  # tried at once, and the reason noted
        return expected

    def _seconds(self, method: Imputer, n: int) -> float:
        """Of the clock, for the first n cells."""
        from sklearn.base import clone

        part = self.trial.visible[:n].copy()
        start = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._in_time(clone(method)).fit(part).impute(part)
        return max(time.monotonic() - start, 1e-6)

    def _in_time(self, method: Imputer) -> Imputer:
        """A program of the user's is stopped when the time is up."""
        limit = method.get_params(deep=False).get("timeout")
        return method if limit is None else method.set_params(timeout=max(1.0, min(limit, self.left())))

    def _try(self, method: Imputer, expected: float) -> None:
        from sklearn.base import clone

        trial = self.trial
        try:
            with Cost() as cost:
                imputed = self._in_time(clone(method)).fit(trial.visible).impute(trial.visible)
            chosen, score = trial.units(imputed, trial.choose), trial.units(imputed, trial.score)
        except FAULTS as error:
            if method.title == "nothing":
                raise
            self._row(method, "failed", " ".join(f"{error or type(error).__name__}".split()))
            return
        self.chosen_units[method.title], self.score_units[method.title] = chosen, score
        row = self._row(method, "tried", "")
        row |= {"score": trial.value(chosen), "seconds": cost.seconds, "peak_mb": cost.peak_mb}
        gap = trial.gain(chosen, self.chosen_units["nothing"], self.seed)
        row |= {"difference": gap.value + 0.0, "lo": gap.lo + 0.0, "hi": gap.hi + 0.0, "n": gap.n_units}

    def _row(self, method: Imputer, status: str, why: str) -> dict[str, Any]:
        self.rows[method.title] = {"method": method.title, "status": status, "why": why}
        return self.rows[method.title]

    def _false(self, name: str) -> float:
        """Share of false discoveries of a method in the null arm."""
        from sklearn.base import clone

        if self._null is None:
            groups = self.trial.choose.groups_n
            material = Material(self.adata, groups)
            rng = np.random.default_rng([self.seed, 1740])
            self._null = case_of(material, "yours", "null: permuted", rng, genes=self.trial.visible.n_vars, share=1.0)
        case = self._null
        imputed = clone(self.methods[name]).fit(case.adata).impute(case.adata)
        return float(NullArm().score(case, imputed)[0].value)

    def clear(self) -> list[str]:
        """Methods clearly better than nothing, best first."""
        rows = [r for r in self.rows.values() if r["status"] == "tried" and r["method"] != "nothing" and r["lo"] > 0]
        return [r["method"] for r in sorted(rows, key=lambda r: -r["difference"])]

    def _pick(self) -> str:
        """The best of those clearly better than nothing; where values are to be tested, that passes the null arm."""
        for name in self.clear():
            row = self.rows[name]
            if not self.trial.goal.tested:
                return name
            if self.left() < 0:
                row |= {"status": "disqualified", "why": "no time was left for its null arm"}
                continue
            try:
                share, as_read = self._false(name), self._false("nothing")
            except FAULTS as error:
                row |= {"status": "disqualified", "why": f"its null arm failed: {error}"}
                continue
            row["false_discoveries"] = share
            if not invents(share, as_read, int(self._null.null.genes_g.sum())):
                return name
            why = f"{100 * share:.1f} % of genes that differ nowhere were called different"
            row |= {"status": "disqualified", "why": f"{why} (as read {100 * as_read:.1f} %)"}
        return "nothing"

    def level(self, name: str) -> list[str]:
        """Other methods that are clearly better than nothing and cannot be told from the one picked."""
        units = self.chosen_units
        return [m for m in self.clear() if m != name and self.trial.gain(units[name], units[m], self.seed).lo <= 0]

    def conclude(self, columns: tuple[str, ...]) -> tuple[str, pd.DataFrame, str]:
        """The pick, scored on molecules that took no part in it; the table; and the sentence.

        A lead that these molecules do not show as well is no lead: then the answer is ``nothing``.
        """
        trial, first = self.trial, self._pick()
        for one in {first, "nothing"}:
            self.rows[one]["held_out"] = trial.value(self.score_units[one])
        after = trial.gain(self.score_units[first], self.score_units["nothing"], self.seed)
        self.rows[first]["held_out_difference"] = after.value
        name = first if first == "nothing" or after.lo > 0 else "nothing"
        if name != first:
            self.rows[first]["why"] = "best of those tried, but not on the molecules that took no part in the choice"
        self.rows[name]["why"] = self.rows[name]["why"] or "recommended"
        table = pd.DataFrame(list(self.rows.values())).reindex(columns=list(columns))
        order = {"tried": 0, "disqualified": 1, "failed": 2, "not tried": 3}
        table["_"] = table.status.map(order) - 0.5 * (table.method == name)
        table = table.sort_values(["_", "score"], ascending=[True, not trial.goal.higher], kind="stable")
        return name, table.drop(columns="_").reset_index(drop=True), self._say(first, name, after)

    def _say(self, first: str, name: str, after: Interval) -> str:
        trial, status = self.trial, [row["status"] for row in self.rows.values()]
        tried, skipped = len(status) - status.count("not tried") - 1, status.count("not tried")
        counted = f"{tried} method{'s' if tried != 1 else ''} tried" + (f", {skipped} not" if skipped else "")
        out = [row["method"] for row in self.rows.values() if row["status"] == "disqualified"]
        out = f" Disqualified by false discoveries: {', '.join(out)}." if out else ""
        goal, row = trial.goal.name, self.rows[first]
        later = f"{after.value:.3f} [{after.lo:.3f}, {after.hi:.3f}]"
        if first == "nothing":
            said = f"no method is clearly better ({trial.words}; {counted})"
            return f"For {goal}: use the values as they are; {said}.{out}"
        led = (
            f"better by {row['difference']:.3f} [{row['lo']:.3f}, {row['hi']:.3f}] over {row['n']:,} {trial.goal.unit}s"
        )
        if name == "nothing":
            return (
                f"For {goal}: use the values as they are; {first} led ({trial.words}, {led}), which does not hold on "
                f"molecules that took no part in the choice: {later}. {counted}.{out}"
            )
        level, before = self.level(name), self.rows["nothing"]["score"]
        counted += f"; cannot be told from it: {', '.join(level)}" if level and not trial.goal.tested else ""
        return (
            f"For {goal}: {name}, {trial.words} {row['score']:.3f} against {before:.3f} as read, {led}; on molecules "
            f"that took no part in the choice the difference is {later}, which holds. {counted}.{out}"
        )
