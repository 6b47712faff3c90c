"""``exval data build``."""

from __future__ import annotations

from typing import Annotated

import typer

from exval.cli import options as o
from exval.cli.command import say, split, verb


def register(app: typer.Typer) -> None:
    """Add the group of commands to the program."""
    group = typer.Typer(name="data", help="Prepare files for training.", context_settings=app.info.context_settings)
    app.add_typer(group)

    @verb(group, short_help="Put files with different gene sets into one store.")
    def build(
        files: o.Files,
        out: Annotated[str, o.output("STORE", "Folder for the store.")],
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
    ) -> None:
        """Put files with different gene sets into one store that training reads without loading it."""
        from exval.verbs.build import build_store

        store = build_store(
            split(files), out, layer=layer, unit=unit, species=species, orientation=orientation, force=force
        )
        say(f"{out}: {store.n:,} cells, {store.n_genes:,} genes, unit {store.unit}")
