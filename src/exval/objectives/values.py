"""Predict hidden values."""

from __future__ import annotations

from exval.objectives.base import Objective, Score


class HiddenValues(Objective):
    """The head's negative log-likelihood of the queried values; squared error beside it, whatever the head.

    Source: xTrimoGene (Gong et al. 2023, NeurIPS), section 3.5: mean squared error over the masked positions.
    """

    name = "values"

    def count(self, split, batch) -> int:
        return len(split.queries.genes_t)

    def score(self, model, output, split, batch) -> Score:
        targets_q = model.targets(split.queries)
        if output.prediction is None:
            # Every parameter takes part, so that a process without queries keeps step with the others.
            zero = sum(p.sum() for p in model.parameters() if p.requires_grad) * 0
            return Score(zero, {"mse": zero.detach()})
        loss = model.head.nll(output.prediction, targets_q).sum()
        mean_q = model.head.mean(output.prediction).detach()
        return Score(loss, {"mse": ((mean_q - targets_q) ** 2).sum()})
