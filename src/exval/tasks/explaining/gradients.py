"""Integrated gradients of a run's answer with respect to the values of the genes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from exval.progress import Progress
from exval.tasks.explaining.reading import readings

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.models.encdec import EncoderDecoder
    from exval.run import Run
    from exval.tasks.explaining.question import Question

MOST_GAP = 0.05
MOST_STEPS = 256
PILOT = 24


@dataclass(frozen=True, eq=False)
class Attributions:
    """What every gene of every sample contributed.

    Parameters
    ----------
    values_ng
        (n, g) float32 over the genes of the run, in the unit of the number explained; 0 where nothing was shown.
    weighed_ng
        (n, g) bool: genes that could have had a say (:meth:`exval.tasks.explaining.reading.Reading.weighed`).
    gap_n
        (n,) the completeness gap: how far the sum of a sample's attributions is from the difference of the answers at
        its values and at the baseline, as a share of that difference. NaN where the method promises no such sum.
    """

    values_ng: np.ndarray
    weighed_ng: np.ndarray
    gap_n: np.ndarray

    @property
    def gap(self) -> float:
        """Median completeness gap."""
        return float(np.median(self.gap_n)) if len(self.gap_n) else float("nan")


def mesh(steps: int) -> tuple[Tensor, Tensor]:
    """Where along the straight path gradients are taken, and how long a piece each stands for.

    The midpoint rule on a mesh that is finer near the baseline: the midpoints of ``steps`` equal parts of [0, 1],
    squared. A head that begins with a layer norm turns within the first per cent of the path from a mean patient, whose
    factor scores are all near zero; on equal steps thirty-two of them leave a fifth of the answer unexplained there, on
    this mesh half a per cent. A function with a constant gradient is integrated exactly by any number of steps.

    Examples
    --------
    >>> at, width = mesh(2)
    >>> at.tolist(), width.tolist()
    ([0.0625, 0.5625], [0.25, 0.75])
    """
    edges = (torch.arange(steps + 1, dtype=torch.double) / steps) ** 2
    at = ((torch.arange(steps, dtype=torch.double) + 0.5) / steps) ** 2
    return at, edges.diff()


def integrated_gradients(
    answer: Callable[[Tensor], Tensor], values_t: Tensor, baseline_t: Tensor, steps: int = 32
) -> Tensor:
    r"""(t,) integrated gradients along the straight path from a baseline.

    .. math:: a_i = (x_i - b_i) \int_0^1 \frac{\partial F}{\partial x_i}(b + \alpha (x - b))\, d\alpha

    Source: Sundararajan, Taly and Yan 2017, ICML ("Axiomatic attribution for deep networks"), section 3; the mesh is
    ours (:func:`mesh`).

    Parameters
    ----------
    answer
        (t,) values to (n,) answers; the values of several samples may stand behind each other, since the sum over the
        samples has for each value the gradient of its own sample's answer.
    values_t, baseline_t
        Values and baseline.
    steps
        How many gradients.

    Examples
    --------
    >>> weight = torch.tensor([2.0, -1.0])
    >>> x, base = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 0.0])
    >>> integrated_gradients(lambda v: (weight * v).sum()[None], x, base, steps=3).tolist()  # w (x - b)
    [4.0, -1.0]
    """
    total_t = torch.zeros_like(values_t)
    away_t = values_t - baseline_t
    for at, width in zip(*(part.to(values_t.dtype).tolist() for part in mesh(steps))):
        point_t = (baseline_t + at * away_t).requires_grad_(True)
        (slope_t,) = torch.autograd.grad(answer(point_t).sum(), point_t)
        total_t += width * slope_t
    return total_t * away_t


def attribute(
    run: Run,
    model: EncoderDecoder,
    adata: AnnData,
    code_n: np.ndarray,
    question: Question,
    baseline_g: Tensor,
    *,
    steps: int = 32,
    description: str = "Integrated gradients",
) -> Attributions:
    """Integrated gradients of every sample's own answer.

    Parameters
    ----------
    run
        Says how samples are read.
    model
        The run's model, or one of the same shape with other weights.
    adata
        Prepared.
    code_n
        (n,) class of each sample; zeros for survival.
    question
        What is explained.
    baseline_g
        (g,) see :func:`exval.tasks.explaining.reading.baseline_of`.
    steps
        How many gradients along each path.
    description
        What the progress bar says.
    """
    n, g = adata.n_obs, len(run.genes)
    values_ng, weighed_ng = np.zeros((n, g), np.float32), np.zeros((n, g), bool)
    gap_n = np.zeros(n)
    with Progress(description, n) as progress, frozen(model):
        for rows, reading in readings(run, adata):
            code = torch.as_tensor(code_n[rows], device=run.device)
            baseline_t = baseline_g[reading.genes_t]

            def answer(values_t: Tensor, reading=reading, code=code) -> Tensor:
                return reading.answer(model, values_t, question, code)

            found_t = integrated_gradients(answer, reading.values_t, baseline_t, steps)
            with torch.no_grad():
                moved_n = answer(reading.values_t) - answer(baseline_t)
            sample_t = reading.split.shown.sample_t
            sum_n = torch.zeros(reading.n, device=found_t.device).index_add_(0, sample_t, found_t)
            gap_n[rows] = ((sum_n - moved_n).abs() / moved_n.abs().clamp(min=1e-6)).cpu().numpy()
            values_ng[rows] = reading.dense(found_t)
            weighed_ng[rows] = reading.weighed(model.factors is not None)
            progress.advance(len(rows))
    return Attributions(values_ng, weighed_ng, gap_n)


def enough_steps(
    run: Run,
    model: EncoderDecoder,
    adata: AnnData,
    code_n: np.ndarray,
    question: Question,
    baseline_g: Tensor,
    steps: int,
) -> int:
    """So many steps that attributions add up, tried on a few samples: doubled while the median gap is above 5 %.

    Examples
    --------
    >>> MOST_GAP, MOST_STEPS
    (0.05, 256)
    """
    rows = np.unique(np.linspace(0, adata.n_obs - 1, min(PILOT, adata.n_obs)).astype(int))
    few, code_n = adata[rows].copy(), code_n[rows]
    while steps < MOST_STEPS:
        words = f"Trying {steps} steps"
        if attribute(run, model, few, code_n, question, baseline_g, steps=steps, description=words).gap <= MOST_GAP:
            break
        steps = min(2 * steps, MOST_STEPS)
    return steps


class frozen:
    """Inside, no weight of a model asks for a gradient: only the values do."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.parameters = [p for p in model.parameters() if p.requires_grad]

    def __enter__(self) -> None:
        for parameter in self.parameters:
            parameter.requires_grad_(False)

    def __exit__(self, *exc: object) -> None:
        for parameter in self.parameters:
            parameter.requires_grad_(True)
