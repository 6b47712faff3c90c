"""``exval explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from exval.cli import options as o
from exval.cli.command import print_json, say, verb


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Which genes a fine-tuned run decides by.")
    def explain(
        run: o.RunFolder,
        file: o.File,
        out: Annotated[str, o.output("DIR", "Folder for importance.csv, the figures and report.html.")],
        label: Annotated[
            str | None,
            typer.Option("--label", metavar="COLUMN", help="Column of obs with the classes.", show_default="the run's"),
        ] = None,
        time: Annotated[
            str | None,
            typer.Option("--time", metavar="COLUMN", help="Survival: column with times.", show_default="the run's"),
        ] = None,
        event: Annotated[
            str | None,
            typer.Option(
                "--event", metavar="COLUMN", help="Survival: column in which 1 is an event.", show_default="the run's"
            ),
        ] = None,
        censored: Annotated[
            str | None, typer.Option("--censored", metavar="COLUMN", help="Or: column in which 1 means censored.")
        ] = None,
        gene_sets: Annotated[
            str | None,
            typer.Option("--gene-sets", metavar="FILE.gmt", help="Sets that the top genes are held against; also .gz."),
        ] = None,
        top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="Genes at the top of each list.")] = 50,
        steps: Annotated[int, typer.Option("--steps", metavar="N", min=1, help="Gradients along each path.")] = 32,
        samples: Annotated[int, typer.Option("--samples", metavar="N", min=4, help="At most so many are used.")] = 300,
        json: o.Json = False,
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Rank the genes that RUN (classes or survival) decides by in FILE, and say what the ranking is worth.

        Integrated gradients beside raw attention and single genes; networks of random weights, deletion and gene sets
        as checks. The verdict comes first.
        """
        from exval.verbs.explain import explain as compute
        from exval.verbs.explain import top_genes

        found = compute(
            run,
            file,
            label=label,
            time=time,
            event=event,
            censored=censored,
            gene_sets=gene_sets,
            top=top,
            steps=steps,
            samples=samples,
            out=out,
            force=force,
            layer=layer,
            unit=unit,
            species=species,
            orientation=orientation,
            seed=seed,
            threads=threads,
            device=device,
        )
        if json:
            config, tables = found.config, found.extras
            print_json({
                "verdict": found.verdict, "standing": config["standing"], "method": config["method"], "out": out,
                "warnings": config["warnings"], "lists": tables["lists"].to_dict("records"),
                "genes": top_genes(tables["importance"], config["top"]),
            })  # fmt: skip
        else:
            say([found.verdict, f"Genes:  {out}/importance.csv", f"Report: {out}/report.html"])
