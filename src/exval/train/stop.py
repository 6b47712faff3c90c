"""Ctrl-C and SIGTERM end a training after the step that is running, with everything of it saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A training was asked to stop, and what it had done is saved."""


class Request:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.made = False


@contextmanager
def on_request() -> Iterator[Request]:
    """Note the first SIGINT or SIGTERM instead of dying of it; the second one interrupts at once.

    Signals are left alone outside the main thread, where Python cannot take them.

    Examples
    --------
    >>> with on_request() as asked:
    ...     signal.raise_signal(signal.SIGINT)
    ...     asked.made
    True
    """
    asked, before = Request(), {}

    def take(number: int, frame: object) -> None:
        if asked.made:
            raise KeyboardInterrupt
        asked.made = True

    if threading.current_thread() is threading.main_thread():
        # One that is ignored (a job in the background of a script) stays so.
        wanted = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, take) for number in wanted}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
