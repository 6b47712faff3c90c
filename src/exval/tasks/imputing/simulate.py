"""Cells made up with known means: types, or a path with a fork. Needs no file, and knows every truth."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from exval.tasks.imputing.material import Material
from exval.tasks.imputing.molecules import prepared


def simulate(
    kind: str = "types",
    n: int = 500,
    g: int = 2000,
    *,
    depth: float = 1000,
    n_types: int = 5,
    share_different: float = 0.06,
    fold_sd: float = 0.8,
    dispersion: float = 0.25,
    seed: int = 0,
) -> Material:
    """Negative binomial counts whose expected values are known.

    Gene j has the mean share of molecules :math:`q_j \\propto \\exp(N(0, 1.5))`. A type multiplies ``share_different``
    of the genes by :math:`\\exp(N(0, \\text{fold\\_sd}) \\pm \\text{fold\\_sd})`. Along a path the logarithm of the
    shares runs in a straight line from one type to the next. Cell i has the total :math:`T_i`, log-normal with a sd of
    0.4 around ``depth``, and counts

    .. math:: y_{ij} \\sim \\text{Poisson}(T_i q_{ij} \\gamma_{ij}), \\quad
        \\gamma_{ij} \\sim \\text{Gamma with mean 1 and variance } \\phi

    The truth is :math:`10^4 q_{ij}` (CP10k): without the cell's own gamma noise, which no neighbour shares.

    Parameters
    ----------
    kind
        ``"types"``: ``n_types`` groups, the first about twice as large as the others. ``"path"``: from a root to a fork
        and from there to two ends; no groups.
    n, g
        Cells and genes.
    depth
        Median total counts.
    n_types, share_different, fold_sd, dispersion
        See above; ``dispersion`` is :math:`\\phi`.
    seed
        Of everything.

    Examples
    --------
    >>> made = simulate("types", 60, 100, seed=1)
    >>> made.adata.shape, sorted(set(made.groups_n)), made.expected_ng.shape
    ((60, 100), ['type A', 'type B', 'type C', 'type D', 'type E'], (60, 100))
    """
    rng = np.random.default_rng([seed, 2603])
    base = rng.normal(0, 1.5, g)

    def moved(log_g: np.ndarray) -> np.ndarray:
        out = log_g.copy()
        some = rng.permutation(g)[: max(2, round(share_different * g))]
        out[some] += rng.normal(0, fold_sd, len(some)) + fold_sd * rng.choice([-1, 1], len(some))
        return out

    paths: dict[str, np.ndarray] = {}
    if kind == "types":
        corners = np.stack([moved(base) for _ in range(n_types)])
        weight = np.ones(n_types)
        weight[0] = n_types / 2
        type_n = np.concatenate([np.arange(n_types), rng.choice(n_types, max(n - n_types, 0), p=weight / weight.sum())])
        type_n = rng.permutation(type_n[:n])
        log_ng = corners[type_n]
        groups_n = np.array([f"type {chr(65 + t)}" for t in type_n], dtype=object)
    else:
        root = base
        fork = moved(moved(root))
        left, right = moved(moved(fork)), moved(moved(fork))
        stretch_n, at_n = rng.integers(0, 3, n), rng.random(n)
        start = np.stack([root, fork, fork])[stretch_n]
        log_ng = start + at_n[:, None] * (np.stack([fork, left, right])[stretch_n] - start)
        time_n = at_n + (stretch_n > 0)
        for name, end in (("to the left end", 1), ("to the right end", 2)):
            paths[name] = np.where((stretch_n == 0) | (stretch_n == end), time_n, np.nan)
        groups_n = None
    share_ng = np.exp(log_ng)
    share_ng /= share_ng.sum(1, keepdims=True)
    total_n = depth * np.exp(rng.normal(0, 0.4, n))
    rate_ng = total_n[:, None] * share_ng
    if dispersion > 0:
        rate_ng *= rng.gamma(1 / dispersion, dispersion, (n, g))
    counts = sp.csr_matrix(rng.poisson(rate_ng).astype(np.float32))
    cells = prepared(counts, [f"cell{i}" for i in range(n)], [f"GENE{j:05d}" for j in range(g)])
    return Material(cells, groups_n, (1e4 * share_ng).astype(np.float32), paths, exact=True)
