"""What every verb of the command line shares: ``--quiet`` and ``--debug``, and the answer on stdout."""

from __future__ import annotations

import functools
import inspect
import json
import signal
import threading
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, notes or summary; warnings stay.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and every note.")]

_quiet = False


class Raised(Exception):
    """Carries what a verb raised past the parser, which would turn Ctrl-C and an early end of file into its own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


def verb(app: typer.Typer, name: str | None = None, **settings: Any) -> Callable:
    """Register a function as a command that also takes ``--quiet`` and ``--debug``.

    Parameters
    ----------
    app
        Where the command belongs.
    name
        Its name, if not the function's.
    """

    def register(function: Callable) -> Callable:
        signature = inspect.signature(function, eval_str=True)
        keyword = inspect.Parameter.KEYWORD_ONLY
        extra = [
            inspect.Parameter("quiet", keyword, default=False, annotation=Quiet),
            inspect.Parameter("debug", keyword, default=False, annotation=Debug),
        ]

        @functools.wraps(function)
        def command(*args: Any, quiet: bool, debug: bool, **kwargs: Any) -> Any:
            _begin(quiet, debug, kwargs.get("threads"))
            try:
                return function(*args, **kwargs)
            except typer.Exit:
                raise
            except (Exception, KeyboardInterrupt) as error:
                raise Raised(error) from error

        command.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *extra])
        command.__annotations__ = {**function.__annotations__, "quiet": Quiet, "debug": Debug}
        app.command(name, **settings)(command)
        return function

    return register


def _terminated(number: int, frame: object) -> None:
    """A polite kill ends like Ctrl-C: temporary files go, and what a verb has started ends with it."""
    raise SystemExit(128 + number)


def _begin(quiet: bool, debug: bool, threads: int | None) -> None:
    global _quiet
    import os

    from exval.logs import set_up
    from exval.progress import set_quiet

    _quiet = quiet
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminated)
    set_quiet(quiet)
    set_up(quiet=quiet, debug=debug)
    # Read by the numerical libraries when they are first imported. Threads that wait should sleep: beside another busy
    # process they else spin on the core that the work needs, and two threads are slower than one.
    for name, value in (("OMP_WAIT_POLICY", "PASSIVE"), ("OPENBLAS_THREAD_TIMEOUT", "4")):
        os.environ.setdefault(name, value)
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)


def split(values: Iterable[str] | None) -> list[str]:
    """Values that were repeated, comma-separated, or both, as one list.

    Examples
    --------
    >>> split(["pca,logreg", "obsm:X_scvi"])
    ['pca', 'logreg', 'obsm:X_scvi']
    """
    return [part.strip() for value in values or () for part in value.split(",") if part.strip()]


def say(lines: str | Iterable[str]) -> None:
    """Print the summary of a verb, unless ``--quiet``."""
    if not _quiet:
        print(lines if isinstance(lines, str) else "\n".join(lines))


def print_json(value: Any) -> None:
    """Print strict JSON: NaN becomes null, numpy values become Python's."""
    print(json.dumps(_strict(value), indent=1, allow_nan=False, ensure_ascii=False))


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_strict(item) for item in value]
    if hasattr(value, "tolist"):
        return _strict(value.tolist())
    if isinstance(value, float):
        return value if value - value == 0 else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
