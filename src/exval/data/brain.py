"""Brain samples of a file: where each was taken, of whom, in which region, and the values of its genes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exval.data.brain_checks import check_samples
from exval.data.genelist import words_of
from exval.data.labels import donor_like
from exval.errors import GeneError, InputError
from exval.fields.places import Places

SPACES = {"mni": ("mni_x", "mni_y", "mni_z"), "mni_nlin": ("mni_nlin_x", "mni_nlin_y", "mni_nlin_z")}
COARSE = ("division", "brain_division", "brain_divison", "structure_class")
FINE = ("structure", "bilateral_structure_name", "structure_name")
SIDES = (", left", ", right")


@dataclass(frozen=True, eq=False)
class BrainSamples:
    """Samples of brains.

    Parameters
    ----------
    places
        Position in mm, donor, regions from coarse to fine.
    values_ng
        (n, g) float64 in ``unit``.
    genes
        (g,) names: canonical symbols where they are known, else as in the file.
    unit
        Of the values, as the file says, or told.
    name, space, regions
        Of the file; which coordinates; which columns of regions.
    notes, warnings
        What was read, and what was left out, a line each.
    """

    places: Places
    values_ng: np.ndarray
    genes: np.ndarray
    unit: str
    name: str
    space: str
    regions: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_samples(
    data: Any,
    *,
    space: str | None = None,
    donor: str = "donor",
    regions: tuple[str, ...] | None = None,
    genes: Any = None,
    unit: str | None = None,
    guess: str | None = None,
) -> BrainSamples:
    """Read brain samples from an AnnData or an ``.h5ad``.

    Parameters
    ----------
    data
        ``obsm[space]`` (n, 3), or columns of obs such as ``mni_nlin_x``, in mm of an MNI template.
    space
        Coordinates to take; the non-linear ones (``mni_nlin``) where the file has them, else ``mni``.
    donor
        Column of obs; a file without it is of nobody in particular.
    regions
        Columns of obs with names of regions, coarse to fine; by default those of the usual names that the file has,
        without their hemisphere (``", left"``).
    genes
        Names to keep, or the path of a list, one a line.
    unit
        ``log2``, ``z`` or any other name; by default what the file names, or what the values look like.
    guess
        Of a file that names no unit, instead of what the values look like.

    Raises
    ------
    InputError, GeneError
        No coordinates, no such column, none of the genes; positions that are not mm of the MNI152 template, or whose
        axes or sides are swapped (:mod:`exval.data.brain_checks`).

    Examples
    --------
    >>> import anndata
    >>> obs = pd.DataFrame({"donor": ["a", "b"], "structure_name": ["CA1 field, left", "CA1 field, right"],
    ...                     "mni_x": [-28.0, 28.0], "mni_y": [-22.0, -20.0], "mni_z": [-14.0, -15.0]}, ["s1", "s2"])
    >>> found = read_samples(anndata.AnnData(np.array([[5.0], [6.0]]), obs, pd.DataFrame(index=["GFAP"])), unit="log2")
    >>> found.space, found.regions, found.places.regions_nk.ravel().tolist()
    ('mni', ('structure_name',), ['CA1 field', 'CA1 field'])
    """
    import anndata

    from exval.data.genes import map_genes

    name = "AnnData"
    if not isinstance(data, anndata.AnnData):
        path = Path(data)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        name = path.name
        try:
            data = anndata.read_h5ad(path)
        except Exception as fault:
            why = "" if path.suffix == ".h5ad" else f" (it ends with {path.suffix or 'nothing'})"
            raise InputError(
                f"{path} cannot be read as .h5ad{why}: give an AnnData of samples with obs donor, mni_x, mni_y, mni_z, "
                "or make one with exval brain import"
            ) from fault
    lines: list[str] = []
    if "mirrored" in data.obs and data.obs["mirrored"].any():  # fields lay both hemispheres onto one anyway
        lines.append(f"{int(data.obs['mirrored'].sum())} mirror images of samples were left out")
        data = data[~data.obs["mirrored"].to_numpy(bool)]
    x_ng = data.X.toarray() if hasattr(data.X, "toarray") else np.asarray(data.X)
    x_ng = x_ng.astype(np.float64)
    space, xyz = _coordinates(data, space, name)
    if regions is None:
        regions = _usual(data.obs)
    for column in (*regions, *([donor] if donor != "donor" else [])):
        if column not in data.obs:
            there = ", ".join(map(str, data.obs.columns))
            option = "--donor" if column == donor and column not in regions else "--regions"
            raise InputError(f"no column {column!r} in obs of {name}; give {option} COLUMN; there are: {there}")
    named = [data.obs[column].astype(object).map(_one_side) for column in regions]
    donors = None
    if donor not in data.obs and (others := donor_like(data.obs)):
        lines.append(f"no donors are told apart: column {others[0]!r} looks like them, give --donor {others[0]}")
    if donor in data.obs:
        if (n_names := data.obs[donor].nunique()) > max(len(data.obs) / 5, 20):
            lines.append(
                f"--donor {donor} tells {n_names:,} donors apart in {len(data.obs):,} samples: is it the donor?"
            )
        unknown_n = data.obs[donor].isna().to_numpy() | data.obs[donor].astype(str).isin(("", "nan", "None")).to_numpy()
        donors = data.obs[donor].astype(str).to_numpy(object)
        donors[unknown_n] = None
        if unknown_n.any():
            lines.append(
                f"{int(unknown_n.sum())} samples name no donor: what sets donors apart is not looked at in them"
            )
    places = Places.of(xyz, donors, np.column_stack(named) if named else None)
    lines += check_samples(xyz, data.obs, space, tuple(regions), donor, name)
    names = _symbols(data.var)
    canonical = np.asarray(map_genes(names, "human", threshold=0.0).canonical, dtype=object)
    who = "not named" if donors is None else f"{len(set(donors) - {None})}"
    notes = [f"positions: {space}; regions: {', '.join(regions) or 'none'}; donors: {who}"]
    gone = np.isnan(x_ng).any(0)
    if gone.any():
        if gone.all():
            raise GeneError(
                f"every gene of {name} has values missing: leave out the samples without values, or fill them"
            )
        lines.append(f"{int(gone.sum())} genes have values missing and were left out")
        x_ng, canonical = x_ng[:, ~gone], canonical[~gone]
    if len(set(canonical)) < len(canonical):
        frame = pd.DataFrame(x_ng.T).groupby(canonical, sort=False).mean()
        _, times = np.unique(canonical.astype(str), return_counts=True)
        lines.append(f"{times[times > 1].sum()} columns of {(times > 1).sum()} genes that occur more than once were "
                     "averaged, gene by gene")  # fmt: skip
        x_ng, canonical = frame.to_numpy().T, np.asarray(frame.index, dtype=object)
    if genes is not None:
        wanted = list(map(str, map_genes(words_of(genes, "--genes"), "human", threshold=0.0).canonical))
        index = pd.Index(canonical).get_indexer(wanted)
        if (index < 0).all():
            raise GeneError(f"none of the {len(wanted)} genes asked for is in {name}")
        if (index < 0).any():
            lost = [gene for gene, i in zip(wanted, index) if i < 0]
            lines.append(f"{len(lost)} genes asked for are not in {name}: {', '.join(lost[:10])}")
        x_ng, canonical = x_ng[:, index[index >= 0]], canonical[index[index >= 0]]
    told = unit or str(data.uns.get("exval_unit", "") or guess or _unit(x_ng))
    return BrainSamples(places, x_ng, canonical, told, name, space, tuple(regions), notes, lines)


def _coordinates(data, space: str | None, name: str) -> tuple[str, np.ndarray]:
    for one in [space] if space else ["mni_nlin", "mni"]:
        if one in data.obsm:
            return one, np.asarray(data.obsm[one], dtype=np.float64)
        columns = SPACES.get(one, (f"{one}_x", f"{one}_y", f"{one}_z"))
        if all(column in data.obs for column in columns):
            return one, data.obs[list(columns)].to_numpy(np.float64)
    wanted = (
        f"obsm[{space!r}] or the columns {space}_x, {space}_y, {space}_z of obs" if space
        else "obsm['mni'] or 'mni_nlin', or the columns mni_x, mni_y, mni_z of obs (exval brain: --space NAME for "
        "others, such as NAME_x, NAME_y, NAME_z)"
    )  # fmt: skip
    there = positions(data.obsm, data.obs)
    others = f"; it has {', '.join(there)}: give --space {there[-1]}" if space and there else ""
    raise InputError(f"{name} has no positions: {wanted} in mm are needed{others}")


def positions(obsm, obs) -> list[str]:
    """Names of coordinates in the MNI space that a file holds: what ``--space`` takes.

    Examples
    --------
    >>> positions({"mni": None, "X_pca": None}, pd.DataFrame(columns=["mni_nlin_x", "mni_nlin_y", "mni_nlin_z", "age"]))
    ['mni', 'mni_nlin']
    """
    columns = [str(name)[:-2] for name in obs if str(name).endswith("_x")]
    named = [str(name) for name in obsm] + [one for one in columns if f"{one}_y" in obs and f"{one}_z" in obs]
    return list(dict.fromkeys(one for one in named if one.lower().startswith("mni")))


def _usual(obs: pd.DataFrame) -> tuple[str, ...]:
    """At most one coarse and one fine column of the usual names."""
    return tuple(column for kind in (COARSE, FINE) for column in [one for one in kind if one in obs][:1])


def _one_side(text: Any) -> Any:
    """The name of a region without its hemisphere."""
    if not isinstance(text, str):
        return text
    for side in SIDES:
        text = text.replace(side, "")
    return text.strip()


def _symbols(var: pd.DataFrame) -> np.ndarray:
    """Symbols where a column has them; the name of the column of values where it has none."""
    own = var.index.astype(str).to_numpy(object)
    for column in ("symbol", "gene_symbol", "gene_symbol_inferred"):
        if column in var:
            told = var[column].astype(object).where(var[column].notna(), "").astype(str).str.strip().to_numpy(object)
            return np.where(np.isin(told, ("", "nan", "None")), own, told)
    return own


def _unit(x_ng: np.ndarray) -> str:
    """z where genes are centred, log2 otherwise: no field depends on it."""
    return "z" if np.median(np.abs(x_ng.mean(0)) / np.maximum(x_ng.std(0), 1e-9)) < 0.2 else "log2"
