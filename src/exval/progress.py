"""Progress with the time left, shown only for work that lasts longer than two seconds.

On a terminal a bar on stderr; in a notebook one line that is rewritten; elsewhere (a log file, a pipe) nothing but a
line for the logger every half minute. Bars may be nested: they share one display.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

DELAY_S = 2.0
LOG_EVERY_S = 30.0
NOTEBOOK_EVERY_S = 0.5

_log = logging.getLogger("exval")
_quiet = False
_open: list[Progress] = []
_display = None


def set_quiet(quiet: bool) -> None:
    """Silence (or allow again) every progress display of this process.

    Examples
    --------
    >>> set_quiet(True); is_quiet()
    True
    >>> set_quiet(False)
    """
    global _quiet
    _quiet = bool(quiet)


def is_quiet() -> bool:
    """Whether progress is silenced."""
    return _quiet


def track(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items of an iterable and show how far it has come.

    Parameters
    ----------
    iterable
        What to go through.
    description
        A few words on what is being done, e.g. ``"Reading cells"``.
    total
        How many items there will be; ``len(iterable)`` where it has one. Without it no time left is shown.

    Examples
    --------
    >>> sum(track(range(4), "Adding"))
    6
    """
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    with Progress(description, total) as progress:
        for item in iterable:
            yield item
            progress.advance()


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``.

    Examples
    --------
    >>> clock(75), clock(3675)
    ('1:15', '1:01:15')
    """
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


class Progress:
    """Work of known or unknown length whose text may change, e.g. a training run with its loss.

    Parameters
    ----------
    description
        What is being done.
    total
        Number of steps, or None where it is not known beforehand.
    initial
        Steps done before (a resumed run): counted in the bar, not in the estimate of the time left.

    Examples
    --------
    >>> with Progress("Training", total=2) as progress:
    ...     progress.advance(text="loss 0.41, 310 cells/s")
    ...     progress.advance()
    >>> progress.line()
    'Training 2/2 (100%), 0:00 gone, loss 0.41, 310 cells/s'
    """

    def __init__(self, description: str, total: int | None = None, *, initial: int = 0) -> None:
        self.description, self.total, self.initial, self.done, self.text = description, total, initial, initial, ""
        self.started = self._said = time.monotonic()
        self._task = None

    def __enter__(self) -> Progress:
        self.started = self._said = time.monotonic()
        _open.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _open.remove(self)
        if _display is not None:
            _display.close(self)

    def advance(self, n: int = 1, text: str | None = None) -> None:
        """Count ``n`` further steps; ``text`` replaces what stands behind the bar."""
        self.done += n
        if text is not None:
            self.text = text
        now = time.monotonic()
        if _quiet or now - self.started < DELAY_S:
            return
        display = _find_display()
        if display is not None:
            display.show(self, now)
        elif now - self._said >= LOG_EVERY_S:
            self._said = now
            _log.info("%s", self.line(now))

    def seconds_left(self, now: float | None = None) -> float | None:
        """Estimated seconds to the end at the mean speed so far; None where it cannot be known."""
        here = self.done - self.initial
        if self.total is None or here <= 0:
            return None
        gone = (time.monotonic() if now is None else now) - self.started
        return max(self.total - self.done, 0) * gone / here

    def line(self, now: float | None = None) -> str:
        """The state in one line of plain text."""
        now = time.monotonic() if now is None else now
        parts = [f"{self.description} {self.done}"]
        if self.total:
            parts[0] += f"/{self.total} ({100 * self.done // self.total}%)"
        parts.append(f"{clock(now - self.started)} gone")
        left = self.seconds_left(now)
        if left:
            parts.append(f"{clock(left)} left")
        if self.text:
            parts.append(self.text)
        return ", ".join(parts)


class _Terminal:
    """One rich display for all open bars."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[state]}"))
        self._new = lambda: RichProgress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4)
        self._rich = None

    def show(self, progress: Progress, now: float) -> None:
        if self._rich is None:
            self._rich = self._new()
            self._rich.start()
        for bar in _open:
            state = bar.line(now).removeprefix(bar.description).strip()
            if bar._task is None:
                bar._task = self._rich.add_task(bar.description, total=bar.total, completed=bar.done, state=state)
            else:
                self._rich.update(bar._task, completed=bar.done, state=state)

    def close(self, progress: Progress) -> None:
        if self._rich is not None and progress._task is not None:
            self._rich.remove_task(progress._task)
        if self._rich is not None and not _open:
            self._rich.stop()
            self._rich = None


class _Notebook:
    """One line of output that is rewritten twice a second and emptied at the end."""

    def __init__(self) -> None:
        self._handle, self._next = None, 0.0

    def show(self, progress: Progress, now: float) -> None:
        if now < self._next:
            return
        self._next = now + NOTEBOOK_EVERY_S
        self._write("\n".join(bar.line(now) for bar in _open))

    def close(self, progress: Progress) -> None:
        if self._handle is not None and not _open:
            self._write("")
            self._handle = None

    def _write(self, text: str) -> None:
        from IPython.display import display

        content = {"text/plain": text}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def _find_display():
    global _display
    if _display is None:
        if _in_notebook():
            _display = _Notebook()
        elif sys.stderr is not None and sys.stderr.isatty():
            _display = _Terminal()
    return _display


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
