"""Correlations and their p by hand, a planted gene, random lists, verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from exval.errors import GeneError, InputError
from exval.tasks.correlating import relate as module
from exval.tasks.correlating.conclude import cautions, rows, verdict
from exval.tasks.correlating.randomlists import matched_lists
from exval.tasks.correlating.relate import correlations, naive_p, relate, share_beyond, without_donors


def smooth(xyz, length, seed):
    rng = np.random.default_rng(seed)
    return np.cos(xyz @ rng.normal(size=(3, 300)) / length + rng.uniform(0, 2 * np.pi, 300)).sum(1) / np.sqrt(150)


@pytest.fixture(scope="module")
def world():
    """200 places; genes 0 to 2 hold the contrast, the others are smooth and know nothing of it."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-50, 50, (200, 3))
    contrast = smooth(xyz, 20, 1)
    values = np.column_stack([smooth(xyz, 20, 100 + g) for g in range(60)]) + 0.4 * rng.normal(size=(200, 60))
    values[:, :3] = 0.3 * values[:, :3] + contrast[:, None]
    return xyz, contrast, values, [f"G{g}" for g in range(60)]


def test_figures_are_those_of_scipy(world):
    xyz, contrast, values, genes = world
    listed = np.arange(60) < 6
    found = relate(contrast, xyz, values, genes, listed, np.full(60, 0.5), surrogates=100, lists=100)
    for one in found.genes.itertuples():
        column = values[:, int(one.gene[1:])]
        assert one.r == pytest.approx(pearsonr(contrast, column)[0]) and one.p_naive == pytest.approx(
            pearsonr(contrast, column)[1], abs=1e-12)  # fmt: skip
        assert one.spearman == pytest.approx(spearmanr(contrast, column)[0])
    z = (values[:, :6] - values[:, :6].mean(0)) / values[:, :6].std(0)
    np.testing.assert_allclose(found.mean_n, z.mean(1))
    assert found.whole["r"] == pytest.approx(pearsonr(contrast, z.mean(1))[0])
    drawn = found.null[found.null.kind == "surrogate"]
    assert found.whole["p_surrogates"] == (1 + (drawn.r.abs() >= abs(found.whole["r"])).sum()) / 101
    assert (
        found.whole["p_lists"] == (1 + (found.null[found.null.kind == "list"].r.abs() >= found.whole["r"]).sum()) / 101
    )


def test_q_by_hand(world, monkeypatch):
    """p of three genes 1/101, 2/101, 51/101: q are 3 p / 1, 3 p / 2, 3 p / 3, made to fall."""
    xyz, contrast, values, genes = world
    p = np.array([1, 2, 51, 9]) / 101  # the last is that of the list
    monkeypatch.setattr(module, "surrogate_maps", lambda value, *_: np.tile(value, (100, 1)))
    monkeypatch.setattr(module, "share_beyond", lambda r, drawn: p[: len(r)])
    found = relate(contrast, xyz, values, genes, np.arange(60) < 3, np.full(60, 0.5), surrogates=100, lists=100)
    assert found.genes.q_surrogates.round(6).tolist() == np.round([3 / 101, 3 / 101, 51 / 101], 6).tolist()


def test_planted_genes_are_found_and_smooth_ones_mostly_not(world):
    xyz, contrast, values, genes = world
    listed = np.arange(60) < 40
    found = relate(contrast, xyz, values, genes, listed, np.full(60, 0.5), surrogates=500, lists=200)
    table = found.genes.set_index("gene")
    passed = set(table.index[table.q_surrogates < 0.05])
    naive = set(table.index[table.q_naive < 0.05])
    assert {"G0", "G1", "G2"} <= passed and len(passed) <= 7 and len(naive) > 2 * len(passed)
    others = table.drop(["G0", "G1", "G2"])
    assert (others.p_surrogates < 0.05).mean() <= 0.2 < (others.p_naive < 0.05).mean()
    text = verdict(found, 200, "cortical samples")
    assert f"{len(passed)} of 40 genes pass FDR 5 % by surrogates; {len(naive)} would by the naive test." in text
    made = rows(found, 200, "sample", "donor")
    assert len(made) == 7 + 40 * 8 and made[0]["metric"] == "pearson"


