"""Positions, sides and mirror images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exval.data.ahba.coordinates import AXES, agrees, corrected_table, mirror, place_samples
from exval.data.ahba.miniature import MIDLINE_ID, STRUCTURES, small_ontology
from exval.data.ahba.ontology import Ontology
from exval.errors import InputError

ONTOLOGY = Ontology(small_ontology())


def table(x, structure):
    structure = np.asarray(structure)
    return pd.DataFrame(
        {
            "structure_id": structure,
            "structure_acronym": ONTOLOGY.acronym(structure),
            "structure_name": ONTOLOGY.name(structure),
            "hemisphere": ONTOLOGY.hemisphere(structure),
            "mni_x": np.asarray(x, float),
            "exval_twin": [f"s{i}" for i in range(len(structure))],
        }
    )


def test_corrected_positions_by_well():
    wells = corrected_table()
    assert wells.index.is_unique and wells.abs().to_numpy().max() < 110 and (wells["mni_x"] < 0).mean() > 0.7
    given_ = pd.DataFrame({"well_id": wells.index[[5, 1]], **dict.fromkeys(AXES, 0.0)})
    np.testing.assert_array_equal(place_samples(given_)[AXES], wells.iloc[[5, 1]])
    assert place_samples(given_, "original") is given_
    own = wells.reset_index().rename(columns={"mni_x": "corrected_mni_x"})
    np.testing.assert_array_equal(place_samples(given_, own)[AXES], wells.iloc[[5, 1]])


def test_tables_of_positions_that_cannot_be_used(tmp_path):
    given_ = pd.DataFrame({"well_id": [1], **dict.fromkeys(AXES, 0.0)})
    with pytest.raises(InputError, match=r"1 of 1 wells \(first: 1\) are not in the table of corrected"):
        place_samples(given_)
    own = pd.DataFrame({"well_id": [1, 1], "mni_x": 0.0, "mni_y": 0.0, "mni_z": 0.0})
    with pytest.raises(InputError, match="holds a well twice"):
        place_samples(given_, own)
    with pytest.raises(InputError, match="no column mni_z"):
        place_samples(given_, own[["well_id", "mni_x", "mni_y"]])
    with pytest.raises(InputError, match="there is no file nowhere"):
        place_samples(given_, "nowhere.csv")


def test_real_samples_have_corrected_positions_that_agree_with_their_sides(shared_data):
    """All 3,702: sides by the names of the structures; 138 structures have none, and lie off x = 0 by a few mm."""
    real = pd.read_parquet(shared_data / "brain" / "ahba_3702samples_14summaries.parquet")
    placed, name = place_samples(real[["well_id", *AXES]]), real["structure_name"].str.lower()
    side = np.where(name.str.contains(r"\bleft\b"), "L", np.where(name.str.contains(r"\bright\b"), "R", "B"))
    assert (side == "B").sum() == 138
    x = placed["mni_x"].to_numpy()
    assert agrees(side, x).sum() == 3466 and agrees(side, x, 6.0).sum() == 3575
    away = np.linalg.norm(placed[AXES].to_numpy() - real[AXES].to_numpy(), axis=1)
    assert 1 < np.median(away) < 6
    other = real[["mni_nlin_x", "mni_nlin_y", "mni_nlin_z"]].to_numpy()
    assert np.median(np.linalg.norm(placed[AXES].to_numpy() - other, axis=1)) < 5


def test_midline():
    assert agrees(np.array(["B", "B", "L"]), np.array([1.5, -2.5, 0.0]), 2.0).tolist() == [True, False, False]


@pytest.mark.parametrize(("how", "n"), [("none", 0), ("bidirectional", 3), ("leftright", 2), ("rightleft", 1)])
def test_which_samples_get_an_image(how, n):
    got = mirror(table([-5, -6, 7, 0], [90011, 90021, 90032, MIDLINE_ID]), ONTOLOGY, how)
    assert got["mirrored"].sum() == n and len(got) == 4 + n
    with pytest.raises(InputError, match="choose one of none, bidirectional"):
        mirror(table([-5], [90011]), ONTOLOGY, "both")


@given(
    st.lists(st.tuples(st.integers(0, len(STRUCTURES) - 1), st.floats(0.1, 80), st.booleans()), min_size=1, max_size=9)
)
def test_images_are_the_same_structure_across_and_stay_with_their_original(drawn):
    x = [one[1] if one[2] else -one[1] for one in drawn]
    whole = mirror(table(x, [90011 + 10 * one[0] + one[2] for one in drawn]), ONTOLOGY)
    own, image = whole[~whole["mirrored"]], whole[whole["mirrored"]].sort_values("exval_twin")
    own = own.sort_values("exval_twin")
    assert own["exval_twin"].tolist() == image["exval_twin"].tolist()
    assert (image["mni_x"].to_numpy() == -own["mni_x"].to_numpy()).all()
    assert (image["structure_acronym"].to_numpy() == own["structure_acronym"].to_numpy()).all()
    assert agrees(whole["hemisphere"].to_numpy(), whole["mni_x"].to_numpy()).all()
    assert (ONTOLOGY.opposite(image["structure_id"].to_numpy()) == own["structure_id"].to_numpy()).all()
    assert (ONTOLOGY.hemisphere(whole["structure_id"].to_numpy()) == whole["hemisphere"].to_numpy()).all()


def test_a_structure_without_partner_gives_no_image():
    lonely = Ontology(small_ontology().query("id != 90012"))
    got = mirror(table([-5, -6], [90011, 90021]), lonely)
    assert got["structure_id"].tolist() == [90011, 90021, 90022]


def test_partners_of_one_acronym_are_told_apart_by_name():
    twice = small_ontology()
    twice["acronym"] = twice["acronym"].replace({"PrG": "FP"})
    assert Ontology(twice).opposite(np.array([90011, 90021, 90022])).tolist() == [90012, 90022, 90021]


def test_classes_by_the_deepest_head():
    ids = np.array([90011, 90091, 90131, 90141, 90121, MIDLINE_ID, 4005])
    assert ONTOLOGY.structure_class(ids).tolist() == [
        "cortex", "subcortex/brainstem", "cerebellum", "white matter", "subcortex/brainstem", "subcortex/brainstem",
        "unknown",
    ]  # fmt: skip
    with pytest.raises(InputError, match="structure 5 of SampleAnnot.csv is not in Ontology.csv"):
        ONTOLOGY.hemisphere(np.array([5]))
