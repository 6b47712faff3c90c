"""The whole way on the miniature: what is known to be true is found, and what should not matter does not."""

from __future__ import annotations

import shutil

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.data.ahba.layout import MATRIX, find_donors
from exval.data.ahba.miniature import NOISE, write_miniature
from exval.data.ahba.normalise import WithinDonor, normalise_samples
from exval.data.ahba.pipeline import import_ahba
from exval.errors import InputError


def test_good_probes_are_chosen_and_the_rest_is_accounted_for(truth, samples):
    assert samples.var["probe_id"].to_dict() == truth.good
    assert samples.var["diff_stability"].min() > 0.5 and samples.var["recognised"].all()
    counts = samples.uns["exval_ahba"]["counts"]
    assert counts["samples_read"] == 250 and counts["samples"] == samples.n_obs == 250 - 12
    assert counts["probes"] - counts["probes_with_gene"] == len(truth.unknown) == 5
    assert counts["probes_with_gene"] - counts["probes_above"] == len(truth.absent) > 0
    lost = {*truth.mislabelled, *truth.midline}
    assert len(lost) == 12 and not lost & set(samples.obs["well_id"])
    text = "\n".join(samples.uns["exval_ahba"]["steps"])
    assert (
        "12 samples left out, hemisphere contradicts x (4 have no side: see --midline)" in text and "5 left out" in text
    )


def test_values_are_those_of_the_files(truth, samples):
    donor = find_donors(truth.folder)[2]
    x = pd.read_csv(donor.place / MATRIX, header=None, index_col=0)
    wells = pd.read_csv(donor.place / "SampleAnnot.csv")["well_id"].tolist()
    own = samples[samples.obs["donor"] == "12876"]
    at = [wells.index(well) for well in own.obs["well_id"]]
    np.testing.assert_array_equal(own.X, x.loc[own.var["probe_id"]].to_numpy(np.float32)[:, at].T)
    assert samples.X.dtype == np.float32 and isinstance(samples.X, np.ndarray) and np.isfinite(samples.X).all()
    for gene in own.var_names[:5]:
        off = own[:, gene].X[:, 0] - truth.field(gene, own.obsm["mni"])
        assert off.std() < 1.5 * NOISE


def test_the_table_has_what_others_build_on(samples):
    assert samples.uns["exval_unit"] == "log2" and samples.obs_names.is_unique and samples.var_names.is_unique
    np.testing.assert_array_equal(samples.obsm["mni"], samples.obs[["mni_x", "mni_y", "mni_z"]])
    assert {"donor", "structure_id", "structure_acronym", "structure_name", "structure_class"} <= set(samples.obs)
    assert {"hemisphere", "slab_type", "well_id", "mirrored", "exval_twin"} <= set(samples.obs)
    assert set(samples.obs["structure_class"]) <= {"cortex", "subcortex/brainstem", "cerebellum", "white matter"}
    assert ((samples.obs["hemisphere"] == "L") == (samples.obs["mni_x"] < 0)).all()
    assert {"entrez", "probe_id", "probe_name", "n_probes", "diff_stability"} <= set(samples.var)


def test_it_can_be_written_and_read(samples, tmp_path):
    samples.write_h5ad(tmp_path / "s.h5ad")
    again = anndata.read_h5ad(tmp_path / "s.h5ad")
    np.testing.assert_array_equal(again.X, samples.X)
    assert list(again.uns["exval_ahba"]["steps"]) == list(samples.uns["exval_ahba"]["steps"])


@pytest.mark.parametrize("options", [{}, {"mirror": "leftright", "normalise": "srs"}, {"probe_selection": "average"}])
def test_order_in_the_files_does_not_matter(truth, tmp_path, options):
    write_miniature(tmp_path / "mixed", shuffle=5)
    want, got = import_ahba(truth.folder, **options), import_ahba(tmp_path / "mixed", **options)
    assert list(got.obs_names) != list(want.obs_names) and list(got.var_names) == list(want.var_names)
    got = got[want.obs_names]
    np.testing.assert_allclose(got.X, want.X, atol=1e-5)
    pd.testing.assert_series_equal(got.var["probe_id"], want.var["probe_id"])
    pd.testing.assert_frame_equal(got.obs, want.obs)


