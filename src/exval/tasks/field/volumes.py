"""Maps of a field: one NIfTI for each gene, told block by block so that no more than a few genes are ever held."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exval.errors import InputError
from exval.fields.places import Places
from exval.progress import track

BLOCK = 50_000
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


def template_grid(resolution: int = 2) -> Grid:
    """Grey and white matter of the MNI152 template that nilearn ships, at a resolution in mm.

    Raises
    ------
    InputError
        nilearn is not installed; a resolution below 1 mm, which the template does not have.
    """
    if resolution < 1:
        raise InputError(f"a resolution of {resolution} mm is finer than the template (1 mm)")
    try:
        from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template
    except ImportError:
        raise InputError("maps of voxels need nilearn: pip install 'exval[brain]'") from None
    grey, white = (load(resolution=resolution) for load in (load_mni152_gm_template, load_mni152_wm_template))
    inside = grey.get_fdata(dtype=np.float32) + white.get_fdata(dtype=np.float32) > TISSUE
    return Grid(tuple(map(int, inside.shape)), np.asarray(grey.affine, dtype=np.float64), np.argwhere(inside))


def write_maps(
    tell: Callable[[Places], np.ndarray],
    grid: Grid,
    genes: Sequence[str],
    folder: Path,
    suffix: str = "mean",
    threads: int = 2,
) -> list[Path]:
    """Write ``GENE_suffix.nii.gz`` for every gene.

    Values are told for blocks of voxels, all genes at once, into a file on disk, from which the volumes are then made
    gene by gene: memory holds one block, and a volume for each thread.

    Parameters
    ----------
    tell
        Places -> (m, g) values.
    grid
        Where.
    genes
        (g,) names, which become those of the files.
    folder
        It exists.
    suffix
        ``mean`` or ``sd``.
    threads
        Volumes that are packed at once.

    Returns
    -------
    list of pathlib.Path
    """
    with tempfile.NamedTemporaryFile(prefix="exval-", dir=folder) as room:
        table_gv = np.memmap(room.name, dtype=np.float32, mode="w+", shape=(len(genes), len(grid)))
        starts = range(0, len(grid), BLOCK)
        for start in track(starts, f"Telling the {suffix}", total=len(starts)):
            here = slice(start, start + BLOCK)
            table_gv[:, here] = tell(Places.of(grid.xyz(here))).T

        paths = [folder / f"{safe(gene)}_{suffix}.nii.gz" for gene in genes]
        with ThreadPoolExecutor(max(threads, 1)) as pool:
            work = pool.map(lambda i: _write(grid, table_gv[i], paths[i], f"exval {genes[i]} {suffix}"),
                            range(len(genes)))  # fmt: skip
            for _ in track(work, "Writing maps", total=len(genes)):
                pass
    return paths


def _write(grid: Grid, value_v: np.ndarray, path: Path, what: str) -> None:
    import nibabel

    image = nibabel.Nifti1Image(grid.volume(value_v), grid.affine)
    image.header.set_xyzt_units("mm")
    image.header["sform_code"] = image.header["qform_code"] = 4  # MNI 152
    image.header["descrip"] = what[:79].encode()
    nibabel.save(image, path)


def safe(name: str) -> str:
    """A gene's name as that of a file.

    >>> safe("HLA-A"), safe("a/b c")
    ('HLA-A', 'a_b_c')
    """
    return "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in str(name))
