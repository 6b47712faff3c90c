"""Predictions that are kept: all of them, or those of genes told well, middling and badly; tables made from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.fields.base import Told
from exval.fields.places import Places
from exval.tasks.field import kept as module
from exval.tasks.field.diagnosis import kept_word, left_over, variogram_table
from exval.tasks.field.kept import Kept, near_r2, spread

HEAD = {"method": "knn", "arm": "position alone", "fold": 0, "seed": 0}


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-40, 40, (300, 3))
    noise = np.linspace(0.05, 3, 200)  # later genes are told worse
    values = np.sin(xyz[:, [1]] / 15) + noise * rng.normal(size=(300, 200))
    return Places.of(xyz), values, [f"G{i}" for i in range(200)]


def test_all_is_kept_where_there_is_room(world):
    places, values, genes = world
    one = Kept(places, values, genes, asked=300)
    one.take(HEAD, np.arange(300), Told(values.astype(np.float32), np.ones_like(values)))
    table = one.table(one.choose(pd.DataFrame()))
    assert one.whole and len(table) == 300 * 200
    row = table[(table["sample"] == 7) & (table.gene == "G3")].iloc[0]
    assert row.truth == pytest.approx(values[7, 3]) == row.prediction
    assert (row.x, row.y, row.z) == pytest.approx(tuple(places.xyz_n3[7]))


def test_few_genes_are_kept_where_there_is_not_and_they_span_good_to_bad(world, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 300 * 12)
    places, values, genes = world
    one = Kept(places, values, genes, asked=300)
    assert len(one.columns) == 96 and not one.whole
    one.take(HEAD, np.arange(300), Told(np.zeros_like(values)))
    r2 = pd.Series(np.linspace(0.9, -0.1, 200), genes)
    scores = pd.DataFrame({"method": "knn", "gene": genes, "r2": r2.to_numpy()})
    chosen = one.choose(scores)
    table = one.table(chosen)
    assert len(chosen) == 12 and len(table) == 12 * 300 and table.sd.isna().all()
    told = r2[chosen].sort_values()
    assert told.iloc[0] < 0.1 and told.iloc[-1] > 0.8 and np.abs(np.diff(told)).max() < 0.25
    good = table[table.gene == chosen[0]].truth.to_numpy()
    np.testing.assert_allclose(good, values[:, genes.index(chosen[0])], rtol=1e-6)


def test_a_field_that_failed_is_dropped(world):
    places, values, genes = world
    one = Kept(places, values, genes, asked=300)
    for name in ("knn", "broken"):
        one.take({**HEAD, "method": name}, np.arange(10), Told(values[:10]))
    one.drop(["broken"])
    assert set(one.table(genes).method) == {"knn"}


def test_ranks_are_spread_and_the_guess_knows_noise(world):
    places, values, _ = world
    guess = near_r2(places, values)
    assert guess[0] > 0.5 and guess[:20].mean() > guess[-20:].mean() + 0.4
    assert len(spread(guess, 500)) == 200


def test_sds_that_keep_their_word_lie_on_the_line_and_half_of_them_do_not():
    rng = np.random.default_rng(1)
    xyz = rng.uniform(-40, 40, (2000, 3))
    sd = rng.uniform(0.3, 2, (2000, 2))
    values = 3 * rng.normal(size=(2000, 2))
    one = Kept(Places.of(xyz), values, ["A", "B"], asked=4000)
    mean = values - sd * rng.normal(size=sd.shape)
    one.take(HEAD, np.arange(2000), Told(mean, sd))
    one.take({**HEAD, "method": "sure"}, np.arange(2000), Told(mean, sd / 2))
    one.take({**HEAD, "method": "mute"}, np.arange(2000), Told(mean))
    coverage, deciles = kept_word(one)
    assert set(coverage.method) == {"knn", "sure"}
    wide = coverage.pivot_table("actual", "nominal", "method")
    assert np.abs(wide.knn - wide.index).max() < 0.03
    assert wide.loc[0.95, "sure"] == pytest.approx(0.673, abs=0.03)  # 2 Phi(0.98) - 1
    told = deciles[deciles.method == "knn"]
    np.testing.assert_allclose(told.error, told.sd, rtol=0.12)
    assert told.sd.is_monotonic_increasing and told.n.sum() == 4000


def test_errors_of_a_field_that_takes_the_smooth_part_have_no_structure_left():
    rng = np.random.default_rng(2)
    xyz = rng.uniform(0, 60, (900, 3))
    smooth = np.sin(xyz[:, [1]] / 12) * np.ones((1, 3))
    values = smooth + 0.4 * rng.normal(size=smooth.shape)
    one = Kept(Places.of(xyz), values, list("ABC"), asked=1800)
    for name, told in (("good", smooth), ("nothing", np.zeros_like(smooth))):
        for fold, rows in enumerate(np.array_split(rng.permutation(900), 3)):
            one.take({**HEAD, "method": name, "fold": fold}, rows, Told(told[rows]))
    table = left_over(one, "good", "nothing", HEAD["arm"])
    assert table.what.unique().tolist() == ["measured", "errors of good", "errors of nothing"]
    mean = {what: (part.gamma.iloc[0], part.gamma.iloc[-1]) for what, part in table.groupby("what")}
    assert mean["measured"][1] > 2 * mean["measured"][0]
    assert mean["errors of good"][1] == pytest.approx(mean["errors of good"][0], rel=0.2)
    np.testing.assert_allclose(mean["errors of nothing"], mean["measured"])
    assert mean["errors of good"][0] * values.var(0).mean() == pytest.approx(0.16, rel=0.1)  # the noise put in


def test_values_that_do_not_vary_have_no_variogram():
    assert not len(variogram_table(np.random.default_rng(0).uniform(0, 9, (50, 3)), {"measured": np.zeros((50, 1))}))
