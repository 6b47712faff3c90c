"""What goes into a store comes out: every gene with its value, in memory, on disk and in every view."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from exval.data import layout
from exval.data.hashing import content_hash
from exval.data.store import Store
from exval.errors import GeneError, InputError, OutputError

GENES = [f"G{i}" for i in range(7)]
small = st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.0, 255.0, 256.0, 32767.0])
large = st.sampled_from([0.0, 0.0, 1.0, 32768.0, 70000.0])
real = st.sampled_from([0.0, 0.0, 0.5, 1.25, 3.0])
matrices = st.one_of(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(7)), elements=values) for values in (small, large, real)
)


def store_of(x_ng, genes=GENES, unit="counts", chunk=2, **rest) -> Store:
    chunks = (sparse.csr_matrix(x_ng[i : i + chunk]) for i in range(0, len(x_ng), chunk))
    return Store.from_csr(chunks, genes, unit=unit, **rest)


@settings(max_examples=60)
@given(matrices, st.data())
def test_equals_the_dense_original(x_ng, data):
    store = store_of(x_ng)
    rows = data.draw(st.lists(st.integers(0, len(x_ng) - 1), max_size=12))
    np.testing.assert_array_equal(store.csr(rows).toarray(), x_ng[rows])
    np.testing.assert_array_equal(store.dense(rows), x_ng[rows])
    batch = store.batch(rows)
    assert batch.values_t.all() and batch.unit == "counts" and batch.implicit == "zero"
    for i, row in enumerate(rows):
        genes = batch.genes_t[batch.offsets_n1[i] : batch.offsets_n1[i + 1]].tolist()
        assert genes == np.flatnonzero(x_ng[row]).tolist()
    np.testing.assert_allclose(batch.total_n, x_ng[rows].sum(1), rtol=1e-6)


@settings(max_examples=40)
@given(matrices, st.permutations(GENES), st.integers(1, 7), st.data())
def test_pairs_survive_views(x_ng, order, n_kept, data):
    """Selecting samples and changing the vocabulary, in any order, twice."""
    names = [*order[:n_kept], "unheard-of"]
    rows = data.draw(st.lists(st.integers(0, len(x_ng) - 1), min_size=1, max_size=6))
    again = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
    expected = pd.DataFrame(x_ng, columns=GENES).reindex(columns=names, fill_value=0.0).to_numpy()[rows][again]
    a = store_of(x_ng).select(rows).with_vocabulary(names).select(again)
    b = store_of(x_ng).with_vocabulary([*GENES[::-1], "unheard-of"]).with_vocabulary(names).select(rows)
    for batch in (a.batch(slice(None)), b.batch(again)):
        np.testing.assert_array_equal(batch.dense(), expected)
        for i in range(batch.n):
            piece = batch.genes_t[batch.offsets_n1[i] : batch.offsets_n1[i + 1]]
            assert (piece.diff() > 0).all()
        assert batch.n_genes == len(names)
        np.testing.assert_array_equal(batch.panels[0], np.arange(n_kept))
    np.testing.assert_array_equal(a.content_hash_n, store_of(x_ng).content_hash_n[rows][again])


@pytest.mark.parametrize("values", [[1, 300], [1, 40000], [0.5, 2]])
def test_disk_and_memory_agree(tmp_path, values):
    rng = np.random.default_rng(0)
    x_ng = rng.choice([0, 0, 0, *values], (11, 7)).astype(np.float32)
    x_ng[0] = x_ng[10] = 0
    obs = pd.DataFrame(
        {"kind": pd.Categorical(list("abcabcabcab")), "age": np.arange(11.0)}, [f"c{i}" for i in range(11)]
    )
    memory = store_of(x_ng, obs=obs)
    disk = store_of(x_ng, obs=obs, out=tmp_path / "store")
    assert repr(disk).startswith("Store(11 samples x 7 genes, counts, ") and len(disk) == 11
    assert disk.manifest["record_bytes"] == (4 if values == [1, 300] else 8)
    rows = np.array([10, 3, 4, 5, 0])
    for store in (disk, Store.open(tmp_path / "store")):
        np.testing.assert_array_equal(store.csr(rows).toarray(), x_ng[rows])
        np.testing.assert_array_equal(store.content_hash_n, memory.content_hash_n)
        np.testing.assert_array_equal(store.total_n, memory.total_n)
        np.testing.assert_array_equal(store.length_n, (x_ng > 0).sum(1))
        np.testing.assert_array_equal(store.batch(rows).id_n, memory.batch(rows).id_n)
        pd.testing.assert_frame_equal(store.obs, obs)
        assert store.genes.tolist() == GENES
        store.verify()


def test_a_store_without_a_single_value(tmp_path):
    store = store_of(np.zeros((3, 7), np.float32), out=tmp_path / "store")
    assert store.batch([0, 2]).values_t.shape == (0,) and store.batch([]).n == 0
    assert store.dense().tolist() == [[0.0] * 7] * 3


def test_zeros_are_values_where_absent_means_not_measured():
    x_ng = sparse.csr_matrix((np.array([0.0, -1.5, 2.0], np.float32), [0, 2, 1], [0, 2, 3]), shape=(2, 3))
    store = Store.from_csr(x_ng, list("ABC"), unit="z")
    batch = store.batch([0, 1])
    assert batch.implicit == "missing" and batch.total_n is None
    assert batch.values_t.tolist() == [0.0, -1.5, 2.0] and batch.genes_t.tolist() == [0, 2, 1]
    np.testing.assert_array_equal(store.dense(), [[0.0, np.nan, -1.5], [np.nan, 2.0, np.nan]])
    counts = Store.from_csr(abs(x_ng).ceil(), list("ABC"), unit="counts")
    assert counts.batch([0, 1]).values_t.tolist() == [2.0, 2.0]


def test_unsorted_and_repeated_entries_are_put_in_order():
    x_ng = sparse.csr_matrix((np.array([1.0, 2.0, 4.0], np.float32), [2, 0, 2], [0, 3]), shape=(1, 3))
    store = Store.from_csr(x_ng, list("ABC"), unit="counts")
    assert store.batch([0]).genes_t.tolist() == [0, 2] and store.batch([0]).values_t.tolist() == [2.0, 5.0]
    assert x_ng.data.tolist() == [1.0, 2.0, 4.0]


@settings(max_examples=40)
@given(matrices, st.permutations(range(7)))
def test_hash_is_of_the_sample_not_of_its_place(x_ng, order):
    order = list(order)
    shuffled = store_of(x_ng[::-1][:, order], [GENES[i] for i in order], chunk=3)
    np.testing.assert_array_equal(shuffled.content_hash_n[::-1], store_of(x_ng).content_hash_n)
    rows = [tuple(row) for row in x_ng.tolist()]
    hashes = store_of(x_ng).content_hash_n.tolist()
    assert len(set(zip(rows, hashes))) == len(set(rows)) == len(set(hashes))


def test_sorting_of_pairs_agrees_with_itself_where_keys_do_not_fit():
    rng = np.random.default_rng(0)
    genes_t = np.concatenate([rng.permutation(50)[:20] for _ in range(5)])
    values_t = rng.normal(size=100).astype(np.float32)
    offsets_n1 = np.arange(0, 101, 20)
    fast, slow = (layout.ascending(genes_t, values_t, offsets_n1, n_genes) for n_genes in (50, 1 << 30))
    for a, b in zip(fast, slow):
        np.testing.assert_array_equal(a, b)
    for i in range(5):
        mine = dict(zip(genes_t[20 * i : 20 * i + 20], values_t[20 * i : 20 * i + 20]))
        assert list(zip(fast[0][20 * i : 20 * i + 20], fast[1][20 * i : 20 * i + 20])) == sorted(mine.items())


def test_hash_tells_zero_signs_and_swapped_values_apart_as_it_should():
    h = lambda row, **k: content_hash(sparse.csr_matrix(np.array([row], np.float32)), ["A", "B"], **k)[0]  # noqa: E731
    assert h([1, 2]) != h([2, 1])
    stored = sparse.csr_matrix((np.array([0.0, -0.0, 3.0], np.float32), [0, 0, 1], [0, 1, 3]), shape=(2, 2))
    a, b = content_hash(stored, ["A", "B"]), content_hash(stored, ["A", "B"], zeros=True)
    assert a[1] == h([0, 3]) and b[1] != h([0, 3]) and a[0] == h([0, 0]) and b[0] != h([0, 0])


def test_labels_travel_with_their_samples():
    store = store_of(np.eye(7, dtype=np.float32)).with_labels(label=np.arange(7) * 10)
    batch = store.select([5, 1, 3]).with_vocabulary(GENES[::-1]).batch([2, 0])
    assert batch.obs["label"].tolist() == [30, 50] and batch.genes_t.tolist() == [3, 1]
    with pytest.raises(ValueError, match="3 values for 7 samples"):
        store.with_labels(label=[1, 2, 3])


def test_rows_may_be_truth_values_or_a_slice_and_nothing_else_wraps_around():
    store = store_of(np.eye(7, dtype=np.float32))
    assert store.batch(np.arange(7) > 4).genes_t.tolist() == store.batch(slice(5, None)).genes_t.tolist() == [5, 6]
    for rows in ([7], [-1], [0, 99]):
        with pytest.raises(IndexError, match="of 7 samples"):
            store.batch(rows)
    with pytest.raises(IndexError):
        store.select([0, 1]).batch([2])
    with pytest.raises(IndexError, match="3 truth values"):
        store.batch([True, False, True])


def test_threads_read_the_same():
    rng = np.random.default_rng(1)
    store = store_of(rng.poisson(0.3, (200, 7)).astype(np.float32), chunk=64)
    rows = [rng.integers(0, 200, 50) for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda r: store.batch(r).values_t.tolist(), rows))
    assert got == [store.batch(r).values_t.tolist() for r in rows]


def test_vocabularies_that_cannot_be():
    store = store_of(np.eye(7, dtype=np.float32))
    assert store.with_vocabulary(GENES) is store
    with pytest.raises(GeneError, match="none of the 2 genes"):
        store.with_vocabulary(["X", "Y"])
    with pytest.raises(GeneError, match="G1 stands twice"):
        store.with_vocabulary(["G1", "G1"])
    with pytest.raises(InputError, match="A stands twice"):
        Store.from_csr(sparse.eye(2, format="csr"), ["A", "A"], unit="counts")
    with pytest.raises(InputError, match="obs describes 1 samples, but there are 2"):
        Store.from_csr(sparse.eye(2, format="csr"), ["A", "B"], unit="counts", obs=pd.DataFrame(index=["x"]))


@pytest.fixture
def disk(tmp_path):
    return store_of(np.eye(7, dtype=np.float32) * 3, out=tmp_path / "store").path


def test_newer_format_is_refused(disk):
    manifest = json.loads((disk / "manifest.json").read_text())
    (disk / "manifest.json").write_text(json.dumps({**manifest, "format_version": layout.FORMAT_VERSION + 1}))
    with pytest.raises(InputError, match="has store format 2, this exval reads up to 1: upgrade exval") as caught:
        Store.open(disk)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": "zarr"}', '{"format": "exval-store"}'])
def test_damaged_manifest(disk, content):
    (disk / "manifest.json").write_text(content)
    with pytest.raises(InputError, match="damaged|describes something else"):
        Store.open(disk)


def test_every_file_is_watched(disk):
    names = sorted(path.name for path in disk.iterdir() if path.name != "manifest.json")
    assert names == [
        "genes.tsv", "hashes.npy", "identities.npy", "obs.parquet", "offsets.npy", "pairs.bin", "panel_n.npy",
        "panels.npy", "totals.npy",
    ]  # fmt: skip
    for name in names:
        content = (disk / name).read_bytes()
        (disk / name).write_bytes(content[:-1])
        with pytest.raises(InputError, match=f"damaged: {name} has .* bytes instead of"):
            Store.open(disk)
        (disk / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(InputError, match=f"the checksum of {name} differs"):
            Store.open(disk).verify()
        (disk / name).unlink()
        with pytest.raises(InputError, match=f"{name} is missing"):
            Store.open(disk)
        (disk / name).write_bytes(content)
    Store.open(disk).verify()


def test_things_that_are_no_store(tmp_path):
    with pytest.raises(InputError, match="there is no store"):
        Store.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a store: it has no manifest.json"):
        Store.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is not a store"):
        Store.open(tmp_path / "file")


def test_existing_output_is_kept_unless_forced(tmp_path):
    first = store_of(np.eye(7, dtype=np.float32), out=tmp_path / "store")
    with pytest.raises(OutputError, match="exists already"):
        store_of(np.ones((1, 7), np.float32), out=tmp_path / "store")
    assert Store.open(first.path).n == 7
    assert store_of(np.ones((1, 7), np.float32), out=tmp_path / "store", force=True).n == 1
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
