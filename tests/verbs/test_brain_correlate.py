"""``exval brain correlate``: from a contrast and samples to a verdict; bad input in one line, and nothing written."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.bench.results import Results
from exval.cli.app import main
from exval.verbs.brain_correlate import brain_correlate

nibabel = pytest.importorskip("nibabel")
pytest.importorskip("brainsmash")
pytest.importorskip("nilearn")

GENES = [
    "GFAP", "MBP", "SNAP25", "SYT1", "PVALB", "SST", "VIP", "CALB1", "CALB2", "GAD1", "GAD2", "SLC17A7", "NRGN",
    "CAMK2A", "MOBP", "PLP1", "MAG", "MOG", "AQP4", "ALDH1L1", "SLC1A2", "SLC1A3", "CX3CR1", "AIF1", "CSF1R", "P2RY12",
    "APOE", "MAPT", "APP", "BIN1", "TREM2", "CLU", "PICALM", "SNCA", "LRRK2", "HTT", "SOD1", "FUS", "TARDBP", "DRD1",
]  # fmt: skip
AFFINE = np.array([[4.0, 0, 0, -88], [0, 4, 0, -124], [0, 0, 4, -70], [0, 0, 0, 1]])


def wave(xyz, length, seed):
    rng = np.random.default_rng(seed)
    return np.cos(xyz @ rng.normal(size=(3, 200)) / length + rng.uniform(0, 2 * np.pi, 200)).sum(1) / 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """360 samples of four donors in the template's brain; the first three genes hold the contrast, the last nothing."""
    from nilearn.datasets import load_mni152_brain_mask

    place, rng = tmp_path_factory.mktemp("correlate"), np.random.default_rng(0)
    mask = load_mni152_brain_mask(resolution=4)
    inside = np.asarray(mask.dataobj) > 0
    voxel = np.argwhere(inside)
    at = voxel @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    contrast = np.zeros(inside.shape, np.float32)
    contrast[inside] = wave(at, 25, 1)
    nibabel.save(nibabel.Nifti1Image(contrast, mask.affine), place / "contrast.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.stack([contrast] * 3, -1), mask.affine), place / "bold.nii.gz")
    nibabel.save(nibabel.Nifti1Image(contrast, np.diag([4.0, 4, 4, 1])), place / "voxels.nii.gz")
    far = mask.affine.copy()
    far[:3, 3] -= 400
    nibabel.save(nibabel.Nifti1Image(contrast, far), place / "far.nii.gz")
    xyz = at[rng.permutation(len(at))[:360]] + rng.uniform(-1, 1, (360, 3))
    x = np.column_stack([wave(xyz, 25, 100 + g) for g in range(40)]) + 0.3 * rng.normal(size=(360, 40))
    x[:, :3] = 0.3 * x[:, :3] + wave(xyz, 25, 1)[:, None]
    x[:, -1] = rng.normal(size=360)
    donor = np.array(list("abcd") * 90)
    x += rng.normal(size=(4, 40))[np.unique(donor, return_inverse=True)[1]] * 2
    obs = pd.DataFrame({"donor": donor, "structure_class": np.where(np.arange(360) < 300, "cortex", "cerebellum")},
                       index=[f"s{i}" for i in range(360)])  # fmt: skip
    made = anndata.AnnData((7 + x).astype(np.float32), obs, pd.DataFrame(index=GENES), obsm={"mni": xyz})
    made.write_h5ad(place / "samples.h5ad")
    made.obs = made.obs[["donor"]]
    made.write_h5ad(place / "nameless.h5ad")
    near = np.linalg.norm(at[:, None] - at[rng.permutation(len(at))[:40]][None], axis=2).argmin(1)
    labels = np.zeros(inside.shape, np.int16)
    labels[inside] = 10 + near
    nibabel.save(nibabel.Nifti1Image(labels, mask.affine), place / "atlas.nii.gz")
    means = pd.Series(contrast[inside]).groupby(10 + near).mean()
    means.rename_axis("id").rename("value").to_csv(place / "parcels.csv")
    means.iloc[:3].rename_axis("id").rename("value").to_csv(place / "three.csv")
    means.rename(lambda i: i + 500).rename_axis("id").rename("value").to_csv(place / "others.csv")
    (place / "list.txt").write_text("\n".join([*GENES[:10], GENES[-1], "NOT_A_GENE"]))
    (place / "unknown.txt").write_text("NOT_A_GENE\nNOR_THIS\n")
    return place


def words(folder, out, **change):
    asked = {"contrast": "contrast.nii.gz", "--genes": "list.txt", "--samples": "samples.h5ad", "--space": "mni",
             "--surrogates": "200", "--random-lists": "150", **change}  # fmt: skip
    line = ["brain", "correlate", str(folder / asked.pop("contrast")), "-o", str(out)]
    for name, value in asked.items():
        path = folder / str(value)
        line += [name] if value is True else [name, str(path) if path.is_file() else str(value)]
    return line


def test_samples_to_a_verdict(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*words(folder, out), "-q", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"].startswith("The list goes along with the contrast") and said["places"] == 300
    assert "over 300 cortical samples" in said["verdict"] and said["list"]["p_lists"] > 0
    assert {one["gene"] for one in said["genes"][:3]} == set(GENES[:3])
    assert [one["gene"] for one in said["dropped"]] == ["DRD1"]
    assert any("not in the file: NOT_A_GENE" in line for line in said["warnings"])
    genes = pd.read_csv(out / "genes.csv").set_index("gene")
    assert genes.status.value_counts().to_dict() == {"tested": 10, "dropped": 1}
    assert (genes.q_surrogates[GENES[:3]] < 0.05).all() and (genes.r[GENES[:3]] > 0.7).all()
    found = Results.load(out)
    rows = found.rows[found.rows["slice"] == "all"].set_index("metric").value
    assert rows["pearson"] == pytest.approx(said["list"]["r"]) and rows["p_naive"] < rows["p_surrogates"]
    assert found.config["task"] == "correlate" and found.config["held_out_by"] == "donor"
    page = (out / "report.html").read_text()
    assert said["verdict"][:60] in page and "Gene by gene" in page and "1,000" not in page
    assert page.index(said["verdict"][:60]) < page.index("<h2>Gene by gene")


def test_a_donor_is_taken_off_and_a_seed_decides(folder):
    asked = {"genes": GENES[:4], "samples": folder / "samples.h5ad", "space": "mni", "surrogates": 100,
             "random_lists": 100}  # fmt: skip
    one, same, other = (brain_correlate(folder / "contrast.nii.gz", **asked, seed=seed) for seed in (3, 3, 4))
    assert one.rows.drop(columns="seconds").equals(same.rows.drop(columns="seconds")) and one.verdict == same.verdict
    assert not one.extras["correlate_null"].equals(other.extras["correlate_null"])
    table = anndata.read_h5ad(folder / "samples.h5ad")
    table.X = table.X + 50.0 * (table.obs.donor == "b").to_numpy()[:, None]
    shifted = brain_correlate(folder / "contrast.nii.gz", **{**asked, "samples": table}, seed=3)
    np.testing.assert_allclose(shifted.extras["correlate_genes"].r, one.extras["correlate_genes"].r, atol=1e-4)


def test_parcels_from_a_table_and_from_the_volume(folder, tmp_path):
    asked = {"--atlas": "atlas.nii.gz", "--tolerance": "3"}
    assert main([*words(folder, tmp_path / "t", contrast="parcels.csv", **asked), "-q"]) == 0
    assert main([*words(folder, tmp_path / "v", **asked), "-q"]) == 0
    table, volume = (Results.load(tmp_path / name) for name in "tv")
    assert table.config["at"] == "parcel" and 30 <= table.config["places"] <= 40
    pd.testing.assert_frame_equal(table.extras["correlate_places"], volume.extras["correlate_places"], rtol=1e-4)
    assert {GENES[0]} < set(table.extras["correlate_genes"].gene)


def test_an_atlas_can_tell_the_cortex(folder, tmp_path):
    info = pd.DataFrame({"id": range(10, 50), "hemisphere": "B", "structure": ["cortex"] * 30 + ["cerebellum"] * 10})
    info.to_csv(tmp_path / "info.csv", index=False)
    found = brain_correlate(folder / "parcels.csv", genes=GENES[:3], samples=folder / "nameless.h5ad", space="MNI152",
                            atlas=folder / "atlas.nii.gz", atlas_info=tmp_path / "info.csv", tolerance=3,
                            surrogates=100, random_lists=100)  # fmt: skip
    assert found.config["places"] <= 30 and set(found.extras["correlate_places"].place.astype(int)) <= set(range(40))


def test_the_whole_brain_is_asked_for(folder):
    found = brain_correlate(folder / "contrast.nii.gz", genes=GENES[:3], samples=folder / "nameless.h5ad", space="mni",
                            whole_brain=True, surrogates=100, random_lists=100)  # fmt: skip
    assert found.config["places"] == 360 and "over 360 samples" in found.verdict
    assert any("cortex and the rest" in line for line in found.config["warnings"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--space": "fsaverage"}, "--space fsaverage is a surface"),
        ({"--space": "native"}, "the space of one person"),
        ({"--space": "nonsense"}, "is not known; name the template"),
        ({"contrast": "bold.nii.gz"}, "bold.nii.gz is 4-D with 3 volumes"),
        ({"contrast": "voxels.nii.gz"}, "voxel indices"),
        ({"contrast": "far.nii.gz"}, "100 % of the samples lie outside of far.nii.gz"),
        ({"contrast": "nowhere.nii.gz"}, "there is no file"),
        ({"contrast": "parcels.csv"}, "needs the atlas that they are of"),
        (
            {"contrast": "others.csv", "--atlas": "atlas.nii.gz"},
            "40 of 40 parcels of others.csv are not in atlas.nii.gz",
        ),
        ({"contrast": "three.csv", "--atlas": "atlas.nii.gz"}, "only 3 parcels"),
        ({"--samples": "nameless.h5ad"}, "does not tell which samples are cortex"),
        ({"--cortex": "isocortex"}, "--cortex: 'isocortex' is not in structure_class"),
        ({"--genes": "unknown.txt"}, "no gene of the list (2, first: NOT_A_GENE) is in samples.h5ad"),
        ({"--genes": "DRD1"}, "no gene of the list (1) is told"),
        ({"--samples": "list.txt"}, "cannot be read as .h5ad"),
        ({"--radius": "0"}, "--radius 0: give millimetres"),
        ({"--tolerance": "-1"}, "--tolerance -1"),
        ({"--atlas-info": "list.txt"}, "give the atlas too"),
    ],
)
def test_faults_are_one_line_and_write_nothing(folder, tmp_path, capsys, change, message):
    assert main(words(folder, tmp_path / "out", **change)) == 2
    said = capsys.readouterr()
    assert message in said.err and said.out == "" and len(said.err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_kept(folder, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert main(words(folder, tmp_path / "out")) == 2 and "--force" in capsys.readouterr().err
