"""Maps of a field: pictures of a few genes, the highest and lowest parcels, and what was written."""

from __future__ import annotations

from exval import pl
from exval.errors import InputError
from exval.pl._brain import NEEDED
from exval.report import numbers
from exval.report.figures import figure
from exval.report.folder import Folder
from exval.report.html import Html, details, name, table, tag
from exval.report.section import Section
from exval.tasks.field.words import LEAST_R2

FEW, LISTED = 12, 300  # genes shown at once, and at all


def section(folder: Folder) -> Section | None:
    """Up to three genes."""
    found = folder.table("map_pictures", "gene", "what", "view", "cut", "a", "b", "size", "value")
    if folder.kind != "field-map" or found is None:
        return None
    config, parcels = folder.config, folder.table("map_parcels", "gene", "parcel", "mean", "sd")
    unit, genes = str(config.get("unit") or ""), list(dict.fromkeys(found.gene.astype(str)))
    parts: list[object] = [tag("p", _words(config, genes, parcels is not None), cls="note")]
    borne = folder.table("map_genes", "gene", "r2_near")
    told = {} if borne is None else dict(borne[borne.r2_near.notna()].set_index("gene").r2_near)
    for gene in genes:
        parts.append(tag("h3", gene + (f", R2 {numbers.score(told[gene], 2)} near to samples" if gene in told else "")))
        try:
            alt = f"Mean and sd of {gene} on three slices and in a glass brain."
            parts.append(figure(lambda gene=gene: pl.brain_map(found, gene, unit=unit), alt, cls="wide", shades=True))
        except InputError as fault:
            if str(fault) != NEEDED:
                raise
            parts.append(tag("p", f"No pictures: {fault}.", cls="note"))
        if parcels is not None:
            parts.append(tag("div", figure(
                lambda gene=gene: pl.parcels(parcels, gene, unit=unit), f"Highest and lowest parcels of {gene}.",
                "Lines: one sd of a measurement in the parcel on either side.",
            ), cls="grid"))  # fmt: skip
    spent = numbers.seconds(config.get("cpu_seconds"))
    mean, sd = ("GENE_mean.nii.gz", "GENE_sd.nii.gz") if parcels is None else ("parcels_mean.csv", "parcels_sd.csv")
    files = mean + (f" and {sd}" if config.get("sd") else "")
    nifti = " (millimetres of MNI152: any viewer of NIfTI opens them; 0 outside of grey and white matter)"
    files += nifti if parcels is None else " (parcels by genes)"
    parts.append(tag("p", f"Written: {files}, in {spent} of CPU time.", cls="note"))
    parts.append(_borne_out(folder))
    return Section.of("maps", "The maps", tag("div", parts, cls="stack"))


def _borne_out(folder: Folder) -> Html | None:
    """How well the genes were told where samples were held out of the fit; nothing where that is not known."""
    genes = folder.table("map_genes", "gene", "r2_near", "mm_near", "r2_far", "mm_far")
    if genes is None or genes.r2_near.isna().all():
        return None
    genes = genes.sort_values("r2_near", ascending=False, kind="stable")
    known, added = genes[genes.mm_near.notna()], genes[genes.mm_near.isna() & genes.r2_near.notna()]
    text, poor = "", int((genes.r2_near < LEAST_R2).sum())
    if len(known):
        text += (
            f"R2 against the gene's mean where samples were held out of the fit, by position alone, with the nearest "
            f"sample about {known.mm_near.iloc[0]:.0f} mm (near) or {known.mm_far.iloc[0]:.0f} mm (far) away. "
        )
    if len(added):
        text += (
            f"Genes that were added ({', '.join(added.gene.astype(str)[:10])}): each of their samples told by the "
            "others, wherever these lie. "
        )
    text += (
        f"Hardly told (R2 below {LEAST_R2} near to samples), so that the map is noise: {poor} of {len(genes)} genes."
    )
    rows = [[name(gene), numbers.score(a, 2), numbers.score(b, 2)]
            for gene, a, b in zip(genes.gene, genes.r2_near, genes.r2_far)]  # fmt: skip
    head, short = ["gene", "R2 near", "R2 far"], len(rows) <= FEW
    shown = table(head, rows if short else rows[:LISTED])
    title = f"Every gene{f', the best {LISTED}; all are in genes.csv' if len(rows) > LISTED else ''}"
    return tag("div", tag("h3", "Which genes to believe"), tag("p", text, cls="note"),
               shown if short else details(title, shown))  # fmt: skip


def _words(config, genes: list[str], parcels: bool) -> str:
    whose = f"a sample of donor {config['donor']}" if config.get("donor") else "a sample of no donor in particular"
    text = f"What {config.get('method')} expects of {whose}. "
    if config.get("mirrored"):
        text += "Left and right are taken as one: no difference between hemispheres can appear in these maps. "
    if config.get("apart_mm"):
        half, most = config["apart_mm"]
        what = "parcels (their centres)" if parcels else "voxels"
        text += f"Half of the {what} lie within {half:.0f} mm of a sample, nine in ten within {most:.0f} mm. "
    if len(genes) < int(config.get("n_genes") or 0):
        text += (
            "Shown are the gene whose map varies most against its sd, one in the middle and the one that varies least. "
        )
    text += "Scales run from the 1st to the 99th percentile of what is shown. "
    if parcels:
        text += "Every voxel of a parcel has the parcel's value. "
    return text + (
        "The sd is that of a measurement: what is not known of the mean, and noise. Where it is as large as the spread "
        "of the mean, the map says little. Intervals are as wide as errors were where areas had been emptied of "
        "samples; in an area unlike any that was sampled they can be too narrow."
    )
