"""The one training loop of the deep imputation methods: rows straight from CSR, early stopping, guards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from exval.errors import DivergedError
from exval.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from exval.nn.counts import Packed


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Parameters
    ----------
    epochs
        At most so many passes over the rows.
    batch
        Rows a step; the last batches are evened out, so that none holds a single row (batch normalisation needs two).
    lr
        Learning rate.
    optimiser
        ``"adam"`` or ``"rmsprop"`` (decay 0.9).
    betas, eps, weight_decay
        Of the optimiser; ``betas`` of Adam alone.
    valid_share
        Share of the rows that is set aside to watch; the weights that were best on it are kept. 0: the last ones are.
    patience
        Epochs without a better validation loss after which training ends; 0 never ends it.
    lr_patience
        Epochs without a better validation loss after which the learning rate is divided by ten; 0 never does.
    milestones
        Shares of ``epochs`` after which the learning rate is divided by ten.
    clip_value, clip_norm
        Bound of each entry of the gradient, and of its length; 0 for none.
    tolerance
        Training ends when the training loss of an epoch differs by less than this from that of the one before; 0 never.
    """

    epochs: int
    batch: int = 64
    lr: float = 1e-3
    optimiser: str = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    valid_share: float = 0.0
    patience: int = 0
    lr_patience: int = 0
    milestones: tuple[float, ...] = ()
    clip_value: float = 0.0
    clip_norm: float = 0.0
    tolerance: float = 0.0


class Player(NamedTuple):
    """A network and what it minimises; adversarial training has two, which move in turn on the same rows.

    ``loss(rows)`` takes the positions of the rows of a minibatch and returns a scalar, a mean over these rows.
    """

    name: str
    net: nn.Module
    loss: Callable[[np.ndarray], Tensor]


@dataclass
class History:
    """Losses of the first player by epoch, and the epoch (from 1) whose weights were kept."""

    train: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    kept: int = 0


