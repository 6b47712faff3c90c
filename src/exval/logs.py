"""What the command line does with the logger ``exval``: short lines on stderr.

The library itself adds no handler: in a program that uses it, its messages go where that program sends them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable


class StderrHandler(logging.Handler):
    """Write ``warning: ...`` or the bare message to whatever ``sys.stderr`` is at that moment.

    A progress bar replaces ``sys.stderr`` while it is shown, so that lines appear above it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as one line."""
        try:
            text = " ".join(record.getMessage().split())
            prefix = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
            sys.stderr.write(f"{prefix}{text}\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


def set_up(quiet: bool = False, debug: bool = False) -> logging.Logger:
    """Send the logger ``exval`` to stderr.

    Parameters
    ----------
    quiet
        Warnings only.
    debug
        Everything.

    Returns
    -------
    logging.Logger
        The logger; calling this again changes its level and adds no second handler.

    Examples
    --------
    >>> log = set_up(quiet=True)
    >>> log.level == logging.WARNING
    True
    >>> log.setLevel(logging.NOTSET)
    """
    log = logging.getLogger("exval")
    if not any(isinstance(handler, StderrHandler) for handler in log.handlers):
        log.addHandler(StderrHandler())
    log.setLevel(logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO)
    return log


def warn(lines: Iterable[str]) -> None:
    """What a user should see of a result, a line each: on stderr, whatever the program does with the result.

    Examples
    --------
    >>> warn([])
    """
    for line in lines:
        logging.getLogger("exval").warning("%s", line)
