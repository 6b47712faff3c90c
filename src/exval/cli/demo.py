"""``exval demo``."""

from __future__ import annotations

from typing import Annotated

import typer

from exval.cli import options as o
from exval.cli.command import say, verb


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Show the whole way on real cells, in minutes.")
    def demo(
        out: Annotated[str, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")] = "exval-demo",
        force: o.Force = False,
        steps: o.Steps = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Show the whole way on real cells that come with exval, in under five minutes on two cores.

        Finished stages are not repeated: an interrupted demo goes on where it stopped.
        """
        from exval.verbs.demo import demo as run

        run(out, force=force, steps=steps, seed=seed, threads=threads, device=device, say=say)
