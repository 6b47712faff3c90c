"""``exval report``."""

from __future__ import annotations

from typing import Annotated

import typer

from exval.cli.command import say, verb


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Draw report.html of a folder again.")
    def report(
        folder: Annotated[
            str, typer.Argument(metavar="DIR", help="Folder of annotate, evaluate, a training run or the demo.")
        ],
    ) -> None:
        """Draw report.html of a folder again, from the figures in it."""
        from exval.verbs.report import report as draw

        say(f"Report: {draw(folder)}")
