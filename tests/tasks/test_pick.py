"""The rule of choice on predictions made by hand."""

import numpy as np
import pandas as pd
import pytest

from exval.metrics.classification import macro_f1
from exval.tasks.crossval import OutOfFold
from exval.tasks.pick import blind_score, pick
from exval.tasks.splits import Fold, Splits

N, FOLDS = 200, 4
TRUTH = np.array(["a", "b"] * (N // 2))


def told(right_nm: dict[str, np.ndarray], seconds: dict[str, float], spent: dict[str, float] | None = None):
    """What methods said of 200 cells in four folds of 50, from a mask of the cells that each named rightly."""
    fold_n = np.arange(N) // (N // FOLDS)
    tables, costs = [], []
    for name, right_n in right_nm.items():
        said = np.where(right_n, TRUTH, np.where(TRUTH == "a", "b", "a"))
        tables.append(pd.DataFrame({"truth": TRUTH, "prediction": said, "score": 0.9, "method": name, "fold": fold_n,
                                    "seed": 0, "group": "", "row": np.arange(N)}))  # fmt: skip
        costs.append({"method": name, "fold": 0, "seed": 0, "seconds": seconds[name], "peak_mb": 1, "parameters": 1})
    rows = np.arange(N)
    splits = Splits("cells", [Fold(rows[fold_n != k], rows[fold_n == k], k, 0) for k in range(FOLDS)], None)
    return OutOfFold(
        pd.concat(tables, ignore_index=True), pd.DataFrame(costs), spent=dict.fromkeys(right_nm, 0.0) | (spent or {})
    ), splits


def first(share: float) -> np.ndarray:
    """That share of the cells of every fold, from its start."""
    return (np.arange(N) % (N // FOLDS)) < share * (N // FOLDS)


ROWS = np.arange(N)


def test_the_clearly_better_is_taken_at_any_price():
    found, splits = told({"cheap": first(0.6), "dear": first(0.96)}, {"cheap": 1, "dear": 100})
    taken = pick(found, ["cheap", "dear"], ROWS, splits)
    assert taken.chosen == taken.best == "dear" and taken.against["cheap"][1] == "worse"


def test_of_equals_the_cheaper_is_taken():
    right = first(0.9)
    found, splits = told({"dear": right, "cheap": right}, {"dear": 100, "cheap": 1})
    taken = pick(found, ["dear", "cheap"], ROWS, splits)
    assert taken.chosen == "cheap" and {said for _, said in taken.against.values()} == {"tie"}


@pytest.mark.parametrize("spent", [50.0, float("nan")])
def test_a_run_is_not_taken_for_a_lead_that_may_be_chance(spent):
    lucky = first(0.9).copy()
    lucky[np.flatnonzero(~lucky)[:2]] = True
    found, splits = told({"simple": first(0.9), "run": lucky}, {"simple": 1, "run": 1}, {"simple": 0.0, "run": spent})
    taken = pick(found, ["simple", "run"], ROWS, splits)
    assert taken.ranked.index[0] == "run" and taken.chosen == "simple" and taken.unclear == "run"
    among_simple, _ = told({"simple": first(0.9), "other": lucky}, {"simple": 1, "other": 1})
    assert pick(among_simple, ["simple", "other"], ROWS, splits).chosen == "other"


def test_a_run_that_is_clearly_better_is_taken():
    found, splits = told({"simple": first(0.6), "run": first(0.96)}, {"simple": 1, "run": 1}, {"run": 900.0})
    assert pick(found, ["simple", "run"], ROWS, splits).chosen == "run"


def test_cells_that_chose_do_not_score():
    """Each of two methods is right on its own half: the half that is asked always gets the method that fails on it."""
    half = ROWS < N // 2
    found, splits = told({"one": half | first(0.5), "two": ~half | first(0.5)}, {"one": 1, "two": 1})
    rows = np.concatenate([ROWS[:50], ROWS[100:150]])  # a fold of either half
    value, chosen = blind_score(found, ["one", "two"], rows, splits)
    assert chosen == ["two", "one"] and value == pytest.approx(0.5, abs=0.01)
    full = macro_f1(TRUTH[rows], found.of("one").prediction.to_numpy()[rows])
    assert full == pytest.approx(0.75, abs=0.01)


def test_where_all_folds_agree_the_score_is_the_plain_one():
    found, splits = told({"good": first(0.9), "bad": first(0.5)}, {"good": 1, "bad": 1})
    value, chosen = blind_score(found, ["good", "bad"], ROWS, splits)
    assert chosen == ["good"] * FOLDS and value == pytest.approx(
        pick(found, ["good", "bad"], ROWS, splits).ranked["good"]
    )


def test_one_of_several_runs_that_is_clearly_better_is_taken():
    """The wild one leads by chance; the steady one is better beyond doubt."""
    wild = np.zeros(N, bool)
    wild[np.random.default_rng(0).permutation(N)[:173]] = True
    found, splits = told(
        {"simple": first(0.8), "steady": first(0.86), "wild": wild},
        {"simple": 1, "steady": 1, "wild": 1}, {"steady": 9.0, "wild": 9.0},
    )  # fmt: skip
    taken = pick(found, ["simple", "steady", "wild"], ROWS, splits)
    assert taken.ranked.index[0] == "wild"
    assert taken.chosen == "steady" and taken.unclear == ""


def test_a_cheaper_run_that_ties_with_the_best_simple_method_is_not_taken():
    right = first(0.9)
    found, splits = told({"simple": right, "run": right}, {"simple": 100, "run": 1}, {"run": 0.5})
    assert pick(found, ["simple", "run"], ROWS, splits).chosen == "simple"


def test_repeats_are_scored_each_by_its_own_folds():
    """Seed 1 is named rightly throughout, seed 0 nowhere: the mean is that of both."""
    found, splits = told({"one": first(1.0), "two": first(0.0)}, {"one": 1, "two": 1})
    again = found.predictions.assign(seed=1)
    again["prediction"] = again.truth
    found.predictions = pd.concat([found.predictions, again], ignore_index=True)
    folds = [Fold(f.train, f.test, f.fold, seed) for seed in (0, 1) for f in splits.folds]
    value, chosen = blind_score(found, ["two"], ROWS, Splits("cells", folds, None))
    assert chosen == ["two"] * 2 * FOLDS and value == pytest.approx(0.5)


@pytest.mark.parametrize("donors, blind", [(6, False), (8, True), (3, True)])
def test_donors_that_are_too_few_without_a_fold(donors, blind):
    """Six allow an interval, the rest of them does not: the rule cannot be followed blindly. Three never do."""
    found, _ = told({"simple": first(0.5), "run": first(1.0)}, {"simple": 1, "run": 1}, {"run": 9.0})
    group_n = np.array([f"d{i % donors}" for i in range(N)], dtype=object)
    found.predictions["group"] = np.tile(group_n, 2)
    folds = [Fold(ROWS[group_n != g], ROWS[group_n == g], i, 0) for i, g in enumerate(sorted(set(group_n)))]
    found.predictions["fold"] = np.tile([int(g[1:]) for g in group_n], 2)
    splits = Splits("donor", folds, group_n)
    taken = pick(found, ["simple", "run"], ROWS, splits)
    assert taken.chosen == ("simple" if donors < 6 else "run")
    score = blind_score(found, ["simple", "run"], ROWS, splits)
    assert (score is not None) is blind
    if blind:
        assert set(score[1]) == {taken.chosen}
