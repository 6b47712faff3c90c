"""Data sets with a truth: what each offers, and where its truth comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from exval.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(eq=False)
class Material:
    """Cells of a data set with all that is known of them, before anything is hidden.

    Parameters
    ----------
    adata
        Prepared, all genes of the file.
    groups_n
        (n,) types, or None.
    expected_ng
        (n, g) expected CP10k, or None.
    paths
        Name -> (n,) place of each cell on a known path, NaN for the cells that are not on it. The lowest is the root.
    reference, reference_groups
        Cells of another protocol with the same types, not imputed.
    exact
        The expected values are those that the cells were drawn from (a simulation), not estimates.
    types
        The groups are types of cells that can be told from a labelled reference, not steps of a mixture.
    """

    adata: AnnData
    groups_n: np.ndarray | None = None
    expected_ng: np.ndarray | None = None
    paths: dict[str, np.ndarray] = field(default_factory=dict)
    reference: AnnData | None = None
    reference_groups: np.ndarray | None = None
    exact: bool = False
    types: bool = True


@dataclass(frozen=True)
class DataSpec:
    """A data set of the benchmark.

    Parameters
    ----------
    name, title
        In tables and in words.
    arms
        In which arms it is used by default; see :mod:`exval.tasks.imputing.cases`.
    load
        ``load(path or None, seed) -> Material``.
    file
        Its name within the folder of data sets; empty where none is needed.
    protocol
        How the cells were sequenced.
    source
        Publication and where the file is from.
    cells
        At most so many cells are imputed in the preset ``cpu``.
    """

    name: str
    title: str
    arms: tuple[str, ...]
    load: Callable[[Path | None, int], Material]
    file: str = ""
    protocol: str = ""
    source: str = ""
    cells: int = 2000


LINES = ("H2228", "H1975", "HCC827")
MIXOLOGY = "Tian et al. 2019, Nature Methods 16:479 (CellBench, GEO GSE118767)"


def _read(path: Path | None) -> AnnData:
    from exval.data.source import open_source

    if path is None or not path.is_file():
        raise InputError(f"{path} is not there; it is one of the data sets of the imputation benchmark (--data)")
    with open_source(path) as source:
        return source.to_adata(obsm=False)


def rna_mixtures(path: Path | None, seed: int = 0) -> Material:
    """RNA of three cell lines, mixed by mass in known shares: the only measured cells whose expected values are known.

    The expected CP10k of a mixture is the mean of the three pure profiles, weighted with the shares:
    :math:`\\mu_{ij} = \\sum_l s_{il} f_{lj}`. A profile :math:`f_l` is pooled (all counts of a gene over all counts)
    from two thirds of the pure wells with 15 and 30 pg of line l, drawn by the seed. No method sees these: otherwise
    the noise of the truth would be in the data, and whoever averages cells would be praised for it.

    The RNA was extracted and mixed by mass, so that cells' different RNA content plays no part. The lines differ in how
    many molecules a picogram yields (2,470, 1,890 and 1,780); weighting with that instead is no closer to the pooled
    mixtures (RMSE in log1p 0.065-0.083 against 0.068-0.082), so the shares as pipetted are used. These 0.07 are also
    how far the truth can be trusted. The amount (3.75 to 30 pg) changes depth and nothing else.
    """
    cells = _read(path)
    share_nl = cells.obs[[f"{line}_prop" for line in LINES]].to_numpy(np.float64)
    share_nl = share_nl / share_nl.sum(1, keepdims=True)
    amount_n, counts = cells.obs["mRNA_amount"].to_numpy(np.float64), sp.csr_matrix(cells.layers["counts"])
    total_n = cells.obs["exval_total"].to_numpy(np.float64)
    rng = np.random.default_rng([seed, 15, 30])
    aside_nl = _two_thirds((share_nl > 0.99) & (amount_n >= 15)[:, None], rng)
    sum_lg = np.stack([np.asarray(counts[aside_n].sum(0), dtype=np.float64).ravel() for aside_n in aside_nl.T])
    profile_lg = 1e4 * sum_lg / (total_n @ aside_nl)[:, None]
    seen = ~aside_nl.any(1)
    share_nl = share_nl[seen]
    names_n = np.array([_mixture(row) for row in share_nl], dtype=object)
    expected_ng = (share_nl @ profile_lg).astype(np.float32)
    return Material(cells[seen].copy(), names_n, expected_ng, _along(share_nl, (1, 0.68, 1 / 3)), types=False)


def _two_thirds(pure_nl: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, l) bool: two thirds of the wells of each line, at random."""
    aside_nl = np.zeros_like(pure_nl)
    for line, pure_n in enumerate(pure_nl.T):
        rows = np.flatnonzero(pure_n)
        aside_nl[rng.permutation(rows)[: round(2 / 3 * len(rows))], line] = True
    return aside_nl


