"""``exval embed``."""

from __future__ import annotations

from typing import Annotated

import typer

from exval.cli import options as o
from exval.cli.command import say, verb


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Turn every cell into a vector.")
    def embed(
        run: o.RunFolder,
        file: o.File,
        out: Annotated[
            str, o.output("OUT.h5ad|X.csv", "Copy of FILE with the embedding in obsm, or only the embedding as csv.")
        ],
        key_added: o.KeyAdded = None,
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Turn every cell of FILE into a vector: obsm["X_exval"].

        Score it beside PCA with: exval evaluate OUT.h5ad --method pca,obsm:X_exval
        """
        from exval.verbs.embed import embed as compute

        result = compute(
            run,
            file,
            out=out,
            key_added=key_added or "X_exval",
            force=force,
            layer=layer,
            unit=unit,
            species=species,
            orientation=orientation,
            seed=seed,
            threads=threads,
            device=device,
        )
        say(result.lines() if hasattr(result, "lines") else f"Wrote {out}")
