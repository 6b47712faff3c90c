"""Commands as methods: what they are given, every way of answering, every way of failing."""

from __future__ import annotations

import json
import shlex
import sys
import time

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmread, mmwrite
from sklearn.base import clone

from exval.data.source import open_source
from exval.errors import DivergedError, InputError, UnitError
from exval.methods import METHODS
from exval.methods.imputation.exchange import read_output, write_input
from exval.methods.imputation.external import External
from exval.methods.resolve import configured, resolve, split_specs

PYTHON = shlex.quote(sys.executable)
GENES, NAMES = [f"HLA-{i}" for i in range(5)] + ["7SK"], [f"{i}_a-1" for i in range(9)]
R_GENES, R_NAMES = [f"HLA.{i}" for i in range(5)] + ["X7SK"], [f"X{i}_a.1" for i in range(9)]
X_NG = np.random.default_rng(0).poisson(2.0, (9, 6)).astype(np.float32)


@pytest.fixture
def cells(baron_small):
    return open_source(baron_small[:20, :12].copy()).to_adata()


@pytest.fixture
def script(tmp_path):
    """A command of a few lines of Python; ``given`` and ``out`` are the two paths."""

    def write(lines: str, words: str = "{input} {output}") -> str:
        path = tmp_path / "my script.py"
        path.write_text(f"import sys, os, time\nimport numpy as np\ngiven, out = sys.argv[1:3]\n{lines}\n")
        return f"{PYTHON} {shlex.quote(str(path))} {words}"

    return write


def frame(rows, columns, values=X_NG):
    return pd.DataFrame(values if len(rows) == len(values) else values.T, rows, columns)


def h5ad(path, genes=GENES, names=NAMES):
    obs, var = pd.DataFrame(index=names), pd.DataFrame(index=genes)
    anndata.AnnData(sparse.csr_matrix(X_NG), obs, var).write_h5ad(path)


def mtx_folder(path):
    path.mkdir()
    mmwrite(path / "matrix.mtx", X_NG.T[::-1])
    (path / "genes.tsv").write_text("\n".join(GENES[::-1]) + "\n")
    (path / "cells.tsv").write_text("\n".join(NAMES) + "\n")


WAYS = {
    "genes in rows": ("o.csv", lambda p: frame(GENES, NAMES).to_csv(p)),
    "cells in rows": ("o.csv", lambda p: frame(NAMES, GENES).to_csv(p)),
    "in another order": ("o.csv", lambda p: frame(GENES, NAMES).iloc[::-1, [3, 1, 2, 0, 8, 4, 5, 6, 7]].to_csv(p)),
    "names as R makes them": ("o.csv", lambda p: frame(R_GENES, R_NAMES).iloc[::-1].to_csv(p)),
    "names of columns as R makes them": ("o.csv", lambda p: frame(GENES, R_NAMES).to_csv(p)),
    "cells without names": ("o.csv", lambda p: frame(GENES, range(9)).to_csv(p)),
    "no names": ("o.csv", lambda p: frame(range(6), [f"V{i}" for i in range(9)]).to_csv(p)),
    "mtx as given": ("o.mtx", lambda p: mmwrite(p, X_NG.T)),
    "mtx turned, sparse": ("o.mtx", lambda p: mmwrite(p, sparse.coo_matrix(X_NG))),
    "mtx folder with names": ("o.mtx", mtx_folder),
    "npy": ("o.npy", lambda p: np.save(p, X_NG)),
    "npy turned": ("o.npy", lambda p: np.save(p, X_NG.T.astype(np.float64))),
    "h5ad": ("o.h5ad", h5ad),
    "another format than asked for": ("o.csv", lambda p: np.save(p.with_suffix(".npy"), X_NG)),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_answering(way, tmp_path):
    name, write = WAYS[way]
    write(tmp_path / name)
    got_ng, there_g = read_output(tmp_path / name, GENES, NAMES, "cmd:x")
    assert got_ng.dtype == np.float32 and there_g.all()
    np.testing.assert_array_equal(got_ng, X_NG)


def test_as_many_genes_as_cells_without_names(tmp_path):
    square = X_NG[:6]
    np.save(tmp_path / "o.npy", square)
    np.testing.assert_array_equal(read_output(tmp_path / "o.npy", GENES, NAMES[:6], "x")[0], square)
    mmwrite(tmp_path / "o.mtx", square.T)  # genes in rows, as they were given
    np.testing.assert_array_equal(read_output(tmp_path / "o.mtx", GENES, NAMES[:6], "x")[0], square)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda p: None, "wrote nothing"),
        (lambda p: p.write_text("a,b\nx,y\n"), "cannot be read: there is text"),
        (lambda p: p.write_text(""), "cannot be read"),
        (lambda p: np.save(p.with_suffix(".npy"), np.zeros((3, 4))), "wrote 3 x 4 values"),
        (lambda p: np.save(p.with_suffix(".npy"), np.zeros(4)), "1 dimensions"),
        (lambda p: np.save(p.with_suffix(".npy"), np.array([{}])), "cannot be read"),
        (lambda p: frame(GENES, NAMES).iloc[:, 2:].to_csv(p), "left out 2 of 9 cells"),
        (lambda p: frame(["A", "B", "C", "D", "E", "F"], NAMES).iloc[1:].to_csv(p), "whose names are not"),
    ],
)
def test_answers_that_cannot_be_used(write, says, tmp_path):
    write(tmp_path / "o.csv")
    with pytest.raises(InputError, match=says) as error:
        read_output(tmp_path / "o.csv", GENES, NAMES, "cmd:x")
    assert "\n" not in str(error.value)