def nine_cells(path: Path | None, seed: int = 0) -> Material:
    """Nine cells of three lines in known numbers: three paths from one pure line through 3 + 3 + 3 to another.

    Only the wells of the design's trajectory (``traj``), without those of poor quality. Cells were mixed before lysis:
    a line with more RNA weighs more, so the order along a path is known and the expected values are not.
    """
    cells = _read(path)
    keep = (cells.obs["traj"].astype(str) == "YES") & (cells.obs["poor_quality"].astype(str) == "NO")
    cells = cells[keep.to_numpy()].copy()
    share_nl = cells.obs[list(LINES)].to_numpy(np.float64)
    share_nl = share_nl / share_nl.sum(1, keepdims=True)
    return Material(cells, None, None, _along(share_nl, (1, 7 / 9, 5 / 9, 1 / 3)))


def _mixture(share_l: np.ndarray) -> str:
    if share_l.max() > 0.99:
        return LINES[int(share_l.argmax())]
    return "equal" if share_l.max() < 0.4 else f"mostly {LINES[int(share_l.argmax())]}"


def _along(share_nl: np.ndarray, steps: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Paths between two lines: down with the share of one to the equal mixture, then up with that of the other."""
    top_n = np.abs(share_nl.max(1)[:, None] - np.array(steps)).argmin(1)
    most_n, last, paths = share_nl.argmax(1), len(steps) - 1, {}
    for a, b in ((0, 1), (0, 2), (1, 2)):
        place_n = np.where(most_n == a, top_n, np.where(most_n == b, 2 * last - top_n, np.nan))
        paths[f"{LINES[a]} to {LINES[b]}"] = np.where(top_n == last, last, place_n).astype(np.float64)
    return paths


def three_lines(protocol: str, other: str) -> Callable[[Path | None, int], Material]:
    """Three lung cell lines by one protocol; the same lines by the other are the truth for genes, and the reference.

    Doublets by genotype (demuxlet) are left out.
    """

    def load(path: Path | None, seed: int = 0) -> Material:
        cells = _read(path)
        single = cells.obs["demuxlet_cls"].astype(str).to_numpy() == "SNG"
        by = cells.obs["protocol"].astype(str).to_numpy()
        line = cells.obs["cell_line"].astype(str).to_numpy(dtype=object)
        here, there = single & (by == protocol), single & (by == other)
        both = np.asarray((cells[here].X > 0).sum(0)).ravel() > 0
        both &= np.asarray((cells[there].X > 0).sum(0)).ravel() > 0
        return Material(
            cells[here][:, both].copy(),
            line[here],
            reference=cells[there][:, both].copy(),
            reference_groups=line[there],
        )

    return load


def pancreas(path: Path | None = None, seed: int = 0) -> Material:
    """Pancreas cells of one donor, shipped with exval; types of at least ten cells."""
    from exval.data.examples import baron
    from exval.data.source import open_source

    cells = open_source(baron()).to_adata()
    kind = cells.obs["cell_type"].astype(str).to_numpy(dtype=object)
    names, sizes = np.unique(kind, return_counts=True)
    keep = np.isin(kind, names[sizes >= 10])
    return Material(cells[keep].copy(), kind[keep])


def own_file(label: str | None = None) -> Callable[[Path | None, int], Material]:
    """Any file, with a column of types where one is named (cells without a type are left out)."""

    def load(path: Path | None, seed: int = 0) -> Material:
        from exval.data.labels import labels_of

        cells = _read(path)
        if label is None:
            return Material(cells)
        kind = labels_of(cells.obs, label)
        keep = kind.notna().to_numpy()
        return Material(cells[keep].copy(), kind[keep].astype(str).to_numpy(dtype=object))

    return load
