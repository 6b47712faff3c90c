"""Which parcel a sample belongs to, by hand on a few voxels, and atlases that cannot be meant."""

from __future__ import annotations

import nibabel
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exval.data.ahba.atlas import Atlas
from exval.data.ahba.coordinates import corrected_table
from exval.data.ahba.miniature import write_miniature_atlas
from exval.errors import InputError


def affine(size=1.0, origin=(0.0, 0.0, 0.0)):
    out = np.diag([size, size, size, 1.0])
    out[:3, 3] = origin
    return out


def row(*labels):
    """A row of voxels along x, 1 mm, the first at the origin."""
    return Atlas(np.array(labels)[:, None, None], affine())


def at(atlas, x, tolerance=2.0, **where):
    return atlas.match(np.array([[x, 0.0, 0.0]]), tolerance=tolerance, **where).tolist()[0]


def test_the_voxel_that_contains_the_sample():
    atlas = row(1, 1, 2)
    assert [at(atlas, x, 0) for x in (-0.4, 1.4, 1.6, 2.4, 2.6, -0.6)] == [1, 1, 2, 2, 0, 0]


def test_the_search_grows_and_stops_at_the_tolerance():
    atlas = row(1, 0, 0, 0, 0, 2)
    assert at(atlas, 1.9, 2) == 1 and at(atlas, 1.9, 1) == 0
    assert at(atlas, 2.4, 2) == 0 and at(atlas, 2.4, 2.5) == 1 and at(atlas, 2.6, 2.5) == 2
    # at 4 mm both parcels are in the ball of 3 mm, but the ball of 1 mm already holds parcel 2
    assert at(atlas, 4.0, 4) == 2


def test_most_voxels_win_and_the_nearest_centroid_breaks_ties():
    assert at(row(1, 1, 0, 2), 2.0, 1) == 2  # one voxel of each in the ball; centroids at 0.5 and 3
    assert at(row(2, 2, 0, 1, 1, 1), 2.0, 2) == 2  # two of each; centroids at 0.5 and 4
    both = np.zeros((5, 3, 1), int)
    both[1, 1], both[3, :] = 1, 2
    got = Atlas(both, affine(origin=(0, -1, 0))).match(np.array([[2.0, 0, 0]]), tolerance=2)
    assert got.tolist() == [1]  # in the ball of 1 mm there is one voxel of each; 2 has three only within 2 mm
    both[2, 2], both[2, 0] = 2, 0
    assert Atlas(both, affine(origin=(0, -1, 0))).match(np.array([[2.0, 0, 0]]), tolerance=1).tolist() == [2]


INFO = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "hemisphere": ["L", "R", "B"],
        "structure": ["cortex", "cortex", "brainstem"],
        "label": list("abc"),
    }
)


def test_sides_and_classes_of_the_labels_count():
    atlas = Atlas(np.array([1, 2, 3, 0, 2])[:, None, None], affine(), INFO)
    cortex = np.array(["cortex"], dtype=object)
    assert at(atlas, 1.0, 2, hemisphere_n=np.array(["R"], dtype=object), class_n=cortex) == 2
    assert at(atlas, 1.0, 2, hemisphere_n=np.array(["L"], dtype=object), class_n=cortex) == 1
    stem = np.array(["subcortex/brainstem"], dtype=object)
    assert at(atlas, 1.0, 2, hemisphere_n=np.array(["L"], dtype=object), class_n=stem) == 3
    assert at(atlas, 1.0, 2, hemisphere_n=np.array(["L"], dtype=object), class_n=np.array(["other"])) == 0


