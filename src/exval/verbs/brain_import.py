"""``brain import``: the downloads of the Allen Human Brain Atlas into one file of samples by genes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.errors import InputError, OutputError

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Imported", "brain_import"]


@dataclass(frozen=True)
class Imported:
    """What was written.

    Parameters
    ----------
    out, parcels
        The files; ``parcels`` is None where no table of parcels was asked for.
    shape, parcels_shape
        Samples x genes, parcels x genes.
    unit
        ``log2``, or the normalisation's name.
    steps
        What was done and left out, a line each.
    record
        ``uns["exval_ahba"]``: settings and counts.
    """

    out: Path
    parcels: Path | None
    shape: tuple[int, int]
    parcels_shape: tuple[int, int] | None
    unit: str
    steps: list[str]
    record: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """For people."""
        said = [*self.steps, f"{self.out}: {self.shape[0]:,} samples, {self.shape[1]:,} genes, unit {self.unit}"]
        if self.parcels is not None:
            said.append(f"{self.parcels}: {self.parcels_shape[0]:,} parcels, {self.parcels_shape[1]:,} genes")
        return said

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "out": str(self.out),
            "samples": self.shape[0],
            "genes": self.shape[1],
            "unit": self.unit,
            "parcels": None if self.parcels is None else str(self.parcels),
            "n_parcels": None if self.parcels_shape is None else self.parcels_shape[0],
            "settings": self.record["settings"],
            "counts": self.record["counts"],
            "steps": self.steps,
        }


def brain_import(
    folder: str | os.PathLike,
    out: str | os.PathLike,
    *,
    donors: Iterable[str] | None = None,
    probe_donors: Iterable[str] | None = None,
    parcels: str | os.PathLike | None = None,
    missing: str = "none",
    aggregate: str = "donors",
    metric: str = "mean",
    atlas: Any = None,
    atlas_info: Any = None,
    force: bool = False,
    **settings: Any,
) -> Imported:
    """Read the downloads of the Allen Human Brain Atlas and write samples by genes, and parcels by genes if asked.

    Parameters
    ----------
    folder
        With one folder or zip file for each donor.
    out
        h5ad file of the samples.
    parcels
        Also a table of the parcels of ``atlas``: ``.h5ad``, or ``.csv`` with one row for each label.
    missing, aggregate, metric
        Of the table of parcels, see :func:`exval.data.ahba.parcels.parcellate`.
    donors, probe_donors, atlas, atlas_info, settings
        As in :func:`exval.data.ahba.pipeline.import_ahba`.
    force
        Replace existing files.

    Raises
    ------
    InputError, GeneError, OutputError
        One line that says what to do; nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> from exval.data.ahba.miniature import write_miniature
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = write_miniature(folder / "ahba", genes=12)
    >>> brain_import(folder / "ahba", folder / "samples.h5ad").shape
    (238, 12)
    """
    from exval.data.ahba.atlas import Atlas
    from exval.data.ahba.parcels import _check, parcellate
    from exval.data.ahba.pipeline import import_ahba
    from exval.data.files import refuse_existing

    out = Path(out)
    if out.suffix != ".h5ad":
        raise OutputError(f"{out}: the output ends in .h5ad")
    refuse_existing(out, force)
    if parcels is not None:
        parcels = Path(parcels)
        if atlas is None:
            raise InputError("--parcels needs an atlas; give --atlas ATLAS.nii.gz")
        if not parcels.name.endswith((".h5ad", ".csv", ".csv.gz")):
            raise OutputError(f"{parcels}: the table of parcels ends in .h5ad or .csv")
        if parcels.resolve() == out.resolve():
            raise OutputError(f"{parcels} is the file of the samples too; choose another name for --parcels")
        refuse_existing(parcels, force)
    _check(missing, aggregate, metric, False)
    regions = None if atlas is None else Atlas.load(atlas, atlas_info)
    samples = import_ahba(
        folder,
        donors=donors,
        probe_donors=probe_donors,
        atlas=regions,
        atlas_info=atlas_info if atlas is None else None,
        **settings,
    )
    table = None
    if parcels is not None:
        table = parcellate(samples, regions, missing=missing, aggregate=aggregate, metric=metric)
    _write(samples, out)
    if table is not None:
        _write(table, parcels)
    record = samples.uns["exval_ahba"]
    done = record["settings"]
    unit = samples.uns.get("exval_unit") or (
        done["normalise"] if done["normalise"] != "none" else done["normalise_samples"]
    )
    return Imported(
        out, parcels, samples.shape, None if table is None else table.shape, unit, list(record["steps"]), record
    )


def _write(table: AnnData, path: Path) -> None:
    from exval.data.files import atomic_path

    with atomic_path(path) as part:
        if path.suffix == ".h5ad":
            table.write_h5ad(part)
        else:
            table.to_df().rename_axis("label").to_csv(part)
