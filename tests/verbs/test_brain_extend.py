"""Further samples for a fitted field: a donor, a gene, and what cannot be added."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.cli.app import main
from exval.data.ahba.coordinates import corrected_table
from exval.errors import GeneError, InputError, UnitError
from exval.fields.newgene import Factors, Loading
from exval.fields.saved import open_field
from exval.verbs.brain_extend import brain_extend
from exval.verbs.brain_fit import brain_fit

REAL = corrected_table().to_numpy(float)
NAMES = ["GFAP", "MBP", "SNAP25", "SYP"]


def samples(n: int, donors: str, seed: int, names=NAMES, shift: float = 0.0) -> anndata.AnnData:
    """Four genes of two smooth parts, and a fifth, GAD1, that is their difference."""
    rng = np.random.default_rng(seed)
    xyz = REAL[rng.permutation(len(REAL))[:n]]
    a, b = np.sin(np.abs(xyz[:, 0]) / 20), np.cos(xyz[:, 1] / 20)
    every = dict(zip([*NAMES, "GAD1"], np.array([a, b, a + b, a - 2 * b, a - b]) + 6))
    values = np.column_stack([every[name] for name in names]) + shift + 0.1 * rng.normal(size=(n, len(names)))
    obs = pd.DataFrame({"donor": np.resize(list(donors), n)}, index=[f"s{seed}_{i}" for i in range(n)])
    return anndata.AnnData(values, obs, pd.DataFrame(index=names), obsm={"mni": xyz}, uns={"exval_unit": "log2"})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("extend") / "run"
    brain_fit(samples(240, "abc", 0), method="gp", out=out)
    return out


def test_a_gene_is_told_from_twenty_samples(run, tmp_path):
    few, asked = samples(20, "z", 1, ["GAD1"]), samples(200, "z", 2, ["GAD1"])
    config = brain_extend(run, few, out=tmp_path / "more")
    again = open_field(tmp_path / "more")
    assert again.genes.tolist() == [*NAMES, "GAD1"] and config["n_added"] == 1 and config["n"] == 240
    from exval.data.brain import read_samples

    there = read_samples(asked)
    told = again.field.predict(there.places, sd=True)
    error = there.values_ng[:, 0] - told.mean_mg[:, 4]
    assert np.corrcoef(told.mean_mg[:, 4], there.values_ng[:, 0])[0, 1] > 0.95
    assert 0.85 <= (np.abs(error) <= 1.96 * told.sd_mg[:, 4]).mean() <= 1.0
    before = open_field(run).field.predict(there.places, sd=True)
    np.testing.assert_array_equal(told.mean_mg[:, :4], before.mean_mg)
    with pytest.raises(InputError, match="added already"):
        brain_extend(tmp_path / "more", few, out=tmp_path / "again")


def test_a_donor_is_told_apart(run, tmp_path):
    """Samples of a donor whose values are all higher: asked as that donor they are told so, of nobody they are not."""
    config = brain_extend(run, samples(60, "d", 3, shift=1.0), out=tmp_path / "more")
    assert config["n"] == 300 and config["donors"] == ["a", "b", "c", "d"] and config["n_added"] == 0
    assert json.loads((tmp_path / "more" / "config.json").read_text())["params"]["chosen"] is None
    again, place = open_field(tmp_path / "more"), samples(1, "d", 4)
    from exval.fields.places import Places

    as_d, nobody = (again.field.predict(Places.of(place.obsm["mni"], who)).mean_mg[0] for who in (["d"], [None]))
    assert (as_d - nobody > 0).all()


def test_what_cannot_be_added_is_refused(run, tmp_path):
    out = tmp_path / "more"
    with pytest.raises(GeneError, match="nothing can be added"):
        brain_extend(run, samples(60, "d", 3, NAMES[:2]), out=out)
    with pytest.raises(InputError, match="4 samples are too few for a new gene"):
        brain_extend(run, samples(4, "d", 5, ["GAD1"]), out=out)
    assert not out.exists()


def test_the_command(run, tmp_path, capsys):
    samples(20, "z", 1, ["GAD1"]).write_h5ad(tmp_path / "few.h5ad")
    assert main(["brain", "extend", str(run), str(tmp_path / "few.h5ad"), "-o", str(tmp_path / "more"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_added"] == 1
    assert main(["brain", "extend", str(run), str(tmp_path / "none.h5ad"), "-o", str(tmp_path / "x")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_a_loading_is_that_of_ridge_regression():
    rng = np.random.default_rng(0)
    f = np.column_stack([np.ones(30), rng.normal(size=(30, 3))])
    value = f @ [0.0, 1.0, -1.0, 0.5] + 0.1 * rng.normal(size=30)
    one = Loading.fitted(f, value)
    by_hand = np.linalg.solve(f.T @ f + one.noise * np.eye(4), f.T @ (value - value.mean()))
    np.testing.assert_allclose(one.loading_k, by_hand, rtol=1e-8)


def test_samples_that_the_field_saw_are_told_by_a_copy_that_did_not(run):
    saved = open_field(run)
    factors, rows = Factors(saved.field, saved.places), np.arange(30)
    z_ng = saved.field.standardised(saved.values_ng)
    fresh = factors.at_samples(saved.field, saved.places, z_ng, saved.places.take(rows))
    assert np.abs(fresh - factors.at(saved.field, saved.places.take(rows))).max() > 1e-3
    other = samples(10, "z", 9)
    from exval.fields.places import Places

    there = Places.of(other.obsm["mni"])
    np.testing.assert_array_equal(factors.at_samples(saved.field, saved.places, z_ng, there),
                                  factors.at(saved.field, there))  # fmt: skip


def test_a_gene_known_at_all_samples_of_the_run_is_told_as_well(run, tmp_path):
    """The field saw every one of them: parts of them are told by copies that did not."""
    brain_extend(run, samples(240, "abc", 0, [*NAMES, "GAD1"]), out=tmp_path / "more")
    again, asked = open_field(tmp_path / "more"), samples(200, "z", 2, ["GAD1"])
    assert again.config["n"] == 240  # none of them twice
    from exval.fields.places import Places

    told = again.field.predict(Places.of(asked.obsm["mni"]), sd=True)
    assert np.corrcoef(told.mean_mg[:, 4], np.asarray(asked.X)[:, 0])[0, 1] > 0.97
    assert (np.abs(np.asarray(asked.X)[:, 0] - told.mean_mg[:, 4]) <= 1.96 * told.sd_mg[:, 4]).mean() >= 0.88


def test_another_unit_and_what_is_there_already_are_refused(run, tmp_path):
    other = samples(60, "d", 3)
    other.uns["exval_unit"] = "z"
    with pytest.raises(UnitError, match="is in z, the run in log2"):
        brain_extend(run, other, out=tmp_path / "more")
    with pytest.raises(InputError, match="are in the run already"):
        brain_extend(run, samples(240, "abc", 0), out=tmp_path / "more")
    assert not (tmp_path / "more").exists()


def test_a_small_file_without_a_unit_is_in_that_of_the_run(run, tmp_path):
    few = samples(20, "z", 1, ["GAD1"])
    del few.uns["exval_unit"]
    few.X = few.X - few.X.mean(0)  # centred, as twenty log2 values may look
    assert brain_extend(run, few, out=tmp_path / "more")["unit"] == "log2"
