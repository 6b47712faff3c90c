"""The reader hands out what was planned, whatever the number of threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from scipy import sparse

from exval.data.loader import Loader
from exval.data.sampling import Sampler
from exval.data.store import Store


@pytest.fixture(scope="module")
def store() -> Store:
    rng = np.random.default_rng(0)
    x_ng = sparse.csr_matrix(rng.poisson(0.5, (53, 12)).astype(np.float32))
    return Store.from_csr(x_ng, [f"G{i}" for i in range(12)], unit="counts")


def plain(batch) -> tuple:
    return batch.genes_t.tolist(), batch.values_t.tolist(), batch.offsets_n1.tolist(), batch.id_n.tolist()


@pytest.mark.parametrize("workers", [1, 4])
def test_same_stream_for_any_number_of_workers(store, workers):
    def run(workers):
        loader = Loader(store, Sampler(store.n, 8, seed=1), workers=workers)
        stream = iter(loader)
        return [plain(next(stream)) for _ in range(17)], loader.sampler.state_dict()

    assert run(workers) == run(0)


@pytest.mark.parametrize("workers", [0, 3])
def test_resumes_with_the_next_batch_however_far_it_had_read_ahead(store, workers):
    whole = [plain(b) for b in Loader(store, Sampler(store.n, 8, seed=1)).epoch()]
    loader = Loader(store, Sampler(store.n, 8, seed=1), workers=workers)
    stream = iter(loader)
    for _ in range(3):
        next(stream)
    state = loader.sampler.state_dict()
    assert state == loader.state_after(3) and state["position"] == 3
    stream.close()
    resumed = Loader(store, Sampler(store.n, 8, seed=1), workers=workers)
    resumed.sampler.load_state_dict(state)
    assert [plain(b) for b in resumed.epoch()] == whole[3:]
    assert resumed.sampler.state_dict() == resumed.state_after(7) and resumed.state_after(7)["epoch"] == 1


def test_transform_runs_in_the_threads_and_keeps_the_order(store):
    seen = set()

    def lengths(batch):
        seen.add(threading.current_thread().name)
        return batch.lengths_n.tolist()

    got = list(Loader(store, Sampler(store.n, 8, seed=0), workers=2, transform=lengths).epoch())
    assert got == [b.lengths_n.tolist() for b in Loader(store, Sampler(store.n, 8, seed=0)).epoch()]
    assert threading.current_thread().name not in seen


def test_rows_of_a_split(store):
    rows = np.arange(30, 50)
    got = Loader(store, Sampler(20, 6, seed=0), rows=rows).epoch()
    view = Loader(store.select(rows), Sampler(20, 6, seed=0)).epoch()
    assert [plain(b) for b in got] == [plain(b) for b in view]
    with pytest.raises(ValueError, match="plan is for 20 rows"):
        Loader(store, Sampler(20, 6))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fault_names_its_row_and_leaves_no_thread(store, workers):
    bad = int(store.batch([17]).id_n)
    before = threading.active_count()

    def refuse(batch):
        if (batch.id_n == bad).any():
            raise ZeroDivisionError("boom")
        return batch

    with pytest.raises(ZeroDivisionError, match="boom") as caught:
        list(Loader(store, Sampler(store.n, 8, seed=0), workers=workers, transform=refuse).epoch())
    assert caught.value.__notes__ == ["while reading row 17 (17)"]
    assert threading.active_count() == before


def test_a_fault_of_the_batch_as_a_whole_names_all_rows(store):
    def refuse(batch):
        if batch.n > 1:
            raise ValueError
        return batch

    with pytest.raises(ValueError) as caught:
        list(Loader(store, Sampler(store.n, 3, shuffle=False), transform=refuse).epoch())
    assert caught.value.__notes__ == ["while reading rows 0, 1, 2"]


def test_stopping_early_leaves_no_thread(store):
    before = threading.active_count()
    stream = iter(Loader(store, Sampler(store.n, 2, seed=0), workers=4))
    next(stream)
    assert threading.active_count() > before
    stream.close()
    assert threading.active_count() == before


def test_ranks_together_read_the_batch_of_one(store):
    alone = next(iter(Loader(store, Sampler(store.n, 9, seed=2))))
    parts = [next(iter(Loader(store, Sampler(store.n, 9, seed=2, rank=r, world=2)))) for r in range(2)]
    assert torch.equal(torch.cat([p.values_t for p in parts]), alone.values_t)
