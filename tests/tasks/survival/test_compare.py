"""The choice: what is clearly better is taken, a lead that may be chance is not."""

from __future__ import annotations

import numpy as np
import pytest

from exval.bench.intervals import Interval
from exval.tasks.survival.compare import Comparison, compare, say, standing
from exval.tasks.survival.crossval import Answers
from exval.tasks.survival.score import Judge


def setting(**risks):
    """200 patients, and a judge of these risks."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(200)
    time, event = rng.exponential(np.exp(-truth)) + 0.01, rng.random(200) < 0.7
    same = np.zeros(200, dtype=int)
    judge = Judge(time, event, same, np.arange(200), {0: (time, event)}, np.array([0.2, 0.5]), (0.3,), 0, same)
    made = {name: truth * a + rng.standard_normal(200) * b for name, (a, b) in risks.items()}
    return {name: Answers(risk, same, None, None, None) for name, risk in made.items()}, judge


def test_clinical_is_kept_unless_another_is_clearly_better():
    answers, judge = setting(**{"null-survival": (0, 0), "clinical": (1, 2), "cox": (1, 1.8)})
    found = compare(answers, judge, dict.fromkeys(answers, 1.0))
    assert found.reference == found.chosen == "clinical" and found.rival == "cox"
    answers, judge = setting(**{"clinical": (1, 9), "cox": (1, 0.1)})
    found = compare(answers, judge, {"clinical": 1.0, "cox": 50.0})
    assert found.chosen == "cox" and found.gaps["cox"].lo > 0


def test_of_equals_that_are_better_the_cheaper_is_taken():
    answers, judge = setting(**{"clinical": (1, 9), "rsf": (1, 0.3), "cox": (1, 0.32)})
    best, other = ("rsf", "cox") if judge.c(answers["rsf"].risk_m).value > judge.c(answers["cox"].risk_m).value else (
        "cox", "rsf")  # fmt: skip
    found = compare(answers, judge, {"clinical": 1.0, best: 500.0, other: 2.0})
    assert (found.rival, found.chosen) == (best, other)
    assert found.why == f"clearly better than clinical, and not clearly worse than {best} at a lower cost"
    turned = compare(answers, judge, {"clinical": 1.0, best: 2.0, other: 500.0})
    assert turned.chosen == best and turned.why == "clearly better than clinical"


def test_reference_without_clinical_columns():
    answers, judge = setting(**{"null-survival": (0, 0), "coxnet": (1, 1), "cox": (1, 2)})
    assert compare(answers, judge, dict.fromkeys(answers, 1.0)).reference == "cox"
    answers, judge = setting(**{"null-survival": (0, 0), "rsf": (1, 1), "run": (1, 2)})
    assert compare(answers, judge, {"null-survival": 0.0, "rsf": 9.0, "run": float("nan")}).reference == "rsf"
    answers, judge = setting(**{"null-survival": (0, 0)})
    assert compare(answers, judge, {"null-survival": 0.0}).reference == "null-survival"


def test_words():
    c = {"clinical": Interval(0.61, 0.56, 0.66, 300), "cox": Interval(0.64, 0.6, 0.69, 300)}
    found = Comparison("clinical", c, {"cox": Interval(0.03, -0.01, 0.07, 300)}, "clinical", "no other", "cox")
    text = say(found, {"clinical": 1.0, "cox": 40.0}, "patient")
    assert "cox against clinical, 300 patients: C +0.030 [-0.010, 0.070], 40 times the cost: cannot tell." in text
    assert text.endswith("Kept for new patients: clinical (no other).")
    chance = Comparison("cox", {"cox": Interval(0.51, 0.46, 0.56, 300)}, {}, "cox", "", "")
    assert "cannot be told from chance" in say(chance, {"cox": 1.0}, "patient")


@pytest.mark.parametrize(("gap", "word"), [((0.03, 0.01, 0.05), "better"), ((0.03, np.nan, np.nan), "cannot tell")])
def test_standing(gap, word):
    assert standing(Interval(*gap, 50)) == word
