"""The options that verbs share, so that the same word means the same everywhere."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

FILES = "h5ad, 10x h5, 10x mtx folder, csv or tsv; also gzipped"

File = Annotated[str, typer.Argument(metavar="FILE", help=f"Cells: {FILES}.", show_default=False)]
Files = Annotated[list[str], typer.Argument(metavar="FILE", help=f"Cells: {FILES}.", show_default=False)]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a training run.", show_default=False)]

Label = Annotated[str, typer.Option("--label", metavar="COLUMN", help="Column of obs with the labels.")]
SplitBy = Annotated[
    str | None,
    typer.Option("--split-by", metavar="COLUMN", help="Column of obs held out as a whole: donor, batch, study."),
]
Methods = Annotated[
    list[str] | None,
    typer.Option("--method", "-m", metavar="NAME,...", help="Registry name, obsm:X_name or the folder of a run."),
]
Folds = Annotated[int, typer.Option("--folds", metavar="N", min=2, help="Parts of the cross-validation.")]
Steps = Annotated[int | None, typer.Option("--steps", metavar="N", min=1, help="Optimiser steps.", show_default=False)]
Epochs = Annotated[
    int | None, typer.Option("--epochs", metavar="N", min=1, help="Passes over the cells.", show_default=False)
]
KeyAdded = Annotated[
    str | None, typer.Option("--key-added", metavar="NAME", help="Another name for what is added.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite an existing output.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one setting of the recipe; may be repeated."),
]

Layer = Annotated[
    str | None,
    typer.Option(
        "--layer",
        metavar="NAME",
        help="Layer with the values, or X or raw.",
        show_default="found",
    ),
]
Unit = Annotated[
    Literal["counts", "cp10k", "log1p", "log2", "z"] | None,
    typer.Option("--unit", help="Unit of the values.", show_default="detected"),
]
RefUnit = Annotated[
    Literal["counts", "cp10k", "log1p", "log2", "z"] | None,
    typer.Option("--ref-unit", help="Unit of the reference.", show_default="detected"),
]
Species = Annotated[Literal["auto", "human", "mouse"], typer.Option("--species", help="Whose genes.")]
Orientation = Annotated[
    Literal["cells-by-genes", "genes-by-cells"] | None,
    typer.Option("--orientation", help="Of a csv or tsv: its rows by its columns.", show_default="detected"),
]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of every random choice.")]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", min=1, help="CPU threads.", show_default="all")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where to compute.")]


def output(metavar: str, help: str):
    """The option ``-o``: a required output.

    Parameters
    ----------
    metavar
        What it names, e.g. ``DIR``.
    help
        What is written there.
    """
    return typer.Option("--out", "-o", metavar=metavar, help=help, show_default=False)
