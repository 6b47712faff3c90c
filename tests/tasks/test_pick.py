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