@pytest.mark.parametrize("how", ["bidirectional", "leftright", "rightleft"])
def test_a_sample_and_its_image_share_twin_and_values(truth, samples, how):
    got = import_ahba(truth.folder, mirror=how, normalise="zscore")
    image = got.obs["mirrored"].to_numpy()
    assert image.sum() == {"bidirectional": 238, "leftright": (samples.obs["mni_x"] < 0).sum(),
                           "rightleft": (samples.obs["mni_x"] > 0).sum()}[how]  # fmt: skip
    assert got.obs_names.is_unique and not got.obs.loc[~image, "exval_twin"].duplicated().any()
    pairs = got[got.obs["exval_twin"].duplicated(keep=False)].obs.groupby("exval_twin", observed=True)
    assert (pairs.size() == 2).all() and len(pairs) == image.sum()
    assert (pairs["mni_x"].sum().abs() < 1e-9).all() and (pairs["donor"].nunique() == 1).all()
    originals = got[~image]
    own = originals[got.obs.loc[image, "exval_twin"].to_numpy()]
    np.testing.assert_array_equal(got[image].X, own.X)
    assert (got.obs.loc[image, "structure_acronym"].to_numpy() == own.obs["structure_acronym"].to_numpy()).all()


def test_original_coordinates_keep_the_midline(truth):
    got = import_ahba(truth.folder, coordinates="original")
    assert set(truth.midline) <= set(got.obs["well_id"]) and got.n_obs == 250 - 8
    wide = import_ahba(truth.folder, midline=200, mirror="bidirectional")
    images = wide.obs[wide.obs["mirrored"] & (wide.obs["hemisphere"] == "B")]
    assert len(images) == 4 and (images["structure_acronym"] == "Ra").all()


@pytest.mark.parametrize("selection", ["average", "max_intensity", "max_variance", "pc_loading", "corr_intensity"])
def test_other_choices_of_probes(truth, samples, selection):
    got = import_ahba(truth.folder, probe_selection=selection)
    assert list(got.var_names) == list(samples.var_names) and np.isfinite(got.X).all()
    assert got.var["diff_stability"].mean() < samples.var["diff_stability"].mean()
    if selection == "average":
        assert (got.var["probe_id"] == -1).all()
        gene = got.var_names[got.var["n_probes"] == 1]
        np.testing.assert_allclose(got[:, gene].X, samples[:, gene].X, rtol=1e-6)


def test_each_donor_may_have_its_own_probe(truth):
    got = import_ahba(truth.folder, probe_selection="max_variance", donor_probes="independent")
    own = got.var[[f"probe_id_{donor}" for donor in ("9861", "10021", "12876", "14380")]]
    assert (own.nunique(axis=1) > 1).any() and (got.var["probe_id"] == -1).all()
    common = import_ahba(truth.folder, probe_selection="max_variance", donor_probes="common")
    assert (
        common.var["probe_id"].to_numpy() == [row.value_counts().sort_index().idxmax() for _, row in own.iterrows()]
    ).all()


