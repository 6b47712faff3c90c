"""Dense layers of a file: which columns they have, whether they fit, and how they are written block by block."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exval.bench.watch import machine_memory_gb
from exval.data.genelist import words_of
from exval.errors import GeneError, OutputError

if TYPE_CHECKING:
    from exval.data.source import Source

BLOCK_BYTES = 128_000_000

Blocks = Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]
"""Positions of columns in the output, and for each layer the (n, c) values of these columns."""


@dataclass(frozen=True)
class Columns:
    """Columns of the output: ``keep_p``, positions in the file; ``gene_p``, their canonical names; ``whole``: all."""

    keep_p: np.ndarray
    gene_p: np.ndarray
    whole: bool


def columns_of(source: Source, asked: Sequence[str] | None) -> Columns:
    """Columns of the file whose gene is asked for (canonical names); all by default."""
    from exval.data.genes import map_genes

    canonical = source.genes.canonical
    if source.matrix == "raw":  # the output has the columns of X, which may be others
        var = source._opened.var
        canonical = map_genes(var.index, source.genes.species, var, threshold=0.0).canonical
    measured = np.isin(canonical, source.var_names)
    keep = measured if asked is None else np.isin(canonical, list(asked))
    return Columns(np.flatnonzero(keep), canonical[keep], bool(keep.all()))


def read_genes(genes: Any, source: Source, what: str, lenient: bool = False) -> list[str] | None:
    """Canonical names of a list of genes: a path (one a line), a comma-separated text or a sequence.

    A short list of which the file lacks genes is refused, a long one loses them with a warning; a ``lenient`` reader
    lets a short one lose them too.

    Raises
    ------
    GeneError
        Names that the file does not have, with the nearest one.
    """
    if genes is None:
        return None
    words = words_of(genes, what)
    known = {name: name for name in map(str, source.var_names)}
    known |= {str(old): str(new) for old, new in zip(source.genes.names_in, source.genes.canonical)}
    lost = [word for word in words if word not in known]
    if lost:
        from exval.data.genes import map_genes

        # an alias of a gene that the file has by another name
        names = set(map(str, source.var_names))
        mapped = map_genes(lost, species=source.genes.species, threshold=0.0).canonical
        known |= {old: str(new) for old, new in zip(lost, mapped) if str(new) in names}
        lost = [word for word in lost if word not in known]
    if len(lost) == len(words) or (lost and len(words) < 50 and not lenient):
        close = get_close_matches(lost[0], known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise GeneError(f"{what}: {len(lost)} of {len(words)} genes are not in the file: {', '.join(lost[:5])}{hint}")
    if lost:
        from exval.logs import warn

        more = f" and {len(lost) - 20} more" if len(lost) > 20 else ""
        warn(
            [
                f"{what}: {len(lost)} of {len(words)} genes are not in the file and were left out: "
                f"{', '.join(lost[:20])}{more}"
            ]
        )
    return list(dict.fromkeys(known[word] for word in words if word in known))


def refuse_too_large(n: int, columns: int, layers: int, folder: Path | None, copied: float = 0.0) -> None:
    """Refuse dense layers that cannot fit, before anything is computed, with the number.

    Parameters
    ----------
    n, columns, layers
        Cells, genes, and how many sheets of them.
    folder
        Where they are written; None: they stay in memory.
    copied
        Bytes of the file that is copied beside them.

    Raises
    ------
    OutputError
        On disk (``folder``), or in memory where there is none.
    """
    need = 4.0 * n * columns * layers
    if folder is None:
        have, where = 0.8e9 * machine_memory_gb(), "in memory"
    else:
        have, where = shutil.disk_usage(folder).free * 0.95 - copied, "on the disk beside the copy of the file"
    if need > have:
        raise OutputError(
            f"{n:,} cells x {columns:,} genes in {layers} dense layer{'s' if layers > 1 else ''} are {need / 1e9:.1f} "
            f"GB, and {max(have, 0) / 1e9:.1f} GB are free {where}: name the genes you need with --out-genes"
        )


def blocks_of(
    impute: Callable[[list[str]], dict[str, np.ndarray]], columns: Columns, n: int, sheets: int
) -> Iterable[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """The layers of the output, some columns at a time; a gene that stands in two columns is computed once."""
    step = max(1, int(BLOCK_BYTES / max(4 * n * sheets, 1)))
    for start in range(0, len(columns.gene_p), step):
        at = np.arange(start, min(start + step, len(columns.gene_p)))
        genes, where = np.unique(columns.gene_p[at].astype(str), return_inverse=True)
        found = impute(list(genes))
        yield at, {name: values[:, where] for name, values in found.items()}


def add_layers_to_file(path: Path, shape: tuple[int, int], names: Sequence[str], blocks: Iterable) -> None:
    """Write dense layers into an h5ad file, block by block; memory holds one block, whatever the size."""
    import h5py
    from anndata.io import write_elem

    n, p = shape
    with h5py.File(path, "r+") as file:
        if "layers" not in file:
            write_elem(file, "layers", {})
        sheets = {}
        for name in names:
            if name in file["layers"]:
                del file["layers"][name]
            sheet = file["layers"].create_dataset(
                name, (n, p), dtype=np.float32, chunks=(min(n, 1024), min(p, 64)) if n * p > 65536 else None
            )
            sheet.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
            sheets[name] = sheet
        for at, values in blocks:
            for name, part in values.items():
                sheets[name][:, at[0] : at[-1] + 1] = part
