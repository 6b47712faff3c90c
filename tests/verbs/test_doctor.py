"""The doctor finishes on a broken machine and says what is broken."""

from __future__ import annotations

import json
import tempfile

import pytest

from exval.cli.app import main
from exval.verbs import doctor as module
from exval.verbs.doctor import doctor


def test_this_machine_is_fine(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {item["name"] for item in found} >= {"python", "torch", "anndata", "cpu", "gpu", "disk", "temp", "cells"}
    assert {item["state"] for item in found} <= {"ok", "note"}


def test_a_missing_package_is_named_and_the_rest_still_looked_at(monkeypatch, capsys):
    monkeypatch.setattr(module, "PACKAGES", ("numpy", "no-such-package"))
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("broken")] == ["no-such-package"]
    assert any(line.startswith("ok") and "cells" in line for line in lines)


def test_a_full_temporary_folder_is_broken(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    found = {finding.name: finding for finding in doctor()}
    assert found["temp"].state == "broken" and "No space" in found["temp"].detail


@pytest.mark.gpu
def test_gpu():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    assert {finding.name: finding.state for finding in doctor()}["gpu"] == "ok"
