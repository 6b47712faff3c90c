"""Files with different gene sets become one store, or nothing at all."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import time

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from exval.data import layout
from exval.data.genes import GeneTable
from exval.data.packing import pack_source
from exval.data.source import open_source
from exval.data.store import Store
from exval.data.writer import StoreWriter
from exval.errors import GeneError, InputError, OutputError, UnitError
from exval.verbs.build import build_store

SYMBOLS = list(GeneTable.load("human").symbols[:40])


def cells(seed: int, n: int, genes: list[str], prefix: str = "c") -> anndata.AnnData:
    rng = np.random.default_rng(seed)
    x_ng = rng.poisson(0.8, (n, len(genes))).astype(np.float32)
    x_ng[:, 0] += 1
    obs = pd.DataFrame({"kind": pd.Categorical(rng.choice(["a", "b"], n))}, [f"{prefix}{i}" for i in range(n)])
    return anndata.AnnData(sparse.csr_matrix(x_ng), obs=obs, var=pd.DataFrame(index=genes))


def pairs(row, genes) -> dict:
    return {gene: value for gene, value in zip(genes, row) if value}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pairs_survive_a_merge_of_different_gene_sets(tmp_path_factory, data):
    """Each cell's {gene: value} is the same in its file, in the store, in a view, and in memory."""
    subsets = st.lists(st.sampled_from(SYMBOLS), min_size=8, max_size=20, unique=True)
    files = [cells(seed, 6, data.draw(subsets), prefix=f"s{seed}-") for seed in range(data.draw(st.integers(1, 3)))]
    store = build_store(files, tmp_path_factory.mktemp("store") / "out")
    vocabulary = data.draw(subsets)
    view = store.with_vocabulary(vocabulary) if set(vocabulary) & set(store.genes) else None
    dense, row = store.dense(), 0
    for file in files:
        memory = Store.from_source(file)
        for i, original in enumerate(file.X.toarray()):
            expected = pairs(original, file.var_names)
            assert pairs(dense[row], store.genes) == expected
            assert pairs(memory.dense([i])[0], memory.genes) == expected
            if view is not None:
                kept = {gene: value for gene, value in expected.items() if gene in vocabulary}
                assert pairs(view.dense([row])[0], vocabulary) == kept
            assert set(store.genes[store.panels[store.panel_n[row]]]) == set(file.var_names)
            assert store.content_hash_n[row] == memory.content_hash_n[i]
            row += 1
    assert row == store.n and sorted(store.genes) == sorted(set().union(*(file.var_names for file in files)))


def test_obs_is_joined_and_says_where_each_cell_is_from(tmp_path):
    a, b = cells(0, 4, SYMBOLS[:12]), cells(1, 3, SYMBOLS[5:20])
    a.obs["source"] = "blood"
    a.obs["age"] = [1, 2, 3, 4]
    b.obs["kind"] = pd.Categorical(["z", "z", None])
    b.obs["mixed"] = ["x", 1, None]
    store = build_store([a, b], tmp_path / "store")
    obs = Store.open(tmp_path / "store").obs
    assert obs.index.is_unique and obs.index.tolist()[:4] == ["c0", "c1", "c2", "c3"]
    assert obs["source"].tolist() == ["AnnData"] * 4 + ["AnnData-2"] * 3
    assert obs["source_in_file"].tolist()[:4] == ["blood"] * 4 and obs["source_in_file"][4:].isna().all()
    assert obs["age"].tolist()[:4] == [1, 2, 3, 4]
    assert obs["mixed"].tolist()[4:6] == ["x", "1"] and obs["mixed"].isna().sum() == 5
    assert isinstance(obs["kind"].dtype, pd.CategoricalDtype) and set(obs["kind"].cat.categories) <= {"a", "b", "z"}
    assert obs["kind"].isna().sum() == 1
    assert [source["n"] for source in store.manifest["sources"]] == [4, 3]
    assert [len(store.panels[i]) for i in store.panel_n[[0, 4]]] == [12, 15]


def test_unknown_genes_count_in_the_total_only(tmp_path):
    file = cells(0, 5, [*SYMBOLS[:10], "spike-in-1", "nonsense"])
    store = build_store(file, tmp_path / "store")
    assert store.n_genes == 10 and "nonsense" not in store.genes
    np.testing.assert_array_equal(store.total_n, np.asarray(file.X.sum(1)).ravel())
    np.testing.assert_array_equal(store.content_hash_n, Store.from_source(file[:, :10].copy()).content_hash_n)


