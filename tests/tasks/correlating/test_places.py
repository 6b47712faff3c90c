"""Names of spaces, the contrast around samples and within parcels, which samples are cortex, how genes are told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.data.ahba.atlas import Atlas
from exval.errors import InputError
from exval.fields.gp import GaussianProcess
from exval.fields.knn import KNearest
from exval.fields.places import Places
from exval.tasks.correlating.cortex import cortical
from exval.tasks.correlating.parcels import over_donors, read_parcels
from exval.tasks.correlating.predictable import held_out_r2
from exval.tasks.correlating.spaces import coordinates_in, coordinates_of
from exval.tasks.correlating.volume import Volume, read_volume

nibabel = pytest.importorskip("nibabel")


@pytest.mark.parametrize(
    "name", ["mni152nlin2009casym", "MNI152NLin6Asym", "MNI152NLin2009cSym", "mni152", "MNI", "icbm152", "mni_nlin"]
)
def test_templates_are_known(name):
    assert coordinates_of(name, []) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [("fsaverage5", "a surface"), ("fsLR", "a surface"), ("native", "one person"), ("T1w", "one person"),
     ("Talairach", "another space"), ("MNI305", "another space"), ("MNIColin27", "another space"),
     ("voxel", "numbers of voxels"), ("sphere", "is not known"), ("", "is not known")],
)  # fmt: skip
def test_other_spaces_are_refused(name, why):
    with pytest.raises(InputError, match=why):
        coordinates_of(name, ["mni"])


def test_own_coordinates_win():
    there = coordinates_in(["mni", "X_umap"], ["mine_x", "mine_y", "mine_z", "half_x"])
    assert (
        there == ["mine", "mni"] and coordinates_of("mine", there) == "mine" and coordinates_of("mni", there) == "mni"
    )


def test_the_ball_around_a_sample_by_hand():
    """2 mm voxels valued by x: within 3 mm of (4, 4, 4) lie those at x = 2, 4, 6; one of them is masked."""
    values = np.broadcast_to(np.arange(6.0)[:, None, None], (6, 6, 6)).copy()
    values[3, 2, 2] = np.nan
    volume = Volume(values, np.diag([2.0, 2, 2, 1]), "t")
    inside = [(i, j, k) for i in range(6) for j in range(6) for k in range(6)
              if (2 * i - 4) ** 2 + (2 * j - 4) ** 2 + (2 * k - 4) ** 2 <= 9 and (i, j, k) != (3, 2, 2)]  # fmt: skip
    assert volume.around(np.array([[4.0, 4, 4]]), 3.0)[0] == pytest.approx(np.mean([i for i, _, _ in inside]))
    assert np.isnan(volume.around(np.array([[40.0, 4, 4]]), 3.0)[0])
    turned = Volume(values[::-1], np.array([[-2.0, 0, 0, 10], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]), "t")
    places = np.array([[4.0, 4, 4], [3.1, 5.2, 6.6]])
    np.testing.assert_allclose(turned.around(places, 3.0), volume.around(places, 3.0))
    coarse = Volume(np.arange(8.0).reshape(2, 2, 2), np.diag([20.0, 20, 20, 1]), "t")
    assert coarse.around(np.array([[8.0, 9, 8]]), 3.0).tolist() == [0.0]  # no centre within 3 mm: its own voxel


def test_parcels_of_a_volume_by_hand():
    labels = np.zeros((2, 2, 1), int)
    labels[0], labels[1] = 4, 9
    values = np.array([[[1.0], [3.0]], [[np.nan], [np.nan]]])
    found = Volume(values, np.eye(4), "t").within(Atlas(labels, np.eye(4)))
    assert found[0] == 2.0 and np.isnan(found[1])


def image(tmp_path, values, affine=None, code=2):
    affine = np.array([[4.0, 0, 0, -90], [0, 4, 0, -126], [0, 0, 4, -72], [0, 0, 0, 1]]) if affine is None else affine
    made = nibabel.Nifti1Image(np.asarray(values, dtype=np.float32), affine)
    made.set_sform(affine, code=code)
    made.set_qform(None, code=0)
    nibabel.save(made, tmp_path / "t.nii.gz")
    return tmp_path / "t.nii.gz"


@pytest.mark.parametrize(
    ("values", "affine", "code", "message"),
    [
        (np.ones((3, 3, 3, 5)), None, 2, "4-D with 5 volumes"),
        (np.zeros((3, 3, 3)), None, 2, "is empty"),
        (np.ones((3, 3, 3)), np.eye(4), 2, "voxel indices"),
        (np.ones((3, 3, 3)), np.diag([0.001, 0.001, 0.001, 1]), 2, "0.001 x 0.001"),
        (np.ones((3, 3, 3)), None, 0, "no coordinates"),
    ],
)
def test_volumes_that_cannot_be(tmp_path, values, affine, code, message):
    with pytest.raises(InputError, match=message):
        read_volume(image(tmp_path, values, affine, code))


def test_surfaces_text_and_nothing_are_refused(tmp_path):
    surface = nibabel.gifti.GiftiImage(darrays=[nibabel.gifti.GiftiDataArray(np.ones(4, np.float32))])
    nibabel.save(surface, tmp_path / "lh.func.gii")
    (tmp_path / "t.nii").write_text("no image")
    for name, message in (("lh.func.gii", "a surface"), ("t.nii", "no readable image"), ("u.nii", "there is no file")):
        with pytest.raises(InputError, match=message):
            read_volume(tmp_path / name)


def test_four_dimensions_of_one_volume_are_three(tmp_path):
    found = read_volume(image(tmp_path, np.ones((3, 3, 3, 1))))
    assert found.values_xyz.shape == (3, 3, 3) and found.code == 2


def test_where_the_brain_of_the_template_is():
    """A brain mask of the template fits, one 60 mm off does not; an unmasked volume cannot be judged."""
    pytest.importorskip("nilearn")
    from nilearn.datasets import load_mni152_brain_mask

    mask = load_mni152_brain_mask(resolution=4)
    values = np.where(np.asarray(mask.dataobj) > 0, 1.0, np.nan)
    xyz = np.argwhere(~np.isnan(values))[::50] @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    good = Volume(values, mask.affine, "t")
    assert good.cautions(xyz, good.around(xyz, 3.0)) == []
    off = mask.affine.copy()
    off[2, 3] += 60
    with pytest.raises(InputError, match=r"in another space"):
        Volume(values, off, "t").cautions(xyz, Volume(values, off, "t").around(xyz, 3.0))
    with pytest.raises(InputError, match="lie outside of the brain of MNI 152"):
        Volume(values, off, "t").cautions(xyz, np.ones(len(xyz)))
    far = mask.affine.copy()
    far[:3, 3] += 300
    with pytest.raises(InputError, match="100 % of the samples lie outside of t"):
        Volume(values, far, "t").cautions(xyz, np.ones(len(xyz)))
    scanner = Volume(np.ones_like(values), mask.affine, "t", code=1).cautions(xyz, np.ones(len(xyz)))
    assert len(scanner) == 2 and "of the scanner" in scanner[0] and "outside of the brain too" in scanner[1]
    part = good.around(xyz, 3.0)
    part[: len(part) // 2] = np.nan
    assert "at 50 % of the samples; the others" in good.cautions(xyz, part)[0]


def test_cortex_by_division_and_by_class():
    obs = pd.DataFrame({
        "division": ["Frontal", "Anterior_Cingulate", "Temporal", "Limbic", "Cerebellum", "Cerebellar_cortex", None],
        "structure_name": ["gyrus rectus, left", "claustrum, left", "parahippocampal gyrus, right", "CA1 field", "VI",
                           "x", "y"],
    })  # fmt: skip
    found = cortical(obs)
    assert found.row_n.tolist() == [True, False, True, False, False, False, False]
    assert found.names == ("Anterior_Cingulate", "Frontal", "Temporal") and found.deep == ("claustrum",)
    assert cortical(obs, names=["limbic"]).row_n.tolist() == [False] * 3 + [True] + [False] * 3
    classed = obs.assign(structure_class=["cortex"] + ["subcortex/brainstem"] * 6)
    assert cortical(classed).column == "structure_class" and cortical(classed).row_n.sum() == 1
    assert cortical(classed, regions=("division",)).row_n.sum() == 3


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        ({"donor": ["a"]}, {}, r"does not tell which samples are cortex .* --whole-brain"),
        ({"division": ["Pons"]}, {}, r"no name in division of the file is known as cortex \(Pons\)"),
        ({"division": ["Pons"]}, {"names": ["Frontal"]}, "--cortex: 'Frontal' is not in division"),
        ({"division": ["Pons"]}, {"regions": ("lobe",)}, "no column lobe"),
    ],
)
def test_cortex_that_cannot_be_told(columns, more, message):
    with pytest.raises(InputError, match=message):
        cortical(pd.DataFrame(columns), **more)


ATLAS = Atlas(np.array([[[1, 2, 7]]]), np.eye(4),
              pd.DataFrame({"id": [1, 2, 7], "hemisphere": ["L", "R", "L"], "structure": "cortex",
                            "label": ["a", "b", "c"]}))  # fmt: skip


def test_parcels_from_a_table(tmp_path):
    path = tmp_path / "parcels.csv"
    path.write_text("region_number,n,value\n7,100,0.5\n1,90,-1\n2,80,\n")
    found = read_parcels(path, ATLAS)
    assert found[[0, 2]].tolist() == [-1.0, 0.5] and np.isnan(found[1])
    path.write_text("label,t\nc,0.5\na,2\n")
    assert read_parcels(path, ATLAS)[2] == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,value\n1,2\n9,3\n", r"1 of 2 parcels of parcels.csv are not in the atlas \(first: 9\)"),
        ("id,value\n1,2\n1,3\n", "stands there more than once"),
        ("id,value\n1,x\n", "holds no number"),
        ("id\n1\n", "two are needed"),
        ("id,a,b\n1,2,3\n", "2 columns of numbers"),
        ("id,value\nz,2\n", "are not in the atlas"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, text, message):
    (tmp_path / "parcels.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_parcels(tmp_path / "parcels.csv", ATLAS)


def test_means_within_donors_first():
    """Donor a has 1 and 3, donor b has 8: 5, not 4; a parcel without samples has none."""
    donors = np.array(["a", "a", "b", None], object)
    found = over_donors(np.array([[1.0], [3.0], [8.0], [9.0]]), np.array([0, 0, 0, -1]), donors, 2)
    assert found[0, 0] == 5.0 and np.isnan(found[1, 0])


@pytest.mark.parametrize("field", [KNearest(), GaussianProcess(subset=80)])
def test_smooth_genes_are_told_and_noise_is_not(field):
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-40, 40, (200, 3))
    values = np.column_stack([np.sin(xyz[:, 1] / 20), rng.normal(size=200), np.ones(200)])
    donors = list("abcd") * 50
    for places, by in ((Places.of(xyz, donors), "donor"), (Places.of(xyz), "block")):
        r2, held = held_out_r2(places, values, field)
        assert held.startswith(by) and r2[0] > 0.4 and r2[1] < 0.05 and np.isnan(r2[2])


def test_knn_r2_by_hand():
    """One neighbour, donors held out in turn: pooled over both folds."""
    rng = np.random.default_rng(1)
    xyz, donor = rng.uniform(-40, 40, (60, 3)), np.array(["a", "b"] * 30)
    x = rng.normal(size=60)
    error = spread = 0.0
    folded = np.column_stack([np.abs(xyz[:, 0]), xyz[:, 1:]])
    for d in "ab":
        train, test = np.flatnonzero(donor != d), np.flatnonzero(donor == d)
        nearest = train[np.linalg.norm(folded[test][:, None] - folded[train], axis=2).argmin(1)]
        error += ((x[test] - x[nearest]) ** 2).sum()
        spread += ((x[test] - x[train].mean()) ** 2).sum()
    r2, _ = held_out_r2(Places.of(xyz, donor), x[:, None], KNearest(k=1), "donor")
    assert r2[0] == pytest.approx(1 - error / spread)
