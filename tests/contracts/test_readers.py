"""Every registered reader: tells its own files by content, and gives back the same cells, genes and values."""

from __future__ import annotations

import gzip
import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmwrite

from exval.data.genes import GeneTable
from exval.data.readers import READERS, open_file
from exval.data.source import open_source
from exval.errors import InputError

SYMBOLS = ["INS", "GCG", "SST", "PPY", "ACTB", "GAPDH", "CD3E", "TP53"]


def _ids(adata):
    table = GeneTable.load("human")
    return [table.ensembl[table.row[name]] if name in table.row else name for name in adata.var_names]


def write_h5ad(adata, folder):
    for layout, x in (("csr", adata.X), ("csc", adata.X.tocsc()), ("dense", adata.X.toarray())):
        out = adata.copy()
        out.X = x
        out.write_h5ad(folder / f"{layout}.h5ad")
        yield folder / f"{layout}.h5ad"
    layered = adata.copy()
    layered.layers["counts"] = adata.X.copy()
    layered.raw = adata.copy()
    layered.X = np.log1p(adata.X.toarray() * 3.7)
    layered.write_h5ad(folder / "layered.h5ad", compression="gzip")
    yield folder / "layered.h5ad"


def write_tenx_h5(adata, folder):
    x = adata.X
    for version in (2, 3):
        path = folder / f"v{version}.h5"
        with h5py.File(path, "w") as file:
            group = file.create_group("GRCh38" if version == 2 else "matrix")
            group["data"], group["indices"], group["indptr"] = x.data.astype(np.int32), x.indices, x.indptr
            group["shape"] = np.array(x.shape[::-1])
            group["barcodes"] = np.array(adata.obs_names, dtype="S")
            names, ids = np.array(adata.var_names, dtype="S"), np.array(_ids(adata), dtype="S")
            if version == 2:
                group["genes"], group["gene_names"] = ids, names
            else:
                features = group.create_group("features")
                features["id"], features["name"] = ids, names
                features["feature_type"] = np.array(["Gene Expression"] * len(names), dtype="S")
        yield path


def write_mtx(adata, folder):
    for version in (2, 3):
        for prefix in ("", "GSM1_"):
            path = folder / f"mtx{version}{prefix}"
            path.mkdir()
            mmwrite(path / f"{prefix}matrix.mtx", sparse.coo_matrix(adata.X.T.astype(np.int32)))
            genes = pd.DataFrame({0: _ids(adata), 1: adata.var_names, 2: "Gene Expression"})
            name = "genes.tsv" if version == 2 else "features.tsv"
            genes.iloc[:, : version if version == 2 else 3].to_csv(
                path / (prefix + name), sep="\t", index=False, header=False
            )
            (path / f"{prefix}barcodes.tsv").write_text("\n".join(adata.obs_names) + "\n")
            if version == 3:
                for file in list(path.iterdir()):
                    with file.open("rb") as plain, gzip.open(f"{file}.gz", "wb") as packed:
                        shutil.copyfileobj(plain, packed)
                    file.unlink()
            yield path


def write_text(adata, folder):
    table = pd.DataFrame(adata.X.toarray().astype(int), index=adata.obs_names, columns=adata.var_names)
    for name, frame, options in (
        ("cells.csv", table, {}),
        ("genes.csv", table.T, {}),
        ("cells.tsv", table, {"sep": "\t"}),
        ("genes.txt.gz", table.T, {"sep": "\t"}),
        ("semicolon.csv", table, {"sep": ";"}),
        ("quoted.csv.gz", table, {"quoting": 1}),
    ):
        frame.to_csv(folder / name, **options)
        yield folder / name
    lines = table.T.to_csv(sep="\t").split("\n")
    (folder / "r.txt").write_text("\n".join(["\t".join(lines[0].split("\t")[1:]), *lines[1:]]))
    yield folder / "r.txt"


WRITERS = {"h5ad": write_h5ad, "10x-h5": write_tenx_h5, "10x-mtx": write_mtx, "text": write_text}


