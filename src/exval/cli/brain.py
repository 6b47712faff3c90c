"""``exval brain``: gene expression over the brain."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from exval.cli import brain_correlate, brain_extend
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
    _register_fit(group)
    _register_map(group)
    _register_evaluate(group)
    brain_correlate.register(group)
    brain_extend.register(group)


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


Samples = Annotated[str, typer.Argument(metavar="SAMPLES", help="Samples with positions (.h5ad).", show_default=False)]
Genes = Annotated[
    str | None, typer.Option("--genes", metavar="LIST", help="Genes: a file, or names with commas.", show_default="all")
]
Space = Annotated[
    str | None,
    typer.Option("--space", metavar="NAME", help="Positions: obsm NAME or NAME_x, NAME_y, NAME_z of obs.",
                 show_default="mni_nlin, else mni"),
]  # fmt: skip
Donor = Annotated[str, typer.Option("--donor", metavar="COLUMN", help="Column of obs with the donor.")]
Regions = Annotated[
    list[str] | None,
    typer.Option("--regions", metavar="COLUMN,...", help="Columns with names of regions, coarse to fine.",
                 show_default="the usual names"),
]  # fmt: skip


def _regions(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(name for name in split(given) if name != "none")


def _register_fit(group: typer.Typer) -> None:
    @verb(group, name="fit", short_help="Fit a field to samples.")
    def fit(
        file: Samples,
        out: Annotated[str, o.output("RUN", "Folder of the fitted field.")],
        method: Annotated[str, typer.Option("--method", "-m", metavar="NAME", help="A field.")] = "gp",
        set: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="NAME=VALUE", help="Change a parameter of the field; may be repeated."),
        ] = None,
        genes: Genes = None,
        space: Space = None,
        donor: Donor = "donor",
        regions: Regions = None,
        unit: Annotated[str | None, typer.Option("--unit", metavar="NAME", help="Of the values.")] = None,
        json: o.Json = False,
        force: o.Force = False,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Fit a field to all samples of a file: expression at any place of the brain, with a standard deviation.

        Which field is good on your samples: exval evaluate SAMPLES --task field. What there is: exval methods --verb
        map.
        """
        from exval.cli.train import overrides
        from exval.verbs.brain_fit import brain_fit

        found = brain_fit(
            file, method=method, settings=overrides(set), genes=genes, space=space, donor=donor,
            regions=_regions(regions), unit=unit, out=out, force=force, seed=seed, threads=threads, device=device,
        )  # fmt: skip
        if json:
            print_json({key: found[key] for key in ("method", "data", "n", "n_genes", "space", "unit", "regions",
                                                    "chosen", "seconds", "cpu_seconds")})  # fmt: skip
            return
        size = f"{found['n']:,} samples x {found['n_genes']:,} genes of {found['data']}"
        say([f"{found['method']} fitted to {size} ({found['cpu_seconds']:.0f} CPU-seconds)",
             f"Report: {out}/report.html", f"Next: exval brain map {out} --resolution 2 -o MAPS"])  # fmt: skip


def _register_map(group: typer.Typer) -> None:
    @verb(group, name="map", short_help="Parcels or voxels of a fitted field.")
    def map_(
        run: Annotated[str, typer.Argument(metavar="RUN", help="Folder of exval brain fit.", show_default=False)],
        out: Annotated[str, o.output("MAPS_DIR", "Folder for tables or NIfTI files.")],
        atlas: Annotated[
            str | None,
            typer.Option("--atlas", metavar="ATLAS.nii.gz", help="Parcels in MNI space.", show_default=False),
        ] = None,
        resolution: Annotated[
            int | None,
            typer.Option("--resolution", metavar="MM", help="Or voxels: a NIfTI for each gene.", show_default=False),
        ] = None,
        atlas_info: Annotated[
            str | None,
            typer.Option("--atlas-info", metavar="CSV", help="Names of its labels, for the page.", show_default=False),
        ] = None,
        genes: Genes = None,
        donor: Annotated[
            str | None,
            typer.Option(
                "--donor",
                metavar="NAME",
                help="As a donor of the run would show it.",
                show_default="nobody in particular",
            ),
        ] = None,
        sd: Annotated[bool, typer.Option("--sd/--no-sd", help="Standard deviations too.")] = True,
        force: o.Force = False,
        threads: o.Threads = None,
    ) -> None:
        """Write what a field says of the parcels of an atlas, or of every voxel of grey and white matter."""
        from exval.verbs.brain_map import brain_map

        found = brain_map(run, atlas=atlas, atlas_info=atlas_info, resolution=resolution, genes=genes, donor=donor,
                          sd=sd, out=out, force=force, threads=threads)  # fmt: skip
        say([found.verdict, f"Written to {out}; look at {out}/report.html"])


def _register_evaluate(group: typer.Typer) -> None:
    @verb(group, name="evaluate", short_help="Compare fields on samples they were not fitted on.")
    def evaluate(
        file: Samples,
        out: Annotated[str, o.output("DIR", "Folder for the figures and report.html.")],
        method: o.Methods = None,
        split_by: Annotated[
            Literal["donor", "block", "random"] | None,
            typer.Option("--split-by", help="What is held out.", show_default="donor, else block"),
        ] = None,
        buffer: Annotated[
            float | None,
            typer.Option("--buffer", metavar="MM", help="Around a block.", show_default="range of the variogram"),
        ] = None,
        genes: Genes = None,
        space: Space = None,
        donor: Donor = "donor",
        regions: Regions = None,
        unit: Annotated[str | None, typer.Option("--unit", metavar="NAME", help="Of the values.")] = None,
        folds: o.Folds = 6,
        repeats: Annotated[int, typer.Option("--repeats", metavar="N", min=1, help="Repeats with other blocks.")] = 1,
        show: Annotated[
            str | None,
            typer.Option("--show", metavar="FIELD", help="Whose errors are drawn.", show_default="the best by R2"),
        ] = None,
        force: o.Force = False,
        seed: o.Seed = 0,
        threads: o.Threads = None,
    ) -> None:
        """Hold out donors, or blocks of space, and ask fields about them; the verdict comes first."""
        from exval.verbs.fields import evaluate_field

        found = evaluate_field(
            file, method=tuple(split(method)) if method else None, split_by=split_by, buffer=buffer, genes=genes,
            space=space, donor=donor, regions=_regions(regions), unit=unit, folds=folds, repeats=repeats, show=show,
            out=out, force=force, seed=seed, threads=threads,
        )  # fmt: skip
        say([found.verdict, f"Report: {out}/report.html"])
