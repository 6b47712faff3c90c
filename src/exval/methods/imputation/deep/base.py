"""What the deep imputation methods share: a seed, a device, and weights that end up as plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exval.methods.imputation.base import Cells, Imputer
from exval.methods.imputation.deep.loop import seeded

if TYPE_CHECKING:
    import torch
    from torch import nn


class DeepImputer(Imputer):
    """An imputer that trains a network.

    A subclass has the parameters ``seed`` and ``device`` and defines ``_learn(cells, device)``, in which every draw
    of torch depends on the seed. The network is not kept: what ``block`` needs is put into ``weights_`` (name ->
    float32 array) and into arrays with one row a cell, and the last layer is applied to the genes asked for.
    """

    stochastic = True
    seed: int
    device: str

    def learn(self, cells: Cells) -> None:
        """Train, on the device asked for."""
        from exval.run import pick_device

        device = pick_device(self.device)
        with seeded(self.seed, device):
            self._learn(cells, device)

    def _learn(self, cells: Cells, device: torch.device) -> None:
        raise NotImplementedError

    def n_parameters(self) -> int:
        """Weights that ``block`` uses."""
        return int(sum(weight.size for weight in getattr(self, "weights_", {}).values()))


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as a float32 array on the CPU."""
    return tensor.detach().cpu().numpy().astype(np.float32, copy=False)


def linear_arrays(layer: nn.Linear, name: str) -> dict[str, np.ndarray]:
    """Weights of a linear layer, as ``x @ weights[name] + weights[name + "_bias"]`` wants them.

    Examples
    --------
    >>> import torch
    >>> {key: value.shape for key, value in linear_arrays(torch.nn.Linear(3, 2), "mean").items()}
    {'mean': (3, 2), 'mean_bias': (2,)}
    """
    return {name: np.ascontiguousarray(as_array(layer.weight).T), name + "_bias": as_array(layer.bias)}


def activations(encode: Any, n: int, size: int = 1024) -> np.ndarray:
    """``encode(rows)`` of all rows, a part at a time and without gradients, as one float32 array."""
    import torch

    parts = []
    with torch.no_grad():
        for start in range(0, n, size):
            parts.append(as_array(encode(np.arange(start, min(start + size, n)))))
    return np.concatenate(parts)
