"""The whole way from the downloads to samples by genes, with an account of what was left out at each step."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.data.ahba import coordinates as places
from exval.data.ahba import probes as choice
from exval.data.ahba.kept import placed, without_unlike
from exval.data.ahba.layout import MATRIX, PROBES, DonorFiles, find_donors, find_rnaseq
from exval.data.ahba.normalise import WithinDonor, method_name, normalise_samples
from exval.data.ahba.ontology import Ontology
from exval.data.ahba.reading import count_present, read_probes, read_rows
from exval.data.ahba.reannotate import annotate_probes
from exval.data.ahba.represent import represent
from exval.errors import InputError
from exval.progress import Progress

if TYPE_CHECKING:
    from anndata import AnnData

OBS = (
    "donor",
    "well_id",
    "structure_id",
    "structure_acronym",
    "structure_name",
    "structure_class",
    "hemisphere",
    "slab_num",
    "slab_type",
    *places.AXES,
    "mirrored",
    "exval_twin",
)


def import_ahba(
    folder: str | os.PathLike,
    *,
    donors: Iterable[str] | None = None,
    probe_donors: Iterable[str] | None = None,
    reannotation: str | os.PathLike | pd.DataFrame = "reannotated",
    coordinates: str | os.PathLike | pd.DataFrame = "corrected",
    midline: float = 0.0,
    similarity: float | None = None,
    ibf: float = 0.5,
    probe_selection: str = "diff_stability",
    donor_probes: str = "aggregate",
    mirror: str = "none",
    normalise: str = "none",
    normalise_samples_by: str | None = None,
    within_structures: bool = False,
    atlas: Any = None,
    atlas_info: Any = None,
    tolerance: float = 2.0,
    norm_matched: bool = True,
) -> AnnData:
    """Samples by genes of the Allen Human Brain Atlas.

    The steps are those of abagen (Markello et al., eLife 2021; Arnatkeviciute et al., NeuroImage 2019). Four things
    differ. Nothing is normalised unless asked for. Filter and choice of probes see every measured sample once, mirror
    images are made afterwards. Scales are fitted on measured samples, so an image has its original's values. Nothing
    becomes NaN, so no gene is dropped for it.

    Parameters
    ----------
    folder
        With the downloads, see :func:`exval.data.ahba.layout.find_donors`.
    donors
        Only these.
    probe_donors
        Probes are filtered and chosen by these donors alone, so that the others can be held out without having had a
        say; all by default.
    reannotation
        ``"reannotated"``, ``"original"`` or a table, see :func:`exval.data.ahba.reannotate.annotate_probes`.
    coordinates, midline
        ``"corrected"``, ``"original"`` or a table; samples whose hemisphere contradicts x are left out. See
        :mod:`exval.data.ahba.coordinates`.
    similarity
        Leave out samples unlike the others of their donor, see :func:`exval.data.ahba.similarity.alike`; default off.
    ibf
        Share of samples in which a probe has to be above background.
    probe_selection, donor_probes
        One of ``probes.SELECTIONS``; see :func:`exval.data.ahba.probes.choose`.
    mirror
        ``none``, ``bidirectional``, ``leftright`` or ``rightleft``.
    normalise, normalise_samples_by
        One of ``normalise.METHODS``: every gene within each donor, after every sample across genes
        (``normalise_samples_by``, the same method by default; ``batch`` has no meaning for samples and means none).
        These scales use all samples of a donor: for an evaluation leave ``none`` and fit
        :class:`exval.data.ahba.normalise.WithinDonor` on training samples.
    within_structures
        Genes are normalised within classes of structure.
    atlas, atlas_info, tolerance
        An atlas in MNI space (path of a NIfTI file, an image, or :class:`exval.data.ahba.atlas.Atlas`), what its labels
        are, and how far in mm a sample may lie from its parcel: gives ``obs["parcel"]``, 0 where there is none.
    norm_matched
        With an atlas: scales of genes are fitted on samples that have a parcel, mirror images included, as in abagen.

    Returns
    -------
    anndata.AnnData
        ``X`` (n, g) dense float32. ``obs``: donor, wells, structures, ``mni_x``, ``mni_y``, ``mni_z`` in mm,
        ``mirrored``, ``exval_twin`` (the same for a sample and its image: keep both on one side of a split).
        ``obsm["mni"]``. ``var``: ``entrez``, ``probe_id`` and ``probe_name`` chosen (-1 for ``average`` and
        ``independent``), ``n_probes`` that competed, ``diff_stability`` (of the values used, before normalisation; NaN
        where donors cannot be compared), ``recognised``. ``uns["exval_unit"]``: log2, absent when normalised.
        ``uns["exval_ahba"]``: ``settings``, ``counts``, and ``steps``, a line each.

    Raises
    ------
    InputError, GeneError
        One line on what is wrong with the files or the options.

    Examples
    --------
    >>> import tempfile
    >>> from exval.data.ahba.miniature import write_miniature
    >>> truth = write_miniature(os.path.join(tempfile.mkdtemp(), "ahba"), genes=12)
    >>> samples = import_ahba(truth.folder)
    >>> samples.shape, samples.uns["exval_unit"]
    ((238, 12), 'log2')
    >>> print(samples.uns["exval_ahba"]["steps"][0])
    donors: 4 (9861, 10021, 12876, 14380), 250 samples
    """
    choice.check_selection(probe_selection, donor_probes)
    gene_scale = method_name(normalise)
    sample_scale = method_name(gene_scale if normalise_samples_by is None else normalise_samples_by)
    if sample_scale == "batch":
        sample_scale = "none"
    if mirror not in places.MIRRORS:
        raise InputError(f"--mirror {mirror!r} is not known; choose one of {', '.join(places.MIRRORS)}")
    regions = _atlas(atlas, atlas_info, tolerance)
    files = find_donors(folder, donors)
    deciding = _deciding(files, probe_donors)
    sequenced = find_rnaseq(folder) if probe_selection == "rnaseq" else {}
    counts: dict[str, int] = {"donors": len(files)}
    with Progress("Reading the atlas", total=2 * len(files) + 2) as progress:
        probes = _same_probes(files)
        annotated = annotate_probes(probes, reannotation)
        known_p, gene_id_p = probes["probe_id"].to_numpy(), annotated["probe_id"].to_numpy()
        kept = placed(files, coordinates, midline, counts)
        if similarity is not None:
            kept = without_unlike(kept, known_p, gene_id_p, similarity, counts)
        present_p, n = np.zeros(len(known_p), np.int64), 0
        for one in kept:
            if one.donor in deciding:
                present_p += count_present(one.files, known_p, one.keep_n)
                n += len(one.table)
            progress.advance(text=f"presence calls of {one.donor}")
        row_p = pd.Index(known_p).get_indexer(gene_id_p)
        annotated = annotated[choice.above_background(present_p[row_p], n, ibf)].reset_index(drop=True)
        if not len(annotated):
            raise InputError(f"no probe is above background in {ibf:g} of the samples; lower --ibf")
        counts |= {"probes": len(known_p), "probes_with_gene": len(gene_id_p), "probes_above": len(annotated)}
        obs = pd.concat([one.table for one in kept], ignore_index=True)
        x_pn, at = np.empty((len(annotated), len(obs)), np.float32), 0
        for one in kept:
            rows_pn = read_rows(one.files, MATRIX, known_p, annotated["probe_id"].to_numpy(), len(one.keep_n))
            x_pn[:, at : at + len(one.table)] = rows_pn[:, one.keep_n]
            at += len(one.table)
            progress.advance(text=f"values of {one.donor}")
        x_gn, var = represent(
            x_pn, annotated, obs["donor"].to_numpy(), obs["structure_id"].to_numpy(), deciding, probe_selection,
            donor_probes, sequenced,
        )  # fmt: skip
        del x_pn
        counts["genes"] = len(var)
        progress.advance(text="mirror images")
        obs, x_ng = _mirrored(obs, x_gn.T, {one.donor: one.ontology for one in kept}, mirror, counts)
        if regions is not None:
            obs["parcel"] = regions.match_samples(obs, tolerance)
            counts["samples_in_parcels"] = int((obs["parcel"] > 0).sum())
        fitted_n = ~obs["mirrored"].to_numpy()
        if regions is not None and norm_matched:
            fitted_n = obs["parcel"].to_numpy() > 0
        x_ng = _normalised(x_ng, obs, fitted_n, sample_scale, gene_scale, within_structures)
        progress.advance(text="done")
    settings = {
        "donors": ",".join(one.donor for one in files),
        "probe_donors": ",".join(one.donor for one in files if one.donor in deciding),
        "reannotation": _named(reannotation),
        "coordinates": _named(coordinates),
        "midline": midline,
        "similarity": "off" if similarity is None else float(similarity),
        "ibf": ibf,
        "probe_selection": probe_selection,
        "donor_probes": donor_probes,
        "mirror": mirror,
        "normalise_samples": sample_scale,
        "normalise": gene_scale,
        "within_structures": within_structures,
        "atlas": "none" if regions is None else regions.name,
        "tolerance": tolerance,
        "norm_matched": norm_matched,
    }
    return _adata(x_ng, obs, var, settings, counts)


def _atlas(atlas: Any, info: Any, tolerance: float) -> Any:
    if atlas is None:
        if info is not None:
            raise InputError("--atlas-info tells of the labels of an atlas; give the atlas too (--atlas)")
        return None
    from exval.data.ahba.atlas import Atlas, check_tolerance

    check_tolerance(tolerance)
    return Atlas.load(atlas, info)


def _deciding(files: list[DonorFiles], probe_donors: Iterable[str] | None) -> set[str]:
    from exval.data.ahba.layout import UIDS

    there = [one.donor for one in files]
    if probe_donors is None:
        return set(there)
    wanted = {UIDS.get(str(name), str(name)) for name in probe_donors}
    if not wanted or wanted - set(there):
        raise InputError(
            f"--probe-donors: {', '.join(sorted(wanted - set(there))) or 'none'}; there: {', '.join(there)}"
        )
    return wanted


def _same_probes(files: list[DonorFiles]) -> pd.DataFrame:
    probes = read_probes(files[0])
    for other in files[1:]:
        theirs = read_probes(other)
        if set(theirs["probe_id"]) != set(probes["probe_id"]):
            odd = sorted(set(theirs["probe_id"]) ^ set(probes["probe_id"]))
            raise InputError(
                f"{other.say(PROBES)} lists other probes than {files[0].say(PROBES)} ({len(odd):,} differ, first: "
                f"{odd[0]}); all donors have to come from one release"
            )
    return probes


def _mirrored(
    obs: pd.DataFrame, x_ng: np.ndarray, ontologies: dict[str, Ontology], how: str, counts: dict[str, int]
) -> tuple[pd.DataFrame, np.ndarray]:
    obs = obs.assign(row=np.arange(len(obs)))
    parts = [places.mirror(part, ontologies[name], how) for name, part in obs.groupby("donor", sort=False)]
    whole = pd.concat(parts, ignore_index=True)
    counts |= {"samples": len(obs), "mirror_images": int(whole["mirrored"].sum())}
    return whole.drop(columns="row"), np.ascontiguousarray(x_ng[whole["row"].to_numpy()])


def _normalised(
    x_ng: np.ndarray, obs: pd.DataFrame, fitted_n: np.ndarray, by_sample: str, by_gene: str, by_class: bool
) -> np.ndarray:
    if by_sample != "none":
        x_ng = normalise_samples(x_ng, by_sample)
    if by_gene == "none":
        return x_ng
    donor_n, class_n = obs["donor"].to_numpy(), obs["structure_class"].to_numpy()
    scale = WithinDonor(by_gene, by_class).fit(x_ng[fitted_n], donor_n[fitted_n], class_n[fitted_n])
    return scale.transform(x_ng, donor_n, class_n)


def _named(value: Any) -> str:
    return "table" if isinstance(value, pd.DataFrame) else os.path.basename(str(value))


def _adata(
    x_ng: np.ndarray, obs: pd.DataFrame, var: pd.DataFrame, settings: dict[str, Any], counts: dict[str, int]
) -> AnnData:
    from anndata import AnnData

    from exval.data.ahba.account import steps

    names = [f"{twin}_mirror" if image else twin for twin, image in zip(obs["exval_twin"], obs["mirrored"])]
    obs = obs[[name for name in (*OBS, "parcel") if name in obs]].set_axis(pd.Index(names, dtype=object))
    for column in ("donor", "structure_class", "hemisphere", "slab_type"):
        if column in obs:
            obs[column] = pd.Categorical(obs[column])
    if "slab_num" in obs:
        obs["slab_num"] = pd.to_numeric(obs["slab_num"], errors="coerce")
    adata = AnnData(np.asarray(x_ng, dtype=np.float32), obs=obs, var=var)
    adata.obsm["mni"] = obs[places.AXES].to_numpy(dtype=np.float64)
    if settings["normalise"] == "none" and settings["normalise_samples"] == "none":
        adata.uns["exval_unit"] = "log2"
    lines = np.array(steps(settings, counts, obs, var), dtype=object)
    adata.uns["exval_ahba"] = {"settings": settings, "counts": counts, "steps": lines}
    return adata
