"""Several processes under torchrun; alone, everything here does nothing."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class World:
    """Which process this is, of how many.

    Examples
    --------
    >>> World(rank=0, size=1).is_first
    True
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, x: Tensor) -> Tensor:
        """Sum over all processes."""
        if self.size > 1:
            torch.distributed.all_reduce(x)
        return x

    def wait(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            torch.distributed.barrier()


def world(device: torch.device) -> World:
    """Join the processes that torchrun started, once for as long as this one lives; alone, nothing is needed."""
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        return World()
    if not torch.distributed.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(torch.distributed.destroy_process_group)
    return World(int(os.environ["RANK"]), size)
