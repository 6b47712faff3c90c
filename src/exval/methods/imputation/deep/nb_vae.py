"""A variational autoencoder of counts (scVI type): normalised means by sampling the posterior of a cell's state."""

from __future__ import annotations

import numpy as np

from exval.errors import InputError
from exval.methods.base import Card
from exval.methods.imputation.deep.base import DeepImputer, activations, as_array, linear_arrays
from exval.methods.imputation.deep.loop import Plan, Player, Rows, train

_ENTRIES = 4_000_000  # cells x genes decoded at a time


class NbVae(DeepImputer):
    """Variational autoencoder with a negative binomial output of gene-wise dispersion.

    ``log1p(counts)`` goes through one hidden layer to a normal posterior of ``latent`` numbers; one hidden layer and
    a softmax over the genes turn these into shares, times the cell's counts. The answer is the mean over ``draws``
    from each cell's posterior.

    Parameters
    ----------
    likelihood
        ``"nb"`` or ``"zinb"`` (an extra probability of zero for each entry; it does not enter the answer).
    latent, hidden
        Widths of the cell state and of the hidden layers.
    dropout
        Share of the encoder's hidden units put to zero at a step.
    epochs, batch, lr
        Passes, cells a step, learning rate of Adam (eps 0.01, weight decay 1e-6).
    warmup
        Epochs over which the weight of the Kullback-Leibler term grows from 0 to 1.
    draws
        Samples of each cell's posterior.
    seed
        Of weights, order, noise and draws.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    history_
        Losses by epoch.

    References
    ----------
    Lopez et al. 2018, Nat. Methods 15:1053; Kingma and Welling 2014, ICLR.

    Examples
    --------
    >>> from exval.data.source import open_source
    >>> from exval.datasets import baron
    >>> cells = open_source(baron()[:40, :200].copy()).to_adata()
    >>> NbVae(**NbVae.presets["tiny"]).fit(cells).impute(cells, ["A1CF"], sd=True).sd_nq.shape
    (40, 1)
    """

    name = "nb-vae"
    aliases = ("scvi-like", "scvi-type")
    card = Card(
        category="autoencoder",
        sees=("expression",),
        space_in="counts",
        space_out="counts",
        cost="epochs x cells x genes; draws x cells x genes asked for",
        reference="Lopez et al. 2018, Nat. Methods 15:1053 (scVI)",
        summary=(
            "Variational autoencoder of counts; values are posterior means. The sd is that of the expected count over "
            "the posterior of the cell's state alone: neither counting noise nor doubt about the weights is in it, so "
            "that intervals made of it are too narrow for a count."
        ),
        departures=(
            "The cell's total over the genes given is its library size, never a latent variable; no batch covariate; "
            "negative binomial by default, where the publication has the zero-inflated one; the warm-up of the "
            "Kullback-Leibler term is the preset's."
        ),
    )
    unit = "counts"
    needs_counts = True
    has_sd = True
    presets = {
        "paper": {"likelihood": "zinb", "epochs": 400, "warmup": 400},
        "cpu": {},
        "tiny": {"epochs": 40, "warmup": 10, "batch": 16, "draws": 5},
    }

    def __init__(
        self,
        likelihood: str = "nb",
        latent: int = 10,
        hidden: int = 128,
        dropout: float = 0.1,
        epochs: int = 120,
        batch: int = 128,
        lr: float = 1e-3,
        warmup: int = 30,
        draws: int = 25,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.likelihood = likelihood
        self.latent = latent
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.warmup = warmup
        self.draws = draws
        self.seed = seed
        self.device = device

    def _learn(self, cells, device):
        import torch
        from torch import nn
        from torch.nn.functional import log_softmax, softplus

        from exval.nn.counts import nb_nll, zinb_nll

        if self.likelihood not in ("nb", "zinb"):
            raise InputError(f"the likelihood of nb-vae is nb or zinb, not {self.likelihood!r}")
        counts = cells.counts_ng
        n, g = counts.shape
        library_n = np.asarray(counts.sum(1, dtype=np.float64)).ravel().astype(np.float32)
        logs = counts.copy()
        logs.data = np.log1p(logs.data)
        rows, targets = Rows(logs, device), Rows(counts, device)
        log_library_n1 = torch.from_numpy(np.log(library_n))[:, None].to(device)

        def hidden_layer(width: int) -> list[nn.Module]:
            return [nn.Linear(width, self.hidden), nn.BatchNorm1d(self.hidden, eps=1e-3), nn.ReLU()]

        net = nn.ModuleDict(
            {
                "encoder": nn.Sequential(*hidden_layer(g), nn.Dropout(self.dropout)),
                "state": nn.Linear(self.hidden, 2 * self.latent),
                "decoder": nn.Sequential(*hidden_layer(self.latent)),
                "share": nn.Linear(self.hidden, g),
                "theta": nn.ParameterList([nn.Parameter(torch.zeros(g))]),
            }
        )
        if self.likelihood == "zinb":
            net["extra"] = nn.Linear(self.hidden, g)
        net.to(device)
        weight = {"kl": 0.0}

        def posterior(part):
            mean, raw = net["state"](net["encoder"](rows.dense(part))).chunk(2, dim=1)
            return mean, softplus(raw) + 1e-4

        def loss(part):
            mean, sd = posterior(part)
            h = net["decoder"](mean + sd * torch.randn_like(sd))
            log_mean = log_softmax(net["share"](h), dim=1) + log_library_n1[part]
            log_theta = net["theta"][0].clamp(-9, 9)
            if self.likelihood == "nb":
                misfit = nb_nll(log_mean, log_theta, targets.packed(part))
            else:
                misfit = zinb_nll(log_mean, log_theta, net["extra"](h), targets.packed(part))
            divergence = 0.5 * (mean**2 + sd**2 - 1 - 2 * sd.log()).sum()
            return (misfit + weight["kl"] * divergence) / len(part)

        def warm(epoch):
            weight["kl"] = min(1.0, epoch / self.warmup) if self.warmup else 1.0

        plan = Plan(self.epochs, self.batch, self.lr, eps=0.01, weight_decay=1e-6)
        player = Player("autoencoder", net, loss)
        self.history_ = train(player, n, plan, seed=self.seed, title="Training nb-vae", each_epoch=warm)

        states = activations(lambda part: torch.cat(posterior(part), dim=1), n)
        noise = np.random.default_rng(self.seed).standard_normal((n, self.draws, self.latent), dtype=np.float32)
        mean, sd = np.split(states[:, None, :], 2, axis=2)
        self._state_nsd, self._library_n = mean + sd * noise, library_n
        self.weights_ = {**_folded(net["decoder"]), **linear_arrays(net["share"], "share")}
        self._log_norm_ns = np.concatenate(
            [np.stack([_logsumexp(self._logits(z)) for z in np.moveaxis(part, 1, 0)], 1) for part in self._chunks()]
        )

    def _chunks(self) -> list[np.ndarray]:
        step = max(64, _ENTRIES // len(self.weights_["share_bias"]))
        return np.split(self._state_nsd, range(step, len(self._state_nsd), step))

    def _logits(self, z_nd: np.ndarray, columns: np.ndarray | slice = slice(None)) -> np.ndarray:
        w = self.weights_
        hidden = np.maximum(z_nd @ w["decoder"] + w["decoder_bias"], 0)
        return hidden @ w["share"][:, columns] + w["share_bias"][columns]

    def block(self, columns, sd=False):
        n, q = len(self._library_n), len(columns)
        values, spread = np.empty((n, q), np.float32), np.empty((n, q) if sd else (0, 0), np.float32)
        start = 0
        for part in self._chunks():
            span = slice(start, start + len(part))
            start += len(part)
            total, square = np.zeros((len(part), q)), np.zeros((len(part), q) if sd else (0, 0))
            for s in range(part.shape[1]):
                logits = self._logits(part[:, s], columns) - self._log_norm_ns[span, s, None]
                share = np.exp(logits) * self._library_n[span, None]
                total += share
                if sd:
                    square += share.astype(np.float64) ** 2
            values[span] = total / part.shape[1]
            if sd:
                variance = square / part.shape[1] - (total / part.shape[1]) ** 2
                spread[span] = np.sqrt(np.maximum(variance, 0) * part.shape[1] / max(part.shape[1] - 1, 1))
        return (values, spread) if sd else values


def _folded(decoder) -> dict[str, np.ndarray]:
    """Linear layer and batch normalisation (in evaluation mode) as one linear layer."""
    linear, norm = decoder[0], decoder[1]
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = (linear.bias - norm.running_mean) * scale + norm.bias
    return {"decoder": np.ascontiguousarray(as_array(linear.weight * scale[:, None]).T), "decoder_bias": as_array(bias)}


def _logsumexp(logits_ng: np.ndarray) -> np.ndarray:
    from scipy.special import logsumexp

    return logsumexp(logits_ng, axis=1).astype(np.float32)
