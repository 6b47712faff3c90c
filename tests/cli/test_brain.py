"""``exval brain import`` at the command line: what is printed and written, one line for a fault, exit codes."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.cli.app import main
from exval.data.ahba.miniature import write_miniature, write_miniature_atlas

PAIR = (("9861", 40, True), ("10021", 35, True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("brain")
    write_miniature(place / "ahba", genes=10, donors=PAIR)
    write_miniature_atlas(place / "atlas.nii.gz", resolution=6).to_csv(place / "info.csv", index=False)
    return place


def run(*words) -> int:
    return main(["brain", "import", *map(str, words)])


def test_samples_and_an_account(folder, tmp_path, capsys):
    out = tmp_path / "s.h5ad"
    assert run(folder / "ahba", "-o", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "donors: 2 (9861, 10021), 75 samples" and lines[-1] == f"{out}: 69 samples, 10 genes, unit log2"
    samples = anndata.read_h5ad(out)
    assert samples.shape == (69, 10) and samples.uns["exval_unit"] == "log2"
    assert list(samples.uns["exval_ahba"]["steps"]) == lines[:-1]
    assert list(tmp_path.iterdir()) == [out]


def test_parcels_json_and_quiet(folder, tmp_path, capsys):
    out, table = tmp_path / "s.h5ad", tmp_path / "p.csv"
    atlas = ["--atlas", folder / "atlas.nii.gz", "--atlas-info", folder / "info.csv"]
    more = ["--mirror", "bidirectional", "--normalise", "srs", "--tolerance", "4", "--missing", "centroids"]
    assert run(folder / "ahba", "-o", out, *atlas, *more, "--parcels", table, "--json", "-q") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["samples"], said["genes"], said["unit"], said["n_parcels"]) == (138, 10, "srs", 28)
    assert said["settings"]["tolerance"] == 4 and said["counts"]["mirror_images"] == 69
    parcels = pd.read_csv(table, index_col="label")
    assert parcels.shape == (28, 10) and np.isfinite(parcels.to_numpy()).all()
    assert run(folder / "ahba", "-o", out, "--force", "-q") == 0 and capsys.readouterr().out == ""
    assert anndata.read_h5ad(out).n_obs == 69
    assert (
        run(folder / "ahba", "-o", out, "-f", "-q", *atlas, "--parcels", tmp_path / "p.h5ad", "--metric", "median") == 0
    )
    assert anndata.read_h5ad(tmp_path / "p.h5ad").uns["exval_unit"] == "log2"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "-o", "OUT.h5ad"], "there is no folder nowhere"),
        (["AHBA", "-o", "OUT.csv"], "the output ends in .h5ad"),
        (["AHBA", "-o", "OUT.h5ad", "--ibf", "50"], "--ibf 50: give a share"),
        (["AHBA", "-o", "OUT.h5ad", "--donors", "9861"], "diff_stability needs two donors"),
        (["AHBA", "-o", "OUT.h5ad", "--parcels", "p.csv"], "--parcels needs an atlas"),
        (["AHBA", "-o", "OUT.h5ad", "--atlas", "nowhere.nii"], "there is no file nowhere.nii"),
        (["AHBA", "-o", "OUT.h5ad", "--atlas", "ATLAS", "--parcels", "p.txt"], "ends in .h5ad or .csv"),
        (["AHBA", "-o", "OUT.h5ad", "--atlas", "ATLAS", "--parcels", "OUT.h5ad"], "choose another name"),
        (["AHBA", "-o", "OUT.h5ad", "--atlas", "ATLAS", "--tolerance", "-1"], "--tolerance -1: give millimetres"),
        (["AHBA", "-o", "OUT.h5ad", "--mirror", "both"], "both"),
        (["AHBA", "-o", "nowhere/OUT.h5ad"], "there is no folder"),
    ],
)
def test_faults_are_one_line_and_write_nothing(folder, tmp_path, capsys, words, message):
    places = {"AHBA": folder / "ahba", "ATLAS": folder / "atlas.nii.gz"}
    words = [places.get(word, tmp_path / word if "OUT" in word or word.startswith("p.") else word) for word in words]
    assert run(*words) == 2
    said = capsys.readouterr()
    assert message in said.err and said.out == "" and len(said.err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept(folder, tmp_path, capsys):
    out = tmp_path / "s.h5ad"
    out.write_text("mine")
    assert run(folder / "ahba", "-o", out) == 2
    assert "pass --force" in capsys.readouterr().err and out.read_text() == "mine"


def test_a_fault_in_the_middle_leaves_nothing(folder, tmp_path, capsys, monkeypatch):
    def fail(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(anndata.AnnData, "write_h5ad", fail)
    assert run(folder / "ahba", "-o", tmp_path / "s.h5ad") == 2
    assert "the disk is full" in capsys.readouterr().err and list(tmp_path.iterdir()) == []