def test_memory_store_with_a_given_vocabulary():
    file = cells(0, 5, SYMBOLS[:10])
    store = Store.from_source(open_source(file), [SYMBOLS[7], "unheard-of", SYMBOLS[2]])
    np.testing.assert_array_equal(store.dense()[:, [0, 2]], file.X.toarray()[:, [7, 2]])
    assert store.panels[0].tolist() == [0, 2] and store.content_hash_n[1] == Store.from_source(file).content_hash_n[1]
    with pytest.raises(GeneError, match="none of the 2 genes"):
        Store.from_source(file, ["x", "y"])


def test_chunks_do_not_matter_and_files_are_streamed(tmp_path):
    file = cells(0, 23, SYMBOLS[:15])
    file.write_h5ad(tmp_path / "cells.h5ad")
    source = open_source(anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r"))
    whole = Store.from_source(file)
    asked = []

    class Recorder(StoreWriter):
        def add(self, x_nc, **rest):
            asked.append(x_nc.shape[0])
            super().add(x_nc, **rest)

    for size in (1, 7, 100):
        asked.clear()
        writer = Recorder(whole.genes, "counts")
        pack_source(writer, source, size=size)
        manifest = writer.finish()
        store = Store(manifest, whole.genes, manifest["arrays"])
        assert max(asked) <= size and sum(asked) == 23
        np.testing.assert_array_equal(store.dense(), whole.dense())
        np.testing.assert_array_equal(store.content_hash_n, whole.content_hash_n)


def test_measured_zeros_of_z_scores_are_kept():
    rng = np.random.default_rng(0)
    x_ng = rng.normal(size=(30, 12)).astype(np.float32)
    x_ng[3, 4] = 0.0
    file = anndata.AnnData(x_ng, var=pd.DataFrame(index=SYMBOLS[:12]))
    store = Store.from_source(open_source(file, unit="z"))
    assert store.batch([3]).lengths_n.tolist() == [12] and store.implicit == "missing"
    np.testing.assert_array_equal(store.with_vocabulary(SYMBOLS[:12]).dense(), x_ng)


def test_units_are_not_mixed(tmp_path):
    counts, logged = cells(0, 30, SYMBOLS[:12]), cells(1, 30, SYMBOLS[:12])
    logged.X = logged.X.log1p()
    with pytest.raises(UnitError, match="one store holds one unit, but .* counts"):
        build_store([open_source(counts), open_source(logged, unit="log1p")], tmp_path / "store")
    store = build_store(logged, tmp_path / "store", unit="log1p")
    assert store.unit == "log1p" and store.total_n is None and store.manifest["record_bytes"] == 8
    np.testing.assert_array_equal(store.with_vocabulary(logged.var_names).dense(), logged.X.toarray())


def test_what_was_recognised_is_told_and_kept(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "exval"):
        store = build_store([cells(0, 5, [*SYMBOLS[:10], "nonsense"])], tmp_path / "store")
    assert any("5 cells" in line and "10 of 11 genes recognised" in line for line in caplog.messages)
    source = store.manifest["sources"][0]
    assert source["mapping"]["unknown"] == 1 and source["panel_genes"] == 10 and len(source["content_hash"]) == 16


def test_faults_leave_nothing(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no file"):
        build_store([], tmp_path / "store")
    with pytest.raises(OutputError, match="there is no folder"):
        build_store(cells(0, 5, SYMBOLS[:10]), tmp_path / "no" / "store")
    broken = cells(0, 30, SYMBOLS[:10])
    broken.X.data[-1] = np.nan
    with pytest.raises(InputError):
        build_store([cells(0, 5, SYMBOLS[:10]), broken], tmp_path / "store")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(layout, "pack", full)
    with pytest.raises(OutputError, match="the disk is full"):
        build_store(cells(0, 5, SYMBOLS[:10]), tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


BUILD = """
import sys, time
import numpy as np
from scipy import sparse
from exval.data.store import Store

def chunks():
    for i in range(20):
        if i == 10:
            print("half", flush=True)
            time.sleep(float(sys.argv[2]))
        yield sparse.csr_matrix(np.full((50, 30), i + 1.0, np.float32))

Store.from_csr(chunks(), [f"G{i}" for i in range(30)], unit="counts", out=sys.argv[1])
"""


def test_killed_half_way_leaves_no_store_and_a_rerun_succeeds(tmp_path):
    out = tmp_path / "store"
    child = subprocess.Popen([sys.executable, "-c", BUILD, str(out), "60"], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "half\n"
    time.sleep(0.1)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert not out.exists()
    for left in tmp_path.iterdir():
        with pytest.raises(InputError, match="is not a store"):
            Store.open(left)
    subprocess.run([sys.executable, "-c", BUILD, str(out), "0"], check=True, stdout=subprocess.DEVNULL)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    store = Store.open(out)
    store.verify()
    assert store.n == 1000 and store.dense([999]).tolist() == [[20.0] * 30]
