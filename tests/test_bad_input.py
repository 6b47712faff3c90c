"""Whatever a user gets wrong costs one line on stderr and exit code 2, and nothing is written."""

from __future__ import annotations

import errno
import gzip
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from exval.cli.app import main

FILES: dict[str, tuple[Callable, str]] = {}
USES: dict[str, tuple[Callable, str]] = {}
VERBS = {
    "check": ["check", "{}"],
    "annotate": ["annotate", "{}", "--ref", "good.h5ad", "-o", "out.h5ad"],
    "reference": ["annotate", "good.h5ad", "--ref", "{}", "-o", "out.csv"],
    "evaluate": ["evaluate", "{}", "--label", "cell_type", "-o", "out"],
    "pretrain": ["pretrain", "{}", "-o", "run", "--steps", "1"],
    "build": ["data", "build", "good.h5ad", "{}", "-o", "store"],
}


def bad_file(fragment: str):
    """A function that writes a file no verb can use and returns its name; ``fragment`` is what the line must say."""

    def register(function):
        FILES[function.__name__] = (function, fragment)
        return function

    return register


def bad_use(fragment: str):
    """A function that prepares a folder and returns the words after ``exval``."""

    def register(function):
        USES[function.__name__] = (function, fragment)
        return function

    return register


def write(cells, name: str = "bad.h5ad") -> str:
    cells.write_h5ad(name)
    return name


def with_value(cells, value: float) -> str:
    x = cells.X.toarray()
    x[3, 5] = value
    cells.X = sparse.csr_matrix(x)
    return write(cells)


# --- files that no verb can use ---


@bad_file("no such file")
def absent(cells):
    return "nowhere.h5ad"


@bad_file("the file is empty")
def empty_file(cells):
    Path("bad.h5ad").touch()
    return "bad.h5ad"