def test_donors_without_a_say_change_nothing(truth, tmp_path):
    """Probes chosen by three donors are the same whatever the fourth holds; its rows differ, theirs do not."""
    folder = shutil.copytree(truth.folder, tmp_path / "ahba")
    place = find_donors(folder)[3].place
    for name, low, high in ((MATRIX, 0, 9), ("PACall.csv", 0, 1)):
        table = pd.read_csv(place / name, header=None, index_col=0)
        noise = np.random.default_rng(0).integers(low, high + 1, table.shape)
        pd.DataFrame(noise, index=table.index).to_csv(place / name, header=False)
    three = ["9861", "10021", "12876"]
    want, got = (import_ahba(one, probe_donors=three) for one in (truth.folder, folder))
    pd.testing.assert_series_equal(got.var["probe_id"], want.var["probe_id"])
    kept = want.obs["donor"].isin(three).to_numpy()
    np.testing.assert_array_equal(got.X[kept], want.X[kept])
    assert not np.array_equal(got.X[~kept], want.X[~kept])
    free = import_ahba(folder, probe_selection="max_variance")
    assert (free.var["probe_id"] != want.var["probe_id"]).any()
    for selection in ("max_variance", "corr_variance"):
        a, b = (import_ahba(one, probe_donors=three, probe_selection=selection) for one in (truth.folder, folder))
        pd.testing.assert_series_equal(a.var["probe_id"], b.var["probe_id"])


def test_normalised_values_are_the_two_steps(truth, samples):
    got = import_ahba(truth.folder, normalise="srs")
    assert "exval_unit" not in got.uns and got.uns["exval_ahba"]["settings"]["normalise"] == "srs"
    donor = samples.obs["donor"].to_numpy()
    first = normalise_samples(samples.X, "srs")
    np.testing.assert_allclose(got.X, WithinDonor("srs").fit(first, donor).transform(first, donor), atol=1e-6)
    assert got.X.min() == 0 and got.X.max() == 1
    only = import_ahba(truth.folder, normalise="zscore", normalise_samples_by="none", within_structures=True)
    kind = samples.obs["structure_class"].to_numpy()
    want = WithinDonor("zscore", True).fit(samples.X, donor, kind).transform(samples.X, donor, kind)
    np.testing.assert_allclose(only.X, want, atol=1e-6)
    batch = import_ahba(truth.folder, normalise="batch")
    means = pd.DataFrame(batch.X).groupby(donor).mean()
    assert means.std().max() < 1e-5 and batch.uns["exval_ahba"]["settings"]["normalise_samples"] == "none"


def test_one_donor_alone(truth):
    with pytest.raises(InputError, match="diff_stability needs two donors"):
        import_ahba(truth.folder, donors=["9861"])
    got = import_ahba(truth.folder, donors=["9861"], probe_selection="corr_variance")
    assert got.var["diff_stability"].isna().all() and np.isfinite(got.X).all()
    assert "median differential stability unknown" in "\n".join(got.uns["exval_ahba"]["steps"])


def test_samples_unlike_the_others_are_left_out(truth, tmp_path):
    folder = shutil.copytree(truth.folder, tmp_path / "ahba")
    place = find_donors(folder)[0].place
    table = pd.read_csv(place / MATRIX, header=None, index_col=0)
    wells = pd.read_csv(place / "SampleAnnot.csv")["well_id"]
    strange = next(i for i, well in enumerate(wells) if well not in {*truth.mislabelled, *truth.midline})
    table.iloc[:, strange] = np.random.default_rng(0).permutation(table.iloc[:, strange])
    table.to_csv(place / MATRIX, header=False)
    got = import_ahba(folder, similarity=5)
    assert got.uns["exval_ahba"]["counts"]["samples_unlike"] == 1
    assert wells[strange] not in set(got.obs["well_id"])
    with pytest.raises(InputError, match="give standard deviations above 0"):
        import_ahba(truth.folder, similarity=0)


