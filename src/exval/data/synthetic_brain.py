"""Brain samples at the real positions of the Allen Human Brain Atlas, of invented genes whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exval.data.brain_regions import regions_of
from exval.data.brain_truth import BrainTruth
from exval.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

#: Donor -> (samples, how many of them lie on the right side, about), of the six brains of the atlas.
DONORS = {"9861": (946, 489), "10021": (893, 462), "12876": (363, 1), "14380": (529, 6), "15496": (470, 3),
          "15697": (501, 59)}  # fmt: skip
LEAST = 60


def simulated_brain(
    n_genes: int = 100, seed: int = 0, *, n: int = 3702, tissue: str = "auto"
) -> tuple[AnnData, BrainTruth]:
    """Samples of six brains whose genes are known at every place.

    Positions are those of the 3,702 samples of the Allen Human Brain Atlas in MNI space
    (:func:`exval.data.ahba.coordinates.corrected_table`). All else is invented: genes are the functions of
    :class:`exval.data.brain_truth.BrainTruth`; a measurement has an offset of its donor and noise on top, both normal
    with the sds that ``var`` tells. The package does not know whose sample a position is: donors are drawn at random,
    with the true numbers of samples and, of the last four, nearly all on the left. Positions are exact, regions are
    those of the nearest landmark, and donors differ by a constant alone: a real brain is harder.

    Parameters
    ----------
    n_genes
        Genes; their group is easy, middling or hard in turn. A gene does not depend on how many there are.
    seed
        Of everything.
    n
        Samples, drawn from all 3,702 where fewer.
    tissue
        Where grey and white matter lie: ``"template"`` (nilearn), ``"analytic"``, or ``"auto"``.

    Returns
    -------
    (AnnData, BrainTruth)
        ``X`` (n, g) float32, log2-like; ``obs``: ``donor``, ``division``, ``structure``, ``mni_x``, ``mni_y``,
        ``mni_z`` in mm; ``var``: ``group``, ``signal_sd``, ``noise_sd``, ``donor_sd``; ``varm["donor_offset"]`` (g, 6);
        ``uns["exval_truth"]``, from which :meth:`BrainTruth.of` makes the truth again. And the truth: called with
        (m, 3) places in mm it gives (m, g) values.

    Raises
    ------
    InputError
        Sizes that cannot be, or an unknown tissue.

    Examples
    --------
    >>> samples, truth = simulated_brain(6, n=200, tissue="analytic")
    >>> samples.shape, sorted(samples.obs["donor"].unique())[:2]
    ((200, 6), ['10021', '12876'])
    >>> place = samples.obs[["mni_x", "mni_y", "mni_z"]].to_numpy()
    >>> error = samples.X - truth(place)
    >>> bool(error[:, 0].std() < error[:, 2].std() / samples.var.signal_sd.iloc[2] * samples.var.signal_sd.iloc[0])
    True
    """
    import pandas as pd
    from anndata import AnnData

    from exval.data.ahba.coordinates import corrected_table

    table = corrected_table()
    if not LEAST <= n <= len(table):
        raise InputError(f"n is {LEAST} to {len(table):,} samples, not {n}")
    truth = BrainTruth(n_genes, seed, tissue)
    rng = np.random.default_rng([seed, 3])
    donor_n = _donors(table["mni_x"].to_numpy() > 0, rng)
    names = np.array(list(DONORS), dtype=object)
    offset_dg = rng.normal(size=(n_genes, len(names))).T * truth.donor_g
    rows = np.sort(rng.permutation(len(table))[:n])
    table, donor_n = table.iloc[rows], donor_n[rows]
    noise_ng = np.random.default_rng([seed, 4]).normal(size=(n_genes, n)).T * truth.noise_g
    xyz_n3 = table.to_numpy()
    x_ng = truth(xyz_n3) + offset_dg[donor_n] + noise_ng
    regions_n2 = regions_of(xyz_n3)
    obs = pd.DataFrame(
        {"donor": pd.Categorical(names[donor_n]), "division": pd.Categorical(regions_n2[:, 0]),
         "structure": pd.Categorical(regions_n2[:, 1]), **dict(zip(table, xyz_n3.T))},
        index=[f"well{well}" for well in table.index],
    )  # fmt: skip
    var = pd.DataFrame(
        {"group": pd.Categorical(truth.group_g), "signal_sd": truth.signal_g, "noise_sd": truth.noise_g,
         "donor_sd": truth.donor_g}, index=truth.genes.astype(str),
    )  # fmt: skip
    uns = {"source": "simulated genes at real positions, known truth", "exval_unit": "log2",
           "exval_truth": dict(truth.settings)}  # fmt: skip
    offsets = pd.DataFrame(offset_dg.T, index=var.index, columns=list(names))
    return AnnData(x_ng.astype(np.float32), obs=obs, var=var, varm={"donor_offset": offsets}, uns=uns), truth


def _donors(right_n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) number of the donor of each position: drawn, side by side, with the known counts."""
    counts = np.array(list(DONORS.values()))
    donor_n = np.empty(len(right_n), dtype=np.int64)
    for side, count_d in ((True, counts[:, 1]), (False, counts[:, 0] - counts[:, 1])):
        here = np.flatnonzero(right_n == side)
        donor_n[rng.permutation(here)] = np.repeat(np.arange(len(counts)), count_d)
    return donor_n