@bad_file("truncated or damaged")
def truncated_h5ad(cells):
    write(cells)
    content = Path("bad.h5ad").read_bytes()
    Path("bad.h5ad").write_bytes(content[: len(content) // 2])
    return "bad.h5ad"


@bad_file("truncated or damaged")
def truncated_gzip(cells):
    table = cells.to_df().to_csv().encode()
    packed = gzip.compress(table)
    Path("bad.csv.gz").write_bytes(packed[: len(packed) // 2])
    return "bad.csv.gz"


@bad_file("format is not known")
def renamed_picture(cells):
    Path("bad.h5ad").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    return "bad.h5ad"


@bad_file("zip archive")
def excel_workbook(cells):
    Path("bad.xlsx").write_bytes(b"PK\x03\x04" + b"\0" * 300)
    return "bad.xlsx"


@bad_file("pickle")
def pickled(cells):
    Path("bad.pkl").write_bytes(b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94.")
    return "bad.pkl"


@bad_file("zellkonverter")
def r_object(cells):
    Path("bad.rds").write_bytes(gzip.compress(b"X\n\0\0\0\x03" + b"\0" * 64))
    return "bad.rds"


@bad_file("holds no expression matrix")
def folder_without_matrix(cells):
    Path("bad").mkdir()
    Path("bad/readme.txt").write_text("nothing here")
    return "bad"


@bad_file("neither h5ad nor 10x")
def foreign_hdf5(cells):
    import h5py

    with h5py.File("bad.h5", "w") as file:
        file["temperature"] = np.arange(3)
    return "bad.h5"


@bad_file("NaN")
def nan(cells):
    return with_value(cells, np.nan)


@bad_file("infinite")
def infinity(cells):
    return with_value(cells, np.inf)


@bad_file("negative count")
def negative_counts(cells):
    return with_value(cells, -2)


@bad_file("nothing but zeros")
def all_zero(cells):
    cells.X = sparse.csr_matrix(cells.shape, dtype=np.float32)
    return write(cells)


@bad_file("no cell")
def zero_cells(cells):
    return write(cells[:0].copy())


@bad_file("no gene")
def zero_genes(cells):
    return write(cells[:, :0].copy())


@bad_file("recognised")
def probe_ids(cells):
    cells.var_names = [f"{1000 + i}_s_at" for i in range(cells.n_vars)]
    return write(cells)


@bad_file("fly")
def foreign_species(cells):
    cells.var_names = [f"FBgn{i:07d}" for i in range(cells.n_vars)]
    return write(cells)


@bad_file("no matrix")
def no_values(cells):
    import anndata

    return write(anndata.AnnData(obs=cells.obs, var=cells.var))


# --- words that do not fit ---


@bad_use("declared as z")
def unit_that_the_values_contradict(cells):
    return ["check", "good.h5ad", "--unit", "z"]


@bad_use("no layer 'cuonts'")
def unknown_layer(cells):
    return ["check", "good.h5ad", "--layer", "cuonts"]


@bad_use("mouse")
def wrong_species(cells):
    return ["evaluate", "good.h5ad", "--species", "mouse", "--label", "cell_type", "-o", "out"]


@bad_use("log2")
def unit_that_no_method_takes(cells):
    cells.X = np.random.default_rng(0).normal(6, 2, cells.shape).astype(np.float32) - 3
    write(cells, "log2.h5ad")
    return ["evaluate", "log2.h5ad", "--unit", "log2", "--task", "recover", "-o", "out"]


@bad_use("'kind'")
def missing_label_column(cells):
    return ["evaluate", "good.h5ad", "--label", "kind", "-o", "out"]


@bad_use("'kind'")
def missing_label_in_reference(cells):
    return ["annotate", "good.h5ad", "--ref", "good.h5ad", "--label", "kind", "-o", "out.h5ad"]


@bad_use("--label")
def label_not_named(cells):
    return ["evaluate", "good.h5ad", "-o", "out"]


@bad_use("'patient'")
def missing_split_column(cells):
    return ["evaluate", "good.h5ad", "--label", "cell_type", "--split-by", "patient", "-o", "out"]


@bad_use("class")
def one_class(cells):
    write(cells[cells.obs["cell_type"] == "beta"].copy(), "one.h5ad")
    return ["evaluate", "one.h5ad", "--label", "cell_type", "-o", "out"]


@bad_use("'cell_type'")
def labels_all_missing(cells):
    cells.obs["cell_type"] = np.nan
    write(cells, "unnamed.h5ad")
    return ["annotate", "good.h5ad", "--ref", "unnamed.h5ad", "-o", "out.h5ad"]


@bad_use("gene")
def no_gene_in_common(cells):
    write(cells[:, :150].copy(), "left.h5ad")
    write(cells[:, 150:].copy(), "right.h5ad")
    return ["annotate", "left.h5ad", "--ref", "right.h5ad", "-o", "out.h5ad"]


@bad_use("did you mean 'logreg'")
def unknown_method(cells):
    return ["evaluate", "good.h5ad", "--label", "cell_type", "--method", "logrek", "-o", "out"]


@bad_use("X_scgpt")
def missing_embedding(cells):
    return ["evaluate", "good.h5ad", "--label", "cell_type", "--method", "obsm:X_scgpt", "-o", "out"]


@bad_use("xtrimogene")
def unknown_recipe(cells):
    return ["pretrain", "good.h5ad", "--recipe", "xtrimogen", "-o", "run"]


@bad_use("tiny")
def unknown_preset(cells):
    return ["pretrain", "good.h5ad", "--preset", "huge", "-o", "run"]


@bad_use("train.lr")
def mistyped_setting(cells):
    return ["pretrain", "good.h5ad", "--set", "train.lrr=0.001", "-o", "run"]


@bad_use("train.lr")
def setting_of_the_wrong_kind(cells):
    return ["pretrain", "good.h5ad", "--set", "train.lr=fast", "-o", "run"]


@bad_use("out.h5ad exists")
def output_exists(cells):
    Path("out.h5ad").write_text("precious")
    return ["annotate", "good.h5ad", "--ref", "good.h5ad", "-o", "out.h5ad"]


@bad_use("run exists")
def run_exists(cells):
    Path("run").mkdir()
    Path("run/log.jsonl").write_text("{}")
    return ["pretrain", "good.h5ad", "-o", "run", "--steps", "1"]


@bad_use("not replaced even with --force")
def foreign_folder_is_never_replaced(cells):
    Path("out").mkdir()
    Path("out/thesis.docx").write_text("ten years")
    return ["evaluate", "good.h5ad", "--label", "cell_type", "-o", "out", "--force"]


@bad_use("there is no folder")
def output_in_no_folder(cells):
    return ["annotate", "good.h5ad", "--ref", "good.h5ad", "-o", "no/where/out.h5ad"]


@bad_use(".h5ad")
def output_of_unknown_kind(cells):
    return ["annotate", "good.h5ad", "--ref", "good.h5ad", "-o", "out.docx"]


@bad_use("good.h5ad")
def output_over_input(cells):
    return ["annotate", "good.h5ad", "--ref", "good.h5ad", "-o", "good.h5ad"]


@bad_use("no such file")
def missing_reference(cells):
    return ["annotate", "good.h5ad", "--ref", "rfe.h5ad", "-o", "out.h5ad"]


@bad_use("map.csv")
def missing_label_map(cells):
    return ["annotate", "good.h5ad", "--ref", "good.h5ad", "--label-map", "map.csv", "-o", "out.h5ad"]


@bad_use("'known'")
def missing_truth(cells):
    return ["annotate", "good.h5ad", "--ref", "good.h5ad", "--truth", "known", "-o", "out.h5ad"]


@bad_use("run")
def no_run_folder(cells):
    return ["embed", "run", "good.h5ad", "-o", "out.h5ad"]


@bad_use("run")
def run_folder_without_weights(cells):
    Path("run").mkdir()
    Path("run/config.json").write_text(json.dumps({"kind": "pretrain", "format_version": 1}))
    return ["embed", "run", "good.h5ad", "-o", "out.h5ad"]


@bad_use("newer")
def run_folder_of_a_newer_exval(cells):
    Path("run").mkdir()
    Path("run/config.json").write_text(json.dumps({"kind": "pretrain", "format_version": 999}))
    return ["finetune", "run", "good.h5ad", "-o", "run2"]


@bad_use("run/config.json")
def run_folder_with_a_damaged_config(cells):
    Path("run").mkdir()
    Path("run/config.json").write_text('{"kind": "pre')
    return ["embed", "run", "good.h5ad", "-o", "out.h5ad"]


@bad_use("holds no run to resume")
def nothing_to_resume(cells):
    Path("run").mkdir()
    Path("run/notes.txt").write_text("mine")
    return ["pretrain", "good.h5ad", "-o", "run", "--resume", "--steps", "1"]


@bad_use("not a folder")
def report_of_nothing(cells):
    return ["report", "nowhere"]


@bad_use("holds no demo")
def demo_into_a_foreign_folder(cells):
    Path("mine").mkdir()
    Path("mine/thesis.docx").write_text("ten years")
    return ["demo", "-o", "mine", "--force"]


@bad_use("no recipe is called")
def recipe_that_does_not_exist(cells):
    return ["recipes", "bert"]


# --- the rule ---


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every path below the folder, hidden ones too, with what it holds."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def expect_one_line(argv: list[str], fragment: str, capsys, folder: Path) -> str:
    before = contents(folder)
    code = main(argv)
    out, err = capsys.readouterr()
    assert code == 2, err
    assert [line for line in err.splitlines() if line.strip()] == [err.strip()], err
    assert err.startswith("error: ")
    assert out == ""
    assert fragment in err
    assert contents(folder) == before
    return err


@pytest.fixture
def here(tmp_path, monkeypatch, baron_small):
    """An empty working folder with one good file."""
    monkeypatch.chdir(tmp_path)
    baron_small.write_h5ad("good.h5ad")
    return tmp_path


def file_cases():
    """Every file with ``check`` and with one other verb in turn; a few with every verb."""
    others = [verb for verb in VERBS if verb != "check"]
    for i, name in enumerate(FILES):
        every = name in ("truncated_h5ad", "nan", "probe_ids")
        for verb in ["check", *(others if every else [others[i % len(others)]])]:
            if (name, verb) != ("probe_ids", "check"):  # a fault elsewhere, a finding there
                yield name, verb


@pytest.mark.parametrize(("name", "verb"), list(file_cases()))
def test_bad_file(name, verb, here, baron_small, capsys):
    function, fragment = FILES[name]
    file = function(baron_small)
    err = expect_one_line([word.format(file) for word in VERBS[verb]], fragment, capsys, here)
    assert file in err


@pytest.mark.parametrize("name", USES)
def test_bad_use(name, here, baron_small, capsys):
    function, fragment = USES[name]
    expect_one_line(function(baron_small), fragment, capsys, here)


def test_there_are_enough_kinds():
    assert len(FILES) + len(USES) >= 30


class Refusing:
    """Stands in for one function of ``os`` and fails as the system would."""

    def __init__(self, number: int, only: str = "") -> None:
        self.number, self.only = number, only

    def __call__(self, *args, **kwargs):
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("verb", ["annotate", "evaluate", "build"])
def test_full_disk(verb, here, capsys, monkeypatch):
    monkeypatch.setattr(os, "fsync", Refusing(errno.ENOSPC))
    argv = [word.format("good.h5ad") for word in VERBS[verb]]
    expect_one_line([*argv, "--quiet"], "disk is full", capsys, here)


def test_input_without_permission(here, capsys, monkeypatch):
    path = here / "good.h5ad"
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything: let the system call say what it would to others
        real = Path.open
        denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

        def refuse(self, *args, **kwargs):
            if self.name == path.name:
                raise denied
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Path, "open", refuse)
    code = main(["check", "good.h5ad"])
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err == "error: good.h5ad: no permission to read it\n"


def test_output_without_permission(here, capsys, monkeypatch):
    (here / "locked").mkdir(mode=0o500)
    if os.access(here / "locked", os.W_OK):
        real = os.access
        monkeypatch.setattr(os, "access", lambda path, mode, **more: "locked" not in str(path) and real(path, mode))
    argv = ["annotate", "good.h5ad", "--ref", "good.h5ad", "-o", "locked/out.h5ad"]
    expect_one_line(argv, "no permission in the folder locked", capsys, here)
