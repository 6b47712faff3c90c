"""What a piece of work cost: CPU-seconds and memory."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from contextlib import suppress
from pathlib import Path


def resident_mb() -> float:
    """Resident memory of this process now, MB; NaN where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        return float("nan")


def give_back() -> None:
    """Return memory that this process has freed to the system, where the C library can (glibc)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Cost:
    """Measure a block: ``seconds`` of CPU of all threads, ``peak_mb`` by which resident memory grew.

    Memory is looked at every 10 ms from a thread of its own: it costs nothing and sees every library, but misses what
    lasts less long. What the process has freed before is given back first, so that using it again counts.

    Examples
    --------
    >>> with Cost() as cost:
    ...     _ = sum(range(1000))
    >>> cost.seconds >= 0
    True
    """

    seconds: float = float("nan")
    peak_mb: float = float("nan")

    def __enter__(self) -> Cost:
        self._stop = threading.Event()
        give_back()
        self._start_mb = self._top_mb = resident_mb()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        self._start = time.process_time()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self._top_mb = max(self._top_mb, resident_mb())

    def __exit__(self, *exc: object) -> None:
        self.seconds = time.process_time() - self._start
        self._stop.set()
        self._watcher.join()
        self.peak_mb = max(self._top_mb, resident_mb()) - self._start_mb