def test_rnaseq_decides_where_it_is_there(truth, tmp_path):
    """RNA-seq made to follow the bad probe of one gene: that probe is chosen; a gene without RNA-seq is left out."""
    folder = shutil.copytree(truth.folder, tmp_path / "ahba")
    with pytest.raises(InputError, match="'rnaseq' needs the RNA-seq downloads"):
        import_ahba(folder, probe_selection="rnaseq")
    donor = find_donors(folder)[0]
    samples = pd.read_csv(donor.place / "SampleAnnot.csv")
    x = pd.read_csv(donor.place / MATRIX, header=None, index_col=0)
    probes = pd.read_csv(donor.place / "Probes.csv").set_index("probe_id")
    genes = sorted(truth.good)
    entrez = probes.loc[[truth.good[gene] for gene in genes], "entrez_id"].to_numpy()
    rivals = [
        [one for one in probes.index[probes["entrez_id"] == number] if one not in truth.absent] for number in entrez
    ]
    odd = next(i for i, ids in enumerate(rivals) if len(ids) > 1)
    bad = next(one for one in rivals[odd] if one != truth.good[genes[odd]])
    rows = [bad if i == odd else truth.good[gene] for i, gene in enumerate(genes)]
    place = folder / "rnaseq_donor9861"
    place.mkdir()
    pd.DataFrame(2 ** x.loc[rows].to_numpy(), index=genes)[:39].to_csv(place / "RNAseqTPM.csv", header=False)
    samples.rename(columns={"structure_id": "ontology_structure_id"}).to_csv(place / "SampleAnnot.csv", index=False)
    got = import_ahba(folder, probe_selection="rnaseq")
    assert got.var["probe_id"].to_dict() == dict(zip(genes[:39], rows))
    samples[:-1].to_csv(place / "SampleAnnot.csv", index=False)
    with pytest.raises(InputError, match="has 80 columns of values, but SampleAnnot.csv has 79 rows"):
        import_ahba(folder, probe_selection="rnaseq")
    with pytest.raises(InputError, match="no donor has microarrays and RNA-seq"):
        import_ahba(folder, probe_selection="rnaseq", donors=["10021", "12876"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ibf": 50}, "--ibf 50: give a share"),
        ({"ibf": 1.0}, "no probe is above background in 1 of the samples; lower --ibf"),
        ({"probe_selection": "best"}, "--probe-selection 'best' is not known"),
        ({"mirror": "both"}, "--mirror 'both' is not known"),
        ({"normalise": "quantile"}, "--normalise 'quantile' is not known"),
        ({"normalise_samples_by": "quantile"}, "is not known"),
        ({"probe_donors": ["7"]}, "--probe-donors: 7; there: 9861"),
        ({"atlas_info": "x.csv"}, "give the atlas too"),
        ({"coordinates": "nowhere.csv"}, "there is no file nowhere.csv"),
        ({"donors": []}, "donor names not in"),
    ],
)
def test_options_that_cannot_be_meant(truth, options, message):
    with pytest.raises(InputError, match=message):
        import_ahba(truth.folder, **options)


def test_a_donor_with_swapped_sides_is_told(pair):
    path = pair / "normalized_microarray_donor9861" / "Ontology.csv"
    table = pd.read_csv(path)
    table["hemisphere"] = table["hemisphere"].map({"L": "R", "R": "L"})
    table.to_csv(path, index=False)
    annotation = path.with_name("SampleAnnot.csv")
    samples = pd.read_csv(annotation)
    good = samples["structure_id"] % 10 == 1 + (samples["mni_x"] > 0)
    for name in (MATRIX, "PACall.csv"):
        matrix = pd.read_csv(path.with_name(name), header=None, index_col=0)
        matrix.loc[:, np.r_[good.to_numpy()]].to_csv(path.with_name(name), header=False)
    samples[good].to_csv(annotation, index=False)
    with pytest.raises(InputError, match="every sample contradicts its x coordinate; are sides swapped"):
        import_ahba(pair)


def test_a_well_of_two_donors_is_told(pair):
    shutil.rmtree(pair / "normalized_microarray_donor10021")
    shutil.copytree(pair / "normalized_microarray_donor9861", pair / "normalized_microarray_donor10021")
    with pytest.raises(InputError, match="belongs to two donors"):
        import_ahba(pair)
