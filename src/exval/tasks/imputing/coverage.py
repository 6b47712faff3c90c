"""Coverage: whether a method's sd says how far off its values are."""

from __future__ import annotations

import numpy as np

from exval.metrics.coverage import counts_pit, coverage, gamma_interval, interval_score
from exval.tasks.imputing.analysis import Analysis, Figure, answer

MOST = 60_000
LEVELS = (80, 95)


class Coverage(Analysis):
    """80 and 95 % intervals of methods that give a standard deviation.

    Against expected values: the central interval of the Gamma distribution with the method's mean and sd in CP10k
    (:func:`exval.metrics.coverage.gamma_interval`); ``coverage_80``, ``coverage_95`` are shares of the expected values
    inside, and ``interval_score_95`` is what wide intervals cannot please. Slice ``expected``.

    Against held-out molecules: predictive, a count whose rate is that Gamma
    (:func:`exval.metrics.coverage.counts_pit`); slice ``held out``. Most held-out counts are zero whatever the method
    says, so that coverage there is nearer to its level than the values deserve.

    A coverage is right at its level, neither above nor below. On at most 60,000 entries drawn at random: even,
    so that a frequent gene counts no more than a rare one.
    """

    name = "coverage"
    task = "coverage"

    def applies(self, case):
        return case.null is None and (case.expected_ng is not None or case.held_ng is not None)

    def score(self, case, imputed):
        given = answer(case, imputed).interval()
        if given is None:
            return []
        n, g = given[0].shape
        pick = np.sort(np.random.default_rng(case.seed).permutation(n * g)[:MOST])
        row, column = np.divmod(pick, g)
        mean, sd = (x[row, column].astype(np.float64) for x in given)
        figures = []
        if case.expected_ng is not None:
            truth = case.expected_ng[row, column].astype(np.float64)
            for level in LEVELS:
                lo, hi = gamma_interval(mean, sd, level / 100)
                figures.append(Figure(f"coverage_{level}", coverage(truth, lo, hi), "expected", len(pick), "entry"))
            figures.append(Figure("interval_score_95", interval_score(truth, lo, hi), "expected", len(pick), "entry"))
        if case.held_ng is not None:
            exposure = case.exposure_n[row]
            counts = np.asarray(case.held_ng.tocsr()[row, column]).ravel()
            u = counts_pit(counts, mean * exposure, sd * exposure, case.seed)
            for level in LEVELS:
                inside = float(np.mean(np.abs(u - 0.5) <= level / 200))
                figures.append(Figure(f"coverage_{level}", inside, "held out", len(pick), "entry"))
        return figures