def test_every_reader_is_tested():
    assert set(READERS) == set(WRITERS)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_same_cells_genes_and_values(name, tiny_adata, tmp_path):
    for path in WRITERS[name](tiny_adata, tmp_path):
        head = b""
        if path.is_file():
            opener = gzip.open if path.suffix == ".gz" else open
            with opener(path, "rb") as file:
                head = file.read(4096)
        claimed = [other for other, reader in READERS.items() if reader.matches(path, head)]
        assert claimed == [name], path.name
        with open_source(path) as source:
            assert source.unit == "counts" and source.n == 6, path.name
            assert source.var_names.tolist() == SYMBOLS and source.recognised.all(), path.name
            assert source.obs.index.tolist() == tiny_adata.obs_names.tolist(), path.name
            np.testing.assert_array_equal(source.csr().toarray(), tiny_adata.X.toarray())
            np.testing.assert_array_equal(source.csr([4, 1]).toarray(), tiny_adata.X.toarray()[[4, 1]])
            streamed = sparse.vstack([part.layers["counts"] for _, part in source.iter_adata(4)])
            np.testing.assert_array_equal(streamed.toarray(), tiny_adata.X.toarray())


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_content_counts_not_the_name(name, tiny_adata, tmp_path):
    path = next(iter(WRITERS[name](tiny_adata, tmp_path)))
    if path.is_dir():
        other = path.with_name("data.h5ad")
    else:
        other = path.with_name("data.csv" if name != "text" else "data.h5ad")
    path.rename(other)
    with open_source(other) as source:
        np.testing.assert_array_equal(source.csr().toarray(), tiny_adata.X.toarray())


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_any_truncation_is_one_line(name, baron_small, tmp_path):
    small = baron_small[:20, :40].copy()
    path = next(iter(WRITERS[name](small, tmp_path)))
    target = path if path.is_file() else next(one for one in path.iterdir() if "matrix" in one.name)
    whole = target.read_bytes()
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        target.write_bytes(whole[: int(len(whole) * share)])
        try:
            with open_source(path) as source:
                read = source.csr()
        except InputError as error:
            assert "\n" not in str(error) and path.name in str(error)
        else:  # a text file cut at a line's end is a shorter file; an HDF5 file may end in unused room
            assert name in ("text", "h5ad", "10x-h5") and (read != small.X[: read.shape[0]]).nnz == 0


def test_other_features_are_left_out(tiny_adata, tmp_path):
    path = list(write_tenx_h5(tiny_adata, tmp_path))[1]
    with h5py.File(path, "r+") as file:
        kinds = np.array(["Gene Expression"] * 6 + ["Antibody Capture"] * 2, dtype="S")
        del file["matrix/features/feature_type"]
        file["matrix/features/feature_type"] = kinds
    with open_source(path) as source:
        assert source.var_names.tolist() == SYMBOLS[:6] and "2 features" in source.notes[0]
        np.testing.assert_array_equal(source.csr().toarray(), tiny_adata.X.toarray()[:, :6])


def test_orientation_is_said_and_can_be_declared(tiny_adata, tmp_path):
    paths = {path.name: path for path in write_text(tiny_adata, tmp_path)}
    assert open_file(paths["genes.csv"]).notes[0].startswith("genes-by-cells: 0 % of the column names and 100 %")
    assert open_file(paths["cells.csv"], orientation="cells-by-genes").notes == []
    with pytest.raises(InputError, match="orientation"):
        open_file(paths["cells.csv"], orientation="sideways")


def test_words_in_a_table_become_annotation(tmp_path):
    (tmp_path / "x.csv").write_text("cell,kind,INS,GCG\na,beta,3,0\nb,alpha,0,2\n")
    opened = open_file(tmp_path / "x.csv")
    assert opened.obs["kind"].tolist() == ["beta", "alpha"] and opened.var.index.tolist() == ["INS", "GCG"]


def test_backed_anndata(tiny_adata, tmp_path):
    for path in write_h5ad(tiny_adata, tmp_path):
        backed = anndata.read_h5ad(path, backed="r")
        source = open_source(backed)
        np.testing.assert_array_equal(source.csr().toarray(), tiny_adata.X.toarray())
        backed.file.close()


@pytest.mark.parametrize("orientation", ["cells-by-genes", "genes-by-cells"])
@pytest.mark.parametrize("name", ["x.csv", "x.tsv.gz"])
def test_a_header_longer_than_what_is_looked_at(tmp_path, orientation, name):
    genes = np.array(GeneTable.load("human").symbols[:1500], dtype=object)
    table = pd.DataFrame(np.arange(1500 * 3).reshape(3, 1500) % 7, index=["a", "b", "c"], columns=genes)
    if orientation == "genes-by-cells":  # two barcodes of a real length fill no head; 300 do
        table = pd.DataFrame(np.eye(300, dtype=int), index=genes[:300], columns=[f"{i:016d}-1" for i in range(300)])
    table.to_csv(tmp_path / name, sep="\t" if ".tsv" in name else ",")
    opened = open_file(tmp_path / name, orientation=orientation)
    cells, found = (table.index, table.columns) if orientation == "cells-by-genes" else (table.columns, table.index)
    assert list(opened.obs.index) == list(cells) and list(opened.var.index) == list(found)
