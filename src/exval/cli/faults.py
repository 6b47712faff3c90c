"""From an exception to one line on stderr and an exit code.

0 done; 1 a bug of exval, or ``doctor`` found something broken; 2 something the user can put right; 130 Ctrl-C.
"""

from __future__ import annotations

import errno
import sys
from difflib import get_close_matches

import typer
from typer.exceptions import TyperException

from exval.errors import ExvalError

BUG, USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141

#: What the operating system may refuse without exval being wrong.
_SYSTEM = {
    errno.ENOSPC: "the disk is full; free some space or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another place",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.EACCES: "permission denied; choose another place or change the permissions",
    errno.EPERM: "permission denied; choose another place or change the permissions",
    errno.ENOENT: "there is no such file",
    errno.EISDIR: "that is a folder, not a file",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EMFILE: "too many open files; raise the limit with ulimit -n",
}


def describe(error: BaseException) -> tuple[str, int]:
    """The line for the user and the exit code.

    Parameters
    ----------
    error
        Whatever a verb or the parser of the command line raised.

    Returns
    -------
    (str, int)
        One line without a line break (empty: say nothing), and the exit code.

    Examples
    --------
    >>> from exval.errors import InputError
    >>> describe(InputError("cells.h5ad has no column 'donor'; it has: batch"))
    ("error: cells.h5ad has no column 'donor'; it has: batch", 2)
    >>> describe(KeyboardInterrupt())
    ('stopped', 130)
    """
    if isinstance(error, ExvalError):
        return f"error: {_one_line(error)}", error.exit_code
    if isinstance(error, TyperException):
        return f"error: {_usage(error)}", USAGE
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return _one_line(error) or "stopped", INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return "", PIPE_CLOSED
    if isinstance(error, OSError) and error.errno in _SYSTEM:
        where = f"{error.filename}: " if error.filename else ""
        return f"error: {where}{_SYSTEM[error.errno]}", USAGE
    if isinstance(error, MemoryError):
        return "error: not enough memory; use fewer cells, fewer --threads or a machine with more", USAGE
    kind = type(error).__name__
    return (
        f"error: a bug of exval; please report it with the output of --debug: {kind}: {_one_line(error)}",
        BUG,
    )


def report(error: BaseException, debug: bool = False) -> int:
    """Print the line (and the traceback under ``--debug``) and return the exit code."""
    if debug:
        import traceback

        traceback.print_exception(error)
    line, code = describe(error)
    if line:
        print(line, file=sys.stderr)
    return code


def _one_line(error: BaseException, limit: int = 600) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _usage(error: TyperException) -> str:
    """What the parser says, with the nearest option where one was mistyped, and where to read more."""
    text = (
        " ".join(error.format_message().split())
        .rstrip(".")
        .replace("Value error, ", "")
        .replace("Input should", "it should")
    )
    context = getattr(error, "ctx", None)
    wrong = getattr(error, "option_name", None)
    if wrong and context is not None and text.startswith("No such option"):
        known = [name for option in context.command.params for name in option.opts if name.startswith("--")]
        close = get_close_matches(wrong, known, n=1)
        text = f"No such option {wrong}" + (f"; did you mean {close[0]}?" if close else "")
    where = context.command_path if context is not None else "exval"
    return f"{text[:1].lower()}{text[1:]} (see {where} --help)"