def test_a_seed_decides(world):
    xyz, contrast, values, genes = world
    listed, r2 = np.arange(60) < 5, np.full(60, 0.5)
    one, same, other = (
        relate(contrast, xyz, values, genes, listed, r2, surrogates=100, lists=100, seed=seed) for seed in (0, 0, 1)
    )
    assert one.null.equals(same.null) and one.genes.equals(same.genes) and not one.null.equals(other.null)


def test_genes_that_are_not_told_are_dropped(world):
    xyz, contrast, values, genes = world
    r2 = np.full(60, 0.5)
    r2[[1, 2, 30]] = [0.0, np.nan, -0.2]
    listed = np.arange(60) < 4
    found = relate(contrast, xyz, values, genes, listed, r2, surrogates=100, lists=100)
    assert set(found.genes.gene) == {"G0", "G3"} and set(found.dropped.gene) == {"G1", "G2"}
    said = cautions(found, ["X"], 100, whole_brain=True, donors=["a", "a"])
    assert "of the list, 2 not told at held-out samples and dropped: G1, G2" in said and len(said) == 4
    with pytest.raises(GeneError, match=r"no gene of the list \(2\) is told"):
        relate(contrast, xyz, values, genes, (np.arange(60) == 1) | (np.arange(60) == 2), r2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 3}, "3 places have a value"),
        ({"surrogates": 50}, "100 or more"),
        ({"flat": True}, "same everywhere"),
    ],
)
def test_what_cannot_be_told_is_refused(world, change, message):
    xyz, contrast, values, genes = world
    n = change.get("rows", 200)
    value = np.ones(200) if change.get("flat") else contrast
    with pytest.raises(InputError, match=message):
        relate(value[:n], xyz[:n], values[:n], genes, np.arange(60) < 5, np.full(60, 0.5),
               surrogates=change.get("surrogates", 100))  # fmt: skip


def test_random_lists_are_told_as_well_as_the_list():
    rng = np.random.default_rng(0)
    r2 = rng.uniform(-0.2, 0.8, 500)
    r2[::7] = np.nan
    listed = np.zeros(500, bool)
    listed[np.argsort(-np.nan_to_num(r2, nan=-1))[:40:2]] = True  # 20 of the best told
    lists, bins = matched_lists(r2, listed, 50, 3)
    assert lists.shape == (50, 20) and bins >= 5 and not listed[lists].any() and not np.isnan(r2[lists]).any()
    assert all(len(set(one)) == 20 for one in lists)
    assert abs(r2[lists].mean() - r2[listed].mean()) < 0.1 < abs(np.nanmean(r2) - r2[listed].mean())
    np.testing.assert_array_equal(lists, matched_lists(r2, listed, 50, 3)[0])


def test_a_coherent_list_without_others_has_no_random_lists(world):
    xyz, contrast, values, genes = world
    found = relate(contrast, xyz, values[:, :10], genes[:10], np.arange(10) < 4, np.full(10, 0.5), surrogates=100)
    assert np.isnan(found.whole["p_lists"]) and found.why == (
        "the file has 6 other genes that can be told; 20 are needed for random lists of 4")  # fmt: skip
    assert set(found.null.kind) == {"surrogate"} and f"no random lists ({found.why})" in verdict(found, 200, "samples")


def test_small_sums_by_hand():
    """r of (0, 1, 2) and (0, 2, 1) is 1/2; one of three draws lies as far from 0."""
    assert correlations(np.array([[0.0], [1], [2]]), np.array([[0.0], [2], [1]]))[0, 0] == pytest.approx(0.5)
    assert share_beyond(np.array([0.5]), np.array([[-0.5], [0.4], [0.0]])).tolist() == [0.5]
    assert naive_p(np.array([1.0]), 10).tolist() == [0.0]
    assert without_donors(np.array([[1.0], [3.0], [5.0]]), np.array(["a", "b", "a"], object)).ravel().tolist() == [
        -2,
        0,
        2,
    ]
