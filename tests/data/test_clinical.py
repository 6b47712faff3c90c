"""Outcomes of a file: what is read, what is left out, and what is refused in one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exval.data.clinical import read_outcome
from exval.errors import InputError


def obs(n: int = 30, **columns) -> pd.DataFrame:
    """Patients with times 1 ... n, every second one with an event."""
    base = {"os_months": np.arange(1.0, n + 1), "os_event": np.arange(n) % 2, "os_censored": 1 - np.arange(n) % 2}
    return pd.DataFrame({**base, **columns}, index=[f"p{i}" for i in range(n)])


@pytest.mark.parametrize(
    ("seen", "free"),
    [(1, 0), (True, False), ("1", "0"), ("Dead", "Alive"), ("1:DECEASED", "0:LIVING"), ("DECEASED", "LIVING"),
     ("1:Recurred/Progressed", "0:DiseaseFree"), ("yes", "no"), (1.0, 0.0), ("event", "censored")],
)  # fmt: skip
def test_every_way_to_write_an_event(seen, free):
    table = obs(status=[seen if i % 3 else free for i in range(30)])
    found = read_outcome(table, "os_months", event="status")
    assert found.event_n.tolist() == [i % 3 > 0 for i in range(30)]
    assert found.known_n.all() and found.n_events == 20


@pytest.mark.parametrize(("one", "zero"), [(1, 0), (True, False), ("1", "0"), ("censored", "event"), (1.0, 0.0)])
def test_censored_is_the_opposite_of_event(one, zero):
    table = obs(censored=[one if i % 3 else zero for i in range(30)])
    found = read_outcome(table, "os_months", censored="censored")
    assert found.event_n.tolist() == [i % 3 == 0 for i in range(30)]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=40, max_size=60))
def test_who_lacks_either_is_marked_and_never_counts(gaps):
    n = len(gaps)
    table = obs(n)
    table["os_event"] = table["os_event"].astype(float)
    table.loc[[no_time for no_time, _ in gaps], "os_months"] = np.nan
    table.loc[[no_event for _, no_event in gaps], "os_event"] = np.nan
    known = np.array([not a and not b for a, b in gaps])
    events = int((known & (np.arange(n) % 2 == 1)).sum())
    if events < 10:
        with pytest.raises(InputError):
            read_outcome(table, "os_months", event="os_event")
        return
    found = read_outcome(table, "os_months", event="os_event")
    assert (found.known_n == known).all() and found.n_events == events
    assert np.isnan(found.time_n[~known]).all() and not found.event_n[~known].any()


def test_numbers_written_as_text_are_numbers():
    table = obs(when=[f"{i + 0.5}" for i in range(29)] + ["NA"])
    assert read_outcome(table, "when", event="os_event").known_n.sum() == 29


def test_all_events_are_fine_and_said():
    found = read_outcome(obs(status=1), "os_months", event="status")
    assert found.event_n.all() and found.warnings == []
    most = read_outcome(obs(status=[0] + [1] * 29), "os_months", event="status")
    assert "--censored status" in most.warnings[0]


def test_two_end_points_are_doubted():
    found = read_outcome(obs().rename(columns={"os_event": "dss_event"}), "os_months", event="dss_event")
    assert "two end points" in found.warnings[0]


REFUSED = {
    "no time": ({"time": None, "event": "os_event"}, {}, "name the column of obs that holds the times"),
    "neither": ({}, {}, "one of the two"),
    "both": ({"event": "os_event", "censored": "os_censored"}, {}, "one of the two"),
    "same": ({"event": "os_months"}, {}, "name the same column"),
    "no such time": ({"time": "OS_month", "event": "os_event"}, {}, "did you mean 'os_months'"),
    "no such event": ({"event": "os_evnt"}, {}, "did you mean 'os_event'"),
    "inverted name": ({"event": "os_censored"}, {}, "give --censored os_censored"),
    "inverted flag": ({"censored": "os_event"}, {}, "give --event os_event"),
    "vital words": ({"censored": "alive"}, {"alive": ["Dead", "Alive"] * 15}, "give --event alive"),
    "negative": ({"event": "os_event"}, {"os_months": [-3.0] + [1.0] * 29}, "time of p0 is negative (-3)"),
    "zero": (
        {"event": "os_event"},
        {"os_months": [1.0, 0.0, 0.0] + [2.0] * 27},
        "time of p1 is 0, and 1 more; write half",
    ),
    "inf": ({"event": "os_event"}, {"os_months": [np.inf] + [1.0] * 29}, "no column of numbers ('inf')"),
    "words": ({"event": "os_event"}, {"os_months": ["12 months"] * 30}, "no column of numbers ('12 months')"),
    "dates": ({"event": "os_event"}, {"os_months": pd.Timestamp("2020-01-01")}, "no column of numbers"),
    "three values": ({"event": "grade"}, {"grade": [1, 2, 3] * 10}, "has to hold 1 and 0"),
    "R's coding": ({"event": "coded"}, {"coded": [1, 2] * 15}, "R's 1 and 2"),
    "empty": ({"event": "coded"}, {"coded": [None] * 30}, "is empty"),
    "no events": ({"event": "coded"}, {"coded": [0] * 30}, "none of 30 patients had the event"),
    "few events": ({"event": "coded"}, {"coded": [1] * 9 + [0] * 21}, "9 of 30 patients had the event; at least 10"),
    "equal times": ({"event": "os_event"}, {"os_months": [5.0] * 30}, "all times in 'os_months' are equal"),
    "nobody has both": ({"event": "os_event"}, {"os_months": [np.nan] * 30}, "no patient has both"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case):
    asked, columns, words = REFUSED[case]
    table = obs().assign(**columns)
    with pytest.raises(InputError) as raised:
        read_outcome(table, **{"time": "os_months", **asked})
    assert words in str(raised.value) and "\n" not in str(raised.value)
