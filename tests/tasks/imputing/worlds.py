"""Simulated cases and candidates that every test of the analyses shares."""

from __future__ import annotations

from functools import cache

import numpy as np

from exval.methods import METHODS
from exval.methods.imputation.values import Imputed
from exval.tasks.imputing.cases import ImputeCase, case_of, take
from exval.tasks.imputing.simulate import simulate

CELLS, GENES, DEPTH = 320, 500, 300
TRIVIAL = ("nothing", "zeros", "mean")
SCALED = {"half": 0.5, "double": 2.0}
CASES = {
    "types": ("types", "as measured"),
    "types, held out": ("types", "thinned 0.9"),
    "types, deep": ("types", "thinned 0.3"),
    "types, other protocol": ("types", "as measured"),
    "path": ("path", "as measured"),
    "permuted": ("types", "null: permuted"),
    "halves": ("types", "null: halves"),
}


@cache
def world(name: str, seed: int = 0) -> ImputeCase:
    """A case; where the truth about genes is to be measured, the simulation's knowledge of it is taken away."""
    kind, arm = CASES[name]
    # A held-out molecule comes from the cell's own rate; with a dispersion the mean of the type would not be that.
    own = 0.0 if name == "types, held out" else 0.25
    made = simulate(kind, CELLS if kind == "types" else 240, GENES, depth=DEPTH, dispersion=own, seed=seed)
    if name == "types, other protocol":
        second = np.arange(CELLS) % 2 == 1
        reference, kinds = made.adata[second].copy(), made.groups_n[second]
        made = take(made, np.flatnonzero(~second))
        made.reference, made.reference_groups = reference, kinds
    case = case_of(made, name, arm, np.random.default_rng(seed), seed=seed, genes=None, share=1.0)
    if name in ("types, deep", "types, other protocol"):
        case.exact = False
    return case


@cache
def candidate(case_name: str, name: str, seed: int = 0) -> Imputed:
    """The answer of a control, or the truth, scaled or not."""
    case = world(case_name, seed)
    if name in SCALED or name == "oracle":
        values = case.expected_ng * np.float32(SCALED.get(name, 1.0))
        return Imputed(values, "cp10k", list(case.adata.var_names), case.adata.obs["exval_total"].to_numpy())
    return METHODS[name]().fit(case.adata).impute(case.adata)
