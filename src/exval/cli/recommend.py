"""``exval recommend``."""

from __future__ import annotations

from typing import Annotated

import typer

from exval.cli import options as o
from exval.cli.command import print_json, say, split, verb
from exval.cli.impute import Goal


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Which imputation method for which goal, tried on FILE.")
    def recommend(
        file: o.File,
        goal: Annotated[Goal, typer.Option("--goal", help="What the values are for.")],
        method: Annotated[
            list[str] | None,
            typer.Option("--method", "-m", metavar="NAME,...", help="Only these.", show_default="all but the heavy"),
        ] = None,
        label: Annotated[
            str | None, typer.Option("--label", metavar="COLUMN", help="Column of obs with types; no method sees it.")
        ] = None,
        seconds: Annotated[
            float, typer.Option("--seconds", metavar="S", min=1, help="Time for all of it; the rest is not tried.")
        ] = 150.0,
        out: Annotated[
            str | None, typer.Option("--out", "-o", metavar="DIR", help="Folder for a report.", show_default="none")
        ] = None,
        json: o.Json = False,
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
    ) -> None:
        """Try imputation methods on the cells of FILE and say which to use for a goal; the answer may be: none.

        Molecules that no method saw decide, others score the choice, and a method that invents differences is not
        recommended for testing.
        """
        from exval.verbs.recommend import recommend as compute

        result = compute(
            file,
            goal,
            method=split(method) or None,
            label=label,
            seconds=seconds,
            out=out,
            force=force,
            layer=layer,
            unit=unit,
            species=species,
            orientation=orientation,
            seed=seed,
            threads=threads,
        )
        if json:
            rows = [{"name": row.pop("method"), **row} for row in result.table.to_dict("records")]
            print_json({"name": result.method, "goal": goal, "sentence": result.sentence, "candidates": rows})
        else:
            say(result.lines())
