"""Maps of a field: one NIfTI for each gene, told block by block so that no more than a few genes are ever held."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exval.errors import InputError
from exval.fields.base import Told
from exval.fields.places import Places
from exval.fields.tissue import template
from exval.progress import track

BLOCK = 50_000
COARSEST = 10  # mm
TISSUE = 0.5  # least probability of grey or white matter together


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels of a volume that are inside the brain.

    Parameters
    ----------
    shape, affine
        Of the volume: (x, y, z) and (4, 4), voxel index to mm.
    voxel_v3
        (v, 3) indices of the voxels inside.

    Examples
    --------
    >>> grid = Grid((2, 2, 2), np.diag([2.0, 2, 2, 1]), np.array([[0, 0, 0], [1, 0, 1]]))
    >>> grid.xyz().tolist()
    [[0.0, 0.0, 0.0], [2.0, 0.0, 2.0]]
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    voxel_v3: np.ndarray

    def __len__(self) -> int:
        return len(self.voxel_v3)

    def xyz(self, rows=slice(None)) -> np.ndarray:
        """(v, 3) mm."""
        return self.voxel_v3[rows] @ self.affine[:3, :3].T + self.affine[:3, 3]

    def volume(self, value_v: np.ndarray) -> np.ndarray:
        """(x, y, z) float32: the values inside, 0 outside."""
        out = np.zeros(self.shape, dtype=np.float32)
        out[tuple(self.voxel_v3.T)] = value_v
        return out


def of_voxels(xyz_v3: np.ndarray, donor: str | None = None) -> Places:
    """Places of voxels, without the checks of :meth:`Places.of`: mm of a parcel may well be whole numbers above zero.

    >>> of_voxels(np.array([[2.0, 4.0, 6.0]]), "9861").donor_n.tolist()
    ['9861']
    """
    n = len(xyz_v3)
    return Places(np.asarray(xyz_v3, float), np.full(n, donor, dtype=object), np.empty((n, 0), dtype=object))


def template_grid(resolution: int = 2) -> Grid:
    """Grey and white matter of the MNI152 template that nilearn ships, at a resolution in mm.

    Raises
    ------
    InputError
        nilearn is not installed; a resolution below 1 mm, which the template does not have.
    """
    if not 1 <= resolution <= COARSEST:
        raise InputError(f"--resolution {resolution}: the template has 1 mm, and maps of up to {COARSEST} mm are told")
    try:
        grey_xyz, white_xyz, affine = template(resolution)
    except ImportError:
        raise InputError("maps of voxels need nilearn: pip install 'exval[brain]'") from None
    inside = grey_xyz + white_xyz > TISSUE
    return Grid(tuple(map(int, inside.shape)), affine, np.argwhere(inside))


def write_maps(
    tell: Callable[[Places], Told],
    grid: Grid,
    genes: Sequence[str],
    folder: Path,
    threads: int = 2,
    block: int = BLOCK,
) -> list[Path]:
    """Write ``GENE_mean.nii.gz``, and ``GENE_sd.nii.gz`` where sds are told, for every gene.

    Mean and sd are told together for blocks of voxels, all genes at once, into files on disk, from which the volumes
    are then made gene by gene: memory holds one block, and a volume for each thread.

    Parameters
    ----------
    tell
        Places -> means and, perhaps, sds (m, g).
    grid
        Where.
    genes
        (g,) names, which become those of the files.
    folder
        It exists.
    threads
        Volumes that are packed at once.
    block
        Voxels told at once.

    Returns
    -------
    list of pathlib.Path
        All means, then all sds.
    """
    with contextlib.ExitStack() as room:
        tables: dict[str, Table] = {}
        for start in track(range(0, len(grid), block), "Telling voxels", total=-(-len(grid) // block)):
            told = tell(of_voxels(grid.xyz(slice(start, start + block))))
            for what, value_mg in (("mean", told.mean_mg), ("sd", told.sd_mg)):
                if value_mg is not None:
                    if what not in tables:
                        tables[what] = room.enter_context(Table(folder, len(genes), len(grid)))
                    tables[what].write(start, value_mg)

        work = [(what, i) for what in tables for i in range(len(genes))]
        files = file_names(genes)
        paths = [folder / f"{files[i]}_{what}.nii.gz" for what, i in work]

        def one(number: int) -> None:
            what, i = work[number]
            _write(grid, tables[what].read(i), paths[number], f"exval {genes[i]} {what}")

        with ThreadPoolExecutor(max(threads, 1)) as pool:
            for _ in track(pool.map(one, range(len(work))), "Writing maps", total=len(work)):
                pass
    return paths


class Table:
    """A (g, v) float32 table in a file of its own that goes when it is closed: written by voxels, read by genes.

    Plain reads and writes, so that no page of it counts as memory of the process.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder, Table(Path(folder), 2, 3) as table:
    ...     table.write(1, np.array([[1.0, 5.0], [2.0, 6.0]]))
    ...     table.read(1).tolist()
    [0.0, 5.0, 6.0]
    """

    def __init__(self, folder: Path, genes: int, voxels: int) -> None:
        self._file = tempfile.TemporaryFile(prefix="exval-", dir=folder)  # noqa: SIM115
        self._voxels = voxels
        self._file.truncate(4 * genes * voxels)

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def write(self, start: int, value_mg: np.ndarray) -> None:
        """Values of the voxels from ``start`` on, all genes."""
        for gene, row in enumerate(np.ascontiguousarray(value_mg.T, dtype=np.float32)):
            os.pwrite(self._file.fileno(), row, 4 * (gene * self._voxels + start))

    def read(self, gene: int) -> np.ndarray:
        """(v,) values of one gene; threads may read at once."""
        return np.frombuffer(os.pread(self._file.fileno(), 4 * self._voxels, 4 * gene * self._voxels), np.float32)


def _write(grid: Grid, value_v: np.ndarray, path: Path, what: str) -> None:
    import nibabel

    image = nibabel.Nifti1Image(grid.volume(value_v), grid.affine)
    image.header.set_xyzt_units("mm")
    image.header["sform_code"] = image.header["qform_code"] = 4  # MNI 152
    image.header["descrip"] = what[:79].encode()
    nibabel.save(image, path)


def file_names(genes: Sequence[str]) -> list[str]:
    """Names of genes as those of files, all different also where letters are not.

    >>> file_names(["A/B", "A_B", "GFAP", "a_b"])
    ['A_B', 'A_B_2', 'GFAP', 'a_b_3']
    """
    seen: dict[str, int] = {}
    found = []
    for gene in genes:
        name = safe(gene)
        seen[name.lower()] = seen.get(name.lower(), 0) + 1
        found.append(name if seen[name.lower()] == 1 else f"{name}_{seen[name.lower()]}")
    return found


def safe(name: str) -> str:
    """A gene's name as that of a file.

    >>> safe("HLA-A"), safe("a/b c")
    ('HLA-A', 'a_b_c')
    """
    return "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in str(name))
