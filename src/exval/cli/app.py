"""``exval``: the program. One file per group of verbs; each is imported here, its work only when it is called."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from exval import __version__
from exval.cli import (
    annotate,
    bench,
    brain,
    check,
    data,
    demo,
    doctor,
    embed,
    evaluate,
    explain,
    impute,
    lists,
    predict,
    recommend,
    report,
    survival,
    train,
)
from exval.cli.command import Raised
from exval.cli.faults import report as report_fault

app = typer.Typer(
    name="exval",
    help="Learn from gene expression values: name cells, recover hidden values and embed samples, always beside the "
    "simple methods that a fancy one must beat.",
    epilog="Start with: exval demo",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        print(f"exval {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


GROUPS = (annotate, impute, recommend, survival, predict, explain, evaluate, bench, check, train, embed, data, brain,
          demo, report, lists, doctor)  # fmt: skip
for group in GROUPS:
    group.register(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program.

    Parameters
    ----------
    argv
        The words after ``exval``; those of the process if not given.

    Returns
    -------
    int
        The exit code, see :mod:`exval.cli.faults`.

    Examples
    --------
    >>> main(["--version"])
    exval 0.1.0
    0
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        with warnings.catch_warnings():
            if not debug:  # those of other libraries; what exval has to say goes through its logger
                warnings.simplefilter("ignore")
            result = app(arguments, prog_name="exval", standalone_mode=False)
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (Exception, KeyboardInterrupt) as raised:
        error = raised.error if isinstance(raised, Raised) else raised
        if isinstance(error, BrokenPipeError):  # or Python would complain once more when it closes stdout
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return report_fault(error, debug)


if __name__ == "__main__":
    sys.exit(main())
