"""Predict a label from the sample embedding."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from exval.objectives.base import Objective, Score


class Labels(Objective):
    """Cross-entropy, classes weighted by the square root of their rarity.

    Parameters
    ----------
    class_counts
        Number of training samples of each class.
    smoothing
        Label smoothing.
    cap
        Largest ratio between two class weights (scFoundation's fine-tuning caps it at 50).
    """

    name = "labels"

    def __init__(self, class_counts, weight: float = 1.0, smoothing: float = 0.0, cap: float = 50.0) -> None:
        super().__init__(weight)
        counts_c = torch.as_tensor(class_counts, dtype=torch.float).clamp(min=1)
        weight_c = counts_c.rsqrt()
        weight_c = weight_c.clamp(max=float(weight_c.min()) * cap)
        # Scaled so that the weights average one over the training samples.
        self.weight_c = weight_c * counts_c.sum() / (weight_c * counts_c).sum()
        self.smoothing = smoothing

    def count(self, split, batch) -> int:
        return batch.n

    def score(self, model, output, split, batch) -> Score:
        label_n = batch.obs["label"]
        loss = F.cross_entropy(
            output.logits_nc.float(),
            label_n,
            weight=self.weight_c.to(label_n.device),
            label_smoothing=self.smoothing,
            reduction="sum",
        )
        right = (output.logits_nc.argmax(1) == label_n).float().sum()
        return Score(loss, {"accuracy": right})
