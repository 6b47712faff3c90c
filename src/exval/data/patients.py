"""Invented patients whose hazard is known: what survival methods are tested and shown on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exval.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

FLOOR = -9.9658  # log2 of 0.001, as in published tables of log2(TPM + 0.001)
AGE, SEX = 0.35, -0.25  # log hazard of ten years, and of being a woman
SHAPE, SCALE = 1.2, 40.0  # of the Weibull, months


def simulated_patients(
    n: int = 300,
    g: int = 500,
    seed: int = 0,
    *,
    programmes: int = 8,
    effect: float = 0.9,
    censored: float = 0.5,
    null: bool = False,
) -> AnnData:
    r"""Patients with log2 values from a low-rank model, and times from a Weibull hazard with known coefficients.

    Every gene belongs to one of a few *programmes*; a patient has a score :math:`f` in each. The hazard is

    .. math:: h(t) = \frac{k}{\lambda} (t / \lambda)^{k - 1} e^{\eta}, \qquad
        \eta = \text{effect} \cdot f_0 + 0.35\,(\text{age} - 62) / 10 - 0.25\,\text{woman}

    with :math:`k = 1.2` and :math:`\lambda = 40` months: the first programme and two clinical columns decide, nothing
    else does. Follow-up ends at random, independently of the patient.

    Parameters
    ----------
    n, g
        Patients and genes; the genes carry real symbols.
    seed
        Of the patients. Genes are the same for every seed, so that another seed is another cohort of the same platform.
    programmes
        How many, at least 1.
    effect
        Log hazard ratio of one SD of the first programme.
    censored
        Share of the patients whose event is not seen, about; above 0 and below 1.
    null
        Genes and clinical columns have no effect: whatever is found is an error.

    Returns
    -------
    AnnData
        ``X`` (n, g) float32, log2 with a floor; ``obs``: ``age``, ``is_female``, ``site`` (north, south),
        ``os_months``, ``os_event`` (1 seen, 0 censored), ``true_risk`` (:math:`\eta`); ``var["programme"]``.

    Raises
    ------
    InputError
        Sizes below 1, more genes than there are symbols, a share outside (0, 1).

    Examples
    --------
    >>> patients = simulated_patients(200, 50)
    >>> patients.shape, round(float(1 - patients.obs["os_event"].mean()), 1)
    ((200, 50), 0.5)
    >>> from exval.metrics import harrell_c
    >>> obs = patients.obs
    >>> harrell_c(obs["os_months"], obs["os_event"], obs["true_risk"]) > 0.7
    True
    """
    import pandas as pd
    from anndata import AnnData

    from exval.data.genetable import GeneTable

    symbols = GeneTable.load("human").symbols
    if min(n, g, programmes) < 1 or g > len(symbols):
        raise InputError(f"n, g and programmes are 1 or more, and g at most {len(symbols):,}")
    if not 0 < censored < 1:
        raise InputError(f"censored is a share between 0 and 1, not {censored}")
    rng = np.random.default_rng([seed, 71])
    score_nr = rng.standard_normal((n, programmes))
    member_g = np.arange(g) % programmes
    drawn_3g = np.random.default_rng(71).random((g, 3)).T  # of the platform, not of the cohort: equal for every seed
    share_g, mean_g, sd_g = 0.3 + 0.5 * drawn_3g[0], 2.0 + 7.0 * drawn_3g[1], 0.5 + drawn_3g[2]
    noise_ng = rng.standard_normal((n, g))
    unit_ng = share_g * score_nr[:, member_g] + np.sqrt(1 - share_g**2) * noise_ng
    x_ng = np.maximum(mean_g + sd_g * unit_ng, FLOOR)
    age_n = np.clip(rng.normal(62, 10, n), 25, 90).round()
    woman_n = rng.integers(0, 2, n)
    risk_n = np.zeros(n) if null else effect * score_nr[:, 0] + AGE * (age_n - 62) / 10 + SEX * woman_n
    life_n = SCALE * (rng.standard_exponential(n) * np.exp(-risk_n)) ** (1 / SHAPE)
    follow_n = rng.uniform(0.1, 2.0, n)
    stretch = _stretch(life_n, follow_n, censored)
    time_n = np.maximum(np.minimum(life_n, follow_n * stretch), 0.01).round(2)
    obs = pd.DataFrame(
        {"age": age_n, "is_female": woman_n, "site": pd.Categorical(rng.choice(["north", "south"], n)),
         "os_months": time_n, "os_event": (life_n <= follow_n * stretch).astype(int), "true_risk": risk_n},
        index=[f"patient{i + 1:04d}" for i in range(n)],
    )  # fmt: skip
    var = pd.DataFrame({"programme": member_g}, index=symbols[:g])
    return AnnData(x_ng.astype(np.float32), obs=obs, var=var, uns={"source": "simulated patients, known hazard"})


def _stretch(life_n: np.ndarray, follow_n: np.ndarray, censored: float) -> float:
    """The factor of the times of follow-up with which the wanted share is censored."""
    return float(np.quantile(life_n / follow_n, 1 - censored))
