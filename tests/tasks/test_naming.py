"""Cells that stand in both files are recognised, in whatever unit, and others are not."""

import numpy as np
import pytest
import scipy.sparse as sp

import exval
from exval.methods import resolve
from exval.tasks.naming import MIN_SAME, name_cells, prepare


def logged(cells, target, decimals=None):
    """As scanpy's normalize_total and log1p leave them."""
    out = cells.copy()
    counts = np.asarray(out.X.todense(), dtype=np.float64)
    values = np.log1p(counts / counts.sum(1, keepdims=True) * target)
    out.X = values if decimals is None else values.round(decimals)
    return out


@pytest.fixture(scope="module")
def cells():
    return exval.datasets.baron()[::12].copy()


def named(new, known):
    new, known = exval.open_source(new), exval.open_source(known)
    setting = prepare(new, known, "cell_type", {}, None, 0, False)
    return name_cells(new, resolve("logreg").fit(setting.reference, "cell_type"), setting, 0.5, False, size=17)


FORMS = {
    "counts": lambda x: x,
    "log1p": lambda x: logged(x, 1e4),
    "median": lambda x: logged(x, 5192.0),
    "rounded": lambda x: logged(x, 5192.0, 4),
}


@pytest.mark.parametrize("one", FORMS)
@pytest.mark.parametrize("other", FORMS)
def test_the_same_cells_are_recognised_in_every_unit(cells, one, other):
    known = cells[:120]
    new = cells[100:]
    found = named(FORMS[one](new), FORMS[other](known))
    assert found.known_n.tolist() == [True] * 20 + [False] * (new.n_obs - 20) and found.n_untold == 0


def test_on_few_genes_it_cannot_be_told(cells):
    """Stored zeros are no values."""
    few = cells[:, np.argsort(-np.asarray(cells.X.sum(0)).ravel())[3000:3028]].copy()
    few = few[np.asarray(few.X.sum(1)).ravel() > 0].copy()
    few.X = sp.csr_matrix(np.asarray(few.X.todense()))
    full = few.copy()
    full.X = sp.csr_matrix((few.X.toarray().ravel(), np.tile(np.arange(28), few.n_obs), np.arange(few.n_obs + 1) * 28))
    for new in (few, full):
        found = named(new[80:].copy(), few[:100].copy())
        sure = np.asarray((new[80:].X.toarray() != 0).sum(1)).ravel() >= MIN_SAME
        assert found.n_untold == int((~sure).sum()) > 0 and not (found.known_n & ~sure).any()


def test_a_run_recognises_what_it_was_taught_in_another_unit(cells, tmp_path):
    """Fine-tuned on counts, asked about log1p values of every other cell."""
    run = exval.pretrain(cells, out=tmp_path / "run", steps=2)
    exval.finetune(run, cells, label="cell_type", out=tmp_path / "tuned", steps=2)
    half = logged(cells[::2], 5192.0)
    found = exval.evaluate(half, label="cell_type", method=str(tmp_path / "tuned"), folds=2, min_cells=4)
    assert "WAS TAUGHT THE LABELS" in found.verdict
    new, ref = cells[1::2].copy(), half.copy()
    exval.annotate(new, ref, label="cell_type", method=("auto", str(tmp_path / "tuned")), folds=2)
    assert new.uns["exval"]["method"] != "tuned" and "tuned was not compared" in new.uns["exval"]["verdict"]
    fewer = ref[:, :-50].copy()
    exval.annotate(new, fewer, label="cell_type", method=("auto", str(tmp_path / "tuned")), folds=2, key_added="again")
    assert "whether tuned saw these cells in training cannot be told" in new.uns["exval"]["warnings"]
