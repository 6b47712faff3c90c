"""What a piece of work cost: CPU-seconds and memory."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path


def resident_mb() -> float:
    """Resident memory of this process now, MB; NaN where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        return float("nan")


class Cost:
    """Measure a block: ``seconds`` of CPU of all threads, ``peak_mb`` by which resident memory grew.

    Memory is looked at every 10 ms from a thread of its own: it costs nothing and sees every library, but misses what
    lasts less long, and memory that was free within the process before.

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
