"""DCA: an autoencoder of counts with a negative binomial output."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.imputation.deep.base import DeepImputer, activations, linear_arrays
from exval.methods.imputation.deep.loop import Plan, Player, Rows, train

_LOG_MEAN = (float(np.log(1e-5)), float(np.log(1e6)))


class Dca(DeepImputer):
    """Deep count autoencoder: z-scored log counts in, mean and dispersion of a negative binomial out.

    Parameters
    ----------
    likelihood
        ``"nb"``, or ``"zinb"`` with a probability of an extra zero for each entry.
    hidden
        Widths of the hidden layers, each with batch normalisation and ReLU.
    epochs, batch, lr
        At most so many passes, cells a step, learning rate of RMSprop.
    patience, lr_patience
        Epochs without a better loss of the held-out cells after which training ends, and after which the learning
        rate falls to a tenth.
    valid_share
        Share of cells held out for that.
    clip
        Bound of each entry of the gradient.
    seed
        Of weights, order and held-out cells.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    history_
        Losses by epoch.

    References
    ----------
    Eraslan et al. 2019, Nat. Commun. 10:390, section "Methods".

    Examples
    --------
    >>> from exval.data.source import open_source
    >>> from exval.datasets import baron
    >>> cells = open_source(baron()[:40, :200].copy()).to_adata()
    >>> Dca(**Dca.presets["tiny"]).fit(cells).impute(cells, ["A1CF"]).values_nq.shape
    (40, 1)
    """

    name = "dca"
    aliases = ("deep-count-autoencoder",)
    card = Card(
        category="autoencoder",
        sees=("expression",),
        space_in="counts",
        space_out="counts",
        cost="epochs x cells x genes",
        reference="Eraslan et al. 2019, Nat. Commun. 10:390",
        summary="Autoencoder with a negative binomial output; the fitted means replace every count.",
        departures=(
            "The weights that were best on the held-out cells are kept, not the last ones; these cells are drawn at "
            "random, not the last of the file; batch normalisation forgets at 0.1 a step (published: 0.01), because "
            "small files have too few steps for the slower rate. Size factors are totals of the whole file over "
            "their mean."
        ),
    )
    unit = "counts"
    needs_counts = True
    presets = {
        "paper": {"batch": 32},
        "cpu": {},
        "tiny": {"epochs": 60, "batch": 16},
    }

    def __init__(
        self,
        likelihood: str = "nb",
        hidden: tuple[int, ...] = (64, 32, 64),
        epochs: int = 300,
        batch: int = 64,
        lr: float = 1e-3,
        patience: int = 15,
        lr_patience: int = 10,
        valid_share: float = 0.1,
        clip: float = 5.0,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.likelihood = likelihood
        self.hidden = hidden
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.patience = patience
        self.lr_patience = lr_patience
        self.valid_share = valid_share
        self.clip = clip
        self.seed = seed
        self.device = device

    def _learn(self, cells, device):
        import torch
        from torch import nn
        from torch.nn.functional import softplus

        from exval.nn.counts import nb_nll, zinb_nll

        if self.likelihood not in ("nb", "zinb"):
            raise InputError(f"the likelihood of dca is nb or zinb, not {self.likelihood!r}")
        counts, size_n = cells.counts_ng, cells.size_n.astype(np.float32)
        x = sp.csr_matrix(sp.diags_array(1 / size_n) @ counts, dtype=np.float32)
        x.data = np.log1p(x.data)
        mean_g = np.asarray(x.mean(0, dtype=np.float64)).ravel()
        square_g = np.asarray(x.multiply(x).mean(0, dtype=np.float64)).ravel()
        sd_g = np.sqrt(np.maximum(square_g - mean_g**2, 0))
        sd_g[sd_g < 1e-6] = 1.0
        mean_g, sd_g = (torch.tensor(a, dtype=torch.float32, device=device) for a in (mean_g, sd_g))
        size_n1 = torch.from_numpy(size_n)[:, None].to(device)
        rows, targets, g = Rows(x, device), Rows(counts, device), counts.shape[1]

        layers, width = [], g
        for wide in self.hidden:
            layers += [nn.Linear(width, wide), nn.BatchNorm1d(wide, eps=1e-3), nn.ReLU()]
            width = wide
        heads = {
            name: nn.Linear(width, g) for name in ("mean", "dispersion", "extra")[: 2 + (self.likelihood == "zinb")]
        }
        net = nn.ModuleDict({"body": nn.Sequential(*layers), **heads})
        for layer in net.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        net.to(device)

        def body(part):
            return net["body"]((rows.dense(part) - mean_g) / sd_g)

        def loss(part):
            h = body(part)
            log_mean = net["mean"](h).clamp(*_LOG_MEAN) + size_n1[part].log()
            log_theta = softplus(net["dispersion"](h)).clamp(1e-4, 1e4).log()
            if self.likelihood == "nb":
                total = nb_nll(log_mean, log_theta, targets.packed(part))
            else:
                total = zinb_nll(log_mean, log_theta, net["extra"](h), targets.packed(part))
            return total / (len(part) * g)

        plan = Plan(
            self.epochs, self.batch, self.lr, "rmsprop", valid_share=self.valid_share, patience=self.patience,
            lr_patience=self.lr_patience, clip_value=self.clip,
        )  # fmt: skip
        self.history_ = train(Player("autoencoder", net, loss), cells.n, plan, seed=self.seed, title="Training dca")
        self.weights_ = linear_arrays(net["mean"], "mean")
        self._hidden_nh, self._size_n1 = activations(body, cells.n), size_n[:, None]

    def block(self, columns, sd=False):
        log_mean = self._hidden_nh @ self.weights_["mean"][:, columns] + self.weights_["mean_bias"][columns]
        return np.exp(np.clip(log_mean, *_LOG_MEAN)) * self._size_n1
