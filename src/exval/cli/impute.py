"""``exval impute``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from exval.cli import options as o
from exval.cli.command import say, verb

Goal = Literal["plot", "clustering", "de", "markers", "trajectory", "recovery"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Denoise cells, or fill what was not measured.")
    def impute(
        file: o.File,
        out: Annotated[str, o.output("OUT.h5ad", "Copy of FILE with the layer exval_imputed.")],
        method: Annotated[
            str,
            typer.Option(
                "--method",
                "-m",
                metavar="NAME",
                help="auto, a name (exval methods --verb impute), folder of a run, or cmd:PROGRAM {input} {output}.",
            ),
        ] = "auto",
        ref: Annotated[
            str | None,
            typer.Option("--ref", metavar="COHORT", help="To fill: fit on this cohort.", show_default="FILE itself"),
        ] = None,
        goal: Annotated[
            Goal | None, typer.Option("--goal", help="What for: with --method auto, the best for this.")
        ] = None,
        genes: Annotated[
            str | None,
            typer.Option("--genes", metavar="LIST", help="Genes given and kept: a file, or names.", show_default="all"),
        ] = None,
        out_genes: Annotated[
            str | None,
            typer.Option(
                "--out-genes",
                metavar="LIST",
                help="Genes returned; to fill: genes to add, or all.",
                show_default="those given",
            ),
        ] = None,
        label: Annotated[
            str | None, typer.Option("--label", metavar="COLUMN", help="Column of obs with types, for the check.")
        ] = None,
        preset: Annotated[
            Literal["cpu", "paper"] | None,
            typer.Option("--preset", help="Settings of the method.", show_default="its defaults"),
        ] = None,
        set: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="NAME=VALUE", help="Change a parameter of the method; may be repeated."),
        ] = None,
        out_unit: Annotated[
            Literal["counts", "cp10k", "log1p"] | None,
            typer.Option("--out-unit", help="Unit of the layer.", show_default="that of the values used"),
        ] = None,
        sd: Annotated[
            bool, typer.Option("--sd/--no-sd", help="Also the layer exval_sd, where the method has it.")
        ] = True,
        check: Annotated[
            bool, typer.Option("--check/--no-check", help="Fit again with permuted genes: what is invented?")
        ] = True,
        key_added: o.KeyAdded = None,
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        ref_unit: o.RefUnit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Impute the cells of FILE: a copy with the layer exval_imputed, in the unit of the values used.

        A report beside it shows measured, imputed, and imputed after permutation, and says whether the values may be
        used for tests. Methods: exval methods --verb impute. Which one to take: exval recommend FILE --goal GOAL.

        Log2 values, z-scores and files with NaN are filled instead: only what was not measured, by mean, knn, ppca,
        softimpute, forest (exval methods --verb fill) or the folder of a gexbert run; auto is ppca. With --ref genes
        that FILE lacks can be added.
        """
        from exval.cli.train import overrides
        from exval.verbs.impute import impute_file

        result = impute_file(
            file,
            method,
            out=out,
            ref=ref,
            ref_unit=ref_unit,
            goal=goal,
            genes=genes,
            out_genes=out_genes,
            label=label,
            preset=preset,
            settings=overrides(set),
            out_unit=out_unit,
            sd=sd,
            check=check,
            key_added=key_added or "exval_imputed",
            force=force,
            layer=layer,
            unit=unit,
            species=species,
            orientation=orientation,
            seed=seed,
            threads=threads,
            device=device,
        )
        say(result.lines())
