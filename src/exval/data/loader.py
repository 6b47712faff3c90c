"""Batches in the order of a plan, read ahead by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, count
from typing import Any, Protocol

import numpy as np

from exval.data.batch import ExpressionBatch
from exval.data.sampling import Sampler

__all__ = ["Loader"]


class _Readable(Protocol):
    def batch(self, rows: np.ndarray) -> ExpressionBatch: ...


class Loader:
    """Reads what a sampler planned, epoch after epoch.

    Threads, not processes: reading is a copy out of mapped memory that takes microseconds a sample, less than handing
    a batch to another process.

    Parameters
    ----------
    store
        Where the samples are: a :class:`exval.data.store.Store`, or anything with ``batch(rows)``.
    sampler
        Which rows, in which order. It moves on as batches are handed out, not as they are read ahead, so
        ``sampler.state_dict()`` is exact at any moment.
    workers
        Threads that read ahead; 0 reads when asked. The batches are the same for any number.
    transform
        What to do with each batch in the reading thread. A function of the batch alone.
    rows
        (sampler.n,) which row of the store each number of the plan stands for, e.g. the training side of a split.
        Default: the same.
    ahead
        Batches held ready for each worker.

    Examples
    --------
    >>> from scipy import sparse
    >>> from exval.data.store import Store
    >>> store = Store.from_csr(sparse.eye(5, format="csr"), list("ABCDE"), unit="counts")
    >>> loader = Loader(store, Sampler(store.n, 2, seed=0), workers=2)
    >>> [batch.n for batch in loader.epoch()]
    [2, 2, 1]
    >>> next(iter(loader)).n, loader.sampler.state_dict()["epoch"]
    (2, 1)
    """

    def __init__(
        self,
        store: _Readable,
        sampler: Sampler,
        workers: int = 0,
        transform: Callable[[ExpressionBatch], Any] | None = None,
        *,
        rows: np.ndarray | None = None,
        ahead: int = 2,
    ) -> None:
        n = getattr(store, "n", None) if rows is None else len(rows)
        if n is not None and sampler.n != n:
            raise ValueError(f"the plan is for {sampler.n} rows, but there are {n}")
        self.store, self.sampler, self.workers, self.transform = store, sampler, workers, transform
        self.rows, self.ahead = None if rows is None else np.asarray(rows), ahead

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[Any]:
        """Batch after batch without end, from where the sampler stands.

        Raises
        ------
        Exception
            Whatever reading or the transform raised, with a note that names the row.
        """
        start = self.sampler
        later = chain.from_iterable(start.batches(epoch) for epoch in count(start.epoch + 1))
        return self._stream(chain(start.batches(start.epoch, start.position), later))

    def epoch(self) -> Iterator[Any]:
        """The rest of the current epoch."""
        return self._stream(self.sampler.batches(self.sampler.epoch, self.sampler.position))

    def state_after(self, step: int) -> dict:
        """The sampler's state after ``step`` batches of a run that began with epoch 0."""
        epoch, position = divmod(step, len(self.sampler))
        return {**self.sampler.state_dict(), "epoch": epoch, "position": position}

    def _stream(self, plan: Iterator[np.ndarray]) -> Iterator[Any]:
        read = map(self._read, plan) if self.workers < 1 else self._read_ahead(plan)
        return self.sampler.counted(read)

    def _read(self, numbers: np.ndarray) -> Any:
        rows = numbers if self.rows is None else self.rows[numbers]
        try:
            return self._one(rows)
        except Exception as error:
            error.add_note(f"while reading {self._guilty(rows)}")
            raise

    def _one(self, rows: np.ndarray) -> Any:
        batch = self.store.batch(rows)
        return batch if self.transform is None else self.transform(batch)

    def _guilty(self, rows: np.ndarray) -> str:
        """The first row that fails on its own, else all of them."""
        for row in rows:
            try:
                self._one(rows=np.array([row]))
            except Exception:
                obs = getattr(self.store, "obs", None)
                return f"row {row}" + ("" if obs is None else f" ({obs.index[row]})")
        return f"rows {', '.join(map(str, rows))}"

    def _read_ahead(self, plan: Iterator[np.ndarray]) -> Iterator[Any]:
        """As :meth:`_read` in order, with up to ``workers * ahead`` batches under way."""
        waiting: deque[Future] = deque()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="exval-loader") as pool:
            try:
                for numbers in plan:
                    waiting.append(pool.submit(self._read, numbers))
                    if len(waiting) > self.workers * self.ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
