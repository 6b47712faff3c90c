"""Comparing methods on hidden values: who sees what, what is scored, and what is said."""

from __future__ import annotations

import numpy as np
import pytest
from cohorts import Oracle, cohort

from exval.bench.results import COLUMNS, Results
from exval.errors import InputError
from exval.methods.completion import COMPLETERS
from exval.methods.matrix import dense_values
from exval.tasks.completing import evaluate_completion
from exval.tasks.completing.evaluation import patient_splits
from exval.tasks.completing.scale import Scale

MEAN = COMPLETERS["mean"]


def pooled(found, method, arm, metric="rmse"):
    rows = found.rows[(found.rows.method == method) & (found.rows["slice"] == f"arm={arm}") & (found.rows.fold == -1)]
    rows = rows[rows.metric == metric]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.fixture(scope="module")
def scored():
    adata = cohort(60, gaps=0.1, per_patient=2)
    methods = [MEAN(), Oracle(adata, 0.0), Oracle(adata, 0.5, spread=0.5)]
    splits = patient_splits(adata, folds=3)
    return adata, evaluate_completion(adata, methods, splits, against="mean", seed=3)


def test_the_truth_is_never_wrong_and_a_known_error_is_found(scored):
    adata, found = scored
    for arm in found.config["arms"]:
        assert pooled(found, "oracle+0", arm).value == pytest.approx(0, abs=1e-6)
        assert pooled(found, "oracle+0", arm, "coverage_50").value == 1
        assert pooled(found, "oracle+0", arm, "pearson").value == pytest.approx(1)
        assert pooled(found, "oracle+0.5", arm, "coverage_50").value == 0, "off by one sd, beyond 0.67 of it"
        assert pooled(found, "oracle+0.5", arm, "coverage_95").value == 1
    assert 0.9 < pooled(found, "mean", "random 50 %").value < 1.15
    assert pooled(found, "mean", "random 50 %", "pearson").value == 0
    assert "oracle+0.5 against mean" in found.verdict and "30 patients" in found.verdict


def test_the_figures_can_be_redone_from_the_predictions(scored):
    _, found = scored
    table = found.predictions
    for (method, arm), part in table.groupby(["method", "arm"]):
        assert pooled(found, method, arm).value == pytest.approx(np.sqrt(part.squared.sum() / part.n_hidden.sum()))
        assert pooled(found, method, arm, "mae").value == pytest.approx(part.absolute.sum() / part.n_hidden.sum())
    gap = pooled(found, "oracle+0.5", "low 50 %", "difference:rmse")
    assert gap.value == pytest.approx(
        pooled(found, "oracle+0.5", "low 50 %").value - pooled(found, "mean", "low 50 %").value
    )
    assert gap.lo < gap.value < gap.hi and gap.unit == "patient" and gap.note == "against mean"
    assert list(found.rows.columns) == list(COLUMNS)


def test_by_hand_with_one_fold():
    adata = cohort(40, g=6, gaps=0.2)
    splits = patient_splits(adata, folds=2)
    found = evaluate_completion(adata, [Oracle(adata, 0.3)], splits, arms=["genes 50 %"], seed=5)
    from exval.tasks.completing.arms import Arm

    square = count = 0
    for fold in splits.folds:
        scale = Scale.of(dense_values(adata[fold.train]))
        truth = dense_values(adata[fold.test])
        hidden = Arm("genes", 0.5).hide(np.where(np.isnan(truth), np.nan, 0.0), [5, fold.seed, fold.fold])
        square += (hidden * (0.3 / scale.unit_g) ** 2).sum()
        count += hidden.sum()
    assert pooled(found, "oracle+0.3", "genes 50 %").value == pytest.approx(np.sqrt(square / count), rel=1e-4)


def test_methods_see_training_patients_and_hidden_values_are_hidden():
    adata = cohort(45, gaps=0.1, per_patient=3)
    log: list = []
    evaluate_completion(
        adata, [Oracle(adata, 0.0, log=log)], patient_splits(adata, folds=3), arms=["random 50 %", "genes 90 %"]
    )
    gaps = {name: int(np.isnan(row).sum()) for name, row in zip(adata.obs_names, adata.X)}
    fits = [entry for entry in log if entry[0] == "fit"]
    assert len(fits) == 3
    for i, (what, names, rest) in enumerate(log):
        if what == "fit":
            trained = {name[:12] for name in names}
        else:
            assert not trained & {name[:12] for name in names}
            hidden = rest - sum(gaps[name] for name in names)
            assert hidden > 0.35 * 20 * len(names), i


