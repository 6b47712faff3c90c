"""Progress: silent for short work, honest about the time left, safe to nest."""

from __future__ import annotations

import logging
import sys

import pytest

from exval import progress as module
from exval.progress import Progress, set_quiet, track


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test winds."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "_display", None)
    return clock


def test_short_work_prints_nothing(capsys, clock):
    for _ in track(range(3), "Short"):
        clock.now += 0.5
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_one_log_line_every_half_minute(caplog, clock):
    with caplog.at_level(logging.INFO, logger="exval"):
        for _ in track(range(70), "Long"):
            clock.now += 1
    assert [record.getMessage() for record in caplog.records] == [
        "Long 30/70 (42%), 0:30 gone, 0:40 left",
        "Long 60/70 (85%), 1:00 gone, 0:10 left",
    ]


def test_quiet_says_nothing(caplog, clock):
    set_quiet(True)
    try:
        with caplog.at_level(logging.INFO, logger="exval"):
            for _ in track(range(70), "Long"):
                clock.now += 1
    finally:
        set_quiet(False)
    assert not caplog.records


def test_time_left_ignores_the_steps_before_a_resume(clock):
    with Progress("Training", total=100, initial=90) as bar:
        clock.now += 10
        bar.advance(5)
        assert bar.seconds_left() == pytest.approx(10)
        assert bar.line() == "Training 95/100 (95%), 0:10 gone, 0:10 left"


def test_terminal_shows_nested_bars_and_cleans_up(monkeypatch, capsys, clock):
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True, raising=False)
    with Progress("Outer", total=2):
        with Progress("Inner", total=4) as inner:
            clock.now += 3
            inner.advance(text="loss 0.5")
            display = module._display
            rows = [task.description for task in display._rich.tasks]
            states = [task.fields["state"] for task in display._rich.tasks]
        assert len(display._rich.tasks) == 1
    assert rows == ["Outer", "Inner"]
    assert states[1] == "1/4 (25%), 0:03 gone, 0:09 left, loss 0.5"
    assert display._rich is None and not module._open


def test_a_failure_inside_closes_the_bar(clock):
    with pytest.raises(ZeroDivisionError):
        for i in track(range(3), "Failing"):
            1 / (i - 1)
    import gc

    gc.collect()
    assert not module._open