@given(st.integers(0, 10**6), st.sampled_from([1.0, 2.0, 3.0]))
def test_turned_and_scaled_volumes_give_the_same_parcels(seed, tolerance):
    """Axes in another order and direction, with the affine that says so."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (6, 5, 4))
    labels[0, 0, 0] = 1
    position = rng.uniform(-2, 8, (12, 3))
    want = Atlas(labels, affine()).match(position, tolerance=tolerance)
    turned = np.array([[0, 0, -1, 5], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)
    got = Atlas(np.moveaxis(labels, 0, 2)[:, :, ::-1], turned).match(position, tolerance=tolerance)
    np.testing.assert_array_equal(got, want)


@given(st.integers(0, 10**6))
def test_the_search_is_that_of_its_words(seed):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random((5, 5, 5)) < 0.85, 0, rng.integers(1, 4, (5, 5, 5)))
    labels[2, 2, 2] = 1
    atlas, position = Atlas(labels, affine()), rng.uniform(0, 4, (6, 3))
    voxels = np.argwhere(labels)
    for one, got in zip(position, atlas.match(position, tolerance=2)):
        nearest = tuple(np.floor(one + 0.5).astype(int))
        want = labels[nearest]
        for radius in (1, 2):
            if not want:
                ball = [labels[tuple(v)] for v in voxels if np.linalg.norm(v - one) <= radius]
                if ball:
                    most = max(map(ball.count, set(ball)))
                    tied = [label for label in set(ball) if ball.count(label) == most]
                    away = {label: np.linalg.norm(np.argwhere(labels == label).mean(0) - one) for label in tied}
                    want = min(away, key=away.get)
        assert got == want


@pytest.fixture(scope="module")
def mni(tmp_path_factory):
    path = tmp_path_factory.mktemp("atlas") / "mini.nii.gz"
    return path, write_miniature_atlas(path)


def test_the_atlas_of_the_miniature_is_in_the_space_of_the_samples(mni):
    atlas = Atlas.load(*mni)
    position = corrected_table().to_numpy()
    atlas.check_space(position)
    label_n = atlas.match(position, tolerance=2)
    assert (label_n > 0).mean() > 0.9 and len(atlas.id_p) == 28
    side = atlas.info["hemisphere"].to_numpy()[np.searchsorted(atlas.id_p, label_n[label_n > 0])]
    assert ((side == "L") == (position[label_n > 0, 0] < 0)).mean() > 0.97  # but for the voxels of the midline


def test_other_spaces_are_refused(mni):
    image = nibabel.load(mni[0])
    labels, right = np.asarray(image.dataobj), image.affine
    position = corrected_table().to_numpy()
    refuse = lambda message: pytest.raises(InputError, match=message)  # noqa: E731
    with refuse("its affine is that of voxel indices"):
        Atlas(labels, np.eye(4)).check_space(position)
    far = right.copy()
    far[:3, 3] -= 300
    with refuse("lie outside of the atlas: it is not in MNI space"):
        Atlas(labels, far).check_space(position)
    with refuse("axes are swapped or turned round"):
        Atlas(labels, right).check_space(position[:, [2, 1, 0]])
    with refuse("would if x, y, z were x, y, -z"):
        Atlas(labels, right).check_space(position * np.array([1, 1, -1]))
    with refuse("calls left lie right of those called right"):
        Atlas(labels[::-1], right, mni[1])
    few = np.where(np.isin(labels, [1, 15]), labels, 0)
    Atlas(few, right).check_space(position)  # more samples would lie near it in another direction, by chance
    obs = pd.DataFrame(position, columns=["mni_x", "mni_y", "mni_z"]).assign(hemisphere="B", structure_class="other")
    with refuse("no sample lies within 2 mm of a parcel .* sides and structures of --atlas-info"):
        Atlas.load(*mni).match_samples(obs)


def test_volumes_that_are_no_atlas(tmp_path, mni):
    one = np.ones((2, 2, 2))
    for labels, message in [
        (one * 0.5, "no whole numbers; give an atlas of labels, not a map"),
        (one * np.nan, "no whole numbers"),
        (-one, "labels below 0"),
        (one * 0, "is empty"),
        (np.ones((2, 2, 2, 3)), "has 4 dimensions"),
    ]:
        with pytest.raises(InputError, match=message):
            Atlas(labels, np.eye(4))
    assert len(Atlas(np.ones((2, 2, 2, 1)), np.eye(4)).id_p) == 1
    (tmp_path / "no.nii.gz").write_bytes(b"nothing")
    for path, message in [
        ("nowhere.nii", "there is no file nowhere.nii"),
        (tmp_path / "no.nii.gz", "no readable image"),
    ]:
        with pytest.raises(InputError, match=message):
            Atlas.load(path)
    with pytest.raises(InputError, match="--tolerance -1: give millimetres, 0 or more"):
        row(1).match(np.zeros((1, 3)), tolerance=-1)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (INFO.drop(columns="structure"), "has no column structure"),
        (INFO[:2], r"lacks 1 labels of the atlas \(first: 3\)"),
        (INFO.assign(hemisphere="X"), "hemisphere 'X'; give L, R or B"),
        (INFO.assign(structure="thalamus"), "structure 'thalamus' is not known; give one of cortex"),
    ],
)
def test_tables_of_labels_that_do_not_fit(info, message):
    with pytest.raises(InputError, match=message):
        Atlas(np.array([1, 2, 3])[:, None, None], np.eye(4), info)
    with pytest.raises(InputError, match="there is no file nowhere.csv"):
        Atlas.load(np.zeros(1), "nowhere.csv")
