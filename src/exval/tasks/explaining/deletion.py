"""Take genes away in the order of a ranking: the faithful one makes the run fail first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exval.bench.intervals import Interval, bootstrap, mean_interval
from exval.errors import InputError
from exval.progress import track

if TYPE_CHECKING:
    from exval.run import Run
    from exval.tasks.explaining.material import Material

FEW = (1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
LEFT = (5000, 2500, 1000, 500, 250, 100, 50, 25, 10)
N_BOOT = 1000
RANDOM = "random"


def grid(g: int, least: int = 1) -> list[int]:
    """How many genes are taken away: few, and nearly all, since a run that reads every gene misses few of them.

    Examples
    --------
    >>> grid(300)
    [0, 1, 5, 10, 25, 50, 100, 200, 250, 275, 290]
    >>> grid(300, least=60)
    [0, 1, 5, 10, 25, 50, 100, 200]
    """
    few = [k for k in FEW if k <= g // 2]
    most = [g - left for left in LEFT if g - left > g // 2]
    return [0, *sorted({k for k in (*few, *most) if g - k >= least})]


@dataclass(eq=False)
class Deleted:
    """What is left of a run's answers as genes go.

    Parameters
    ----------
    measure
        ``accuracy`` or ``harrell_c``; where truth is not known ``agreement`` (same class as with all genes) or
        ``rank_agreement`` (Spearman's rho with the risks by all genes).
    curve
        ``ranking, k, value, probability``: the measure after k genes went, and the mean probability of the class.
    areas
        Ranking -> mean of the measure over the grid, with its interval over patients.
    gaps
        (ranking, other) -> difference of two areas, paired; below zero where the first makes the run fail earlier.
    whole
        The measure with all genes, and for accuracy its difference from naming the most frequent class.
    predictions
        One row for each sample, ranking and k.
    """

    measure: str
    curve: pd.DataFrame
    areas: dict[str, Interval]
    gaps: dict[tuple[str, str], Interval]
    whole: Interval
    above_chance: Interval | None
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)


def delete_genes(
    run: Run, material: Material, genes_p: np.ndarray, scores: dict[str, np.ndarray], *, orders: int = 3, seed: int = 0
) -> Deleted:
    """Set the first k genes of each ranking as not measured, and ask the run again.

    Source: the deletion curve of Petsiuk, Das and Saenko 2018, BMVC; Samek et al. 2017, IEEE TNNLS 28:2660.

    Parameters
    ----------
    run, material
        The run, and the samples that lose genes (``material.delete_rows``).
    genes_p
        (p,) the genes ranked.
    scores
        Ranking -> (p,) score, higher goes first; the first is compared with all others.
    orders
        Random orders, averaged under the name ``random``.
    seed
        Of these.
    """
    at = material.delete_rows
    adata = material.adata[at].copy()
    least = 1 if run.config.dense else int(np.ceil(0.05 * len(run.genes))) + 1
    ks = grid(len(genes_p), least)
    rng = np.random.default_rng([seed, 47])
    jobs = [(name, np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")) for name, score in scores.items()]
    jobs += [(RANDOM, rng.permutation(len(genes_p))) for _ in range(orders)]
    answers: dict[str, list[np.ndarray]] = {}
    first = None
    todo = [(name, order, k) for name, order in jobs for k in ks]
    made: dict[str, list[np.ndarray]] = {}
    for name, order, k in track(todo, "Taking genes away"):
        if k == 0:
            first = _ask(run, adata) if first is None else first
            made[name] = [first]
            continue
        kept = ~adata.var_names.isin(genes_p[order[:k]])
        made[name].append(_ask(run, adata[:, kept].copy()))
        if k == ks[-1]:
            answers.setdefault(name, []).append(np.stack(made.pop(name)))
    judge = _Survival(material, at, first) if run.classes is None else _Classes(material, at, first)
    return judge.conclude(answers, ks, list(scores), adata.obs_names.astype(str).to_numpy(), run, seed)


def _ask(run: Run, adata) -> np.ndarray:
    """(n, classes) probabilities or (n, 1) risks."""
    return run.predict_proba(adata) if run.classes is not None else run.risk(adata)[:, None]


class _Judge:
    """Figures of one measure: ``value`` of a curve, ``interval`` of an area or of a difference of two."""

    def conclude(self, answers, ks, names, samples, run, seed) -> Deleted:
        curve, areas, rows = [], {}, []
        for name, runs in answers.items():
            for j, k in enumerate(ks):
                curve.append({"ranking": name, "k": k, "value": np.mean([self.value(a[j]) for a in runs]),
                              "probability": np.mean([self.probability(a[j]) for a in runs])})  # fmt: skip
            areas[name] = self.interval([[a[j] for j in range(1, len(ks))] for a in runs], None, seed)
            rows += [self.rows(samples, a[j], name, k, run) for a in runs[:1] for j, k in enumerate(ks)]
        lead = names[0]
        steps = {name: [[a[j] for j in range(1, len(ks))] for a in runs] for name, runs in answers.items()}
        gaps = {(lead, other): self.interval(steps[lead], steps[other], seed) for other in answers if other != lead}
        whole, above = self.first(seed)
        return Deleted(self.measure, pd.DataFrame(curve), areas, gaps, whole, above, pd.concat(rows, ignore_index=True))


class _Classes(_Judge):
    """Accuracy; against the run's own answer with all genes where there are no labels."""

    def __init__(self, material: Material, at: np.ndarray, first: np.ndarray) -> None:
        self.measure = "accuracy" if material.labelled else "agreement"
        self.code_n = material.code_n[at] if material.labelled else first.argmax(1)
        self.group_n = pd.factorize(material.group_n[at])[0]
        self.first_nc = first

    def right(self, p_nc: np.ndarray) -> np.ndarray:
        return (p_nc.argmax(1) == self.code_n).astype(float)

    def value(self, p_nc: np.ndarray) -> float:
        return float(self.right(p_nc).mean())

    def probability(self, p_nc: np.ndarray) -> float:
        return float(p_nc[np.arange(len(p_nc)), self.code_n].mean())

    def interval(self, runs, others, seed: int) -> Interval:
        own, count = self._sums(self._mean(runs))
        other = None if others is None else self._sums(self._mean(others))[0]
        return mean_interval(own, count, other, n_boot=N_BOOT, seed=seed)

    def first(self, seed: int) -> tuple[Interval, Interval | None]:
        own, count = self._sums(self.right(self.first_nc))
        whole = mean_interval(own, count, n_boot=N_BOOT, seed=seed)
        if self.measure != "accuracy":
            return whole, None
        most = np.bincount(self.code_n).argmax()
        return whole, mean_interval(
            own, count, self._sums((self.code_n == most).astype(float))[0], n_boot=N_BOOT, seed=seed
        )

    def _mean(self, runs) -> np.ndarray:
        return np.mean([[self.right(p_nc) for p_nc in run] for run in runs], axis=(0, 1))

    def _sums(self, right_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.bincount(self.group_n, weights=right_n), np.bincount(self.group_n).astype(float)

    def rows(self, samples, p_nc, name, k, run) -> pd.DataFrame:
        classes = np.array(run.classes, dtype=object)
        return pd.DataFrame({
            "sample": samples, "truth": classes[self.code_n], "prediction": classes[p_nc.argmax(1)],
            "score": p_nc[np.arange(len(p_nc)), self.code_n], "method": name, "k": k,
        })  # fmt: skip


class _Survival(_Judge):
    """Harrell's C, or the rank correlation with the risks by all genes where no outcome is known."""

    def __init__(self, material: Material, at: np.ndarray, first: np.ndarray) -> None:
        self.first_n, self.group_n = first[:, 0], pd.factorize(material.group_n[at])[0]
        self.time_n = None if material.time_n is None else material.time_n[at]
        self.event_n = None if material.event_n is None else material.event_n[at]
        self.measure = "harrell_c"
        try:
            if self.time_n is None:
                raise InputError("no outcome is known")
            self._units(first)
        except InputError:
            self.measure = "rank_agreement"

    def _units(self, risk_n1: np.ndarray):
        from exval.metrics import paired_c_units

        return paired_c_units(self.time_n, self.event_n, risk_n1[:, 0])

    def value(self, risk_n1: np.ndarray) -> float:
        from exval.metrics import harrell_c
        from exval.metrics.regression import spearman

        if self.measure == "harrell_c":
            return harrell_c(self.time_n, self.event_n, risk_n1[:, 0])
        return float(np.nan_to_num(spearman(self.first_n, risk_n1[:, 0])))

    def probability(self, risk_n1: np.ndarray) -> float:
        return float("nan")

    def interval(self, runs, others, seed: int) -> Interval:
        if self.measure != "harrell_c":
            own = np.mean([[self.value(a) for a in run] for run in runs])
            other = 0.0 if others is None else np.mean([[self.value(a) for a in run] for run in others])
            return Interval(float(own - other), float("nan"), float("nan"), len(self.first_n))
        sides = [[self._units(a) for run in part for a in run] for part in (runs, others) if part is not None]
        return self._boot(sides, seed)

    def _boot(self, sides, seed: int, off: float = 0.0) -> Interval:
        def statistic(weight_bu: np.ndarray) -> np.ndarray:
            weight_bn = weight_bu[:, self.group_n]
            means = [np.mean([unit(weight_bn) for unit in side], axis=0) for side in sides]
            return (means[0] if len(means) == 1 else means[0] - means[1]) - off

        return bootstrap(statistic, np.ones(self.group_n.max() + 1, dtype=int), n_boot=N_BOOT // 4, seed=seed)

    def first(self, seed: int) -> tuple[Interval, Interval | None]:
        if self.measure != "harrell_c":
            return Interval(1.0, float("nan"), float("nan"), len(self.first_n)), None
        sides = [[self._units(self.first_n[:, None])]]
        return self._boot(sides, seed), self._boot(sides, seed, off=0.5)

    def rows(self, samples, risk_n1, name, k, run) -> pd.DataFrame:
        return pd.DataFrame({"sample": samples, "truth": "", "prediction": "", "score": risk_n1[:, 0], "method": name,
                             "k": k})  # fmt: skip
