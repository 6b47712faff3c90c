"""``exval predict``."""

from __future__ import annotations

from typing import Annotated

import typer

from exval.cli import options as o
from exval.cli.command import print_json, say, verb
from exval.cli.survival import Table


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Risk of new patients by a kept model.")
    def predict(
        folder: Annotated[
            str,
            typer.Argument(metavar="DIR", help="From exval survival, or a run taught survival.", show_default=False),
        ],
        file: Annotated[str, typer.Argument(metavar="NEW", help=f"New patients: {o.FILES}.", show_default=False)],
        out: Annotated[str, o.output("RISK.csv", "Risk, group and survival of each sample.")],
        method: Annotated[
            str | None,
            typer.Option("--method", "-m", metavar="NAME", help="A method of DIR.", show_default="the one it chose"),
        ] = None,
        clinical_table: Table = None,
        json: o.Json = False,
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
    ) -> None:
        """Risk, group of risk and survival of the samples of NEW, with what was not measured in them."""
        from exval.verbs.predict import predict as run
        from exval.verbs.predict import summary

        table = run(
            folder,
            file,
            method=method,
            clinical_table=clinical_table,
            out=out,
            force=force,
            layer=layer,
            unit=unit,
            species=species,
            orientation=orientation,
        )
        found = summary(table)
        if json:
            print_json({**found, "out": out})
        else:
            groups = ", ".join(f"{n} {name}" for name, n in found["groups"].items())
            say([f"{found['n']} samples by {found['method']}, fitted on {found['cohort']}: {groups}.", f"Table: {out}"])
