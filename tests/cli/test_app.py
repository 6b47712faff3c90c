"""The program as a whole: its start, its exit codes, its one line for every fault."""

from __future__ import annotations

import errno
import json
import subprocess
import sys

import pytest

from exval.cli import app as program
from exval.cli.app import main
from exval.cli.command import print_json, split
from exval.cli.faults import describe
from exval.errors import DivergedError, InputError, OutputError
from exval.train.stop import Stopped

HELP_PROBE = """
import contextlib, io, sys, time
from exval.cli.app import main
text = io.StringIO()
with contextlib.redirect_stdout(text):
    code = main({argv!r})
names = ("torch", "anndata", "numpy", "pandas", "sklearn", "matplotlib", "rich")
heavy = [name for name in names if name in sys.modules]
print(code, time.process_time(), ",".join(heavy), len(text.getvalue()))
"""


def help_cost(argv: list[str]) -> tuple[float, str]:
    """Least CPU-seconds of three starts, and the heavy modules imported."""
    seconds = []
    for _ in range(3):
        out = subprocess.run(
            [sys.executable, "-c", HELP_PROBE.format(argv=argv)], capture_output=True, text=True, check=True
        ).stdout.rsplit(" ", 3)
        code, cpu, heavy, length = out
        assert (code, int(length) > 400) == ("0", True)
        seconds.append(float(cpu))
    return min(seconds), heavy


@pytest.mark.parametrize("argv", [["--help"], ["annotate", "--help"]])
def test_help_is_cheap(argv):
    seconds, heavy = help_cost(argv)
    assert heavy == ""
    assert seconds < 0.4


def test_import_exval_imports_nothing_heavy():
    code = "import exval, sys; print([m for m in ('torch', 'anndata', 'numpy', 'pandas', 'typer') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_without_words_the_help_is_printed(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: exval")


def test_module_runs_as_the_program_does():
    done = subprocess.run([sys.executable, "-m", "exval", "nosuch"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: no such command 'nosuch' (see exval --help)\n"


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (InputError("a\nb"), "error: a b", 2),
        (DivergedError("step 3: loss is nan"), "error: step 3: loss is nan", 2),
        (OutputError("x exists"), "error: x exists", 2),
        (KeyboardInterrupt(), "stopped", 130),
        (Stopped("stopped after step 3"), "stopped after step 3", 130),
        (OSError(errno.ENOSPC, "No space", "a.h5ad"), "error: a.h5ad: the disk is full; free some space or", 2),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "error: a: permission denied", 2),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), "error: a: there is no such file", 2),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "", 141),
        (MemoryError(), "error: not enough memory", 2),
        (OSError(errno.EIO, "I/O error"), "error: a bug of exval", 1),
        (
            TypeError("bad\ntype"),
            "error: a bug of exval; please report it with the output of --debug: TypeError: bad t",
            1,
        ),
    ],
)
def test_faults(error, line, code):
    text, found = describe(error)
    assert found == code
    assert text.startswith(line) and "\n" not in text


@pytest.fixture
def failing(monkeypatch):
    """A verb ``check`` that raises what the test puts here."""
    raised: list[BaseException] = []

    def run(*args, **kwargs):
        raise raised[0]

    module = type(sys)("exval.verbs.check")
    module.check = run
    monkeypatch.setitem(sys.modules, "exval.verbs.check", module)
    return raised


def test_unexpected_error_is_called_a_bug_and_debug_shows_where(failing, capsys):
    failing.append(ZeroDivisionError("division by zero"))
    assert main(["check", "a.h5ad"]) == 1
    err = capsys.readouterr().err
    assert err == (
        "error: a bug of exval; please report it with the output of --debug: ZeroDivisionError: division by zero\n"
    )
    assert main(["check", "a.h5ad", "--debug"]) == 1
    assert "Traceback" in (err := capsys.readouterr().err) and "raise raised[0]" in err


def test_ctrl_c_stops_cleanly(failing, capsys):
    failing.append(KeyboardInterrupt())
    assert main(["check", "a.h5ad"]) == 130
    assert capsys.readouterr() == ("", "stopped\n")


def test_an_early_end_of_file_is_not_taken_for_ctrl_c(failing, capsys):
    failing.append(EOFError("Compressed file ended"))
    assert main(["check", "a.h5ad"]) == 1
    assert "EOFError" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m exval annotate --help | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[1] in ("0", "141")


@pytest.mark.parametrize(
    ("argv", "fragment"),
    [
        (["anotate"], "did you mean 'annotate'"),
        (["check", "a", "--laier", "x"], "did you mean --layer?"),
        (["check"], "missing argument 'FILE'"),
        (["annotate", "a", "-o", "b"], "missing option '--ref'"),
        (["data"], "missing command"),
        (["data", "biuld"], "did you mean 'build'"),
        (["check", "a", "--unit", "tpm"], "'tpm' is not one of 'counts'"),
        (["check", "a", "--species", "rat"], "'rat' is not one of 'auto'"),
        (["embed", "r", "a", "-o", "b", "--device", "tpu"], "'tpu' is not one of 'auto'"),
        (["pretrain", "a", "-o", "b", "--steps", "0"], "'--steps'"),
        (["pretrain", "a", "-o", "b", "--epochs", "-1"], "'--epochs'"),
        (["pretrain", "a", "-o", "b", "--seed", "-1"], "'--seed'"),
        (["pretrain", "a", "-o", "b", "--steps", "many"], "'--steps'"),
        (["pretrain", "a", "-o", "b", "--threads", "0"], "'--threads'"),
        (["pretrain", "a", "-o", "b", "--set", "lr"], "--set takes path=value"),
        (["pretrain", "a", "-o", "b", "--set", "train.lr=1", "--set", "train.lr=2"], "given twice"),
        (["evaluate", "a", "-o", "b", "--task", "guess"], "'guess' is not one of"),
        (["evaluate", "a", "-o", "b", "--folds", "1"], "'--folds'"),
    ],
)
def test_bad_words_one_line_nothing_written(argv, fragment, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert fragment in err.lower() if fragment.islower() else fragment in err
    assert not list(tmp_path.iterdir())


def test_values_are_repeated_or_comma_separated():
    assert split(["pca, logreg", "obsm:X_a", ""]) == ["pca", "logreg", "obsm:X_a"]
    assert split(None) == []


def test_json_is_strict(capsys):
    import numpy as np

    print_json([{"name": "a", "b": float("nan"), "c": np.float32(0.5), "d": np.arange(2), "e": (True, None)}])
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == [
        {"name": "a", "b": None, "c": 0.5, "d": [0, 1], "e": [True, None]}
    ]


def test_version(capsys):
    import exval

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"exval {exval.__version__}\n"
    assert program.app.info.name == "exval"