def test_what_is_given_holds_values_and_names(tmp_path):
    x_ng = sparse.csr_matrix(X_NG)
    folder = write_input(tmp_path / "a", "mtx", x_ng, np.array(GENES), np.array(NAMES))
    np.testing.assert_array_equal(mmread(folder / "matrix.mtx").toarray().T, X_NG)
    assert "integer" in (folder / "matrix.mtx").read_text().split("\n")[0]
    assert (folder / "genes.tsv").read_text().split() == GENES and (folder / "cells.tsv").read_text().split() == NAMES
    table = pd.read_csv(write_input(tmp_path / "b", "csv", x_ng / 3, GENES, NAMES), index_col=0)
    np.testing.assert_allclose(table.loc[GENES, NAMES].to_numpy().T, X_NG / 3, rtol=1e-6)
    found = anndata.read_h5ad(write_input(tmp_path / "c", "h5ad", x_ng, GENES, NAMES))
    np.testing.assert_array_equal(found[NAMES, GENES].X.toarray(), X_NG)


@pytest.mark.parametrize("unit", ["counts", "cp10k", "log1p"])
def test_a_command_is_run_on_the_values_asked_for(unit, script, cells):
    lines = "d = np.loadtxt(given + '/matrix.mtx', comments='%')\nx = np.zeros((20, 12))\n"
    lines += "for g, c, v in d[1:]: x[int(c) - 1, int(g) - 1] = v\nnp.save(out, 2 * x)"
    method = External(script(lines), values=unit, unit=unit, output="npy")
    got = method.fit(cells).impute(cells)
    log_ng = cells.X.toarray()
    want = {"counts": cells.layers["counts"].toarray(), "log1p": log_ng, "cp10k": np.expm1(log_ng)}[unit]
    assert got.unit == unit and method.title == f"cmd:{sys.executable.rsplit('/')[-1]} my script.py"
    np.testing.assert_allclose(got.values_nq, 2 * want, rtol=1e-5)


