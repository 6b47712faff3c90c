"""Cases: what a method sees of a data set in one arm, and the truths that it does not see."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from exval.errors import InputError
from exval.tasks.imputing.material import DataSpec, Material
from exval.tasks.imputing.molecules import from_logs, prepared, split_molecules

if TYPE_CHECKING:
    from anndata import AnnData

MIN_TYPE = 10
"""Fewest cells of a type that is compared with others."""


@dataclass(eq=False)
class Null:
    """Genes that differ nowhere, and two groups of cells between which they are tested.

    Parameters
    ----------
    kind
        ``"permuted"`` or ``"halves"``.
    genes_g
        (g,) bool: genes without any true difference.
    first_n, second_n
        (n,) bool: the groups.
    planted_g
        (g,) bool: genes that do differ (``halves``), for the power.
    """

    kind: str
    genes_g: np.ndarray
    first_n: np.ndarray
    second_n: np.ndarray
    planted_g: np.ndarray | None = None


@dataclass(eq=False)
class ImputeCase:
    """What a method sees, and the truths that it is judged by.

    Parameters
    ----------
    name, arm, seed
        Data set, arm and seed.
    adata
        What a method receives: ``X`` log1p(CP10k), ``layers["counts"]`` where there are counts, ``obs["exval_total"]``;
        no label. The genes are those that vary most among the *visible* values.
    groups_n
        (n,) types.
    expected_ng
        (n, g) expected CP10k, float32.
    exact
        These are known without error (simulation).
    paths
        Name -> (n,) place along a known path, NaN off it.
    held_ng, exposure_n
        (n, g) CSR held-out molecules, and what one unit of CP10k amounts to of them:
        ``expected = CP10k * exposure``. The exposure comes from the visible total, not from the held-out one.
    share_held
        Share of the molecules that were held out.
    reference, reference_groups
        Labelled cells that were never imputed, the same genes.
    types
        The groups are types, not steps of a mixture.
    protocol_reference
        The reference is of another protocol, so that it can be the truth about genes too.
    null
        The null arm's genes and groups.
    notes
        What was left out, in words.
    """

    name: str
    arm: str
    seed: int
    adata: AnnData
    groups_n: np.ndarray | None = None
    expected_ng: np.ndarray | None = None
    exact: bool = False
    paths: dict[str, np.ndarray] = field(default_factory=dict)
    held_ng: sp.csr_matrix | None = None
    exposure_n: np.ndarray | None = None
    share_held: float = 0.0
    reference: AnnData | None = None
    reference_groups: np.ndarray | None = None
    protocol_reference: bool = False
    types: bool = True
    null: Null | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Number of cells."""
        return self.adata.n_obs

    def with_truth(self) -> AnnData:
        """What the control ``oracle`` receives: the same with ``layers["exval_truth"]`` (log1p), where it is known."""
        out = self.adata.copy()
        if self.expected_ng is not None:
            out.layers["exval_truth"] = np.log1p(self.expected_ng)
        return out


def make_case(
    spec: DataSpec,
    arm: str,
    *,
    seed: int = 0,
    genes: int | None = 2000,
    folder: Path | str | None = None,
    cells: int | None = None,
    share: float = 0.9,
) -> ImputeCase:
    """One case of a data set.

    A seed chooses its own ``share`` of the cells, the molecules that are hidden, and what the null arm draws.

    Parameters
    ----------
    spec
        The data set.
    arm
        ``"as measured"``; ``"thinned K"``: each molecule stays visible with probability K and the others are held out
        (:func:`exval.tasks.imputing.molecules.split_molecules`); ``"null: permuted"`` and ``"null: halves"``
        (:mod:`exval.tasks.imputing.nullcase`).
    genes
        How many of the genes that vary most in the visible values; None for all.
    folder
        Where the data set's file is.
    cells
        At most so many cells; None for the data set's own limit.

    Raises
    ------
    InputError
        An unknown arm, no such file, or too few cells.

    Examples
    --------
    >>> from exval.tasks.imputing.data import find_data
    >>> case = make_case(find_data("simulated-types"), "thinned 0.9", genes=50, cells=60)
    >>> case.adata.shape, case.held_ng.shape, list(case.adata.obs)
    ((45, 50), (45, 50), ['exval_total'])
    """
    path = Path(folder or ".") / spec.file if spec.file else None
    material = spec.load(path, seed)
    rng = np.random.default_rng([seed, zlib.crc32(f"{spec.name} {arm}".encode())])
    return case_of(material, spec.name, arm, rng, seed=seed, genes=genes, cells=cells or spec.cells, share=share)


