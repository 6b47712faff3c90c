"""Columns of obs: numbers, words, mistakes, and outcomes in disguise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.data.columns import column, names_of, numbers, refuse_outcomes, texts
from exval.errors import InputError


@pytest.mark.parametrize(
    "values, want",
    [
        (pd.Series([1, 2]), [1, 2]),
        (pd.Series([1, None], dtype="Int64"), [1, np.nan]),
        (pd.Series(["1.5", " 2 "]), [1.5, 2]),
        (pd.Series(["1", "Unknown", "", None]), [1, np.nan, np.nan, np.nan]),
        (pd.Series(pd.Categorical(["61", "58"])), [61, 58]),
        (pd.Series(["I", "II"]), None),
        (pd.Series(["1", "2", "4a"]), None),
        (pd.Series([True, False]), None),
    ],
)
def test_numbers(values, want):
    found = numbers(values, "x")
    assert (found is None) == (want is None)
    if want is not None:
        np.testing.assert_array_equal(found, want)


def test_numbers_with_mistakes_are_refused():
    ages = pd.Series([*map(str, range(40, 60)), "90+"])
    with pytest.raises(InputError, match=r"1 of its values are none \('90\+'\)"):
        numbers(ages, "age")
    with pytest.raises(InputError, match="'old'"):
        numbers(pd.Series(["old", "61"]), "age", strict=True)
    with pytest.raises(InputError, match="inf"):
        numbers(pd.Series([1.0, np.inf]), "age")


def test_texts():
    assert texts(pd.Series([1.0, 2.5, np.nan])).tolist() == ["1", "2.5", None]
    assert texts(pd.Series(["yes ", "[Not Available]", None, "N/A"])).tolist() == ["yes", None, None, None]


def test_names():
    assert names_of("a,b , a") == ("a", "b") == names_of(["a", "b"]) and names_of("") == ()


def test_a_column_that_is_not_there():
    obs = pd.DataFrame({"age_at_diagnosis": [1], "Stage": ["I"], "exval_time": [1.0]})
    with pytest.raises(InputError, match="did you mean 'Stage'") as raised:
        column(obs, "stage ")
    assert "exval_time" not in str(raised.value)
    with pytest.raises(InputError, match="did you mean 'age_at_diagnosis'"):
        column(obs, "age")
    with pytest.raises(InputError, match=r"There are: age_at_diagnosis, Stage$"):
        column(obs, "xyzzyx")


def test_outcomes_in_disguise():
    rng = np.random.default_rng(0)
    time, event = rng.exponential(10, 40), rng.random(40) < 0.5
    obs = pd.DataFrame(
        {
            "months": time,
            "pfs": np.where(np.arange(40) % 3, time, time / 2),
            "vital": np.where(event, "Dead", "Alive"),
            "censored": (~event).astype(int),
            "age": rng.normal(60, 10, 40).round(),
            "nearly": np.where(np.arange(40) == 3, ~event, event),
            "exval_time": time,
        }
    )
    for name in ("months", "pfs", "vital", "censored", "exval_time"):
        with pytest.raises(InputError, match=f"{name!r}.*outcome"):
            refuse_outcomes(obs, ["age", name], time, event)
    refuse_outcomes(obs, ["age", "nearly"], time, event)