class Rows:
    """Rows of a CSR matrix, made dense a minibatch at a time.

    Parameters
    ----------
    matrix
        (n, g) CSR.
    device
        Where the tensors go.

    Examples
    --------
    >>> import torch
    >>> rows = Rows(sp.csr_matrix([[0.0, 2.0], [1.0, 0.0]]), torch.device("cpu"))
    >>> rows.dense([1, 0]).tolist(), rows.packed([1, 0]).value_t.tolist()
    ([[1.0, 0.0], [0.0, 2.0]], [1.0, 2.0])
    """

    def __init__(self, matrix: sp.csr_matrix, device: torch.device) -> None:
        self.matrix, self.device = sp.csr_matrix(matrix, dtype=np.float32), device

    def dense(self, rows: np.ndarray | list[int]) -> Tensor:
        """(b, g) float32."""
        import torch

        return torch.from_numpy(self.matrix[rows].toarray()).to(self.device)

    def packed(self, rows: np.ndarray | list[int]) -> Packed:
        """The non-zeros alone."""
        import torch

        from exval.nn.counts import Packed

        part = self.matrix[rows]
        row = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
        tensors = (torch.from_numpy(a) for a in (row, part.indices.astype(np.int64), part.data))
        return Packed(*(a.to(self.device) for a in tensors))


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draws of torch within the block depend on ``seed`` alone, and those after it are as if it had not been.

    Examples
    --------
    >>> import torch
    >>> with seeded(3, torch.device("cpu")):
    ...     a = torch.rand(1)
    >>> with seeded(3, torch.device("cpu")):
    ...     b = torch.rand(1)
    >>> bool(a == b)
    True
    """
    import torch

    cuda = [device.index or torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(int(seed))
        for index in cuda:
            with torch.cuda.device(index):
                torch.cuda.manual_seed(int(seed))
        yield


def train(
    players: Player | Sequence[Player],
    n: int,
    plan: Plan,
    *,
    seed: int = 0,
    title: str = "Training",
    each_epoch: Callable[[int], None] | None = None,
) -> History:
    """Train networks in place; they end in evaluation mode.

    Parameters
    ----------
    players
        One, or several that step in turn. The first one's loss is watched.
    n
        How many rows there are.
    plan
        Optimiser, schedule and stopping.
    seed
        Of the order of the rows and of those set aside. What the networks draw (dropout, noise) comes from torch's
        generator: call this within :func:`seeded`.
    title
        What the progress display and errors call it.
    each_epoch
        Called with the number of the epoch (from 1) before it; for schedules that a loss follows.

    Raises
    ------
    DivergedError
        At the first loss or weight that is NaN or inf; names the network and the step.

    Examples
    --------
    >>> import torch
    >>> line = torch.nn.Linear(1, 1)
    >>> x = torch.arange(8.0)[:, None]
    >>> history = train(Player("line", line, lambda rows: ((line(x[rows]) - 2 * x[rows]) ** 2).mean()), 8,
    ...                 Plan(epochs=300, batch=4, lr=0.05))
    >>> abs(float(line.weight.detach()) - 2) < 0.1
    True
    """
    import torch

    players = [players] if isinstance(players, Player) else list(players)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    n_valid = int(plan.valid_share * n)
    valid, rows = np.sort(order[:n_valid]), np.sort(order[n_valid:])
    optimisers = [make_optimiser(player.net, plan) for player in players]
    history, best, waited, cooled, step = History(), None, 0, 0, 0
    falls = [round(share * plan.epochs) for share in plan.milestones]
    with Progress(title, plan.epochs) as progress:
        for epoch in range(1, plan.epochs + 1):
            if each_epoch is not None:
                each_epoch(epoch)
            for player in players:
                player.net.train()
            total = 0.0
            for part in batches(rng.permutation(rows), plan.batch):
                step += 1
                for i, (player, optimiser) in enumerate(zip(players, optimisers)):
                    optimiser.zero_grad(set_to_none=True)
                    loss = player.loss(part)
                    value = float(loss.detach())
                    if not math.isfinite(value):
                        raise DivergedError(
                            f"{title}: the loss of the {player.name} is {value} at step {step} (epoch {epoch}); "
                            f"a smaller learning rate than {plan.lr:g} may help"
                        )
                    loss.backward()
                    if plan.clip_value:
                        torch.nn.utils.clip_grad_value_(player.net.parameters(), plan.clip_value)
                    if plan.clip_norm:
                        torch.nn.utils.clip_grad_norm_(player.net.parameters(), plan.clip_norm)
                    optimiser.step()
                    total += value * len(part) if i == 0 else 0.0
            history.train.append(total / len(rows))
            text = f"loss {history.train[-1]:.4g}"
            if n_valid:
                history.valid.append(_watch(players[0], valid, plan.batch))
                text += f", of held-out cells {history.valid[-1]:.4g}"
                if not math.isfinite(history.valid[-1]):
                    raise DivergedError(f"{title}: the loss of held-out cells is {history.valid[-1]} after step {step}")
                if best is None or history.valid[-1] < best:
                    best, waited, cooled, history.kept = history.valid[-1], 0, 0, epoch
                    kept = [{k: v.clone() for k, v in player.net.state_dict().items()} for player in players]
                else:
                    waited, cooled = waited + 1, cooled + 1
            progress.advance(text=text)
            settled = len(history.train) > 1 and abs(history.train[-1] - history.train[-2]) < plan.tolerance
            if settled or (plan.patience and waited >= plan.patience):
                break
            if epoch in falls or (plan.lr_patience and cooled >= plan.lr_patience):
                cooled = 0
                for group in (group for optimiser in optimisers for group in optimiser.param_groups):
                    group["lr"] /= 10
    for i, player in enumerate(players):
        if n_valid:
            player.net.load_state_dict(kept[i])
        for name, weight in player.net.named_parameters():
            if not bool(torch.isfinite(weight).all()):
                raise DivergedError(f"{title}: {name} of the {player.name} is not finite after step {step}")
        player.net.eval()
    history.kept = history.kept or len(history.train)
    return history


def batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """``rows`` cut into parts of about ``size``, none of them a single row.

    Examples
    --------
    >>> [len(part) for part in batches(np.arange(9), 4)], [len(part) for part in batches(np.arange(3), 2)]
    ([3, 3, 3], [3])
    """
    return np.array_split(rows, max(1, min(math.ceil(len(rows) / size), len(rows) // 2)))


def make_optimiser(net: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """Adam or RMSprop with the settings of a plan."""
    import torch

    if plan.optimiser == "adam":
        return torch.optim.Adam(
            net.parameters(), plan.lr, betas=plan.betas, eps=plan.eps, weight_decay=plan.weight_decay, fused=True
        )
    if plan.optimiser == "rmsprop":
        return torch.optim.RMSprop(
            net.parameters(), plan.lr, alpha=0.9, eps=max(plan.eps, 1e-7), weight_decay=plan.weight_decay
        )
    raise ValueError(f"no optimiser is called {plan.optimiser!r}: adam, rmsprop")


def _watch(player: Player, rows: np.ndarray, size: int) -> float:
    """Mean loss of rows, in evaluation mode and without gradients."""
    import torch

    player.net.eval()
    with torch.no_grad():
        return sum(float(player.loss(part)) * len(part) for part in batches(rows, size)) / len(rows)
