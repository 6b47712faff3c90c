"""``exval check``."""

from __future__ import annotations

import typer

from exval.cli import options as o
from exval.cli.command import print_json, verb


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Say what a file holds and what looks wrong.")
    def check(
        file: o.File,
        json: o.Json = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
    ) -> None:
        """Say what FILE holds: unit, species, genes recognised, sparsity, depth, and what looks wrong.

        Nothing is written.
        """
        from exval.verbs.check import check as run

        found = run(file, layer=layer, unit=unit, species=species, orientation=orientation)
        if json:
            print_json(found.to_dict())
        else:
            print("\n".join(found.lines()))
