"""The demo of the brain: verdict first, resumable, and with the core alone."""

from __future__ import annotations

import json
import sys

import pytest

from exval.cli.app import main
from exval.errors import OutputError
from exval.fields import FIELDS
from exval.verbs import demo_brain as module
from exval.verbs.demo_brain import demo_brain


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "RESOLUTION", 8)
    monkeypatch.setattr(module, "METHODS", ("knn",))
    monkeypatch.setattr(module, "METHOD", "knn")
    monkeypatch.setattr(module, "MAPPED", 1)
    for name in ("field_brain", "field_map", "field_calibration"):  # pictures take seconds, and have tests of their own
        monkeypatch.setattr(f"exval.report.sections.{name}.section", lambda folder: None)


def test_the_map_is_held_against_the_truth(quick, tmp_path, monkeypatch):
    pytest.importorskip("nilearn")
    said = []
    found = demo_brain(tmp_path / "demo", samples=400, genes=3, say=said.append)
    assert list(found.seconds) == ["samples", "evaluate", "run", "maps", "truth"]
    assert found.verdicts["truth"].startswith("Map by knn against the known truth at ")
    assert "grey and white voxels at 8 mm" in found.verdicts["truth"]
    r2 = float(found.verdicts["truth"].split("R2 ")[1].split()[0])
    assert 0.05 < r2 < 0.95  # the right places: a map of other places has none
    page = (tmp_path / "demo" / "report.html").read_text()
    assert page.index(found.verdicts["truth"]) < page.index("6 held-out donors")
    for command in ("exval brain evaluate", "exval brain fit", "exval brain map"):
        assert command in page and any(command in line for line in said)
    volumes = {path.name for path in (tmp_path / "demo" / "maps").glob("*.nii.gz")}
    assert volumes == {"sim001_mean.nii.gz", "sim001_sd.nii.gz"}
    config = json.loads((tmp_path / "demo" / "config.json").read_text())
    assert config["verdict"] == found.verdicts["truth"]
    monkeypatch.setattr("exval.report.write_report", lambda folder: folder / "report.html")
    again = demo_brain(tmp_path / "demo", samples=400, genes=3, say=said.append)
    assert again.verdicts == found.verdicts and said[-3].startswith("The map beside the truth (done before)")
    with pytest.raises(OutputError, match="other settings"):
        demo_brain(tmp_path / "demo", samples=400, genes=4, say=said.append)


def test_with_the_core_alone_there_are_no_volumes_but_the_same_figures(quick, tmp_path, monkeypatch):
    for name in ["nilearn", *(name for name in sys.modules if name.startswith("nilearn."))]:
        monkeypatch.setitem(sys.modules, name, None)
    found = demo_brain(tmp_path / "demo", samples=400, genes=3, say=lambda line: None)
    assert "volumes need nilearn" in found.verdicts["maps"] and not (tmp_path / "demo" / "maps").exists()
    assert "places 8 mm apart within 8 mm of a sample: R2 0." in found.verdicts["truth"]
    assert (tmp_path / "demo" / "report.html").is_file()


def test_small_networks_are_networks_of_the_registry():
    assert set(module.SMALL) <= set(module.METHODS)
    for name, small in module.SMALL.items():
        assert {"width", "steps"} <= set(small) <= set(FIELDS[name]().get_params())


def test_the_command_refuses_what_has_no_meaning_here(tmp_path, capsys):
    assert main(["demo", "brain", "--steps", "3", "-o", str(tmp_path / "demo")]) == 2
    assert "leave out --steps" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
