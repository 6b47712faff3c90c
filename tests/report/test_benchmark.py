"""The page of a benchmark: verdict, leaderboard, ranks, cost, failures; with many methods, few data sets, odd names."""

from __future__ import annotations

import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exval.bench import summary
from exval.bench.benchmark import Primary
from exval.bench.results import Results, make_rows
from exval.report import write_report

PRIMARY = {"recovery": Primary("rmse", False, "Recovery of values"), "clustering": Primary("ari", True)}
ODD = '<b>bold</b> & "quoted" $x$'


def page(folder: Path, n_data: int, methods: list[str], failing: tuple[str, ...] = (), cells=None, **config) -> str:
    rng = np.random.default_rng(0)
    rows = []
    for i, method in enumerate(methods):
        for d in range(n_data):
            for task, figure in PRIMARY.items():
                common = {"method": method, "task": task, "data": f"set {d}", "seconds": 1.0 + i, "peak_mb": 9.0,
                          "config_hash": f"{i}{d}{task}"}  # fmt: skip
                if method in failing and d % 2 == 0:
                    rows.append({**common, "status": "timeout", "note": f"longer than 9 s, {ODD}"})
                else:
                    value = 0.1 * i / len(methods) + 0.01 * rng.random()
                    value = value if task == "recovery" else 0.9 - value
                    rows.append({**common, "metric": figure.metric, "value": value})
    made = make_rows(rows)
    skipped = [(f"{ODD} on set 1", "needs raw counts")]
    extras = summary.tables(made, PRIMARY, unranked=("oracle",), reference="nothing", skipped=skipped)
    about = {"primary": {task: asdict(one) for task, one in PRIMARY.items()}, "reference": "nothing",
             "methods": len(methods), "unranked": ["oracle"], "data": n_data,
             "about": "Counts were thinned."}  # fmt: skip
    full = {"kind": "bench", "task": "bench", "name": "mine", "title": "My benchmark", "bench": about, "preset": "cpu",
            "limits": {"seconds": 9.0, "memory_gb": 4.0, "threads": 1}, "cells": cells or {"planned": len(rows)},
            "machine": {"processor": "A processor", "cores": 2}, "command": "exval bench mine -o out"}  # fmt: skip
    found = Results(made, pd.DataFrame({"sample": ["a"], "value": [1.0]}), full | config, extras=extras)
    found.verdict, _ = summary.conclude(found)
    found.extras["false_discoveries"] = pd.DataFrame({"share": [0.25, np.nan], "method": ["a", ODD], "n": [1234, 5]})
    found.save(folder)
    return write_report(folder).read_text()


class Shown(HTMLParser):
    """Text of the page, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br", "img", "!doctype"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


MANY = ["nothing", "oracle", ODD, *(f"method-{i}" for i in range(22))]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return page(tmp_path_factory.mktemp("many"), 8, MANY, failing=(ODD,),
                cells={"planned": 500, "ok": 392, "timeout": 8, "not run": 100})  # fmt: skip


def test_the_verdict_comes_first_and_names_what_is_missing(many):
    shown = Shown(many).text
    body = shown[shown.index("· benchmark ·") :]
    assert body.index("Incomplete, 400 of 500 jobs: 24 methods on 8 data sets in 2 tasks: nothing has the best") < 100
    assert "Incomplete: 100 of 500 jobs have not been run." in shown
    assert re.search(r"Cells that failed: .*x\$ 8\. They rank last in their cases", shown)


def test_sections_come_in_order(many):
    titles = re.findall(r"<h2>(.*?)</h2>", many)
    assert titles == ["Methods by tasks", "Ranks", "Quality and cost", "Further tables",
                      "What failed, and what was left out", "Methods, for a paper"]  # fmt: skip


def test_every_method_stands_in_the_leaderboard_by_rank(many):
    board = many[many.index('id="leaderboard"') : many.index('id="ranks"')]
    rows = re.findall(r'<td class="method">.*?title="(.*?)".*?</td><td class="num">(.*?)</td>', board)[: len(MANY)]
    ranks = [float(re.sub("<.*?>", " ", cell).split()[0]) for name, cell in rows if name != "oracle"]
    assert len(rows) == len(MANY) and ranks == sorted(ranks)
    assert rows[-1][0] == "oracle" and "not ranked" in rows[-1][1]
    assert "4 of 8 failed" in board and board.count("reference</span>") == 1


def test_odd_names_are_text(many):
    assert "<b>bold</b>" not in many
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; " in many


def test_tests_are_told_in_words(many):
    shown = Shown(many).text
    assert "Methods are ranked within each of 16 cases (task and data set), a failure last." in shown
    assert "critical difference 12.86" in shown and "Every method against nothing" in shown
    assert "Demšar 2006" in shown and "Counts were thinned." in shown and "limited to 9.0 s, 4 GB, 1 thread" in shown
    assert "needs raw counts" in shown


def test_tables_of_the_benchmark_itself_are_shown(many):
    assert "false discoveries method share n a 0.250 1,234 " in Shown(many).text


def test_nothing_is_loaded_from_elsewhere_and_the_page_is_small(many):
    assert not re.search(r'(?:src|href)="(?!#|data:)', many)
    assert len(many) < 900_000


def test_few_data_sets_are_shown_and_not_tested(tmp_path):
    shown = Shown(page(tmp_path, 3, ["nothing", "a", "b"])).text
    assert "3 data sets are fewer than six: no interval and no test, every one of them is shown." in shown
    assert "critical difference" not in shown.replace("critical difference of Nemenyi", "")
    assert "3 data sets are too few for a test." in shown and "Every method against" not in shown


def test_a_benchmark_in_which_everything_failed_still_has_a_page(tmp_path):
    rows = make_rows(
        [{"method": m, "data": "x", "task": "recovery", "status": "crashed", "note": "gone"} for m in "ab"]
    )
    extras = summary.tables(rows, PRIMARY)
    config = {"kind": "bench", "task": "bench", "cells": {"planned": 2, "crashed": 2}, "bench": {}}
    found = Results(rows, pd.DataFrame(), config, "Nothing worked.", extras)
    found.save(tmp_path)
    shown = Shown(write_report(tmp_path).read_text()).text
    assert "Nothing worked." in shown and "gone" in shown and "crashed" in shown


def test_a_folder_without_tables_is_a_page_too(tmp_path):
    found = Results(make_rows([]), pd.DataFrame(), {"kind": "bench", "task": "bench"}, "Too early.", {})
    found.save(tmp_path)
    assert "Too early." in Shown(write_report(tmp_path).read_text()).text
