"""Out of fold: who is fitted, who is asked, who fails."""

from __future__ import annotations

import numpy as np
import pytest

from exval.methods import Card
from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.linear import LinearSurvival
from exval.tasks.survival.crossval import out_of_fold
from exval.tasks.survival.folds import survival_splits
from exval.tasks.survival.lineup import line_up
from exval.tasks.survival.runs import KeptRun


class Watching(LinearSurvival):
    """Remembers whom it was fitted on and refuses to meet them but once, for its cut-offs."""

    card = Card("control", (), "any", "any", "none", "none", "Watches.")
    name = ""
    title = "watching"

    def fit(self, adata, label=None):
        self.known_ = set(adata.obs_names)
        return super().fit(adata, label)

    def learn(self, z_np, c_nq, time_n, event_n):
        self.settle(z_np, c_nq, time_n, event_n, np.ones(z_np.shape[1]), np.zeros(c_nq.shape[1]))

    def survival(self, adata, times_t):
        assert not self.known_ & set(adata.obs_names)
        return super().survival(adata, times_t)


class Broken(SurvivalMethod):
    """Fails in a way of its own."""

    card = Card("control", (), "any", "any", "none", "none", "Fails.")

    def __init__(self, covariates=(), genes=None, how="raise"):
        super().__init__(covariates, genes)
        self.how = how

    @property
    def title(self):
        return f"broken-{self.how}"

    def learn(self, z_np, c_nq, time_n, event_n):
        if self.how == "raise":
            raise ValueError("out of\n luck")
        if self.how == "memory":
            raise MemoryError

    def risk_of(self, z_np, c_nq):
        return np.full(len(z_np), np.nan if self.how == "nan" else 0.0)

    def survival_of(self, z_np, c_nq, times_t):
        return np.zeros((len(z_np), len(times_t)))


def run(cohort, methods, folds=2, **asked):
    return out_of_fold(cohort, methods, survival_splits(cohort, folds, **asked), np.array([5.0, 9.0]), (9.0,))


def test_nobody_is_scored_by_a_model_fitted_on_them(cohort):
    found = run(cohort, [Watching()], 3)
    assert found.titles == ["watching"] and np.isfinite(found.answers["watching"].risk_m).all()
    assert sorted(found.row_m) == list(range(150))


@pytest.mark.parametrize(("how", "why"), [("raise", "out of luck"), ("memory", "MemoryError"), ("nan", "NaN or inf")])
def test_a_method_that_fails_is_out_with_its_reason(cohort, how, why):
    found = run(cohort, [Broken(how=how), *line_up("clinical", ["age"], None)])
    assert why in found.failed[f"broken-{how}"] and found.titles == ["null-survival", "clinical"]
    assert set(found.costs.method) == {"null-survival", "clinical"}


def test_a_bug_is_not_swallowed(cohort):
    class Buggy(Watching):
        def learn(self, *_):
            raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        run(cohort, [Buggy()])


def test_answers_belong_to_their_patients(cohort):
    """The same as fitting one fold by hand."""
    from exval.methods import resolve
    from exval.methods.survival.embedding import as_survival

    method = as_survival(resolve("clinical"), ["age"])
    splits = survival_splits(cohort, 3)
    found = out_of_fold(cohort, [method], splits, np.array([5.0]), (9.0,), 3)
    fold = splits.folds[1]
    fitted = as_survival(resolve("clinical"), ["age"]).fit(cohort.adata[fold.train].copy())
    test = cohort.adata[fold.test].copy()
    at = np.flatnonzero(found.fold_m == 1)
    assert (found.row_m[at] == fold.test).all()
    one = found.answers["clinical"]
    assert one.risk_m[at] == pytest.approx(fitted.risk(test))
    own = fitted.survival(test, cohort.time_n[fold.test])
    assert one.own_m[at] == pytest.approx(np.diag(own))
    edges = np.quantile(fitted.risk(cohort.adata[fold.train].copy()), [1 / 3, 2 / 3])
    assert (one.stratum_m[at] == np.searchsorted(edges, fitted.risk(test))).all()


def test_line_up():
    from exval.errors import InputError

    titles = [m.title for m in line_up(None, ["age"], None)]
    assert titles == ["null-survival", "clinical", "cox", "cox + clinical", "coxnet", "coxnet + clinical", "rsf",
                      "rsf + clinical"]  # fmt: skip
    assert [m.title for m in line_up(None, [], None)] == ["null-survival", "cox", "coxnet", "rsf"]
    assert [m.title for m in line_up("clinical,null-survival", ["age"], None)] == ["null-survival", "clinical"]
    assert [m.title for m in line_up("pca,obsm:X_a", [], ["A2M"])] == ["null-survival", "pca", "obsm:X_a"]
    assert line_up("cox", [], ["A2M"])[-1].genes == ("A2M",)
    for spec, columns, words in (
        ("clinical", [], "--clinical"),
        ("logreg", [], "gives no risk"),
        ("nosuch", [], "no method"),
    ):
        with pytest.raises(InputError, match=words):
            line_up(spec, columns, None)


def test_without_scikit_survival(monkeypatch):
    import importlib.util

    from exval.errors import InputError

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sksurv" else real(name))
    with pytest.raises(InputError) as raised:
        line_up(None, ["age"], None)
    assert str(raised.value) == (
        "coxnet and rsf need scikit-survival: pip install 'exval[survival]', or leave them out: --method clinical,cox"
    )
    assert [m.title for m in line_up("cox", [], None)] == ["null-survival", "cox"]


def test_a_run_is_looked_up_where_it_was_computed(cohort):
    run = KeptRun("folder")
    adata = cohort.adata.copy()
    adata.obsm[run.key] = np.arange(150.0)[:, None]
    assert run.embed(adata[3:5])[:, 0].tolist() == [3, 4]