def test_genes_that_do_not_come_back_are_counted_and_zero(script, cells, caplog):
    lines = "genes = open(given + '/genes.tsv').read().split()[2:]\ncells = open(given + '/cells.tsv').read().split()\n"
    lines += "with open(out, 'w') as f:\n f.write(','.join(['', *cells]) + '\\n')\n"
    lines += " f.writelines(','.join([g] + ['1'] * len(cells)) + '\\n' for g in genes)"
    method = External(script(lines)).fit(cells)
    got_ng = method.impute(cells).values_nq
    assert len(method.dropped_) == 2 and "2 of 12 genes" in caplog.text
    lost = cells.var_names.isin(method.dropped_)
    assert not got_ng[:, lost].any() and (got_ng[:, ~lost] == 1).all()


def test_the_seed_reaches_the_command_and_nan_is_refused(script, cells):
    lines = (
        "v = float(sys.argv[3]) + float(os.environ['EXVAL_SEED'])\nnp.save(out, np.full((20, 12), v if v else np.nan))"
    )
    command = script(lines, "{input} {output} {seed}")
    assert (External(command, output="npy", seed=3).fit(cells).impute(cells).values_nq == 6).all()
    with pytest.raises(DivergedError, match="NaN"):
        External(command, output="npy", seed=0).fit(cells).impute(cells)
    assert configured("cmd:true {input} {output}", seed=5).seed == 5


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            "print('loading', file=sys.stderr)\nraise RuntimeError('no matrix')",
            "failed .exit 1.: RuntimeError: no matrix$",
        ),
        ("sys.exit(3)", "failed .exit 3.: it said nothing"),
        ("os.kill(os.getpid(), 9)", "failed .signal 9."),
    ],
)
def test_a_command_that_fails_says_why_in_one_line(lines, says, script, cells):
    with pytest.raises(InputError, match=says) as error:
        External(script(lines)).fit(cells)
    assert "\n" not in str(error.value) and str(error.value).startswith("cmd:")


def test_a_command_that_hangs_is_stopped_with_its_children(cells, tmp_path):
    mark = tmp_path / "mark"
    command = f"sh -c '(sleep 2; touch {mark}) & sleep 60' {{input}} {{output}}"
    started = time.monotonic()
    with pytest.raises(InputError, match="did not end within 0.5 seconds"):
        External(command, timeout=0.5).fit(cells)
    assert time.monotonic() - started < 20
    time.sleep(2)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("cmd:no-such-program-here {input} {output}", "cannot start 'no-such-program-here': no such file"),
        ("cmd:cat {input}", "where {output} goes"),
        ("cmd:cat '{input} {output}", "no closing quotation"),
        ("cmd[input=rds]:cat {input} {output}", "input is one of mtx, csv, h5ad, not 'rds'"),
        ("cmd[unit=tpm]:cat {input} {output}", "unit is one of"),
    ],
)
def test_commands_that_cannot_work(spec, says, cells):
    with pytest.raises(InputError, match=says):
        resolve(spec).fit(cells)


@pytest.mark.parametrize(
    "spec", ["cmd:", "cmd[rank=3]:a {input}", "cmd[timeout=soon]:a {input}", "cmd[unit]:a", "cmd[a:b"]
)
def test_specs_that_say_nothing_are_refused(spec):
    with pytest.raises(InputError):
        resolve(spec)


def test_counts_are_asked_for_unless_log_values_are_enough(cells):
    del cells.layers["counts"]
    cells.obs["exval_total"] = np.nan
    with pytest.raises(UnitError, match="needs raw counts"):
        External("true {input} {output}").fit(cells)
    with pytest.raises(InputError, match="wrote nothing"):
        External("true {input} {output}", values="log1p").fit(cells)


def test_specs_among_other_methods():
    specs = split_specs(["magic,cmd[unit=log1p, input=csv]:Rscript a/b.R {input} {output} 1,2", "alra"])
    assert specs == ["magic", "cmd[unit=log1p, input=csv]:Rscript a/b.R {input} {output} 1,2", "alra"]
    method = resolve(specs[1])
    assert (method.unit, method.input, method.title) == ("log1p", "csv", "cmd:Rscript b.R 1,2")
    assert "external" not in METHODS and External not in dict(METHODS.items()).values()
    assert clone(method).get_params() == method.get_params()
    json.dumps(method.get_params())
