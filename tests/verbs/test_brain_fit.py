"""From samples to a fitted field, to parcels and voxels, to figures: the way of a user."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.cli.app import main
from exval.errors import GeneError, InputError, OutputError
from exval.fields.places import Places
from exval.fields.saved import open_field
from exval.verbs.brain_fit import brain_fit
from exval.verbs.brain_map import brain_map

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


def test_genes_that_are_noise_are_warned_of_and_listed(file, atlas, tmp_path):
    adata = anndata.read_h5ad(file)
    adata.X[:, 0] = 6 + np.random.default_rng(1).normal(size=150)
    adata.X[:, 1] = 6.0
    brain_fit(adata, method="gp", settings={"subset": 60}, unit="log2", out=tmp_path / "gp")
    brain_map(tmp_path / "gp", atlas=atlas, out=tmp_path / "maps")
    genes = pd.read_csv(tmp_path / "maps" / "genes.csv", index_col="gene")
    assert list(genes.index) == ["GFAP", "MBP", "SNAP25"]
    assert genes.r2_near["SNAP25"] > 0.5 and genes.r2_near["GFAP"] < 0.1 and np.isnan(genes.r2_near["MBP"])
    assert (genes.mm_near < genes.mm_far)["GFAP"]
    page = (tmp_path / "maps" / "report.html").read_text()
    poor = genes.index[genes.r2_near <= 0].tolist()
    assert poor == ["GFAP"] and "1 of 3 genes is hardly told" in page and "in the maps: MBP" in page
    for words in ("Which genes to believe", "so that the map is noise: 1 of 3 genes", "held out of the fit in turn"):
        assert words in page


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


def test_pages_say_what_was_fitted_and_mapped(run, atlas, tmp_path):
    page = (run / "report.html").read_text()
    for words in ("knn fitted to 150 samples x 3 genes of samples.h5ad", "Inner hold-out",
                  "each with an area of the brain", "How far samples are alike", "exval brain map"):  # fmt: skip
        assert words in page
    brain_map(run, atlas=atlas, genes="MBP,GFAP", out=tmp_path / "parcels")
    page = (tmp_path / "parcels" / "report.html").read_text()
    assert "2 parcels x 2 genes by knn" in page and "Highest and lowest parcels of MBP" in page
    brain_map(run, resolution=8, out=tmp_path / "voxels")
    page = (tmp_path / "voxels" / "report.html").read_text()
    assert page.count('<img src="data:image/webp') == 3 and "nobody in particular" in page
    brain_map(run, resolution=8, genes="MBP", sd=False, out=tmp_path / "voxels", force=True)
    assert not list((tmp_path / "voxels").glob("*_sd.nii.gz"))


def test_parcels_at_whole_millimetres_above_zero_are_no_voxel_indices(run, tmp_path, monkeypatch):
    monkeypatch.setattr("exval.report.write_report", lambda folder: None)
    labels = np.ones((6, 6, 6), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(labels, np.diag([2.0, 2, 2, 1])), tmp_path / "corner.nii.gz")
    assert brain_map(run, atlas=tmp_path / "corner.nii.gz", out=tmp_path / "maps").parcels.shape == (1, 3)


def test_a_donor_of_the_run_may_be_asked_as(file, atlas, tmp_path, monkeypatch):
    """Kriging adds the donor's offset, in every gene the same at every place."""
    samples = anndata.read_h5ad(file)
    shift = np.where(samples.obs.donor == "a", 1.0, 0.0)[:, None]
    shifted = anndata.AnnData(samples.X + shift, samples.obs, samples.var, obsm=dict(samples.obsm))
    brain_fit(shifted, method="kriging", out=tmp_path / "run")
    monkeypatch.setattr("exval.report.write_report", lambda folder: None)
    anyone = brain_map(tmp_path / "run", atlas=atlas, out=tmp_path / "any").parcels
    a = brain_map(tmp_path / "run", atlas=atlas, donor="a", out=tmp_path / "a")
    b = brain_map(tmp_path / "run", atlas=atlas, donor="b", out=tmp_path / "b").parcels
    gap = a.parcels - b
    assert "as in donor a" in a.verdict and gap.to_numpy().std() < 0.15 and 0.5 < gap.to_numpy().mean() < 1.2
    assert (a.parcels > anyone).all().all() and (anyone > b).all().all()
    with pytest.raises(InputError, match="--donor z: not a donor of .*; there are: a, b, c"):
        brain_map(tmp_path / "run", atlas=atlas, donor="z", out=tmp_path / "z")
    assert not (tmp_path / "z").exists()


def test_a_run_tells_what_the_fitted_field_tells(tmp_path):
    """Also where positions stand in columns of a table, which arrays of numbers keep the other way round."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-40, 40, (120, 3))
    obs = pd.DataFrame(xyz, columns=["mni_x", "mni_y", "mni_z"], index=[f"s{i}" for i in range(120)])
    values = np.asfortranarray(np.column_stack([np.sin(xyz[:, 1] / 15), np.cos(xyz[:, 2] / 15)]))
    brain_fit(anndata.AnnData(values, obs, pd.DataFrame(index=["GFAP", "MBP"])), method="knn", out=tmp_path / "run")
    saved = open_field(tmp_path / "run")
    np.testing.assert_array_equal(saved.places.xyz_n3, xyz)
    assert np.corrcoef(saved.field.predict(Places.of(xyz)).mean_mg[:, 0], values[:, 0])[0, 1] > 0.95


def test_what_was_chosen_is_said_in_words(file, tmp_path):
    said = dict(brain_fit(file, method="kriging", out=tmp_path / "k")["in_words"])
    assert said["variogram"].startswith("nugget 0.") and "the 40 nearest samples" in said["variogram"]
    config = brain_fit(file, method="gp", out=tmp_path / "g")
    said = dict(config["in_words"])
    assert list(said) == ["covariance, position alone", "covariance, regions told"]
    assert "Matern-3/2 of the distance, length" in said["covariance, regions told"] and "same structure_name" in said[
        "covariance, regions told"]  # fmt: skip
    assert "Its own sds are multiplied by" in config["verdict"] and "where it was" in config["verdict"]


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
    assert (
        main(["brain", "map", str(tmp_path / "g"), "--resolution", "8", "--donor", "q", "-o", str(tmp_path / "m")]) == 2
    )
    assert "there are: a, b, c" in capsys.readouterr().err
    assert main(["brain", "evaluate", str(file), "--show", "siren", "-m", "knn", "-o", str(tmp_path / "s")]) == 2
    assert "not among the fields compared" in capsys.readouterr().err
    assert main(["brain", "fit", str(file), "--space", "talairach", "-o", str(tmp_path / "h")]) == 2
    assert "has no positions: obsm['talairach']" in capsys.readouterr().err
    assert not (tmp_path / "f").exists() and not (tmp_path / "h").exists()


@pytest.mark.parametrize("shift", [0.0, 500.0])
def test_an_atlas_in_another_space_is_refused(tmp_path, file, atlas, shift):
    brain_fit(file, method="nearest", out=tmp_path / "run")
    image = nibabel.load(atlas)
    affine = np.diag([9.0, 9, 9, 1])  # millimetres from the corner of the volume
    affine[:3, 3] = shift
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), tmp_path / "other.nii.gz")
    with pytest.raises(InputError, match="not in MNI space"):
        brain_map(tmp_path / "run", atlas=tmp_path / "other.nii.gz", out=tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_a_setting_that_cannot_be_is_told(tmp_path, file):
    with pytest.raises(InputError, match="k=0: at least one neighbour"):
        brain_fit(file, method="knn", settings={"k": "0"}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
