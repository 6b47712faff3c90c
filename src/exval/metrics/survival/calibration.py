"""Do survival curves hold what they promise? D-calibration."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.metrics.survival.checks import check_curves, check_survival


def d_calibration(
    time_n: np.ndarray, event_n: np.ndarray, survival_at_time_n: np.ndarray, *, bins: int = 10
) -> tuple[float, np.ndarray]:
    """Test that the predicted survival at the patients' own times is uniform, as it is under the true curves.

    An event counts in the bin of its S(t). Of a patient censored at c all that is known is that its S lies below S(c),
    where it is uniform: the part of each bin below S(c), divided by S(c), counts; at S(c) = 0 the lowest bin gets all.
    The counts are compared with n / bins by Pearson's chi-square test with bins - 1 degrees of freedom.

    Haider et al. 2020, JMLR 21:85 (D-calibration, with censored patients).

    Parameters
    ----------
    time_n, event_n
        Test patients; at least one event.
    survival_at_time_n
        (n,) what each patient's own curve gives at its own time, S_i(t_i).
    bins
        Of equal width.

    Returns
    -------
    p_value, bin_share_k
        A small p value says that the curves are not calibrated. (bins,) share of the patients in each bin, lowest
        survival first, to be 1 / bins each: too much in the low bins means that patients live longer than promised.

    Raises
    ------
    InputError
        Values that are no probabilities, or fewer than 2 bins.

    Notes
    -----
    Spreading the censored patients evens the bins out, so that the test is conservative: the more are censored, the
    larger are p values on average (doi:10.1186/s12874-025-02671-6). A curve that is the same for everybody can be
    perfectly calibrated. A bin ends below its upper edge; S = 1 is in the last one.

    Examples
    --------
    >>> p, share = d_calibration([1.0, 2.0], [True, False], [0.9, 0.75], bins=2)
    >>> share.round(3).tolist(), round(p, 3)
    ([0.333, 0.667], 0.637)
    """
    from scipy.special import chdtrc

    time_n, event_n = check_survival(time_n, event_n)
    if bins < 2:
        raise InputError(f"D-calibration needs at least 2 bins, not {bins}")
    n = len(time_n)
    survival_n = check_curves(survival_at_time_n, n, 1)[:, 0]
    edges = np.arange(bins + 1) / bins
    at_n = np.searchsorted(edges[1:-1], survival_n, side="right")
    count_k = np.bincount(at_n[event_n], minlength=bins).astype(np.float64)
    censored_c = survival_n[~event_n, None]
    below_ck = np.clip(censored_c - edges[:-1], 0, edges[1:] - edges[:-1])
    first_ck = np.broadcast_to(edges[:-1] == 0, below_ck.shape).astype(np.float64)
    count_k += np.divide(below_ck, censored_c, out=first_ck, where=censored_c > 0).sum(0)
    statistic = float(((count_k - n / bins) ** 2).sum() / (n / bins))
    return float(chdtrc(bins - 1, statistic)), count_k / n
