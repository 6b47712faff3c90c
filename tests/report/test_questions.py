"""The page of a benchmark of several questions is drawn from its differences alone."""

from __future__ import annotations

import pandas as pd

from exval.bench.results import Results, make_rows
from exval.report import write_report


def test_every_question_has_its_table_and_figure(tmp_path):
    def row(task, method, value, gap=float("nan"), said="", metric="accuracy", against="logreg", data="tcga-3"):
        return {
            **{"task": task, "data": data, "method": method, "against": against if said else "", "metric": metric},
            **{"value": value, "difference": gap, "lo": gap - 0.01, "hi": gap + 0.01, "n": 99, "verdict": said},
        }

    table = pd.DataFrame(
        [
            *(row(f"classify-random-{k}", "logreg", 0.7 + k / 100) for k in (4, 16)),
            *(row(f"classify-random-{k}", "gexbert", 0.72 + k / 100, 0.02, "better") for k in (4, 16)),
            *(row(f"restore-random-{k}", "ppca", 0.6, metric="rmse") for k in (10, 90)),
            row("restore-random-10", "gexbert", 0.61, -0.01, "worse", "rmse", "ppca"),
            row("survival", "clinical", 0.61, metric="harrell_c", data="blca"),
            row("survival", "cox", 0.613, 0.003, "cannot tell", "harrell_c", "clinical", "blca"),
            row("anchors", "measured", 0.62, metric="harrell_c", data="blca"),
            row("anchors", "restored by ppca", 0.6, -0.02, "worse", "harrell_c", "measured", "blca"),
        ]
    )
    rows = make_rows([{"method": "logreg", "task": "classify-random-4", "metric": "accuracy", "value": 0.74}])
    config = {"task": "bench", "kind": "bench", "title": "Bulk patients", "bench": {"primary": {}}}
    Results(rows, pd.DataFrame(), config, "Said.", {"differences": table}).save(tmp_path)
    page = write_report(tmp_path).read_text()
    for words in ("Question by question", "against logreg", "against clinical", "RMSE in sds of the gene",
                  "+0.020 [0.010, 0.030]", "restored by ppca", "random genes", "Harrell&#x27;s C"):  # fmt: skip
        assert words in page or words.replace("&#x27;", "'") in page, words
    assert page.count("<figure") == 3
