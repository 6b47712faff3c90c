"""AutoImpute: an autoencoder with one hidden layer that learns from the non-zeros alone."""

from __future__ import annotations

import numpy as np

from exval.methods.base import Card
from exval.methods.imputation.deep.base import DeepImputer, activations, linear_arrays
from exval.methods.imputation.deep.loop import Plan, Player, Rows, train


class AutoImpute(DeepImputer):
    """Overcomplete autoencoder: sigmoid hidden layer, linear output, squared error of the non-zeros, L2 on the weights.

    Parameters
    ----------
    hidden
        Width of the hidden layer.
    penalty
        Weight of ``|W|^2 / 2``, against the sum of squared errors over all cells.
    epochs, batch, lr
        At most so many passes, cells a step, learning rate of RMSprop.
    tolerance
        Training ends when the loss a cell differs by less than this from that of the epoch before.
    seed
        Of weights and order.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    history_
        Losses by epoch.

    References
    ----------
    Talwar et al. 2018, Sci. Rep. 8:16329.

    Examples
    --------
    >>> from exval.data.source import open_source
    >>> from exval.datasets import baron
    >>> cells = open_source(baron()[:40, :200].copy()).to_adata()
    >>> AutoImpute(**AutoImpute.presets["tiny"]).fit(cells).impute(cells, ["A1CF"]).values_nq.shape
    (40, 1)
    """

    name = "autoimpute"
    card = Card(
        category="autoencoder",
        sees=("expression",),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="epochs x cells x genes x hidden units",
        reference="Talwar et al. 2018, Sci. Rep. 8:16329",
        summary=(
            "Autoencoder trained on the non-zeros; its reconstruction replaces every value. Zeros teach it nothing: "
            "it says what to expect if a gene were seen, which is far above the mean of a gene that is mostly absent."
        ),
        departures=(
            "log1p(CP10k) instead of log2 of counts scaled to the median; all genes given, no selection of 1,000; "
            "minibatches instead of all cells at a step; Glorot instead of standard normal weights at the start (these "
            "saturate every unit); fewer hidden units and a larger learning rate by default."
        ),
    )
    presets = {
        "paper": {"hidden": 2000, "epochs": 7000, "lr": 1e-4, "batch": 1_000_000},
        "cpu": {},
        "tiny": {"hidden": 32, "epochs": 40, "batch": 16},
    }

    def __init__(
        self,
        hidden: int = 256,
        penalty: float = 1.0,
        epochs: int = 100,
        batch: int = 64,
        lr: float = 1e-3,
        tolerance: float = 1e-4,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.hidden = hidden
        self.penalty = penalty
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.tolerance = tolerance
        self.seed = seed
        self.device = device

    def _learn(self, cells, device):
        from torch import nn

        n, g = cells.log_ng.shape
        rows = Rows(cells.log_ng, device)
        net = nn.Sequential(nn.Linear(g, self.hidden), nn.Sigmoid(), nn.Linear(self.hidden, g))
        for layer in (net[0], net[2]):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        net.to(device)

        def loss(part):
            x = rows.dense(part)
            misfit = ((x - net(x)) * (x > 0)).square().sum() / len(part)
            return misfit + 0.5 * self.penalty / n * (net[0].weight.square().sum() + net[2].weight.square().sum())

        plan = Plan(self.epochs, self.batch, self.lr, "rmsprop", tolerance=self.tolerance)
        self.history_ = train(Player("autoencoder", net, loss), n, plan, seed=self.seed, title="Training autoimpute")
        self.weights_ = linear_arrays(net[2], "out")
        self._hidden_nh = activations(lambda part: net[1](net[0](rows.dense(part))), n)

    def block(self, columns, sd=False):
        return np.maximum(self._hidden_nh @ self.weights_["out"][:, columns] + self.weights_["out_bias"][columns], 0)
