"""Cohorts that were z-scored each on its own cannot be told apart by what is left of them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from exval.errors import UnitError

LEAST = 10  # samples of a class that say anything
EXACT = 0.2  # of the standard error of a mean: no chance brings every class so near to zero
FEW_ERRORS = 1.3  # standard errors: of a few samples, means of scaled cohorts lie no nearer than this
NEAR = 0.15  # SDs from zero: scaled on its own and then thinned out, or classes that hardly differ
COHORT = re.compile(
    r"^(cohorts?|stud(y|ies)|projects?|datasets?|data_set|series|gse|accession|cancers?|cancer_?types?|tumou?r_?types?|"
    r"oncotree(_?code)?)$",
    re.IGNORECASE,
)


def class_means(x_ng: np.ndarray, class_n: np.ndarray) -> pd.DataFrame:
    """How far a gene's mean lies from zero in each class: the median over genes, in SDs and in standard errors.

    Classes of fewer than 10 samples are left out.

    Parameters
    ----------
    x_ng
        (n, g) z values, NaN where not measured.
    class_n
        (n,) class of each sample.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, half = rng.normal(size=(40, 30)), np.repeat(["a", "b"], 20)
    >>> found = class_means(x - np.repeat([x[:20].mean(0), x[20:].mean(0)], 20, axis=0), half)
    >>> found.columns.tolist(), bool((found.to_numpy() < 1e-6).all())
    (['sds', 'errors'], True)
    """
    x_ng = np.clip(np.asarray(x_ng, dtype=np.float64), -10, 10)
    rows = {}
    for name in np.unique(class_n):
        part = x_ng[class_n == name]
        there_g = np.isfinite(part).sum(0)
        if len(part) < LEAST or not (there_g >= LEAST).any():
            continue
        part, count_g = part[:, there_g >= LEAST], there_g[there_g >= LEAST]
        mean_g, sd_g = np.nanmean(part, 0), np.nanstd(part, 0)
        varies = sd_g > 0
        if varies.any():
            away_g = np.abs(mean_g[varies]) / sd_g[varies]
            rows[name] = (float(np.median(away_g)), float(np.median(away_g * np.sqrt(count_g[varies]))))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["sds", "errors"])


def check_scaling(x_ng: np.ndarray, class_n: np.ndarray, label: str, obs: pd.DataFrame) -> list[str]:
    """Whether classes may be told apart on z values: nothing to say, a warning, or a refusal.

    Refused are classes whose gene means are zero up to rounding, cohorts (a column such as *cancer*, *study*) whose
    means all lie near zero, and classes that lie within one such cohort each: files are scaled on more patients than
    they keep, so that their means are not zero any more, and a classifier reads the remainder. Means alone cannot tell
    such cohorts from classes that hardly differ; of other columns it is a warning.

    Parameters
    ----------
    x_ng, class_n
        (n, g) values in z and (n,) classes, of the samples that have one.
    label
        The column's name.
    obs
        Further columns of these samples.

    Raises
    ------
    UnitError
        With the reason.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, half = rng.normal(size=(400, 30)), np.repeat(["a", "b"], 200)
    >>> len(check_scaling(x, half, "sex", pd.DataFrame(index=range(400))))
    1
    >>> check_scaling(x + 2 * (half == "a")[:, None] - 1, half, "sex", pd.DataFrame(index=range(400)))
    []
    """
    found = class_means(x_ng, class_n)
    if len(found) < 2:
        return []
    if (found.errors < EXACT).all():
        raise UnitError(_refusal(label, label))
    if COHORT.match(label) and (found.sds < NEAR).all():
        raise UnitError(_refusal(label, label))
    for name in obs.columns:
        if str(name) == label or not COHORT.match(str(name)) or obs[name].isna().any():
            continue
        cohort_n = obs[name].astype(str).to_numpy()
        nested = pd.Series(cohort_n).groupby(class_n.astype(str)).nunique().max() == 1
        within = class_means(x_ng, cohort_n)
        if nested and len(within) > 1 and (within.sds < NEAR).all():
            raise UnitError(_refusal(label, str(name)))
    if (found.sds < NEAR).all() or (COHORT.match(label) and (found.errors < FEW_ERRORS).all()):
        return [
            f"In every {label} the genes have nearly the same mean. If values were z-scored within each {label}, or "
            f"within cohorts that differ in it, what sets the classes apart was removed, and figures on {label} mean "
            "nothing; if all samples were z-scored together, the classes hardly differ."
        ]
    return []


def _refusal(label: str, cohort: str) -> str:
    within = f"each {label}" if label == cohort else f"each {cohort}, and each {label} lies within one"
    return (
        f"the values were z-scored within {within}: nothing of what sets the classes apart is left, only how it was "
        "removed; give values on one scale (log2 TPM, counts), or a label that varies within the cohorts"
    )
