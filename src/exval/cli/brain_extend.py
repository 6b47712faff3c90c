"""``exval brain extend``."""

from __future__ import annotations

from typing import Annotated

import typer

from exval.cli import options as o
from exval.cli.command import print_json, say, split, verb


def register(group: typer.Typer) -> None:
    """Add the command to the group."""

    @verb(group, name="extend", short_help="A new donor, or new genes from a few samples.")
    def extend(
        run: Annotated[str, typer.Argument(metavar="RUN", help="Folder of exval brain fit.", show_default=False)],
        file: Annotated[
            str, typer.Argument(metavar="SAMPLES", help="Further samples with positions (.h5ad).", show_default=False)
        ],
        out: Annotated[str, o.output("RUN2", "Folder of the extended field.")],
        space: Annotated[
            str | None,
            typer.Option("--space", metavar="NAME", help="Positions in SAMPLES.", show_default="that of the run"),
        ] = None,
        donor: Annotated[str, typer.Option("--donor", metavar="COLUMN", help="Column of obs: the donor.")] = "donor",
        regions: Annotated[
            list[str] | None,
            typer.Option("--regions", metavar="COLUMN,...", help="Columns with names of regions, coarse to fine.",
                         show_default="those of the run"),
        ] = None,
        json: o.Json = False,
        force: o.Force = False,
        threads: o.Threads = None,
    ) -> None:  # fmt: skip
        """Add samples to a fitted field.

        Samples with all genes of the run join its samples (map --donor NAME then tells that donor). Genes that the run
        lacks are told by the factors of those that it has, from five samples on.
        """
        from exval.verbs.brain_extend import brain_extend

        named = None if regions is None else tuple(name for name in split(regions) if name != "none")
        found = brain_extend(run, file, space=space, donor=donor, regions=named, out=out, force=force, threads=threads)
        if json:
            print_json({key: found[key] for key in ("method", "extended", "n", "n_genes", "n_added", "donors")})
            return
        say([found["extended"], f"Report: {out}/report.html", f"Next: exval brain map {out} --resolution 2 -o MAPS"])
