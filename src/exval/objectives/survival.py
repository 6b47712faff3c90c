"""Predict how long a patient lives from the sample embedding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from exval.objectives.base import Objective, Score


class CoxLikelihood(Objective):
    """Cox's negative log partial likelihood, one risk per patient, Breslow's handling of ties.

    The risk set of an event are the patients of the same forward pass who were followed at least as long, so batches
    should hold many patients: with a whole cohort in one batch it is the full partial likelihood.

    Source: Cox 1972, J. R. Stat. Soc. B 34:187; as a loss of networks Katzman et al. 2018, BMC Med. Res. Methodol. 18.
    """

    name = "cox"

    def count(self, split, batch) -> int:
        return int(batch.obs["event"].sum())

    def score(self, model, output, split, batch) -> Score:
        risk_n = output.logits_nc[:, 0].float()
        return Score(partial_likelihood(risk_n, batch.obs["time"], batch.obs["event"]), {"risk": risk_n.detach().sum()})


def partial_likelihood(risk_n: Tensor, time_n: Tensor, event_n: Tensor) -> Tensor:
    """Negative log partial likelihood, summed over the events.

    Parameters
    ----------
    risk_n
        (n,) log hazard ratios.
    time_n, event_n
        (n,) times of follow-up, and whether they ended with the event.

    Examples
    --------
    >>> time, event = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([True, False, True])
    >>> round(float(partial_likelihood(torch.zeros(3), time, event)), 4)  # log 3 + log 1
    1.0986
    """
    order = torch.argsort(time_n, descending=True, stable=True)
    risk_n, time_n, event_n = risk_n[order], time_n[order], event_n[order].bool()
    log_sum_n = torch.logcumsumexp(risk_n, 0)
    # Patients with one time share a risk set: that of the last of them in this order.
    last_n = torch.searchsorted(-time_n.contiguous(), -time_n, right=True) - 1
    return (log_sum_n[last_n] - risk_n)[event_n].sum()


class DiscreteTime(Objective):
    """Negative log-likelihood of hazards in intervals of time: one logit per interval.

    A patient survives the intervals before the one in which follow-up ended, and has the event in it or, if censored,
    survives those that were completed. Nothing is compared between patients, so any batch will do.

    Source: Gensheimer and Narasimhan 2019, PeerJ 7:e6257.

    Parameters
    ----------
    edges_k
        (k,) upper borders of the intervals, ascending (:func:`interval_edges`); beyond the last one nobody is asked.

    Examples
    --------
    >>> DiscreteTime(torch.tensor([1.0, 2.0])).edges_k.tolist()
    [1.0, 2.0]
    """

    name = "discrete-time"

    def __init__(self, edges_k, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.edges_k = torch.as_tensor(edges_k, dtype=torch.float)

    def count(self, split, batch) -> int:
        return batch.n

    def score(self, model, output, split, batch) -> Score:
        logits_nk = output.logits_nc.float()
        survived_nk, died_nk = lived_through(batch.obs["time"], batch.obs["event"], self.edges_k.to(logits_nk.device))
        loss = (survived_nk * F.softplus(logits_nk) + died_nk * F.softplus(-logits_nk)).sum()
        return Score(loss, {"hazard": torch.sigmoid(logits_nk.detach()).mean(1).sum()})


def interval_edges(time_n, event_n, k: int) -> np.ndarray:
    """(<= k,) borders between which about equally many events fall; the last one is the last event.

    Examples
    --------
    >>> interval_edges(np.arange(1.0, 9.0), np.ones(8, bool), 4).tolist()
    [2.75, 4.5, 6.25, 8.0]
    """
    times = np.asarray(time_n, dtype=np.float64)[np.asarray(event_n, dtype=bool)]
    return np.unique(np.quantile(times, np.arange(1, k + 1) / k))


def lived_through(time_n: Tensor, event_n: Tensor, edges_k: Tensor) -> tuple[Tensor, Tensor]:
    """(n, k) which intervals a patient survived, and in which the event was seen; floats.

    >>> survived, died = lived_through(torch.tensor([1.5, 1.5]), torch.tensor([1, 0]), torch.tensor([1.0, 2.0, 3.0]))
    >>> survived.tolist(), died.tolist()
    ([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    """
    start_k = F.pad(edges_k[:-1], (1, 0))
    event_n = event_n.bool()[:, None]
    survived_nk = time_n[:, None] >= edges_k
    died_nk = event_n & (time_n[:, None] > start_k) & (time_n[:, None] <= edges_k)
    return (survived_nk & ~died_nk).float(), died_nk.float()


def risk_of(logits_nk: np.ndarray, head: str) -> np.ndarray:
    """(n,) risk, higher is worse: the log hazard ratio of a Cox head, minus the expected number of intervals survived
    of a discrete one.

    Examples
    --------
    >>> risk_of(np.array([[0.5], [2.0]]), "cox").tolist(), risk_of(np.zeros((1, 2)), "discrete").tolist()
    ([0.5, 2.0], [-0.75])
    """
    logits_nk = logits_nk.astype(np.float64)
    return logits_nk[:, 0] if head == "cox" else -np.cumprod(1 / (1 + np.exp(logits_nk)), axis=1).sum(1)


def survival_from_hazards(logits_nk: np.ndarray, edges_k: np.ndarray, times_t: np.ndarray) -> np.ndarray:
    """(n, t) survival at any times: the product over completed intervals, in between with constant hazard.

    Beyond the last border the last hazard rate goes on.

    >>> survival_from_hazards(np.zeros((1, 2)), np.array([1.0, 2.0]), np.array([0.0, 1.0, 1.5, 2.0])).round(3).tolist()
    [[1.0, 0.5, 0.354, 0.25]]
    """
    start_k = np.concatenate([[0.0], edges_k[:-1]])
    rate_nk = np.logaddexp(0.0, logits_nk) / (edges_k - start_k)  # - log(1 - hazard) over the width
    spent_tk = np.clip(np.asarray(times_t)[:, None] - start_k, 0.0, edges_k - start_k)
    spent_tk[:, -1] += np.clip(np.asarray(times_t) - edges_k[-1], 0.0, None)
    return np.exp(-(rate_nk @ spent_tk.T))
