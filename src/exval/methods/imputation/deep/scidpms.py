"""scIDPMs: zeros that look like dropout are drawn by a diffusion model, given the other values of the cell."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp

from exval.methods.base import Card
from exval.methods.imputation.deep.base import DeepImputer, as_array
from exval.methods.imputation.deep.groups import groups_of
from exval.methods.imputation.deep.loop import Plan, Player, Rows, train
from exval.progress import track

_CHUNK = 256  # cells sampled at a time


class ScIdpms(DeepImputer):
    """Conditional denoising diffusion on the gene vector of a cell, for the zeros that its group contradicts.

    A zero is a dropout site if more than ``detected`` of the cells of its group have the gene. In training a share
    ``hide`` of a cell's other values is hidden, and a network learns to turn noise into them in ``steps`` steps, given
    those left. Then every dropout site takes the median of ``draws`` such samples, given all the others.

    Parameters
    ----------
    detected
        A zero is dropout where more than this share of the group's cells have the gene; 0 as published: one cell is
        enough.
    hide
        Share of the values hidden in training.
    hidden, layers
        Width and number of the residual blocks.
    steps, beta
        Steps of the diffusion, and its least and largest variance (quadratic schedule).
    draws
        Samples of each cell.
    epochs, batch, lr
        Passes, cells a step, learning rate of Adam (a tenth after 25, 50, 75 and 90 % with ``falls``).
    falls
        Whether the learning rate falls.
    seed
        Of predicted groups, weights, order, hiding and noise.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    group_n_
        Group of each cell: the labels given to ``fit``, else predicted ones.
    n_sites_
        Number of dropout sites.
    history_
        Losses by epoch.

    References
    ----------
    Zhang and Liu 2025, IEEE J. Biomed. Health Inform. 29:3057; Tashiro et al. 2021, NeurIPS (CSDI); Ho, Jain and Abbeel
    2020, NeurIPS (DDPM); Salimans and Ho 2022, ICLR (what the network predicts).

    Examples
    --------
    >>> from exval.data.source import open_source
    >>> from exval.datasets import baron
    >>> cells = open_source(baron()[:40, :200].copy()).to_adata()
    >>> ScIdpms(**{**ScIdpms.presets["tiny"], "epochs": 2}).fit(cells).impute(cells, ["A1CF"]).values_nq.shape
    (40, 1)
    """

    name = "scidpms"
    card = Card(
        category="diffusion",
        sees=("expression", "labels where given"),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="(epochs + steps x draws) x cells x genes x width; stores a value for each dropout site; heavy",
        reference="Zhang and Liu 2025, IEEE J. Biomed. Health Inform. 29:3057; Tashiro et al. 2021, NeurIPS (CSDI)",
        summary=(
            "Zeros where the group has the gene are drawn given the cell's other values; nothing else changes. Labels "
            "given to it are used: they leak into every score that compares with labels."
        ),
        departures=(
            "The network sees the whole gene vector through gated residual blocks of one width, where the original has "
            "attention over genes as tokens (that cannot run on a CPU at 2,000 genes); it predicts the mixture of "
            "noise and value of Salimans and Ho, not the noise; values are standardised by gene, not divided by the "
            "largest; a zero is dropout if half of its group has the gene (published: any cell; detected=0); groups "
            "by Louvain on components, not by Leiden on raw values; fewer steps and draws, less is hidden and the "
            "learning rate does not fall by default."
        ),
    )
    labels = "optional"
    heavy = True
    presets = {
        "paper": {
            "detected": 0.0, "hide": 0.8, "layers": 6, "steps": 300, "draws": 100, "epochs": 500, "batch": 32,
            "lr": 5e-4, "falls": True,
        },
        "cpu": {},
        "tiny": {"hidden": 64, "layers": 2, "steps": 10, "draws": 3, "epochs": 30, "batch": 16},
    }  # fmt: skip

    def __init__(
        self,
        detected: float = 0.5,
        hide: float = 0.5,
        hidden: int = 128,
        layers: int = 3,
        steps: int = 25,
        beta: tuple[float, float] = (1e-4, 0.5),
        draws: int = 10,
        epochs: int = 40,
        batch: int = 64,
        lr: float = 1e-3,
        falls: bool = False,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.detected = detected
        self.hide = hide
        self.hidden = hidden
        self.layers = layers
        self.steps = steps
        self.beta = beta
        self.draws = draws
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.falls = falls
        self.seed = seed
        self.device = device

    def _learn(self, cells, device):
        import torch

        x = self._x = cells.log_ng
        n, g = x.shape
        self.group_n_ = groups_of(cells, self.seed)
        expected_kg, n_sites_g = dropout_sites(x, self.group_n_, self.detected)
        self.n_sites_, self.weights_ = int(n_sites_g.sum()), {}
        self._filled = sp.csc_matrix((n, g), dtype=np.float32)
        if not self.n_sites_:
            return
        known_g = n - n_sites_g  # entries that are taken as measured
        mean_g = np.asarray(x.sum(0, dtype=np.float64)).ravel() / known_g
        square_g = np.asarray(x.multiply(x).sum(0, dtype=np.float64)).ravel() / known_g
        sd_g = np.sqrt(np.maximum(square_g - mean_g**2, 1e-4))
        most_g = x.max(0).toarray().ravel()
        mean_g, sd_g, most_g = (torch.tensor(a, dtype=torch.float32, device=device) for a in (mean_g, sd_g, most_g))
        expected_kg = torch.from_numpy(expected_kg).to(device)
        group_n = torch.from_numpy(self.group_n_).to(device)
        rows, alpha_s = Rows(x, device), signal_shares(self.steps, *self.beta).to(device)
        net = _network(g, self.hidden, self.layers, self.steps).to(device)

        def values(part):
            """Standardised values, and which of them are taken as measured."""
            x_bg = rows.dense(part)
            return (x_bg - mean_g) / sd_g, (x_bg > 0) | ~expected_kg[group_n[part]]

        def loss(part):
            x_bg, known_bg = values(part)
            shown_bg = known_bg & (torch.rand_like(x_bg) >= self.hide)
            step_b = torch.randint(self.steps, (len(part),), device=device)
            signal, noise = alpha_s[step_b, None].sqrt(), (1 - alpha_s[step_b, None]).sqrt()
            noise_bg = torch.randn_like(x_bg)
            asked_bg = known_bg & ~shown_bg
            noisy_bg = signal * x_bg + noise * noise_bg
            told_bg = _denoise(net, _condition(net, x_bg, shown_bg), noisy_bg, asked_bg, step_b)
            miss_bg = (told_bg - (signal * noise_bg - noise * x_bg)) * asked_bg
            return miss_bg.square().sum() / asked_bg.sum().clamp(min=1)

        plan = Plan(
            self.epochs, self.batch, self.lr, weight_decay=1e-6, clip_norm=1.0,
            milestones=(0.25, 0.5, 0.75, 0.9) if self.falls else (),
        )  # fmt: skip
        self.history_ = train(Player("denoiser", net, loss), n, plan, seed=self.seed, title="Training scidpms")

        found = []
        with torch.no_grad():
            for start in track(range(0, n, _CHUNK), "Sampling scidpms"):
                x_bg, known_bg = values(np.arange(start, min(start + _CHUNK, n)))
                context = _condition(net, x_bg, known_bg)
                drawn = torch.stack([_sample(net, context, ~known_bg, alpha_s) for _ in range(self.draws)])
                middle = (drawn.median(0).values - (-drawn).median(0).values) / 2  # torch takes the lower one of two
                told_bg = torch.minimum((middle * sd_g + mean_g).clamp(min=0), most_g)
                found.append(sp.csr_matrix(as_array(told_bg.masked_fill(known_bg, 0))))
        self._filled = sp.vstack(found).tocsc()

    def block(self, columns, sd=False):
        return (self._x[:, columns] + self._filled[:, columns]).toarray()


def dropout_sites(x_ng: sp.csr_matrix, group_n: np.ndarray, detected: float) -> tuple[np.ndarray, np.ndarray]:
    """Which groups have a gene in more than ``detected`` of their cells, and how many zeros each gene has in these.

    Returns
    -------
    expected_kg
        (groups, g) bool.
    n_sites_g
        (g,) zeros of cells of such groups.

    Examples
    --------
    >>> x = sp.csr_matrix([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0], [0.0, 3.0]])
    >>> expected, sites = dropout_sites(x, np.array([0, 0, 0, 1]), 0.5)
    >>> expected.tolist(), sites.tolist()
    ([[True, False], [False, True]], [1, 0])
    """
    n = len(group_n)
    member = sp.csr_matrix((np.ones(n), (group_n, np.arange(n))))
    size_k1 = np.asarray(member.sum(1))
    seen_kg = np.asarray((member @ (x_ng > 0).astype(np.float64)).todense())
    expected_kg = seen_kg > detected * size_k1.reshape(-1, 1)
    return expected_kg, ((size_k1.reshape(-1, 1) - seen_kg) * expected_kg).sum(0).astype(int)


def signal_shares(steps: int, least: float, most: float):
    """(steps,) what is left of the variance of the signal after each step; the square roots of the betas are linear.

    Examples
    --------
    >>> signal_shares(2, 0.25, 0.5).tolist()
    [0.75, 0.375]
    """
    import torch

    beta_s = torch.linspace(least**0.5, most**0.5, steps, dtype=torch.float64) ** 2
    return torch.cumprod(1 - beta_s, 0).float()


def _network(g: int, width: int, layers: int, steps: int):
    """Parts of the denoiser: what is shown and the noisy values go in apart, so that the former is computed once."""
    import torch
    from torch import nn

    frequency = 10.0 ** (torch.arange(32) / 31 * 4.0) * 2 * math.pi / 1e4
    angle = torch.arange(steps)[:, None] * (1000 / steps) * frequency
    net = nn.ModuleDict(
        {
            "shown": nn.Linear(2 * g, width),
            "noisy": nn.Linear(g, width),
            "step": nn.Sequential(
                nn.Embedding.from_pretrained(torch.cat([angle.sin(), angle.cos()], 1)),
                nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
            ),
            "blocks": nn.ModuleList(
                nn.ModuleDict({part: nn.Linear(width, (1 + (part != "step")) * width)
                               for part in ("step", "middle", "context", "out")})
                for _ in range(layers)
            ),
            "last": nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, g)),
            "gain": nn.Linear(width, g),
        }
    )  # fmt: skip
    for layer in (net["last"][2], net["gain"]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return net


def _condition(net, x_bg, shown_bg):
    """What the network knows of the values shown, one (b, 2 width) tensor a block."""
    import torch

    seen = torch.relu(net["shown"](torch.cat([x_bg * shown_bg, shown_bg.float()], dim=1)))
    return [block["context"](seen) for block in net["blocks"]], seen


def _denoise(net, context, noisy_bg, asked_bg, step_b):
    """Estimate of ``sqrt(a) noise - sqrt(1 - a) value`` for the entries asked for; the noise of others is not seen."""
    import torch

    contexts, seen = context
    h = torch.relu(net["noisy"](noisy_bg * asked_bg) + seen)
    when, total = net["step"](step_b), 0.0
    for block, given in zip(net["blocks"], contexts):
        gate, new = (block["middle"](h + block["step"](when)) + given).chunk(2, dim=1)
        more, skip = block["out"](torch.sigmoid(gate) * torch.tanh(new)).chunk(2, dim=1)
        h, total = (h + more) / math.sqrt(2), total + skip
    # A gene's own noisy value cannot pass the narrow blocks; without it, samples vary as if nothing were known.
    return net["last"](total / math.sqrt(len(contexts))) + net["gain"](when) * noisy_bg


def _sample(net, context, asked_bg, alpha_s):
    """One draw of the values asked for, by the reverse process; what stands at other entries means nothing."""
    import torch

    asked_bg = asked_bg.float()
    now_bg = torch.randn_like(asked_bg)
    shares = [1.0, *alpha_s.tolist()]  # of the signal's variance, before and after each step
    for step in range(len(alpha_s) - 1, -1, -1):
        before, alpha = shares[step : step + 2]
        step_b = torch.full((1,), step, device=now_bg.device)  # the same for all cells
        told_bg = _denoise(net, context, now_bg, asked_bg, step_b)
        beta = 1 - alpha / before
        # The mean of the step before, given this one and the value sqrt(alpha) now - sqrt(1 - alpha) told.
        weight = before**0.5 * beta / (1 - alpha)
        keep = weight * alpha**0.5 + (alpha / before) ** 0.5 * (1 - before) / (1 - alpha)
        now_bg = now_bg.mul_(keep).add_(told_bg, alpha=-weight * (1 - alpha) ** 0.5)
        if step:
            now_bg.add_(torch.randn_like(now_bg), alpha=(beta * (1 - before) / (1 - alpha)) ** 0.5)
    return now_bg