def case_of(
    material: Material,
    name: str,
    arm: str,
    rng: np.random.Generator,
    *,
    seed: int = 0,
    genes: int | None = 2000,
    cells: int | None = None,
    share: float = 0.9,
) -> ImputeCase:
    """:func:`make_case` for cells that are in memory.

    Examples
    --------
    >>> from exval.tasks.imputing.simulate import simulate
    >>> case = case_of(simulate("path", 60, 80), "mine", "as measured", np.random.default_rng(0))
    >>> case.n, sorted(case.paths)
    (54, ['to the left end', 'to the right end'])
    """
    from exval.tasks.imputing.nullcase import null_case

    material = _some_cells(material, rng, share, cells)
    if arm.startswith("null"):
        return null_case(material, name, arm, rng, seed=seed, genes=genes)
    reference, kinds, other = material.reference, material.reference_groups, material.reference is not None
    if reference is None and material.groups_n is not None and material.types:
        aside = _stratified(material.groups_n, 0.25, rng)
        reference, kinds = material.adata[aside], material.groups_n[aside]
        material = take(material, np.flatnonzero(~aside))
    seen, held, exposure_n, kept = material.adata, None, None, 1.0
    if arm.startswith("thinned"):
        kept = float(arm.removeprefix("thinned"))
        if not 0 < kept < 1 or "counts" not in seen.layers:
            raise InputError(f"{name}: molecules can be held out of counts only, with a share between 0 and 1")
        shown, held = split_molecules(seen.layers["counts"], (kept, 1 - kept), rng)
        seen = prepared(shown, seen.obs_names, seen.var_names)
        exposure_n = seen.obs["exval_total"].to_numpy() * (1 - kept) / kept / 1e4
    elif arm != "as measured":
        raise InputError(f"no arm is called {arm!r}; there are: as measured, thinned K, null: permuted, null: halves")
    columns = most_variable(seen.X, genes)
    adata = cut(seen, columns)
    expected = None if material.expected_ng is None else material.expected_ng[:, columns]
    return ImputeCase(
        name, arm, seed, adata, material.groups_n, expected, material.exact, material.paths,
        None if held is None else held[:, columns].tocsr(), exposure_n, 1 - kept,
        None if reference is None else reference[:, columns].copy(), kinds, other, material.types,
    )  # fmt: skip


def most_variable(log_ng: sp.csr_matrix, genes: int | None) -> np.ndarray:
    """Columns, ascending, of the genes that vary most for their mean, among those seen in 1 % of the cells and in 3."""
    from exval.methods.matrix import moments, variable_genes

    log_ng = sp.csr_matrix(log_ng)
    seen_g = np.bincount(log_ng.indices[log_ng.data > 0], minlength=log_ng.shape[1])
    often = np.flatnonzero(seen_g >= max(3, 0.01 * log_ng.shape[0]))
    if not len(often):
        often = np.flatnonzero(seen_g)
    return often[variable_genes(*moments(log_ng[:, often]), genes)]


def cut(adata: AnnData, columns: np.ndarray) -> AnnData:
    """What a method receives: these genes, the totals over all genes, and nothing else of obs."""
    names = np.asarray(adata.var_names, dtype=object)[columns]
    if "counts" not in adata.layers:
        return from_logs(adata.X[:, columns], adata.obs_names, names)
    total_n = adata.obs["exval_total"].to_numpy(np.float64)
    return prepared(adata.layers["counts"][:, columns], adata.obs_names, names, total_n)


def take(material: Material, rows: np.ndarray) -> Material:
    """Some of the cells, with their truths."""
    part = lambda x: None if x is None else x[rows]  # noqa: E731
    return Material(
        material.adata[rows].copy(), part(material.groups_n), part(material.expected_ng),
        {name: place[rows] for name, place in material.paths.items()}, material.reference,
        material.reference_groups, material.exact, material.types,
    )  # fmt: skip


def _some_cells(material: Material, rng: np.random.Generator, share: float, cells: int | None) -> Material:
    n = material.adata.n_obs
    want = min(max(2, round(share * n)), cells or n)
    return take(material, np.sort(rng.permutation(n)[:want]))


def _stratified(groups_n: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) bool: ``share`` of the cells of every group."""
    out = np.zeros(len(groups_n), dtype=bool)
    for kind in np.unique(groups_n.astype(str)):
        rows = np.flatnonzero(groups_n.astype(str) == kind)
        out[rng.permutation(rows)[: round(share * len(rows))]] = True
    return out


def largest(groups_n: np.ndarray, most: int, least: int = MIN_TYPE) -> list[str]:
    """Names of the largest groups of at least ``least`` cells, largest first, ties by name.

    Examples
    --------
    >>> largest(np.array(list("aabbbc")), 2, least=1)
    ['b', 'a']
    """
    names, sizes = np.unique(np.asarray(groups_n).astype(str), return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    return [str(names[i]) for i in order if sizes[i] >= least][:most]
