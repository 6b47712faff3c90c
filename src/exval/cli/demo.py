"""``exval demo``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from exval.cli import options as o
from exval.cli.command import say, verb
from exval.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Show the whole way on real data, in minutes.")
    def demo(
        what: Annotated[
            Literal["cells", "bulk", "brain"],
            typer.Argument(metavar="[cells|bulk|brain]", help="Single cells, bulk samples, or the brain."),
        ] = "cells",
        out: Annotated[
            str | None,
            typer.Option("--out", "-o", metavar="DIR", help="Folder.", show_default="exval-demo, exval-demo-WHAT"),
        ] = None,
        force: o.Force = False,
        steps: o.Steps = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Show the whole way on data that come with exval, in under five minutes on two cores.

        cells: name, pretrain, fine-tune, recover. bulk: classes, missing values, survival, new patients. brain: fields
        compared, maps, and the known truth of invented genes. Finished stages are not repeated: an interrupted demo
        goes on where it stopped.
        """
        if what == "brain":
            from exval.verbs.demo_brain import demo_brain

            if steps is not None or device == "cuda":
                raise InputError(
                    "the demo of the brain has its own small models, on the CPU; leave out --steps, --device"
                )
            demo_brain(out or "exval-demo-brain", force=force, seed=seed, threads=threads, say=say)
            return
        if what == "bulk":
            from exval.verbs.demo_bulk import demo_bulk

            if steps is not None:
                raise InputError("the demo of bulk samples trains nothing; leave --steps out")
            demo_bulk(out or "exval-demo-bulk", force=force, seed=seed, threads=threads, device=device, say=say)
            return
        from exval.verbs.demo import demo as run

        run(out or "exval-demo", force=force, steps=steps, seed=seed, threads=threads, device=device, say=say)
