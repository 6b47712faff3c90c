"""DeepImpute: small networks that predict blocks of genes from correlated genes outside the block."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.methods.base import Card
from exval.methods.imputation.base import Cells
from exval.methods.imputation.deep.base import DeepImputer, linear_arrays
from exval.methods.imputation.deep.loop import Plan, Player, Rows, train


class DeepImpute(DeepImputer):
    """Blocks of variable genes, each predicted from the genes outside that correlate best with its members.

    Parameters
    ----------
    block_size
        At most so many target genes a network (there are always two networks or more, so that predictors exist).
    n_top
        Predictors that each target contributes: those with the largest |correlation| of counts outside the block.
    hidden, dropout
        Width of the hidden layer; share of it put to zero at a step.
    min_vmr
        A gene is imputed if variance / (1 + mean) of its counts is above this; others are left as measured.
    epochs, batch, lr
        At most so many passes, cells a step, learning rate of Adam.
    patience, valid_share
        Epochs without a better loss of the held-out cells after which training ends, and the share of these cells.
    seed
        Of blocks, weights, order, dropout and held-out cells.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    targets_
        (b, ) positions of the imputed genes, block by block.
    history_
        Losses by epoch.

    References
    ----------
    Arisdakessian et al. 2019, Genome Biol. 20:211.

    Examples
    --------
    >>> from exval.data.source import open_source
    >>> from exval.datasets import baron
    >>> cells = open_source(baron()[:40, :200].copy()).to_adata()
    >>> found = DeepImpute(**DeepImpute.presets["tiny"]).fit(cells).impute(cells)
    >>> kept = cells.layers["counts"].toarray() > 0  # what was measured stays
    >>> bool((found.values_nq[kept] == cells.layers["counts"].toarray()[kept]).all())
    True
    """

    name = "deepimpute"
    card = Card(
        category="autoencoder",
        sees=("expression",),
        space_in="counts",
        space_out="counts",
        cost="epochs x cells x targets; correlations: targets x genes x cells",
        reference="Arisdakessian et al. 2019, Genome Biol. 20:211",
        summary=(
            "Zeros of variable genes are predicted from correlated genes. The loss weights an entry by its value, so "
            "that zeros teach it nothing: what it fills in is the value to expect if the gene were seen."
        ),
        departures=(
            "At least two blocks of equal size, so that predictors lie outside a block (the original lets a lone block "
            "predict itself); no genes drawn at random to fill the last block; the weights that were best on the "
            "held-out cells are kept, not the last ones."
        ),
    )
    unit = "counts"
    needs_counts = True
    presets = {
        "paper": {"min_vmr": 0.5, "epochs": 500, "lr": 1e-4, "batch": 64},
        "cpu": {},
        "tiny": {"epochs": 40, "lr": 1e-3, "batch": 16, "min_vmr": 0.0},
    }

    def __init__(
        self,
        block_size: int = 512,
        n_top: int = 5,
        hidden: int = 256,
        dropout: float = 0.2,
        min_vmr: float = 0.5,
        epochs: int = 500,
        batch: int = 64,
        lr: float = 1e-4,
        patience: int = 5,
        valid_share: float = 0.05,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.block_size = block_size
        self.n_top = n_top
        self.hidden = hidden
        self.dropout = dropout
        self.min_vmr = min_vmr
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.patience = patience
        self.valid_share = valid_share
        self.seed = seed
        self.device = device

    def _learn(self, cells: Cells, device):
        from torch import nn

        counts = cells.counts_ng
        self._counts = counts.tocsc()
        self.targets_, self.weights_, self._inputs = np.empty(0, int), {}, []
        logs = counts.copy()
        logs.data = np.log1p(logs.data)
        self._most = 2 * float(logs.data.max())
        blocks = self._blocks(counts)
        if not blocks:
            return
        predictors = predictors_of(counts, blocks, self.n_top)
        rows = Rows(logs, device)
        nets = nn.ModuleList(
            nn.Sequential(
                nn.Linear(len(inputs), self.hidden), nn.ReLU(), nn.Dropout(self.dropout),
                nn.Linear(self.hidden, len(block)), nn.Softplus(),
            )
            for inputs, block in zip(predictors, blocks)
        )  # fmt: skip
        for layer in nets.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        nets.to(device)

        def loss(part):
            x = rows.dense(part)
            total = 0.0
            for net, inputs, block in zip(nets, predictors, blocks):
                y = x[:, block]
                total = total + (y * (y - net(x[:, inputs])) ** 2).mean()
            return total

        plan = Plan(self.epochs, self.batch, self.lr, eps=1e-7, valid_share=self.valid_share, patience=self.patience)
        self.history_ = train(
            Player("networks", nets, loss), cells.n, plan, seed=self.seed, title="Training deepimpute"
        )
        self.targets_ = np.concatenate(blocks)
        self._block_t = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
        self._within_t = np.concatenate([np.arange(len(block)) for block in blocks])
        self._inputs, self._logs = predictors, logs.tocsc()
        for i, net in enumerate(nets):
            self.weights_ |= linear_arrays(net[0], f"in{i}") | linear_arrays(net[3], f"out{i}")

    def _blocks(self, counts: sp.csr_matrix) -> list[np.ndarray]:
        """Variable genes, cut at random into blocks of equal size."""
        n, g = counts.shape
        mean_g = np.asarray(counts.mean(0, dtype=np.float64)).ravel()
        square_g = np.asarray(counts.multiply(counts).mean(0, dtype=np.float64)).ravel()
        var_g = (square_g - mean_g**2) * n / max(n - 1, 1)
        targets = np.flatnonzero((var_g / (1 + mean_g) > self.min_vmr) & (var_g > 1e-9))
        if not len(targets) or g < 2:
            return []
        shuffled = np.random.default_rng(self.seed).permutation(targets)
        parts = max(int(np.ceil(len(targets) / self.block_size)), 2 if len(targets) > 1 else 1)
        return [np.sort(part) for part in np.array_split(shuffled, parts)]

    def block(self, columns, sd=False):
        values = self._counts[:, columns].toarray()
        place = {int(gene): i for i, gene in enumerate(self.targets_)}
        there = np.array([i for i, column in enumerate(columns) if int(column) in place], dtype=int)
        at = np.array([place[int(columns[i])] for i in there], dtype=int)
        w = self.weights_
        for b, inputs in enumerate(self._inputs):
            mine = self._block_t[at] == b if len(at) else np.empty(0, bool)
            if mine.any():
                within, into = self._within_t[at[mine]], there[mine]
                hidden = np.maximum(np.asarray(self._logs[:, inputs] @ w[f"in{b}"]) + w[f"in{b}_bias"], 0)
                raw = hidden @ w[f"out{b}"][:, within] + w[f"out{b}_bias"][within]
                told = np.logaddexp(raw, np.float32(0))
                told = np.expm1(np.where(told > self._most, np.float32(0), told))
                values[:, into] = np.where(values[:, into] > 0, values[:, into], told)
        return values


def predictors_of(counts: sp.csr_matrix, blocks: list[np.ndarray], n_top: int) -> list[np.ndarray]:
    """For each block the genes outside it that are among the ``n_top`` most correlated of one of its members.

    Examples
    --------
    >>> x = sp.csr_matrix([[1.0, 2.0, 0.0, 3.0], [0.0, 0.0, 1.0, 1.0], [2.0, 4.0, 0.0, 0.0]])
    >>> [found.tolist() for found in predictors_of(x, [np.array([0]), np.array([3])], 1)]
    [[1], [0]]
    """
    n, g = counts.shape
    x = counts.astype(np.float64).tocsc()
    mean_g = np.asarray(x.mean(0)).ravel()
    sd_g = np.sqrt(np.maximum(np.asarray(x.multiply(x).mean(0)).ravel() - mean_g**2, 0))
    found = []
    for block in blocks:
        product = np.asarray((x[:, block].T @ x).todense()) / n - np.outer(mean_g[block], mean_g)
        scale = np.outer(sd_g[block], sd_g)
        strength = np.abs(np.divide(product, scale, out=np.zeros_like(product), where=scale > 1e-12))
        strength[:, block] = -1
        best = np.argsort(-strength, axis=1, kind="stable")[:, : min(n_top, g - len(block))]
        found.append(np.unique(best))
    return found
