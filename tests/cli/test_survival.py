"""``exval survival`` and ``exval predict`` at the command line: verdict first, one line for a fault, exit codes."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from exval.cli.app import main
from exval.data.patients import simulated_patients


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    file = tmp_path_factory.mktemp("cli") / "cohort.h5ad"
    simulated_patients(120, 30, seed=2).write_h5ad(file)
    return file


ASKED = ["--time", "os_months", "--event", "os_event", "--clinical", "age,is_female", "--method", "cox", "--folds", "2"]


@pytest.fixture(scope="module")
def said(cohort):
    """What is printed, and the folder."""
    folder = cohort.parent / "out"
    with contextlib.redirect_stdout(io.StringIO()) as text:
        assert main(["survival", str(cohort), *ASKED, "-o", str(folder)]) == 0
    return text.getvalue(), folder


@pytest.fixture(scope="module")
def out(said):
    return said[1]


@pytest.fixture
def no_report(monkeypatch):
    """Figures are tested elsewhere."""
    monkeypatch.setattr("exval.report.write_report", lambda folder: folder)


def test_verdict_first(said):
    text, out = said
    lines = text.splitlines()
    assert lines[0].startswith("clinical: C 0.") and lines[1] == f"Report: {out}/report.html"
    assert lines[2] == f"New patients: exval predict {out} NEW -o risk.csv" and (out / "report.html").is_file()


def test_json(cohort, tmp_path, capsys, no_report):
    assert main(["survival", str(cohort), *ASKED, "-o", str(tmp_path / "out"), "--json", "--horizons", "6,12"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in said["methods"]} == {"null-survival", "clinical", "cox", "cox + clinical"}
    assert said["chosen"] in {one["name"] for one in said["methods"] if one["chosen"]}
    assert "auc@6" in said["methods"][0] and said["out"] == str(tmp_path / "out")


def test_predict(out, cohort, tmp_path, capsys):
    capsys.readouterr()
    file = tmp_path / "risk.csv"
    assert main(["predict", str(out), str(cohort), "-o", str(file)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("120 samples by ") and f"Table: {file}" in text
    assert main(["predict", str(out), str(cohort), "-o", str(file), "--force", "--json", "-m", "cox"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["method"] == "cox" and said["n"] == 120 and said["missing_genes"] == []
    assert file.read_text().splitlines()[0].startswith("sample,risk,percentile,group,survival_")


def test_evaluate_task_survival(cohort, tmp_path, capsys, no_report):
    asked = ["--task", "survival", *ASKED]
    assert main(["evaluate", str(cohort), *asked, "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("clinical: C 0.")
    assert (tmp_path / "out" / "model" / "model.json").is_file()


FAULTS = {
    "no such column": (["--time", "os_month", "--event", "os_event"], "did you mean 'os_months'"),
    "neither": (["--time", "os_months"], "one of the two"),
    "inverted": (["--time", "os_months", "--censored", "os_event"], "give --event os_event"),
    "horizons": (["--time", "os_months", "--event", "os_event", "--horizons", "a,b"], "are no numbers"),
    "negative horizons": (["--time", "os_months", "--event", "os_event", "--horizons", "-3"], "give times above 0"),
    "groups": (["--time", "os_months", "--event", "os_event", "--groups", "4"], "--groups"),
    "clinical": (["--time", "os_months", "--event", "os_event", "--clinical", "agee"], "did you mean 'age'"),
    "panel": (["--time", "os_months", "--event", "os_event", "--genes", "panel.txt"], "there is no file panel.txt"),
    "folds": (["--time", "os_months", "--event", "os_event", "--folds", "99", "--method", "cox"], "only 60 events"),
    "no file": (["--time", "os_months", "--event", "os_event", "--external", "absent.h5ad"], "absent.h5ad"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_one_line_exit_two_nothing_written(case, cohort, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked, words = FAULTS[case]
    assert main(["survival", str(cohort), *asked, "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("error: ") and words in said[0]
    assert list(tmp_path.iterdir()) == []


def test_predict_faults(out, cohort, tmp_path, capsys):
    for asked, words in (
        ([str(tmp_path), str(cohort), "-o", str(tmp_path / "r.csv")], "holds no survival model"),
        ([str(out), str(cohort), "-o", str(tmp_path / "r.txt")], "ends in .csv"),
        ([str(out), str(cohort), "-o", str(tmp_path / "r.csv"), "-m", "coxx"], "keeps no method 'coxx'"),
    ):
        assert main(["predict", *asked]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1 and words in said[0]
    assert list(tmp_path.iterdir()) == []