def test_nothing_that_the_file_lacks_is_scored():
    adata = cohort(40, gaps=0.3)
    sane, wild = Oracle(adata, 0.2), Oracle(adata, 0.2, shift_unmeasured=1e6)
    found = [evaluate_completion(adata, [one], arms=["random 30 %"]) for one in (sane, wild)]
    assert pooled(found[0], "oracle+0.2", "random 30 %").value == pooled(found[1], "oracle+0.2", "random 30 %").value


def test_genes_that_one_method_does_not_know_are_left_out_for_all():
    adata = cohort(40)
    alone = evaluate_completion(adata, [MEAN()], arms=["random 50 %"])
    both = evaluate_completion(
        adata, [MEAN(), Oracle(adata, 0.1, blind=("G00", "G01"))], arms=["random 50 %"], against="mean"
    )
    assert set(alone.extras["completion_genes"].gene) - set(both.extras["completion_genes"].gene) == {"G00", "G01"}
    assert any("does not know 2 of the genes" in line for line in both.config["warnings"])
    n = both.predictions.groupby("method").n_hidden.sum()
    assert n["mean"] == n["oracle+0.1-blind"] < alone.predictions.n_hidden.sum()


class Failing(MEAN):
    """Raises, or leaves some of the values asked for empty."""

    def __init__(self, kind="raise"):
        self.kind = kind

    @property
    def title(self):
        return f"failing-{self.kind}"

    def complete(self, adata, *, genes=None, sd=False):
        if self.kind == "raise":
            raise ValueError("out of\n luck")
        found = super().complete(adata, genes=genes, sd=sd)
        found.values_ng[0, np.isnan(adata.X[0])] = np.nan
        return found


def test_a_method_that_fails_is_a_row_and_ends_nothing():
    adata = cohort(30)
    found = evaluate_completion(adata, [MEAN(), Failing("raise"), Failing("nan")], arms=["random 50 %"])
    failed = found.rows[found.rows.status == "failed"].set_index("method").note
    assert failed["failing-raise"] == "out of luck" and "NaN or inf" in failed["failing-nan"]
    assert set(found.predictions.method) == {"mean"}
    assert sum("failed: " in line for line in found.config["warnings"]) == 2
    with pytest.raises(InputError, match="no method could be scored: failing-raise: out of luck"):
        evaluate_completion(adata, [Failing("raise")], arms=["random 50 %"])


def test_twins_and_nothing_are_refused():
    adata = cohort(30)
    for methods in ([], [MEAN(), MEAN()]):
        with pytest.raises(InputError, match="different titles"):
            evaluate_completion(adata, methods)


def test_few_patients_have_no_interval_and_the_same_seed_the_same_answer():
    adata = cohort(40, per_patient=8)
    first, second = (evaluate_completion(adata, [MEAN(), Oracle(adata, 0.4)], patient_splits(adata, folds=2),
                                         arms=["random 50 %"], against="mean") for _ in range(2))  # fmt: skip
    assert np.isnan(pooled(first, "mean", "random 50 %").lo) and "cannot tell" in first.verdict
    values = ["value", "lo", "hi", "n"]
    np.testing.assert_array_equal(first.rows[values].to_numpy(), second.rows[values].to_numpy())


def test_a_panel_stays_and_all_else_is_asked(tmp_path):
    adata = cohort(40)
    panel = ["G03", "G07", "G19", "NOSUCH"]
    found = evaluate_completion(adata, [MEAN(), COMPLETERS["ppca"]()], arms=None, panel=panel)
    assert found.config["arms"][5:] == ["panel", "low 30 %", "low 50 %"]
    genes = found.extras["completion_genes"]
    assert set(genes[genes.arm == "panel"].gene) == set(adata.var_names) - set(panel)
    back = Results.load(found.save(tmp_path / "out"))
    assert back.verdict == found.verdict and "all but the panel hidden" in back.verdict


def test_learned_correlations_beat_the_mean_and_repeats_narrow_nothing():
    adata = cohort(48)
    methods = [MEAN(), COMPLETERS["ppca"](rank=3)]
    once, twice = (evaluate_completion(adata, methods, patient_splits(adata, folds=2, repeats=r), arms=["random 30 %"])
                   for r in (1, 2))  # fmt: skip
    assert pooled(once, "ppca", "random 30 %").value < 0.6 < pooled(once, "mean", "random 30 %").value
    a, b = (pooled(one, "mean", "random 30 %") for one in (once, twice))
    assert a.n == b.n == 48 and (b.hi - b.lo) > 0.6 * (a.hi - a.lo)
