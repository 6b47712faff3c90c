"""``exval evaluate``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from exval.cli import options as o
from exval.cli.command import say, split, verb


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Score methods beside the simple baselines.")
    def evaluate(
        file: o.File,
        out: Annotated[str, o.output("DIR", "Folder for the figures and report.html.")],
        task: Annotated[
            Literal["annotate", "recover", "impute", "survival", "field"],
            typer.Option("--task", help="What is scored."),
        ] = "annotate",
        label: Annotated[
            str | None, typer.Option("--label", metavar="COLUMN", help="Column of obs with the labels (annotate).")
        ] = None,
        split_by: o.SplitBy = None,
        method: o.Methods = None,
        genes: Annotated[
            str | None,
            typer.Option(
                "--genes",
                metavar="LIST",
                help="Bulk: panel that is visible (impute), foretells (survival).",
                show_default="random panels",
            ),
        ] = None,
        time: Annotated[
            str | None, typer.Option("--time", metavar="COLUMN", help="Column of times (survival).")
        ] = None,
        event: Annotated[
            str | None, typer.Option("--event", metavar="COLUMN", help="Column in which 1 is an event (survival).")
        ] = None,
        censored: Annotated[
            str | None, typer.Option("--censored", metavar="COLUMN", help="Or: column in which 1 is censored.")
        ] = None,
        clinical: Annotated[
            list[str] | None, typer.Option("--clinical", metavar="COLUMN,...", help="Clinical columns (survival).")
        ] = None,
        folds: Annotated[
            int | None,
            typer.Option(
                "--folds", metavar="N", min=2, help="Parts of the cross-validation.", show_default="5; fields 6"
            ),
        ] = None,  # fmt: skip
        repeats: Annotated[int, typer.Option("--repeats", metavar="N", min=1, help="Repeats with other splits.")] = 1,
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Score methods, and embeddings already in FILE, beside the simple baselines; the verdict comes first.

        With --split-by whole donors (batches, studies) are held out; without it cells are, which is optimistic and
        labelled so.
        """
        from exval.verbs.evaluate import evaluate as run

        chosen = {"method": tuple(split(method))} if method else {}
        if genes is not None:
            chosen["genes"] = genes
        result = run(
            file,
            task=task,
            time=time,
            event=event,
            censored=censored,
            clinical=split(clinical),
            label=label,
            split_by=split_by,
            folds=folds,
            repeats=repeats,
            out=out,
            force=force,
            layer=layer,
            unit=unit,
            species=species,
            orientation=orientation,
            seed=seed,
            threads=threads,
            device=device,
            **chosen,
        )
        say([result.verdict, f"Report: {out}/report.html"])
