"""Parcels by genes: aggregation and what fills empty parcels, by hand."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.data.ahba.atlas import Atlas
from exval.data.ahba.miniature import write_miniature_atlas
from exval.data.ahba.parcels import parcellate
from exval.data.ahba.pipeline import import_ahba
from exval.errors import InputError

#: Three parcels along x: voxels at 0, 1 | 10, 11 | 20, 22 mm.
LABELS = np.zeros(23, int)
LABELS[[0, 1]], LABELS[[10, 11]], LABELS[[20, 22]] = 1, 5, 9
ATLAS = Atlas(LABELS[:, None, None], np.eye(4))
INFO = pd.DataFrame({"id": [1, 5, 9], "hemisphere": ["L", "R", "R"], "structure": "cortex", "label": ["a", "b", "c"]})


def table(x, values, donor, side=None):
    obs = pd.DataFrame({"donor": list(donor), "mni_x": np.asarray(x, float), "mni_y": 0.0, "mni_z": 0.0})
    obs = obs.assign(hemisphere=list(side or "R" * len(obs)), structure_class="cortex")
    obs.index = obs.index.astype(str)
    atlas = Atlas(LABELS[:, None, None], np.eye(4), None if side is None else INFO)
    obs["parcel"] = atlas.match(
        obs[["mni_x", "mni_y", "mni_z"]].to_numpy(),
        obs["hemisphere"].to_numpy(object),
        obs["structure_class"].to_numpy(object),
    )
    return anndata.AnnData(np.asarray(values, np.float32)[:, None], obs=obs, var=pd.DataFrame(index=["G"])), atlas


@pytest.mark.parametrize(
    ("aggregate", "metric", "want"),
    [
        ("donors", "mean", [5.0, 2.0]),  # p: (1 + 2 + 6) / 3 = 3, q: 7
        ("samples", "mean", [4.0, 2.0]),
        ("donors", "median", [4.5, 2.0]),  # p: 2, q: 7
        ("samples", "median", [4.0, 2.0]),
    ],
)
def test_aggregation_by_hand(aggregate, metric, want):
    samples, atlas = table([0, 1, 0, 1, 10], [1, 2, 6, 7, 2], "pppqq")
    got = parcellate(samples, atlas, aggregate=aggregate, metric=metric)
    np.testing.assert_allclose(got.X[:2, 0], want)
    assert np.isnan(got.X[2, 0]) and list(got.obs_names) == ["1", "5", "9"]
    assert got.obs["n_samples"].tolist() == [4, 1, 0] and got.obs["n_p"].tolist() == [3, 0, 0]
    assert got.obs["mni_x"].tolist() == [0.5, 10.5, 21]


def test_values_of_each_donor():
    samples, atlas = table([0, 1, 10], [1, 7, 2], "pqq")
    got = parcellate(samples, atlas, each_donor=True)
    np.testing.assert_array_equal(got.layers["donor_p"][:, 0], [1, np.nan, np.nan])
    np.testing.assert_array_equal(got.layers["donor_q"][:, 0], [7, 2, np.nan])
    with pytest.raises(InputError, match="need --aggregate donors"):
        parcellate(samples, atlas, each_donor=True, aggregate="samples")


def test_centroids_by_hand():
    """Parcel 9 (centroid 21) is empty in both donors: p's nearest lies at 11 (10 mm off), q's at 1 (20 mm off)."""
    samples, atlas = table([0, 11, 1], [3, 6, 12], "ppq")
    got = parcellate(samples, atlas, missing="centroids")
    np.testing.assert_allclose(got.X[:, 0], [7.5, 6, (6 / 10 + 12 / 20) / (1 / 10 + 1 / 20)], rtol=1e-6)
    assert got.obs["filled"].tolist() == ["", "", "centroids"] and got.obs["n_samples"].tolist() == [2, 1, 0]


def test_interpolation_by_hand():
    """Donor p lacks 9: its voxels 20 and 22 take the sample at 11; donor q lacks 5 and 9: all take the sample at 1."""
    samples, atlas = table([0, 11, 1], [3, 6, 12], "ppq")
    got = parcellate(samples, atlas, missing="interpolate", each_donor=True)
    np.testing.assert_allclose(got.layers["donor_p"][:, 0], [3, 6, 6])
    np.testing.assert_allclose(got.layers["donor_q"][:, 0], [12, 12, 12])
    np.testing.assert_allclose(got.X[:, 0], [7.5, 9, 9])
    assert got.obs["filled"].tolist() == ["", "interpolate", "interpolate"]


def test_interpolation_weighs_voxels_by_distance():
    """Samples 15 and 27 are in no parcel; of parcel 9, voxel 20 takes the one 5 mm off, voxel 22 too (5 < 7)."""
    samples, atlas = table([0, 15, 27], [1, 4, 10], "ppp")
    got = parcellate(samples, atlas, missing="interpolate")
    np.testing.assert_allclose(got.X[2, 0], (4 / 5 + 10 / 5) / (1 / 5 + 1 / 5), rtol=1e-6)
    np.testing.assert_allclose(got.X[1, 0], 4.0)  # voxels 10 and 11 both take the sample at 15


def test_only_samples_of_the_parcels_side_fill_it():
    samples, atlas = table([0, 11], [3, 6], "pp", side="LR")
    got = parcellate(samples, atlas, missing="centroids")
    np.testing.assert_allclose(got.X[:, 0], [3, 6, 6])
    assert got.obs["name"].tolist() == ["a", "b", "c"]
    samples, atlas = table([0], [3], "p", side="L")
    assert np.isnan(parcellate(samples, atlas, missing="interpolate").X[1:, 0]).all()
    assert np.isnan(parcellate(samples, atlas, missing="centroids").X[1:, 0]).all()


def test_guards():
    samples, atlas = table([0, 1], [1, 2], "pq")
    for option, message in [
        ({"missing": "zero"}, "--missing 'zero' is not known; choose one of none, centroids, interpolate"),
        ({"aggregate": "all"}, "--aggregate 'all'"),
        ({"metric": "mode"}, "--metric 'mode'"),
    ]:
        with pytest.raises(InputError, match=message):
            parcellate(samples, atlas, **option)
    samples.obs["parcel"] = 7
    with pytest.raises(InputError, match="not in the atlas; import again"):
        parcellate(samples, atlas)
    samples.obs["parcel"] = 0
    with pytest.raises(InputError, match="no sample has a parcel"):
        parcellate(samples, atlas)


def test_parcels_of_the_miniature_follow_its_fields(truth, tmp_path):
    """The mean over donors of noisy samples is near the mean of the true field at them, in every filled parcel."""
    info = write_miniature_atlas(tmp_path / "mini.nii.gz")
    samples = import_ahba(truth.folder, atlas=tmp_path / "mini.nii.gz", atlas_info=info, mirror="bidirectional")
    assert (samples.obs["parcel"] > 0).mean() > 0.8
    got = parcellate(samples, tmp_path / "mini.nii.gz", info, missing="centroids")
    assert np.isfinite(got.X).all() and got.shape == (28, 40)
    gene = samples.var_names[3]
    field = pd.Series(truth.field(gene, samples.obsm["mni"]) - samples[:, gene].X[:, 0], index=samples.obs_names)
    assert field.groupby(samples.obs["donor"], observed=True).std().max() < 0.2  # noise 0.15; donors have offsets
    want = pd.Series(truth.field(gene, samples.obsm["mni"])).groupby(samples.obs["parcel"].to_numpy()).mean()
    own = got.obs["n_samples"] >= 5
    labels = got.obs.loc[own, "label"]
    assert np.corrcoef(got[own, gene].X[:, 0], want[labels])[0, 1] > 0.9
