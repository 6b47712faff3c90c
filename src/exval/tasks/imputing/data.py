"""The data sets of the imputation benchmark by name."""

from __future__ import annotations

from pathlib import Path

from exval.errors import InputError
from exval.tasks.imputing import material as m
from exval.tasks.imputing.material import DataSpec, Material
from exval.tasks.imputing.simulate import simulate

MEASURED, THINNED, DEEP, SHALLOW = "as measured", "thinned 0.9", "thinned 0.25", "thinned 0.05"
PERMUTED, HALVES = "null: permuted", "null: halves"


def _simulated(kind: str):
    def load(path: Path | None, seed: int = 0) -> Material:
        return simulate(kind, n=700 if kind == "types" else 450, g=2200, seed=seed)

    return load


DATA = {
    spec.name: spec
    for spec in (
        DataSpec("simulated-types", "simulated types", (MEASURED, THINNED, PERMUTED, HALVES), _simulated("types"),
                 protocol="negative binomial", source="drawn by exval"),
        DataSpec("simulated-path", "simulated path with a fork", (MEASURED,), _simulated("path"),
                 protocol="negative binomial", source="drawn by exval"),
        DataSpec("pancreas", "human pancreas", (THINNED, DEEP, PERMUTED, HALVES), m.pancreas, protocol="inDrop",
                 source="Baron et al. 2016, Cell Systems 3:346 (GEO GSE84133), donor 1"),
        DataSpec("rna-mixtures", "RNA mixtures of three lines", (MEASURED, DEEP), m.rna_mixtures,
                 "scmixology_rnamix_celseq2.h5ad", "CEL-seq2", m.MIXOLOGY),
        DataSpec("nine-cell-mixtures", "9-cell mixtures of three lines", (MEASURED,), m.nine_cells,
                 "scmixology_9cellmix_traj_p1p2.h5ad", "CEL-seq2", m.MIXOLOGY),
        DataSpec("three-lines-celseq2", "three cell lines, CEL-seq2", (MEASURED, SHALLOW),
                 m.three_lines("CEL-seq2", "Drop-seq"), "scmixology_3cl_celseq2_dropseq.h5ad", "CEL-seq2", m.MIXOLOGY),
        DataSpec("three-lines-dropseq", "three cell lines, Drop-seq", (MEASURED, SHALLOW),
                 m.three_lines("Drop-seq", "CEL-seq2"), "scmixology_3cl_celseq2_dropseq.h5ad", "Drop-seq", m.MIXOLOGY),
    )
}  # fmt: skip


def find_data(name: str) -> DataSpec:
    """A data set by name; ``file:NAME`` or ``file:NAME@COLUMN`` is a file of the user's with types in a column of obs.

    Examples
    --------
    >>> find_data("pancreas").protocol, find_data("file:mine.h5ad@cell_type").file
    ('inDrop', 'mine.h5ad')
    """
    if name in DATA:
        return DATA[name]
    if name.startswith("file:"):
        file, _, label = name.removeprefix("file:").partition("@")
        arms = (THINNED, DEEP, PERMUTED, HALVES) if label else (THINNED, PERMUTED)
        return DataSpec(name, file, arms, m.own_file(label or None), file)
    raise InputError(f"no data set of the imputation benchmark is called {name!r}; known: {', '.join(DATA)}")
