"""Random numbers that depend on what they are about, not on when they were drawn.

Every draw is a hash of (seed, stream, step, sample, gene). The same cell at the same step hides the same genes in a
batch of one, in a batch of a thousand, on two machines, on a GPU and after a resume: exact resume, independence of
batch neighbours and equality of distributed with single training all follow from this one function.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor

_M1 = -0x40A7B892E31B1A47  # 0xBF58476D1CE4E5B9 as a signed 64-bit number
_M2 = -0x6B2FB644ECCEEE15  # 0x94D049BB133111EB
_STEP = -0x61C8864680B583EB  # 0x9E3779B97F4A7C15


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64 (torch's is arithmetic)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64 tensors, wrapping (Steele, Lea and Flood 2014, OOPSLA)."""
    x = x + _STEP
    x = (x ^ _shift_right(x, 30)) * _M1
    x = (x ^ _shift_right(x, 27)) * _M2
    return x ^ _shift_right(x, 31)


def _constant(*numbers: int) -> int:
    """One signed 64-bit number from several."""
    h = torch.zeros((), dtype=torch.long)
    for x in numbers:
        h = mix(h ^ torch.tensor((x + 2**63) % 2**64 - 2**63))
    return int(h)


class Draw:
    """A family of random numbers keyed by a seed, a step and what they are about.

    Parameters
    ----------
    seed
        The run's seed.
    step
        Optimiser step or epoch; a validation pass uses a fixed negative one.

    Examples
    --------
    >>> draw = Draw(seed=0, step=3)
    >>> a = draw.uniform("mask", draw.key(torch.tensor([7, 7, 7]), torch.tensor([1, 2, 3])))
    >>> b = draw.uniform("mask", draw.key(torch.tensor([7, 7, 7]), torch.tensor([3, 2, 1])))
    >>> bool((a == b.flip(0)).all())
    True
    """

    def __init__(self, seed: int, step: int = 0) -> None:
        self.seed, self.step = int(seed), int(step)
        self._base = _constant(self.seed, self.step)

    def key(self, sample: Tensor, item: Tensor | None = None) -> Tensor:
        """int64 keys of (sample, item) pairs; compute once, draw several times."""
        h = mix(sample.long() ^ self._base)
        return h if item is None else mix(h ^ item.long())

    def key_packed(self, batch) -> Tensor:
        """(t,) keys of the (sample, gene) pairs of a packed batch."""
        return mix(self.key(batch.id_n)[batch.sample_t] ^ batch.genes_t.long())

    def uniform(self, purpose: str, key: Tensor) -> Tensor:
        """float64 uniforms in [0, 1); two purposes never share draws."""
        return _shift_right(mix(key ^ _constant(zlib.crc32(purpose.encode()))), 11).double() * 2.0**-53

    def generator(self, purpose: str, sample: int) -> np.random.Generator:
        """A numpy generator for one sample, for draws that need one (binomial thinning)."""
        return np.random.default_rng(
            [zlib.crc32(purpose.encode()), self.seed % 2**63, self.step % 2**63, sample % 2**63]
        )
