"""``exval brain``: gene expression over the brain."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from exval.cli import options as o
from exval.cli.command import print_json, say, split, verb

Folder = Annotated[
    str,
    typer.Argument(metavar="AHBA_DIR", help="Folder with normalized_microarray_donor* folders or zip files.",
                   show_default=False),
]  # fmt: skip
Selection = Literal[
    "diff_stability",
    "average",
    "max_intensity",
    "max_variance",
    "pc_loading",
    "corr_intensity",
    "corr_variance",
    "rnaseq",
]
Scales = Literal[
    "none", "srs", "zscore", "minmax", "centre", "sigmoid", "scaled_sigmoid", "scaled_sigmoid_quantiles",
    "robust_sigmoid", "mixed_sigmoid", "batch",
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the group of commands to the program."""
    group = typer.Typer(
        name="brain", help="Gene expression over the brain.", context_settings=app.info.context_settings
    )
    app.add_typer(group)
    _register_import(group)


def _register_import(group: typer.Typer) -> None:
    @verb(group, name="import", short_help="Allen Human Brain Atlas downloads to samples by genes.")
    def import_(
        folder: Folder,
        out: Annotated[str, o.output("SAMPLES.h5ad", "Samples by genes, with MNI positions.")],
        donors: Annotated[
            list[str] | None,
            typer.Option("--donors", metavar="NAME,...", help="Only these donors: 9861,10021.", show_default="all"),
        ] = None,
        probe_donors: Annotated[
            list[str] | None,
            typer.Option(
                "--probe-donors", metavar="NAME,...", help="Donors by which probes are chosen.", show_default="all"
            ),
        ] = None,
        probe_selection: Annotated[
            Selection, typer.Option("--probe-selection", help="Which probe stands for a gene.")
        ] = "diff_stability",
        donor_probes: Annotated[
            Literal["aggregate", "common", "independent"],
            typer.Option("--donor-probes", help="Chosen by all donors together, by most, or for each."),
        ] = "aggregate",
        ibf: Annotated[
            float,
            typer.Option("--ibf", metavar="SHARE", help="Samples in which a probe has to be above background."),
        ] = 0.5,
        reannotation: Annotated[
            str,
            typer.Option(
                "--reannotation", metavar="TABLE", help="Genes of probes: reannotated, original, or a csv file."
            ),
        ] = "reannotated",
        coordinates: Annotated[
            str, typer.Option("--coordinates", metavar="TABLE", help="corrected, original, or a csv file by well.")
        ] = "corrected",
        midline: Annotated[
            float,
            typer.Option("--midline", metavar="MM", min=0, help="How far samples without a side may lie off x = 0."),
        ] = 0.0,
        similarity: Annotated[
            float | None,
            typer.Option("--similarity", metavar="SD", help="Leave out samples unlike the others.", show_default="off"),
        ] = None,
        mirror: Annotated[
            Literal["none", "bidirectional", "leftright", "rightleft"],
            typer.Option("--mirror", help="Add mirror images of samples."),
        ] = "none",
        normalise: Annotated[
            Scales, typer.Option("--normalise", help="Scale of genes in each donor, after that of samples.")
        ] = "none",
        normalise_samples: Annotated[
            Scales | None,
            typer.Option("--normalise-samples", help="Scale of each sample.", show_default="that of --normalise"),
        ] = None,
        within_structures: Annotated[
            bool, typer.Option("--within-structures", help="Scale genes within classes of structure.")
        ] = False,
        atlas: Annotated[
            str | None,
            typer.Option("--atlas", metavar="ATLAS.nii.gz", help="Parcels in MNI space.", show_default=False),
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
        norm_matched: Annotated[
            bool,
            typer.Option("--norm-matched/--norm-all", help="Scale genes by samples with a parcel, or by all samples."),
        ] = True,
        parcels: Annotated[
            str | None,
            typer.Option("--parcels", metavar="FILE", help="Also parcels by genes: .h5ad or .csv.", show_default=False),
        ] = None,
        missing: Annotated[
            Literal["none", "centroids", "interpolate"],
            typer.Option("--missing", help="Parcels without samples: NaN, nearest samples, or by voxel."),
        ] = "none",
        aggregate: Annotated[
            Literal["donors", "samples"],
            typer.Option("--aggregate", help="Parcels: within donors first, or over all samples."),
        ] = "donors",
        metric: Annotated[
            Literal["mean", "median"], typer.Option("--metric", help="Of the samples of a parcel.")
        ] = "mean",
        json: o.Json = False,
        force: o.Force = False,
        threads: o.Threads = None,
    ) -> None:
        """Read the downloads of the Allen Human Brain Atlas (human.brain-map.org, Download, normalised microarrays).

        Values stay log2 unless --normalise is given: fields are fitted on scales of the training donors alone. What
        each step left out is printed, and kept in uns["exval_ahba"].
        """
        from exval.verbs.brain_import import brain_import

        result = brain_import(
            folder,
            out,
            donors=split(donors) if donors else None,
            probe_donors=split(probe_donors) if probe_donors else None,
            probe_selection=probe_selection,
            donor_probes=donor_probes,
            ibf=ibf,
            reannotation=reannotation,
            coordinates=coordinates,
            midline=midline,
            similarity=similarity,
            mirror=mirror,
            normalise=normalise,
            normalise_samples_by=normalise_samples,
            within_structures=within_structures,
            atlas=atlas,
            atlas_info=atlas_info,
            tolerance=tolerance,
            norm_matched=norm_matched,
            parcels=parcels,
            missing=missing,
            aggregate=aggregate,
            metric=metric,
            force=force,
        )
        if json:
            print_json(result.as_json())
        else:
            say(result.lines())
