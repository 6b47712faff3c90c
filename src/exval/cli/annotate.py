"""``exval annotate``."""

from __future__ import annotations

from typing import Annotated

import typer

from exval.cli import options as o
from exval.cli.command import say, split, verb


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Name cells after a labelled reference.")
    def annotate(
        file: o.File,
        ref: Annotated[str, typer.Option("--ref", metavar="FILE", help="Labelled cells to learn from.")],
        out: Annotated[str, o.output("OUT.h5ad|labels.csv", "Annotated copy, or only the new columns as csv.")],
        label: o.Label = "cell_type",
        method: Annotated[
            list[str] | None,
            typer.Option(
                "--method",
                "-m",
                metavar="NAME,...",
                help="auto, registry names, obsm:X_name, or folders of runs, which compete with the simple methods.",
                show_default="auto",
            ),
        ] = None,
        split_by: o.SplitBy = None,
        label_map: Annotated[
            str | None,
            typer.Option(
                "--label-map", metavar="CSV", help="Two columns: name in the reference or in --truth, name to use."
            ),
        ] = None,
        truth: Annotated[
            str | None,
            typer.Option("--truth", metavar="COLUMN", help="Column of FILE with known labels: only scored."),
        ] = None,
        folds: o.Folds = 5,
        genes: Annotated[
            str | None,
            typer.Option("--genes", metavar="LIST", help="Use these genes alone: file or names.", show_default="all"),
        ] = None,
        key_added: o.KeyAdded = None,
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        ref_layer: Annotated[
            str | None,
            typer.Option("--ref-layer", metavar="NAME", help="Layer of the reference.", show_default="found"),
        ] = None,
        ref_unit: o.RefUnit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Name the cells of FILE after a labelled reference, by the method that does best on held-out cells of it.

        Cells that fit no type of the reference are marked unsure. Writes the columns exval_LABEL, _score and _unsure,
        and a report beside the output.
        """
        from exval.verbs.annotate import annotate_file

        result = annotate_file(
            file,
            ref,
            out=out,
            label=label,
            method=split(method) or "auto",
            split_by=split_by,
            label_map=label_map,
            truth=truth,
            folds=folds,
            genes=genes,
            key_added=key_added,
            force=force,
            layer=layer,
            unit=unit,
            ref_layer=ref_layer,
            ref_unit=ref_unit,
            species=species,
            orientation=orientation,
            seed=seed,
            threads=threads,
            device=device,
        )
        say(result.lines())
