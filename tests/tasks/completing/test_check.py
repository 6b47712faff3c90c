"""The check of one file: what is hidden of it, and what the sentence may say."""

from __future__ import annotations

import numpy as np
import pytest
from cohorts import Oracle, cohort

from exval.methods.completion import COMPLETERS
from exval.tasks.completing.check import block_map, held_out, held_out_genes

MEAN, PPCA = COMPLETERS["mean"], COMPLETERS["ppca"]


def test_a_tenth_is_hidden_from_the_fit_too():
    adata = cohort(60, gaps=0.2)
    log: list = []
    found = held_out(Oracle(adata, 0.0, log=log), MEAN(), adata)
    (_, fitted, _), (_, _, gaps) = log
    assert fitted == tuple(adata.obs_names)
    assert gaps == pytest.approx(adata.X.size * (0.2 + 0.8 * 0.1), rel=0.1)
    assert found.figures["rmse"] == pytest.approx(0, abs=1e-6) and found.better
    assert ": better by " in found.sentence and "10 % of the measured values" in found.sentence


def test_what_is_worse_is_said_to_be_worse():
    adata = cohort(60)
    found = held_out(Oracle(adata, 9.0), MEAN(), adata)
    assert found.better is False and "WORSE by" in found.sentence
    assert found.figures["coverage_95"] == 0


def test_the_mean_against_itself():
    found = held_out(MEAN(), MEAN(), cohort(60))
    assert found.better is None and 0.8 < found.figures["rmse"] == found.figures["rmse_mean"] < 1.2


def test_a_file_too_small_says_so():
    found = held_out(PPCA(), MEAN(), cohort(4))
    assert found.sentence.startswith("Not checked: ") and not found.rows


def test_few_patients_no_interval():
    adata = cohort(40)
    found = held_out(PPCA(rank=2), MEAN(), adata, groups_n=np.array(["a", "b"] * 20), unit="patient")
    assert "too few patients for an interval" in found.sentence and found.better is None


def test_with_a_reference_nothing_is_learned_from_the_file():
    file, reference = cohort(20, seed=1), cohort(60, seed=2)
    log: list = []
    held_out(Oracle(file, 0.0, log=log), MEAN(), file, reference)
    assert log[0][1] == tuple(reference.obs_names)


def test_added_genes_are_checked_in_the_reference_with_the_genes_of_the_file_alone():
    reference = cohort(60, per_patient=2)
    visible, added = list(reference.var_names[:8]), ["G15", "G16"]
    log: list = []
    groups = np.array([name[:12] for name in reference.obs_names], dtype=object)
    found = held_out_genes(Oracle(reference, 0.0, log=log), MEAN(), reference, visible, added, groups_n=groups)
    (_, trained, genes), (_, tested, gaps) = log
    assert not {n[:12] for n in trained} & {n[:12] for n in tested} and len(genes) == 20
    assert gaps == len(tested) * 12
    assert found.figures["rmse_added"] == pytest.approx(0, abs=1e-6) and found.figures["rmse_added_mean"] > 0.5


def test_the_map_of_blocks_keeps_the_share():
    measured = np.random.default_rng(0).random((300, 500)) < np.linspace(0, 1, 500)
    blocks = block_map(measured, most=(10, 20))
    assert len(blocks) == 200 and blocks.measured.mean() == pytest.approx(measured.mean(), abs=1e-9)
    by_gene = blocks.groupby("gene").measured.mean()
    assert by_gene.is_monotonic_decreasing
