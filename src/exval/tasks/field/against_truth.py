"""How good a fitted field is where the truth is known at every place: figures, pictures and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.bench.results import Results, config_hash, make_rows
from exval.fields.base import Field
from exval.fields.places import Places
from exval.progress import track
from exval.tasks.field.known import agreement, shares_within, sums_of
from exval.tasks.field.pictures import CUTS
from exval.tasks.field.volumes import Grid, template_grid

if TYPE_CHECKING:
    from exval.data.brain_truth import BrainTruth

BLOCK = 20_000
NEAR = 8.0  # mm: without a template, a place is inside the brain where a sample lies so near


def grid_here(resolution: int, xyz_n3: np.ndarray) -> tuple[Grid, str]:
    """Grey and white voxels of the template, or, without nilearn, a grid of places near samples; and what it is.

    Parameters
    ----------
    resolution
        mm.
    xyz_n3
        (n, 3) mm of the samples; both sides are looked at.
    """
    from importlib.util import find_spec

    if find_spec("nilearn") is not None:
        return template_grid(resolution), f"grey and white voxels at {resolution} mm"
    from scipy.spatial import cKDTree

    half = np.ceil(np.abs(xyz_n3).max(0) / resolution + 2).astype(int)
    affine = np.diag([resolution, resolution, resolution, 1.0])
    affine[:3, 3] = -half * float(resolution)
    shape = tuple(int(x) for x in 2 * half + 1)
    voxel = np.argwhere(np.ones(shape, dtype=bool))
    grid = Grid(shape, affine, voxel)
    mirrored = np.vstack([xyz_n3, xyz_n3 * [-1, 1, 1]])
    near = cKDTree(mirrored).query(grid.xyz(), distance_upper_bound=NEAR)[0] <= NEAR
    return Grid(shape, affine, voxel[near]), f"places {resolution} mm apart within {NEAR:.0f} mm of a sample"


def compare_with_truth(
    field: Field,
    truth: BrainTruth,
    grid: Grid,
    *,
    where: str = "voxels",
    samples: int = 0,
    data: str = "samples",
    config: dict[str, Any] | None = None,
) -> Results:
    """Ask a field about every voxel, by the position alone, and hold its answers against the truth.

    Parameters
    ----------
    field
        Fitted to all genes of the truth, in their order.
    truth
        Places -> values.
    grid
        Voxels.
    where
        What they are called.
    samples, data, config
        How many samples the field was fitted to, of which file, and what else the page shall know.

    Returns
    -------
    Results
        ``rows``: ``pearson``, ``r2``, ``rmse``, ``coverage_*`` and ``truth_*`` (:mod:`exval.tasks.field.known`), means
        over all genes and over each group. ``extras``: ``field_truth`` (a row for each gene) and
        ``field_truth_pictures`` (slices of the middling gene of each group: truth, map and their difference).
    """
    g = len(truth.genes)
    sums, shares, parts = np.zeros((7, g)), {}, []
    kept = []
    for start in track(range(0, len(grid), BLOCK), "Comparing with the truth", total=-(-len(grid) // BLOCK)):
        xyz = grid.xyz(slice(start, start + BLOCK))
        true_mg, told = truth(xyz), field.predict(Places.of(xyz), sd=True)
        sums += sums_of(true_mg, told.mean_mg, truth.level_g)
        parts.append((len(xyz), shares_within(true_mg, told.mean_mg, told.sd_mg, truth.measurement_sd())))
        kept.append((true_mg.astype(np.float32), told.mean_mg))
    shares = {key: sum(m * part[key] for m, part in parts) / len(grid) for key in parts[0][1]}
    table = pd.DataFrame({"gene": truth.genes.astype(str), "group": truth.group_g.astype(str), **agreement(sums),
                          **shares, "signal_sd": truth.signal_g, "noise_sd": truth.noise_g})  # fmt: skip
    groups = list(dict.fromkeys(table.group))
    figures = [name for name in table if name not in ("gene", "group", "signal_sd", "noise_sd")]
    rows = []
    for group in ["all", *groups]:
        here = table if group == "all" else table[table.group == group]
        rows += [{"method": field.title, "metric": name, "value": float(here[name].mean()), "n": len(grid),
                  "slice": "all" if group == "all" else f"group={group}"} for name in figures]  # fmt: skip
    config = {
        "task": "field-truth", "method": field.title, "where": where, "voxels": len(grid), **(config or {}),
        "dataset": {"name": data, "n": samples or field.n_samples_, "genes": g, "unit": "log2"},
    }  # fmt: skip
    shown = _pictures(grid, truth, kept, [_middle(table[table.group == group]) for group in groups])
    made = make_rows(rows, task="field-truth", data=data, config_hash=config_hash(config))
    extras = {"field_truth": table, "field_truth_pictures": shown}
    return Results(made, pd.DataFrame(), config, sentence(table, field.title, len(grid), where), extras)


def sentence(table: pd.DataFrame, method: str, voxels: int, where: str) -> str:
    """The verdict: how near the map is to the truth, and whether its intervals keep their word.

    Examples
    --------
    >>> table = pd.DataFrame({"group": ["easy", "hard"], "r2": [0.8, 0.4], "pearson": [0.9, 0.7],
    ...                       "coverage_95": [0.95, 0.93], "truth_95": [1.0, 0.98]})
    >>> sentence(table, "gp", 1000, "voxels")
    'Map by gp against the known truth at 1,000 voxels: R2 0.60 (easy 0.80, hard 0.40), r 0.80 over 2 genes. Of new \
measurements there, 94 % would lie inside its 95 % intervals.'
    """
    by = ", ".join(f"{group} {value:.2f}" for group, value in table.groupby("group", sort=False).r2.mean().items())
    return (
        f"Map by {method} against the known truth at {voxels:,} {where}: R2 {table.r2.mean():.2f} ({by}), "
        f"r {table.pearson.mean():.2f} over {len(table)} genes. Of new measurements there, "
        f"{table.coverage_95.mean():.0%} would lie inside its 95 % intervals.".replace("%", " %").replace("  %", " %")
    )


def _middle(table: pd.DataFrame) -> str:
    """The gene of middling R2."""
    return str(table.sort_values("r2").gene.iloc[(len(table) - 1) // 2])


def _pictures(grid: Grid, truth: BrainTruth, kept: list, genes: list[str]) -> pd.DataFrame:
    frames = []
    for gene in genes:
        column = int(np.flatnonzero(truth.genes == gene)[0])
        true_v, told_v = (np.concatenate([block[i][:, column] for block in kept]) for i in (0, 1))
        values = {"truth": true_v, "map": told_v, "map - truth": told_v - true_v}
        frames += [part.assign(gene=gene) for part in slices(grid, values)]
    return pd.concat(frames, ignore_index=True)


def slices(grid: Grid, values: dict[str, np.ndarray], cuts: tuple[float, ...] = CUTS) -> list[pd.DataFrame]:
    """Voxels of one plane along each axis, the nearest to ``cuts`` (mm): ``what, view, cut, a, b, size, value``.

    Examples
    --------
    >>> grid = Grid((3, 3, 3), np.diag([4.0, 4, 4, 1]), np.argwhere(np.ones((3, 3, 3))))
    >>> found = slices(grid, {"truth": np.arange(27.0)}, (0.0, 4.0, 8.0))
    >>> [(part.view[0], float(part.cut[0]), len(part)) for part in found]
    [('x', 0.0, 9), ('y', 4.0, 9), ('z', 8.0, 9)]
    """
    xyz, made = grid.xyz(), []
    for axis, (view, cut) in enumerate(zip("xyz", cuts)):
        i, j = (k for k in range(3) if k != axis)
        level = xyz[np.abs(xyz[:, axis] - cut).argmin(), axis]
        rows = np.flatnonzero(np.abs(xyz[:, axis] - level) < 1e-6)
        at = {"view": view, "cut": level, "a": xyz[rows, i], "b": xyz[rows, j], "size": abs(grid.affine[i, i])}
        made += [pd.DataFrame({"what": what, **at, "value": value_v[rows]}) for what, value_v in values.items()]
    return made
