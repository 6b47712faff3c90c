"""scIGANs: a generator of cells of each group, whose cells fill the zeros of the measured ones."""

from __future__ import annotations

import math

import numpy as np

from exval.methods.base import Card
from exval.methods.imputation.deep.base import DeepImputer, as_array
from exval.methods.imputation.deep.groups import groups_of
from exval.methods.imputation.deep.loop import Plan, Player, Rows, train

_STEP_OF_K = 0.001  # how fast the weight of generated cells follows the balance (BEGAN's lambda)


class ScIgans(DeepImputer):
    """Boundary-equilibrium generative adversarial network on cells as square images, conditional on the group.

    The discriminator is an autoencoder that shall reproduce measured cells and not generated ones; the generator makes
    cells that it reproduces. Then every group gets ``n_generated`` cells, and the zeros of a measured cell take the
    median of the ``k`` of its group that agree best with its non-zeros.

    Parameters
    ----------
    latent, channels
        Width of the noise and of the convolutions (2 or more).
    epochs, batch, lr
        Passes, cells a step, learning rate of Adam (betas 0.5, 0.999).
    balance
        Wanted ratio of the two reconstruction errors (BEGAN's gamma).
    n_generated, k
        Generated cells of each group; how many of them fill a cell's zeros.
    seed
        Of predicted groups, weights, order and noise.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    group_n_
        Group of each cell: the labels given to ``fit``, else predicted ones.
    history_
        Loss of the generator by epoch.

    References
    ----------
    Xu et al. 2020, Nucleic Acids Res. 48:e85; Berthelot, Schumm and Metz 2017, arXiv 1703.10717 (BEGAN).

    Examples
    --------
    >>> from exval.data.source import open_source
    >>> from exval.datasets import baron
    >>> cells = open_source(baron()[:40, :200].copy()).to_adata()
    >>> ScIgans(**{**ScIgans.presets["tiny"], "epochs": 2}).fit(cells).impute(cells, ["A1CF"]).values_nq.shape
    (40, 1)
    """

    name = "scigans"
    card = Card(
        category="adversarial",
        sees=("expression", "labels where given"),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="epochs x cells x genes x channels^2; heavy",
        reference="Xu et al. 2020, Nucleic Acids Res. 48:e85",
        summary=(
            "Zeros take the median of generated cells of the same group. Labels given to it are used: they leak into "
            "every score that compares with labels."
        ),
        departures=(
            "Groups are predicted by Louvain on the leading components (published: SamSPECTRAL on a t-SNE map); values "
            "are log1p(CP10k) over the cell's largest (published: of the values given); generation uses running, not "
            "batch statistics of the normalisation (the statistics of a batch of one group erase the group); the group "
            "enters beside the noise and beside the discriminator's code, not as a map that is the same at every gene; "
            "the discriminator's decoder is shorter; the last generator is kept, not the one with the best balance; "
            "fewer channels and epochs and a larger learning rate by default."
        ),
    )
    labels = "optional"
    heavy = True
    presets = {
        "paper": {"channels": 32, "epochs": 200, "batch": 8, "lr": 2e-4},
        "cpu": {},
        "tiny": {"epochs": 6, "n_generated": 50},
    }

    def __init__(
        self,
        latent: int = 100,
        channels: int = 4,
        epochs: int = 10,
        batch: int = 16,
        lr: float = 3e-3,
        balance: float = 0.95,
        n_generated: int = 200,
        k: int = 10,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.latent = latent
        self.channels = channels
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.balance = balance
        self.n_generated = n_generated
        self.k = k
        self.seed = seed
        self.device = device

    def _learn(self, cells, device):
        import torch

        n, g = cells.log_ng.shape
        self.group_n_ = groups_of(cells, self.seed)
        n_groups = int(self.group_n_.max()) + 1
        self._x = cells.log_ng
        self._most_n = np.maximum(cells.log_ng.max(1).toarray().ravel(), 1e-12).astype(np.float32)
        scaled = self._x.copy()
        scaled.data /= np.repeat(self._most_n, np.diff(scaled.indptr))
        rows, side = Rows(scaled, device), math.isqrt(g - 1) + 1
        generator, discriminator = _networks(side, self.latent, self.channels, n_groups)
        generator.to(device), discriminator.to(device)
        group_n = torch.from_numpy(self.group_n_).to(device)
        now = {"k": 0.0}

        def images(part):
            return torch.nn.functional.pad(rows.dense(part), (0, side * side - g)).view(-1, 1, side, side)

        def one_hot(groups):
            return torch.nn.functional.one_hot(groups, n_groups).float()

        def fool(part):
            now["label"] = one_hot(group_n[part])
            now["fake"] = _generate(generator, torch.randn(len(part), self.latent, device=device), now["label"])
            discriminator.requires_grad_(False)
            error = (_reproduce(discriminator, now["fake"], now["label"]) - now["fake"]).abs().mean()
            discriminator.requires_grad_(True)
            return error

        def tell(part):
            real, fake = images(part), now["fake"].detach()
            of_real = (_reproduce(discriminator, real, now["label"]) - real).abs().mean()
            of_fake = (_reproduce(discriminator, fake, now["label"]) - fake).abs().mean()
            loss = of_real - now["k"] * of_fake
            surplus = self.balance * of_real.item() - of_fake.item()
            now["k"] = min(max(now["k"] + _STEP_OF_K * surplus, 0.0), 1.0)
            return loss

        players = [Player("generator", generator, fool), Player("discriminator", discriminator, tell)]
        plan = Plan(self.epochs, self.batch, self.lr, betas=(0.5, 0.999))
        self.history_ = train(players, n, plan, seed=self.seed, title="Training scigans")

        self._made_mg = np.empty((n_groups * self.n_generated, g), np.float32)
        self._like_nk = np.empty((n, min(self.k, self.n_generated)), np.int64)
        with torch.no_grad():
            for group in range(n_groups):
                label = one_hot(torch.full((self.n_generated,), group, device=device))
                noise = torch.randn(self.n_generated, self.latent, device=device)
                made = as_array(_generate(generator, noise, label)).reshape(self.n_generated, -1)[:, :g]
                at = group * self.n_generated
                self._made_mg[at : at + self.n_generated] = made
                mine = np.flatnonzero(self.group_n_ == group)
                self._like_nk[mine] = at + most_alike(scaled[mine], made, self._like_nk.shape[1])
        self.weights_ = {"generated": self._made_mg}

    def block(self, columns, sd=False):
        values = self._x[:, columns].toarray()
        made = self._made_mg[:, columns]
        for start in range(0, len(values), 256):
            part = slice(start, start + 256)
            told = np.median(made[self._like_nk[part]], axis=1) * self._most_n[part, None]
            values[part] = np.where(values[part] > 0, values[part], told)
        return values


def most_alike(x_ng, made_mg: np.ndarray, k: int) -> np.ndarray:
    """(n, k) which generated cells are nearest to each cell, by Euclidean distance over the cell's non-zeros.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> most_alike(sp.csr_matrix([[0.0, 1.0]]), np.array([[0.0, 0.0], [9.0, 1.0]]), 1).tolist()
    [[1]]
    """
    there = x_ng.copy()
    there.data = np.ones_like(there.data)
    distance = np.asarray(there @ (made_mg**2).T) - 2 * np.asarray(x_ng @ made_mg.T)
    return np.argsort(distance, axis=1, kind="stable")[:, :k]


def _networks(side: int, latent: int, channels: int, n_groups: int):
    """Generator and discriminator: both end in a map of their own for each pixel, and convolutions."""
    from torch import nn

    def conv(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]

    def spread(width: int) -> list[nn.Module]:
        return [nn.Linear(width, channels * side**2), nn.Unflatten(1, (channels, side, side)), nn.BatchNorm2d(channels)]

    last = nn.Conv2d(channels, 1, 3, padding=1)
    generator = nn.Sequential(
        *spread(latent + n_groups), *conv(channels, channels), *conv(channels, channels), last, nn.Sigmoid()
    )
    small = min(24, 2 * math.ceil(side / 2))  # the image is first mapped to small x small pixels
    discriminator = nn.ModuleDict(
        {
            "encode": nn.Sequential(
                nn.Flatten(), nn.Linear(side**2, small**2), nn.Unflatten(1, (1, small, small)),
                nn.Conv2d(1, channels, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(channels), nn.ReLU(),
                *conv(channels, channels // 2), nn.Flatten(),
            ),
            "code": nn.Sequential(
                nn.Linear(channels // 2 * (small // 2) ** 2 + n_groups, 16), nn.BatchNorm1d(16), nn.ReLU()
            ),
            "decode": nn.Sequential(
                *spread(16 + n_groups), nn.ReLU(), *conv(channels, channels), nn.Conv2d(channels, 1, 3, padding=1),
                nn.Sigmoid(),
            ),
        }
    )  # fmt: skip
    for net in (generator, discriminator):
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0.0, 0.02)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight, 1.0, 0.02)
    return generator, discriminator


def _generate(net, noise, label):
    """Images in [0, 1] from noise (b, latent) and groups (b, k) as 0 and 1."""
    import torch

    return net(torch.cat([noise, label], dim=1))


def _reproduce(net, images, label):
    """The discriminator's reproduction of images of these groups."""
    import torch

    code = net["code"](torch.cat([net["encode"](images), label], dim=1))
    return net["decode"](torch.cat([code, label], dim=1))
