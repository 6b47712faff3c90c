"""``exval brain correlate``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from exval.cli import options as o
from exval.cli.command import print_json, say, split, verb

Contrast = Annotated[
    str,
    typer.Argument(metavar="CONTRAST", help="A volume in MNI 152 (.nii.gz), or a csv of parcels.", show_default=False),
]


def register(group: typer.Typer) -> None:
    """Add the command to ``exval brain``."""

    @verb(group, name="correlate", short_help="Does a contrast go along with genes, beyond smoothness?")
    def correlate(
        contrast: Contrast,
        genes: Annotated[
            str,
            typer.Option("--genes", metavar="LIST", help="Genes: a file, or names with commas.", show_default=False),
        ],
        samples: Annotated[
            str,
            typer.Option("--samples", metavar="SAMPLES", help="Samples with positions (.h5ad).", show_default=False),
        ],
        space: Annotated[
            str,
            typer.Option(
                "--space", metavar="NAME", help="Template of both: MNI152NLin2009cAsym, mni, ...", show_default=False
            ),
        ],
        out: Annotated[str, o.output("DIR", "Folder for the figures, genes.csv and report.html.")],
        atlas: Annotated[
            str | None,
            typer.Option("--atlas", metavar="ATLAS.nii.gz", help="Compare at its parcels.", show_default="at samples"),
        ] = None,
        atlas_info: Annotated[
            str | None,
            typer.Option(
                "--atlas-info", metavar="CSV", help="Its labels: id, hemisphere, structure.", show_default=False
            ),
        ] = None,
        tolerance: Annotated[
            float, typer.Option("--tolerance", metavar="MM", help="How far a sample may lie from its parcel.")
        ] = 2.0,
        radius: Annotated[
            float, typer.Option("--radius", metavar="MM", help="Around a sample, where the contrast is averaged.")
        ] = 3.0,
        whole_brain: Annotated[bool, typer.Option("--whole-brain", help="Not only the cortex.")] = False,
        cortex: Annotated[
            list[str] | None,
            typer.Option(
                "--cortex",
                metavar="NAME,...",
                help="Names of the coarse regions that are cortex.",
                show_default="the usual names",
            ),
        ] = None,
        surrogates: Annotated[
            int, typer.Option("--surrogates", metavar="N", min=100, help="Maps as smooth as the contrast.")
        ] = 1000,
        random_lists: Annotated[
            int, typer.Option("--random-lists", metavar="N", min=100, help="Lists of other genes.")
        ] = 1000,
        field: Annotated[
            Literal["knn", "gp"], typer.Option("--field", help="Which tells genes at held-out samples.")
        ] = "knn",
        split_by: Annotated[
            Literal["donor", "block"] | None,
            typer.Option("--split-by", help="What is held out.", show_default="donor, else block"),
        ] = None,
        least_r2: Annotated[
            float, typer.Option("--least-r2", metavar="R2", help="Genes not told better than this are dropped.")
        ] = 0.0,
        donor: Annotated[
            str, typer.Option("--donor", metavar="COLUMN", help="Column of obs with the donor.")
        ] = "donor",
        regions: Annotated[
            list[str] | None,
            typer.Option(
                "--regions",
                metavar="COLUMN,...",
                help="Columns with names of regions, coarse to fine.",
                show_default="the usual names",
            ),
        ] = None,
        unit: Annotated[str | None, typer.Option("--unit", metavar="NAME", help="Of the values.")] = None,
        json: o.Json = False,
        force: o.Force = False,
        seed: o.Seed = 0,
        threads: o.Threads = None,
    ) -> None:
        """Relate an imaging contrast to genes, where samples were taken; the verdict comes first.

        p by maps that are as smooth as the contrast, and by lists of other genes that can be told as well.
        """
        from exval.verbs.brain_correlate import brain_correlate

        found = brain_correlate(
            contrast, genes=genes, samples=samples, space=space, atlas=atlas, atlas_info=atlas_info,
            tolerance=tolerance, radius=radius, whole_brain=whole_brain, cortex=split(cortex) or None,
            surrogates=surrogates, random_lists=random_lists, field=field, split_by=split_by, least_r2=least_r2,
            donor=donor, regions=tuple(split(regions)) or None, unit=unit, out=out, force=force, seed=seed,
            threads=threads,
        )  # fmt: skip
        if json:
            print_json({"verdict": found.verdict, "places": found.config["places"], "at": found.config["at"],
                        "list": found.config["whole"], "why_no_lists": found.config["why_no_lists"],
                        "genes": found.extras["correlate_genes"].to_dict("records"),
                        "dropped": found.extras["correlate_dropped"].to_dict("records"),
                        "warnings": found.config["warnings"], "out": out})  # fmt: skip
        else:
            say([found.verdict, f"Report: {out}/report.html; genes: {out}/genes.csv"])
