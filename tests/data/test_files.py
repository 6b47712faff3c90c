"""Outputs are whole or absent."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from exval.data import files
from exval.data.files import atomic_path, check_writable, refuse_existing, write_bytes, write_json, write_text
from exval.errors import OutputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_only_at_the_end(tmp_path):
    out = tmp_path / "cells.h5ad"
    out.write_text("old")
    with atomic_path(out) as part:
        assert part.name.endswith("cells.h5ad") and part.parent == tmp_path and not part.exists()
        part.write_text("new")
        assert out.read_text() == "old"
    assert out.read_text() == "new" and names(tmp_path) == ["cells.h5ad"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("folder", [False, True])
def test_nothing_is_left_after_any_failure(tmp_path, error, folder):
    out = tmp_path / "out"
    with pytest.raises(error), atomic_path(out) as part:
        if folder:
            part.mkdir()
            (part / "half").write_text("x")
        else:
            part.write_text("x")
        raise error
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("Can't write data (errno = 28, error message = 'No space left on device')"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
    ],
)
def test_full_disk_is_one_line(tmp_path, error):
    with pytest.raises(OutputError, match="the disk is full") as caught, atomic_path(tmp_path / "out.h5ad") as part:
        part.write_bytes(b"half")
        raise error
    assert "\n" not in str(caught.value) and names(tmp_path) == []


def test_full_disk_behind_another_library(tmp_path):
    def library():
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise ValueError("could not write the group") from error

    with pytest.raises(OutputError, match="the disk is full"), atomic_path(tmp_path / "out"):
        library()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_really_full(tmp_path):
    with pytest.raises(OutputError, match="the disk is full"), atomic_path(tmp_path / "out") as part:
        part.symlink_to("/dev/full")
        part.write_bytes(b"x")
    assert names(tmp_path) == []


def test_fault_of_an_input_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(PermissionError), atomic_path(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "Permission denied", "input.h5ad")


def test_permission_of_the_output(tmp_path):
    with pytest.raises(OutputError, match="no permission"), atomic_path(tmp_path / "out") as part:
        raise PermissionError(errno.EACCES, "Permission denied", str(part))


def test_places_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="there is no folder"):
        check_writable(tmp_path / "no" / "out")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        check_writable(tmp_path / "file" / "out")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="no permission"):
        check_writable(tmp_path / "out")


def test_existing_outputs(tmp_path):
    file = tmp_path / "labels.csv"
    assert refuse_existing(file) == file
    file.write_text("")
    with pytest.raises(OutputError, match="exists already.*--force"):
        refuse_existing(file)
    assert refuse_existing(file, force=True) == file


def test_a_folder_of_somebody_else_is_never_replaced(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    assert refuse_existing(home, force=True) == home
    (home / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="exval did not write"):
        refuse_existing(home, force=True)
    with pytest.raises(OutputError, match="exval did not write"), atomic_path(home) as part:
        part.mkdir()
    assert names(home) == ["thesis.txt"] and names(tmp_path) == ["home"]


@pytest.mark.parametrize(
    "text", ['{"model_type": "bert"}', '{"version": "4.1", "architectures": []}', "[]", "7", "not json"]
)
def test_a_config_json_does_not_make_a_folder_ours(tmp_path, text):
    """Every model folder of a hub has one."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(text)
    with pytest.raises(OutputError, match="exval did not write"):
        refuse_existing(tmp_path / "model", force=True)


def test_folder_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / "store"
    for generation in ("a", "b"):
        with atomic_path(out) as part:
            part.mkdir()
            (part / "manifest.json").write_text('{"format_version": 1, "record_bytes": 3}')
            (part / generation).write_text("")
    assert names(out) == ["b", "manifest.json"] and names(tmp_path) == ["store"]


def test_kinds_are_not_mixed(tmp_path):
    write_text(tmp_path / "a", "")
    with pytest.raises(OutputError, match="is a file, but the output is a folder"), atomic_path(tmp_path / "a") as part:
        part.mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(OutputError, match="is a folder, but the output is a file"):
        write_text(tmp_path / "b", "")
    with pytest.raises(OutputError, match="nothing was written"), atomic_path(tmp_path / "c"):
        pass
    assert names(tmp_path) == ["a", "b"]


def test_json_of_numpy_and_paths_without_nan(tmp_path):
    file = tmp_path / "a.json"
    write_json(file, {"a": np.float32(0.5), "b": np.arange(2), "c": Path("x"), "µ": True})
    assert json.loads(file.read_text(encoding="utf-8")) == {"a": 0.5, "b": [0, 1], "c": "x", "µ": True}
    with pytest.raises(ValueError):
        write_json(file, {"a": float("nan")})
    with pytest.raises(TypeError):
        write_json(file, {"a": object()})
    assert json.loads(file.read_text(encoding="utf-8"))["a"] == 0.5 and names(tmp_path) == ["a.json"]


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path):
    out = tmp_path / "out.bin"
    code = f"""
        import os, signal
        from exval.data.files import atomic_path
        with atomic_path({str(out)!r}) as part:
            part.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)])
    assert done.returncode == -signal.SIGKILL and not out.exists() and len(names(tmp_path)) == 1
    other = tmp_path / f".partial-{files._host()}-{os.getpid()}-00000000-out.bin"
    other.write_bytes(b"being written by this living process")
    write_bytes(out, b"whole")
    assert names(tmp_path) == [other.name, "out.bin"]


def test_killed_between_the_two_renames_of_a_folder(tmp_path):
    out, dead = tmp_path / "store", 2**22 + 1  # beyond the largest process id of Linux
    aside = tmp_path / f".partial-old-{files._host()}-{dead}-00000000-store"
    aside.mkdir()
    (aside / "manifest.json").write_text("old")
    with pytest.raises(RuntimeError), atomic_path(out):
        raise RuntimeError
    assert (out / "manifest.json").read_text() == "old" and names(tmp_path) == ["store"]


def test_what_a_writer_made_for_the_owner_alone_has_the_usual_rights(tmp_path):
    usual = tmp_path / "usual"
    usual.write_text("x")
    with atomic_path(tmp_path / "run") as part:
        (part / "deep").mkdir(parents=True)
        for name in ("a", "deep/b"):
            (part / name).write_text("x")
            (part / name).chmod(0o600)
    for name in ("a", "deep/b"):
        assert (tmp_path / "run" / name).stat().st_mode == usual.stat().st_mode
