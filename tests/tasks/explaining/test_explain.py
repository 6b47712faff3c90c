"""Whole explanations: the planted gene comes first, and what is no better than chance is called so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from plantedworlds import PLANTED, symbols, world

import exval
from exval.errors import GeneError
from exval.run import Run
from exval.tasks.explaining.conclude import AS_RANDOM, CONFIRMED
from exval.tasks.explaining.question import ALL

FAST = {"samples": 90, "networks": 2, "top": 4, "steps": 8}
GENE = symbols()[PLANTED]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Three sets; the planted gene is in the first."""
    names = symbols()
    path = tmp_path_factory.mktemp("sets") / "three.gmt"
    lines = [["WITH", "", *names[4:12]], ["WITHOUT", "", *names[14:22]], ["ODD", "", *names[1::2]]]
    path.write_text("\n".join("\t".join(line) for line in lines))
    return path


@pytest.fixture(scope="module")
def planted(planted_run, new_patients, sets):
    return exval.explain(planted_run, new_patients, gene_sets=sets, **FAST)


def first(found, name=None):
    table = found.extras["importance"]
    return table[table["class"] == (name or table["class"].iloc[0])].iloc[0]


def test_the_planted_gene_is_first_and_is_confirmed(planted):
    assert [first(planted, name).gene for name in (ALL, "no", "yes")] == [GENE] * 3
    assert (
        first(planted).univariate_rank == 1
        and first(planted, "yes").ig_mean > 0
        and first(planted, "yes").univariate > 0
    )
    assert first(planted, "no").univariate < 0
    assert planted.config["standing"] == CONFIRMED and "as far as the checks go" in planted.verdict
    assert planted.config["completeness_gap"] < 0.05 and "training met none of these 30 samples" in planted.verdict


def test_without_it_the_run_fails_at_once(planted):
    curve = planted.extras["deletion"].set_index(["ranking", "k"]).value
    assert curve["integrated gradients", 0] > 0.9 and curve["integrated gradients", 1] < 0.65
    assert curve["random", 1] > 0.85
    rows = planted.rows
    gap = rows[(rows.metric == "difference:deletion_area") & (rows.note == "against random")].iloc[0]
    assert gap.hi < 0 and gap.n == 30 and gap.unit == "sample"


def test_the_table_is_whole(planted):
    table = planted.extras["importance"]
    assert list(table["class"].unique()) == [ALL, "no", "yes"] and len(table) == 3 * 24
    for _, part in table.groupby("class"):
        assert sorted(part["rank"]) == list(range(1, 25)) and (part.ig_abs.diff().dropna() <= 0).all()
        assert sorted(part.untrained_rank) == sorted(part.attention_rank) == list(range(1, 25))
    assert (table.ig_mean.abs() <= table.ig_abs + 1e-9)[table["class"] != ALL].all()
    assert table[table["class"] == "no"].n.iloc[0] + table[table["class"] == "yes"].n.iloc[0] == 60
    means = table[table["class"] != ALL].groupby("gene").ig_abs.mean()
    own = table[table["class"] == ALL].set_index("gene").ig_abs
    np.testing.assert_allclose(own, means[own.index])


def test_gene_sets_are_tested_for_every_list(planted):
    found = planted.extras["gene_sets"]
    assert len(found) == 3 * 2 * 3 and found.p_family.between(0.0009, 1).all()
    assert "the first 4 genes" in planted.verdict.lower()
    label = planted.extras["lists"].set_index("class").label
    assert all("overlaps with" in text for text in label)


def test_labels_that_nothing_decides_are_called_random(random_run):
    found = exval.explain(random_run, world(90, seed=6, random=True), **FAST)
    assert found.config["standing"] == AS_RANDOM
    assert "no better than a random one" in found.verdict and "nothing to explain" in found.verdict


def test_hard_bins_are_occluded(bins_run, new_patients):
    found = exval.explain(bins_run, new_patients, **FAST)
    assert found.config["method"] == "occlusion" and first(found).gene == GENE
    assert any("'gene-bins' puts values into hard bins" in line for line in found.config["warnings"])
    curve = found.extras["deletion"].set_index(["ranking", "k"]).value
    assert curve["occlusion", 1] < 0.65 < curve["random", 1]
    assert found.config["completeness_gap"] != found.config["completeness_gap"]


def test_survival(survival_run):
    found = exval.explain(survival_run, world(180, seed=5), **{**FAST, "samples": 180, "networks": 1})
    one = first(found)
    assert (
        one["class"] == "risk"
        and one.gene == GENE
        and one.univariate > 0
        and set(found.extras["lists"]["class"]) == {"risk"}
    )
    curve = found.extras["deletion"].set_index(["ranking", "k"]).value
    assert found.config["measure"] == "harrell_c"
    assert (
        curve["integrated gradients", 0] > 0.65
        and curve["integrated gradients", 1] < curve["integrated gradients", 0] - 0.1
    )


def test_patients_without_the_planted_gene_and_with_gaps(planted_run, new_patients):
    data = new_patients[:, np.arange(24) != PLANTED].copy()
    data.X[np.random.default_rng(0).random(data.shape) < 0.3] = np.nan
    found = exval.explain(planted_run, data, **{**FAST, "networks": 1})
    assert GENE not in set(found.extras["importance"].gene) and found.config["genes_shared"] == 23
    assert found.extras["importance"].n.max() < 60 and found.config["standing"] == AS_RANDOM


def test_cells_and_predicted_classes(tuned_run, baron_small):
    run = Run(tuned_run)
    baron_small = baron_small[::2, ::2].copy()
    del baron_small.obs["cell_type"]
    found = exval.explain(run, baron_small, **{**FAST, "networks": 1})
    assert found.config["baseline"] == "zero expression" and found.config["measure"] == "agreement"
    assert any("has no column 'cell_type'" in line for line in found.config["warnings"])
    table = found.extras["importance"]
    seen = np.asarray((baron_small.X > 0).sum(0)).ravel() > 0
    assert set(table.gene) <= set(exval.open_source(baron_small).var_names[seen])
    assert found.rows.metric.isin(["agreement"]).any()


def test_the_same_seed_gives_the_same_answer(planted_run, new_patients, planted, sets):
    again = exval.explain(planted_run, new_patients, gene_sets=sets, **FAST)
    assert again.verdict == planted.verdict
    pd.testing.assert_frame_equal(again.extras["importance"], planted.extras["importance"])
    pd.testing.assert_frame_equal(again.extras["deletion"], planted.extras["deletion"])


def test_tops_that_do_not_fit(planted_run, new_patients, sets, tmp_path):
    found = exval.explain(planted_run, new_patients, **{**FAST, "top": 25})
    assert found.config["top"] == 4 and any("the first 4 are called the top" in w for w in found.config["warnings"])
    (tmp_path / "other.gmt").write_text("MINE\t\tINS\tGCG\n")
    with pytest.raises(GeneError, match="none of the 1 sets of other.gmt shares 5 genes"):
        exval.explain(planted_run, new_patients, gene_sets=tmp_path / "other.gmt", **FAST)
