"""Stages: done once, remembered, and never at the cost of someone else's files."""

from __future__ import annotations

import json

import pytest

from exval.errors import OutputError
from exval.verbs.stages import Stages

SETTINGS = {"seed": 0}


def test_an_interrupted_demo_goes_on_where_it_stopped(tmp_path):
    said, calls = [], []
    folder = tmp_path / "demo"
    first = Stages(folder, SETTINGS, False, said.append)
    first.run("annotate", "Naming", lambda: calls.append("annotate") or "tie")
    with pytest.raises(KeyboardInterrupt):
        first.run("run", "Training", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    second = Stages(folder, SETTINGS, False, said.append)
    second.run("annotate", "Naming", lambda: calls.append("annotate again"))
    second.run("run", "Training", lambda: calls.append("run") or "loss 0.4")
    assert calls == ["annotate", "run"]
    assert said == ["Naming (0 s):\n  tie", "Naming (done before):\n  tie", "Training (0 s):\n  loss 0.4"]
    assert json.loads((folder / "config.json").read_text())["stages"].keys() == {"annotate", "run"}


def test_foreign_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.docx").write_text("ten years")
    for force in (False, True):
        with pytest.raises(OutputError, match="holds no demo"):
            Stages(tmp_path, SETTINGS, force, print)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.docx"]


def test_other_settings_need_force_which_removes_only_what_the_demo_wrote(tmp_path):
    folder = tmp_path / "demo"
    Stages(folder, SETTINGS, False, print)
    (folder / "run").mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="other settings"):
        Stages(folder, {"seed": 1}, False, print)
    assert (folder / "run").is_dir()
    Stages(folder, {"seed": 1}, True, print)
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "notes.txt"]


def test_a_folder_that_does_not_exist_above_is_refused(tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        Stages(tmp_path / "no" / "demo", SETTINGS, False, print)
