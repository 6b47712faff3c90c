"""Which rows, in which order: a plan made before anything is read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from exval.errors import InputError

__all__ = ["Sampler"]


class Sampler:
    """Plans the batches of a training run.

    An epoch visits every row once. The order is a function of the seed and the epoch alone; a rank takes a contiguous
    slice of each global batch. So the global batches are the same on one process and on eight, and a run may be resumed
    on another number of processes.

    Parameters
    ----------
    n
        Number of rows.
    batch_size
        Rows of a *global* batch, over all ranks.
    seed
        Seed of the order.
    block
        Rows that stay together: 1 is fully random; 64, say, suits disks that are slower at random places than at
        neighbouring ones. Where blocks begin is drawn anew each epoch.
    rank, world
        Which slice of each batch this process takes, and of how many.
    shuffle
        False keeps the rows in order.
    drop_last
        Leave out a last batch that is not full. Otherwise it is shorter, and a rank's slice of it may be empty: every
        rank always sees the same number of batches.

    Attributes
    ----------
    epoch, position : int
        Where the next batch is: which epoch, and which batch of it.

    Examples
    --------
    >>> sampler = Sampler(5, 2, seed=1)
    >>> [len(rows) for rows in sampler], sampler.epoch
    ([2, 2, 1], 1)
    >>> sorted(np.concatenate(list(sampler.batches(epoch=7))).tolist())
    [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        *,
        seed: int = 0,
        block: int = 1,
        rank: int = 0,
        world: int = 1,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        if batch_size < 1 or block < 1:
            raise InputError(f"batch size ({batch_size}) and block ({block}) have to be at least 1")
        if not 0 <= rank < world:
            raise InputError(f"rank {rank} does not exist among {world} processes")
        if n < 1 or (drop_last and n < batch_size):
            raise InputError(f"{n} samples make no batch of {batch_size}; use a smaller batch size")
        self.n, self.batch_size, self.seed, self.block = int(n), int(batch_size), int(seed), int(block)
        self.rank, self.world, self.shuffle, self.drop_last = rank, world, shuffle, drop_last
        self.epoch = self.position = 0

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.n // self.batch_size if self.drop_last else -(-self.n // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """(n,) all rows in the order of one epoch."""
        if not self.shuffle:
            return np.arange(self.n)
        rng = np.random.default_rng([self.seed % 2**63, epoch])
        if self.block == 1:
            return rng.permutation(self.n)
        # The rows as a ring cut at a random place: with fixed ends, the first and last rows would lie in short blocks.
        turn = rng.integers(self.n)
        first = rng.permutation(np.arange(0, self.n, self.block))
        length = np.minimum(self.block, self.n - first)
        shift = first - np.concatenate([[0], length[:-1].cumsum()])
        return (np.arange(self.n) + np.repeat(shift, length) + turn) % self.n

    def batches(self, epoch: int, start: int = 0) -> Iterator[np.ndarray]:
        """This rank's rows of each batch of an epoch, from batch ``start`` on; changes no state."""
        order = self.order(epoch)
        for number in range(start, len(self)):
            rows = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield rows[len(rows) * self.rank // self.world : len(rows) * (self.rank + 1) // self.world]

    def __iter__(self) -> Iterator[np.ndarray]:
        """The rest of the current epoch; afterwards the sampler stands at the next one."""
        yield from self.counted(self.batches(self.epoch, self.position))

    def counted(self, items: Iterator) -> Iterator:
        """Pass on one item for each remaining batch of the epoch and move on, before each is handed out.

        A state taken while an item is in use therefore resumes with the one after it, however far ahead ``items`` was
        read.
        """
        for item in items:
            self.position += 1
            if self.position >= len(self):
                self.epoch, self.position = self.epoch + 1, 0
            yield item

    def state_dict(self) -> dict:
        """Where the plan stands, as plain numbers; the number of ranks is no part of it."""
        names = ("epoch", "position", "n", "batch_size", "seed", "block", "shuffle", "drop_last")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict) -> None:
        """Continue exactly where a plan stood.

        Raises
        ------
        InputError
            If the plan was another one: other rows, batch size, seed, block or order.
        """
        for name, value in self.state_dict().items():
            if name not in ("epoch", "position") and state[name] != value:
                raise InputError(f"cannot resume: the run had {name} {state[name]}, now it is {value}")
        self.epoch, self.position = int(state["epoch"]), int(state["position"])
