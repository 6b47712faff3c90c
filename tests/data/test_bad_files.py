"""Every way a file can be unusable ends in one line that names the file and says what to do."""

from __future__ import annotations

import gzip
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from exval.data.source import open_source
from exval.errors import ExvalError, GeneError, InputError, UnitError

CASES: dict[str, tuple[Callable, str, type[ExvalError], dict]] = {}


def case(words: str, error: type[ExvalError] = InputError, **options):
    def register(function):
        CASES[function.__name__] = (function, words, error, options)
        return function

    return register


def _write(adata, folder, name="x.h5ad") -> Path:
    adata.write_h5ad(folder / name)
    return folder / name


def _bytes(folder, name, content) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def _with(adata, folder, value, row=2, column=3):
    adata.X = adata.X.toarray()
    adata.X[row, column] = value
    return _write(adata, folder)


@case("no such file; did you mean 'x.h5ad'")
def missing(adata, folder):
    _write(adata, folder)
    return folder / "x.h5da"


@case("the file is empty")
def empty(adata, folder):
    return _bytes(folder, "x.h5ad", b"")


@case("truncated or damaged")
def truncated_h5ad(adata, folder):
    content = _write(adata, folder).read_bytes()
    return _bytes(folder, "x.h5ad", content[: len(content) // 2])


@case("truncated or damaged")
def truncated_gzip(adata, folder):
    content = gzip.compress(os.urandom(60_000))
    return _bytes(folder, "x.csv.gz", content[:2000])


@case("the format is not known")
def random_bytes(adata, folder):
    return _bytes(folder, "x.h5ad", bytes(range(256)) * 20)


@case("zellkonverter")
def rds_by_content(adata, folder):
    return _bytes(folder, "x.csv", gzip.compress(b"X\n\x00\x00\x00\x03" + bytes(100)))


@case("zellkonverter")
def rda(adata, folder):
    return _bytes(folder, "x.rda", gzip.compress(b"RDX3\nX\n" + bytes(100)))


@case("zellkonverter")
def rds_by_name(adata, folder):
    return _bytes(folder, "x.rds", b"\x05\x06\x07" * 50)


@case("zellkonverter")
def h5seurat(adata, folder):
    with h5py.File(folder / "x.h5Seurat", "w") as file:
        file.create_group("assays")
    return folder / "x.h5Seurat"


@case("loom files are not read")
def loom(adata, folder):
    with h5py.File(folder / "x.loom", "w") as file:
        file["matrix"] = np.eye(2)
        file.create_group("row_attrs")
        file.create_group("col_attrs")
    return folder / "x.loom"


@case("MuData")
def mudata(adata, folder):
    with h5py.File(folder / "x.h5mu", "w") as file:
        file.create_group("mod")
    return folder / "x.h5mu"


@case("neither h5ad nor 10x")
def other_hdf5(adata, folder):
    with h5py.File(folder / "x.h5", "w") as file:
        file["picture"] = np.eye(2)
    return folder / "x.h5"


@case("zarr stores are not read")
def zarr(adata, folder):
    (folder / "x.zarr").mkdir()
    (folder / "x.zarr" / ".zgroup").write_text("{}")
    return folder / "x.zarr"


@case("Excel workbook")
def excel(adata, folder):
    with zipfile.ZipFile(folder / "x.xlsx", "w") as file:
        file.writestr("a", "b")
    return folder / "x.xlsx"


@case("never opened")
def a_pickle(adata, folder):
    return _bytes(folder, "x.pkl", pickle.dumps({"a": 1}))


@case("parquet")
def parquet(adata, folder):
    pd.DataFrame({"INS": [1]}).to_parquet(folder / "x.parquet")
    return folder / "x.parquet"


@case("holds no expression matrix")
def folder_without_matrix(adata, folder):
    (folder / "notes.txt").write_text("hello")
    return folder


@case("give the folder 'filtered_feature_bc_matrix'")
def folder_one_too_high(adata, folder):
    (folder / "filtered_feature_bc_matrix").mkdir()
    (folder / "filtered_feature_bc_matrix" / "matrix.mtx").write_text("%%MatrixMarket\n")
    return folder


@case("barcodes.tsv\\(.gz\\) is missing")
def mtx_without_barcodes(adata, folder):
    (folder / "matrix.mtx").write_text("%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 1\n")
    return folder


@case("do not belong together")
def mtx_of_another_sample(adata, folder):
    (folder / "matrix.mtx").write_text("%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 1\n")
    (folder / "barcodes.tsv").write_text("a\nb\n")
    (folder / "genes.tsv").write_text("ENSG00000141510\tTP53\n")
    return folder


@case("X, cell 'cell2', gene 'PPY': NaN")
def nan(adata, folder):
    return _with(adata, folder, np.nan)


@case("X, cell 'cell2', gene 'PPY': an infinite value")
def infinite(adata, folder):
    return _with(adata, folder, np.inf)


@case("cell 'cell2', gene 'PPY': negative count -4")
def negative_count(adata, folder):
    return _with(adata, folder, -4)


@case("nothing but zeros")
def all_zero(adata, folder):
    adata.X = sparse.csr_matrix(adata.shape, dtype=np.float32)
    return _write(adata, folder)


@case("the file has no cell")
def no_cell(adata, folder):
    return _write(adata[:0].copy(), folder)


@case("the file has no gene")
def no_gene(adata, folder):
    return _write(adata[:, :0].copy(), folder)


@case("no matrix of values")
def no_matrix(adata, folder):
    return _write(anndata.AnnData(obs=adata.obs, var=adata.var), folder)


@case("X is empty; name one of the layers: 'scaled'")
def only_a_strange_layer(adata, folder):
    out = anndata.AnnData(obs=adata.obs, var=adata.var)
    out.layers["scaled"] = adata.X
    return _write(out, folder)


@case("no layer 'nosuch'; the file has 'X'", layer="nosuch")
def no_such_layer(adata, folder):
    return _write(adata, folder)


@case("fractions \\(0.5\\)", UnitError, unit="counts")
def fractions_declared_as_counts(adata, folder):
    return _with(adata, folder, 0.5)


@case("no value is negative", UnitError, unit="z")
def counts_declared_as_z(adata, folder):
    return _write(adata, folder)


@case("is no logarithm", UnitError, unit="log1p")
def counts_declared_as_logarithms(adata, folder):
    return _with(adata, folder, 900)


@case("unit 'tpm' is not known", unit="tpm")
def unknown_unit(adata, folder):
    return _write(adata, folder)


@case("neither counts", UnitError)
def no_unit_fits(adata, folder):
    adata.X = adata.X.toarray() * 1000.7 - 500
    return _write(adata, folder)


@case("only 0 of 8 genes", GeneError)
def no_known_gene(adata, folder):
    adata.var_names = [f"probe_{i}_at" for i in range(8)]
    return _write(adata, folder)


@case("use species mouse", GeneError, species="human")
def foreign_species(adata, folder):
    adata.var_names = ["Actb", "Gcg", "Sst", "Ppy", "Gapdh", "Cd3e", "Trp53", "Il2"]
    return _write(adata, folder)


@case("two species", GeneError)
def mixed_species(adata, folder):
    adata.var_names = [f"GRCh38_{name}" for name in adata.var_names[:4]] + [
        "mm10_Actb",
        "mm10_Gcg",
        "mm10_Sst",
        "mm10_Ppy",
    ]
    return _write(adata, folder)


@case("species 'yeast' is not known", species="yeast")
def unknown_species(adata, folder):
    return _write(adata, folder)


@case("cells of several genomes")
def tenx_of_two_genomes(adata, folder):
    with h5py.File(folder / "x.h5", "w") as file:
        for genome in ("hg19", "mm10"):
            group = file.create_group(genome)
            for part in ("barcodes", "data", "genes", "gene_names", "indices", "indptr", "shape"):
                group[part] = np.zeros(1, dtype=np.int32)
    return folder / "x.h5"


@case("no feature of the file is gene expression \\(found: Peaks\\)")
def tenx_of_peaks(adata, folder):
    (folder / "matrix.mtx").write_text("%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 1\n")
    (folder / "barcodes.tsv").write_text("a\n")
    (folder / "features.tsv").write_text("chr1:1-100\tchr1:1-100\tPeaks\n")
    return folder


@case("damaged")
def indptr_does_not_fit(adata, folder):
    path = _write(adata, folder)
    with h5py.File(path, "r+") as file:
        broken = file["X/indptr"][:]
        broken[-1] += 5
        file["X/indptr"][...] = broken
    return path


@case("X is 6 x 8, but there are 6 cells and 7 genes|damaged")
def names_do_not_fit(adata, folder):
    path = _write(adata, folder)
    with h5py.File(path, "r+") as file:
        name = file["var"].attrs["_index"]
        short = file[f"var/{name}"][:7]
        attributes = dict(file[f"var/{name}"].attrs)
        del file[f"var/{name}"]
        file[f"var/{name}"] = short
        file[f"var/{name}"].attrs.update(attributes)
    return path


@case("values are not numbers")
def text_in_the_matrix(adata, folder):
    path = _write(adata, folder)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = np.array([["a"] * 8] * 6, dtype="S")
    return path


@case("'abc' is not a number \\(row 'r25', column 'GCG'\\)")
def word_among_numbers(adata, folder):
    rows = [f"r{i},1,{'abc' if i == 25 else i}" for i in range(30)]
    return _bytes(folder, "x.csv", ("cell,INS,GCG\n" + "\n".join(rows) + "\n").encode())


@case("cell 'b', gene 'GCG': NaN")
def hole_in_a_table(adata, folder):
    return _bytes(folder, "x.csv", b"cell,INS,GCG\na,1,2\nb,3,\n")


@case("line 4 has 2 fields where the others have 3")
def ragged_table(adata, folder):
    return _bytes(folder, "x.csv", b"cell,INS,GCG\na,1,2\nb,3,4\nc,5\n")


@case("cannot tell whether rows are cells or genes")
def undecidable_orientation(adata, folder):
    return _bytes(folder, "x.csv", b"cell,probe-x,probe-y\nwell-p,1,2\nwell-q,3,4\n")


@case("a header and no row below it")
def only_a_header(adata, folder):
    return _bytes(folder, "x.csv", b"cell,INS,GCG\n")


@case("no column of numbers")
def table_of_words(adata, folder):
    return _bytes(folder, "x.csv", b"cell,kind\na,beta\nb,alpha\n")


@pytest.mark.parametrize("name", sorted(CASES))
def test_one_line(name, tiny_adata, tmp_path, recwarn):
    make, words, kind, options = CASES[name]
    path = make(tiny_adata, tmp_path)
    before = {one: one.stat().st_mtime_ns for one in tmp_path.rglob("*")}
    recwarn.clear()
    with pytest.raises(kind, match=words) as caught:
        open_source(path, **options).csr()
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400
    assert path.name in text or tmp_path.name in text
    assert not recwarn.list
    assert {one: one.stat().st_mtime_ns for one in tmp_path.rglob("*")} == before


def test_there_are_enough():
    assert len(CASES) >= 45


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tiny_adata, tmp_path):
    path = _write(tiny_adata, tmp_path)
    path.chmod(0)
    with pytest.raises(InputError, match="no permission"):
        open_source(path)


def test_no_permission_simulated(tiny_adata, tmp_path, monkeypatch):
    path = _write(tiny_adata, tmp_path)

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="no permission"):
        open_source(path)
