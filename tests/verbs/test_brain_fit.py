"""From samples to a fitted field, to parcels and voxels, to figures: the way of a user."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.cli.app import main
from exval.errors import GeneError, InputError, OutputError
from exval.verbs.brain_fit import brain_fit, brain_map

nibabel = pytest.importorskip("nibabel")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-50, 50, (150, 3))
    side = np.where(xyz[:, 0] < 0, ", left", ", right")
    obs = pd.DataFrame({"donor": list("abc") * 50, "structure_name": [f"{'up' if z > 0 else 'down'}{s}"
                        for z, s in zip(xyz[:, 2], side)]}, index=[f"s{i}" for i in range(150)])  # fmt: skip
    values = 6 + np.sin(xyz / 25) + 0.1 * rng.normal(size=xyz.shape)
    adata = anndata.AnnData(values, obs, pd.DataFrame(index=["GFAP", "MBP", "SNAP25"]), obsm={"mni": xyz})
    path = tmp_path_factory.mktemp("brain") / "samples.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    labels = np.zeros((20, 20, 20), dtype=np.int16)
    labels[:10], labels[10:] = 3, 8
    affine = np.diag([5.0, 5, 5, 1])
    affine[:3, 3] = -47.5
    path = tmp_path_factory.mktemp("atlas") / "atlas.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels, affine), path)
    return path


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "knn"
    config = brain_fit(file, method="knn", out=out)
    assert config["n"] == 150 and config["regions"] == ["structure_name"] and config["region_names"] == [["down", "up"]]
    return out


def test_parcels_and_their_sds_are_tables(run, atlas, tmp_path):
    found = brain_map(run, atlas=atlas, out=tmp_path / "maps")
    mean = pd.read_csv(tmp_path / "maps" / "parcels_mean.csv", index_col=0)
    assert mean.index.tolist() == [3, 8] and list(mean) == ["GFAP", "MBP", "SNAP25"]
    assert (pd.read_csv(tmp_path / "maps" / "parcels_sd.csv", index_col=0) > 0).all().all()
    assert "2 parcels x 3 genes by knn" in found.verdict
    np.testing.assert_allclose(mean.loc[3], mean.loc[8], rtol=0.02)  # both hemispheres are one


def test_voxels_of_some_genes(run, tmp_path):
    found = brain_map(run, resolution=8, genes="MBP", sd=False, out=tmp_path / "maps")
    assert [path.name for path in found.volumes] == ["MBP_mean.nii.gz"]
    volume = nibabel.load(found.volumes[0]).get_fdata()
    assert 4.5 < volume[volume != 0].mean() < 7.5


@pytest.mark.parametrize(
    ("asked", "fault", "words"),
    [
        ({}, InputError, "give --atlas"),
        ({"resolution": 4, "genes": "MBP,NOT_A_GENE"}, GeneError, "1 of 2 genes"),
    ],
)
def test_a_map_that_cannot_be_is_refused_and_leaves_nothing(run, tmp_path, asked, fault, words):
    with pytest.raises(fault, match=words):
        brain_map(run, out=tmp_path / "maps", **asked)
    assert not (tmp_path / "maps").exists()


def test_a_run_that_is_there_is_not_replaced(run, file):
    with pytest.raises(OutputError):
        brain_fit(file, method="knn", out=run)


def test_the_commands(file, tmp_path, capsys):
    assert main(["brain", "evaluate", str(file), "--method", "knn", "-o", str(tmp_path / "e"), "-q"]) == 0
    assert (tmp_path / "e" / "report.html").stat().st_size > 10_000
    assert "How well unseen places are told" in (tmp_path / "e" / "report.html").read_text()
    assert main(["evaluate", str(file), "--task", "field", "--method", "nope", "-o", str(tmp_path / "f")]) == 2
    assert "no field is called 'nope'" in capsys.readouterr().err
    assert main(["brain", "fit", str(file), "--method", "nearest", "-o", str(tmp_path / "g"), "--json"]) == 0
    assert '"method": "nearest"' in capsys.readouterr().out
    assert main(["brain", "fit", str(file), "--space", "talairach", "-o", str(tmp_path / "h")]) == 2
    assert "has no positions: obsm['talairach']" in capsys.readouterr().err
    assert not (tmp_path / "f").exists() and not (tmp_path / "h").exists()
