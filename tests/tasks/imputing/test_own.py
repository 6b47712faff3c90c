"""Methods compared on a user's own file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.cli.app import main
from exval.data.examples import baron
from exval.data.source import open_source
from exval.errors import InputError
from exval.methods.imputation.controls import Nothing
from exval.report import write_report
from exval.tasks.imputing.simulate import simulate
from exval.verbs.evaluate import evaluate


@pytest.fixture(scope="module")
def cells():
    made = simulate("types", 240, 120)
    adata = made.adata.copy()
    adata.X = adata.layers["counts"]
    del adata.layers["counts"]
    adata.obs["kind"] = pd.Categorical(made.groups_n.astype(str))
    return adata


def run(adata, **settings):
    return evaluate(open_source(adata, need_genes=False), task="impute", **settings)


@pytest.fixture(scope="module")
def found(cells):
    return run(cells, label="kind", method="magic,zeros")


def test_every_arm_is_there_with_the_controls(found):
    pooled = found.rows[(found.rows.fold == -1) & ~found.rows.metric.str.startswith("difference")]
    assert set(pooled.method) == {"nothing", "mean", "cluster-mean", "magic", "zeros"}
    slices = set(pooled["slice"])
    assert {"arm=recovery", "arm=clustering", "arm=annotation", "arm=null, permuted", "arm=null, halves"} <= slices
    assert len(found.predictions) and found.config["task"] == "impute"


def test_zeros_lose_and_smoothing_wins_molecules(found):
    gap = found.rows[(found.rows.metric == "difference:poisson_deviance")].set_index("method").value
    assert gap["zeros"] > 0 > gap["magic"]


def test_the_verdict_names_what_is_invented(found):
    assert found.verdict.startswith("magic against nothing") and "of equal genes called different" in found.verdict
    false = found.rows[(found.rows.metric == "false_discoveries") & (found.rows.fold == -1)].set_index("method").value
    assert false["nothing"].max() < 0.05  # one of 24 permuted genes
    told = any("magic is for plotting" in line for line in found.config["warnings"])
    assert told and false["magic"].max() > 0.5


def test_the_page_has_a_table_for_each_arm(found, tmp_path):
    page = write_report(found.save(tmp_path / "r")).read_text()
    for words in ("recovery", "clustering", "null, halves", "magic"):
        assert words in page


def test_without_labels_and_without_counts(cells):
    plain = run(cells, method="alra")
    assert set(plain.rows["slice"]) == {"arm=recovery", "arm=null, permuted", "arm=null, halves"}
    logs = open_source(cells, need_genes=False).to_adata()
    del logs.layers["counts"]
    found = run(logs, label="kind", method="alra")
    assert "arm=recovery" not in set(found.rows["slice"]) and "arm=clustering" in set(found.rows["slice"])
    assert any("holds no counts" in line for line in found.config["warnings"])


def test_a_failing_method_is_a_row(cells):
    logs = open_source(cells, need_genes=False).to_adata()
    del logs.layers["counts"]
    found = run(logs, label="kind", method="saver")
    failed = found.rows[found.rows.status == "failed"]
    assert set(failed.method) == {"saver"} and "needs raw counts" in failed.note.iloc[0]
    assert set(failed["slice"]) == {"arm=clustering", "arm=null, permuted", "arm=null, halves"}


class Moody(Nothing):
    """Fails where the largest type is alone."""

    name = ""
    title = "moody"

    def learn(self, cells):
        if cells.n < 150:
            raise InputError("too few cells for me")
        super().learn(cells)


def test_a_failure_in_one_arm_leaves_the_others(cells):
    found = run(cells, label="kind", method=[Moody(), "nothing"])
    failed = found.rows[found.rows.status == "failed"]
    assert list(failed.method) == ["moody"] and list(failed["slice"]) == ["arm=null, halves"]
    scored = found.rows[(found.rows.method == "moody") & (found.rows.fold == -1) & (found.rows.status == "ok")]
    assert {"arm=recovery", "arm=null, permuted"} <= set(scored["slice"]) and "arm=null, halves" not in scored["slice"]
    assert any("moody failed (null, halves): too few cells for me" in line for line in found.config["warnings"])


def test_repeats_do_not_narrow(cells):
    one = run(cells, method="nothing", repeats=1).rows
    two = run(cells, method="nothing", repeats=2).rows
    width = [float((r.hi - r.lo)[(r.metric == "poisson_deviance") & (r.method == "mean") & (r.fold == -1)].iloc[0])
             for r in (one, two)]  # fmt: skip
    assert np.isclose(*width, rtol=0.2)


def test_refusals(cells, tmp_path, capsys):
    with pytest.raises(InputError, match="does not impute"):
        run(cells, method="logreg")
    with pytest.raises(InputError, match="truth itself"):
        run(cells, method="oracle")
    with pytest.raises(InputError, match="--split-by"):
        run(cells, method="magic", split_by="kind")
    named = cells.copy()  # symbols, so that the file itself is in order
    named.var_names = baron().var_names[: named.n_vars]
    named.write_h5ad(tmp_path / "in.h5ad")
    assert (
        main(["evaluate", str(tmp_path / "in.h5ad"), "--task", "impute", "-m", "pca", "-o", str(tmp_path / "o")]) == 2
    )
    assert "does not impute" in capsys.readouterr().err


def test_labels_that_mean_nothing_leave_the_arms_that_can_be_judged(cells):
    """No gene differs between such groups: an arm without a single figure is no crash."""
    one = cells.copy()
    one.obs["kind"] = np.random.default_rng(0).permutation(np.repeat(["a", "b"], one.n_obs // 2))
    found = run(one, label="kind", method="mean")
    assert "arm=recovery" in set(found.rows["slice"]) and not found.rows["slice"].str.startswith("arm=diffexp").any()
