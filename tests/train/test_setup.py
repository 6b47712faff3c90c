"""What comes before and after the loop."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from exval.data.store import Store
from exval.errors import InputError, OutputError
from exval.recipes import make_config
from exval.train import setup
from exval.train.loop import Feed
from exval.visibility import to_log1p
from packs import packed, tiny_model


@given(st.integers(0, 200), st.floats(0, 0.5), st.integers(0, 9))
def test_rows_are_split_in_two(n, share, seed):
    train, valid = setup.split_rows(n, share, seed)
    assert sorted([*train, *valid]) == list(range(n))
    if n >= 10 and share > 0:
        assert len(valid) == max(1, round(share * n))


@given(st.integers(2, 9), st.integers(0, 9))
def test_donors_stay_together(n_donors, seed):
    groups = np.array([f"d{i % n_donors}" for i in range(60)])
    train, valid = setup.split_rows(60, 0.2, seed, groups)
    assert len(train) and len(valid) and not set(groups[train]) & set(groups[valid])


def test_every_class_is_in_training():
    kinds = np.repeat(["many", "few", "two"], [80, 18, 2])
    train, valid = setup.split_rows(100, 0.1, 0, None, kinds)
    assert set(kinds[train]) == {"many", "few", "two"} and {"many", "few"} <= set(kinds[valid])
    assert 8 <= len(valid) <= 12


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_one_is_in_training(seed):
    kinds = np.concatenate([np.repeat(["a", "b"], 50), [f"one{i:02}" for i in range(20)]])
    train, valid = setup.split_rows(120, 0.1, seed, None, kinds)
    assert set(kinds[train]) == set(kinds) and len(valid)


def test_what_is_fitted_sees_training_rows_only():
    x_ng = packed(30, 24, seed=1).dense().numpy()
    x_ng[20:] = 0
    x_ng[20:, 5] = 1000.0
    store = Store.from_csr(sparse.csr_matrix(x_ng), [f"G{i}" for i in range(24)], unit="counts")
    config = make_config("xtrimogene", "tiny", {"visibility.nonzeros": 1.0, "visibility.zeros": 0.9})
    model = tiny_model(factors=3, fitted=False)
    setup.prepare(model, config, Feed(store, np.arange(20), np.arange(20, 30)))
    log = to_log1p(store.batch(np.arange(20))).dense().numpy()
    np.testing.assert_allclose(model.factors.mean_g, log.mean(0), rtol=1e-5)
    assert abs(model.head.bias_g.detach().numpy() - log.mean(0)).max() < 1.5  # queries are all non-zeros, most zeros
    assert model.head.bias_g[5] < 7, "log1p(1000 counts of 1000) would be 9.2"


def test_the_head_starts_at_the_expected_answer():
    x_ng = packed(30, 24, seed=1).dense().numpy()
    store = Store.from_csr(sparse.csr_matrix(x_ng), [f"G{i}" for i in range(24)], unit="counts")
    config = make_config("xtrimogene", "tiny", {"visibility.nonzeros": 0.4, "visibility.zeros": 0.1})
    model = tiny_model(factors=3, fitted=False)
    setup.prepare(model, config, Feed(store, np.arange(30), np.arange(0)))
    log = to_log1p(store.batch(np.arange(30))).dense().numpy()
    weight = np.where(log > 0, 0.4, 0.1)
    np.testing.assert_allclose(model.head.bias_g.detach(), (log * weight).sum(0) / weight.sum(0), rtol=1e-5)


@pytest.mark.parametrize(
    ("steps", "epochs", "expected"), [(None, None, 300), (7, None, 7), (None, 2, 8), (None, 0.1, 1), (None, 1.5, 6)]
)
def test_steps(steps, epochs, expected):
    assert setup.steps_of(steps, epochs, n_train=100, batch_size=25, default=300) == expected


@pytest.mark.parametrize("given_", [(0, None), (-3, None), (None, 0), (None, float("nan")), (None, float("inf"))])
def test_no_steps_are_refused(given_):
    with pytest.raises(InputError, match="has to be at least 1"):
        setup.steps_of(*given_, 100, 25, 300)
    with pytest.raises(InputError, match="not both"):
        setup.steps_of(1, 1, 100, 25, 300)


def described():
    config = make_config("xtrimogene", "tiny")
    return setup.describe(config, data="d", n_train=1, n_valid=0, n_genes=2, species="human")


def test_a_folder_appears_whole(tmp_path, monkeypatch):
    out, seen = tmp_path / "run", np.array([3, 1, 3], np.uint64)
    setup.start_folder(out, ["INS", "GCG"], seen, described())
    assert sorted(p.name for p in out.iterdir()) == ["config.json", "genes.tsv", "seen.npy"]
    assert (out / "genes.tsv").read_text() == "index\tsymbol\n0\tINS\n1\tGCG\n"
    setup.same_data(out, {"content": "00ff"}, "00ff")
    for other in ({"content": "00ff"}, {}):
        with pytest.raises(InputError, match="started on other data"):
            setup.same_data(out, other, "00fe")
    (out / "log.jsonl").write_text("old")

    def broken(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(setup, "write_json", broken)
        with pytest.raises(KeyboardInterrupt):
            setup.start_folder(out, ["INS"], seen, described())
    assert (out / "log.jsonl").read_text() == "old", "the old run is there until the new one is"
    setup.start_folder(out, ["INS"], seen, described())
    assert not (out / "log.jsonl").exists() and [p.name for p in tmp_path.iterdir()] == ["run"]


def test_which_folders_are_continued(tmp_path):
    out = tmp_path / "run"
    assert setup.open_folder(out, resume=True, force=False) is False
    setup.start_folder(out, ["INS"], np.zeros(0, np.uint64), described())
    assert json.loads((out / "config.json").read_text())["format_version"] == 1
    assert setup.open_folder(out, resume=True, force=False) is True
    assert setup.open_folder(out, resume=False, force=True) is False
    with pytest.raises(OutputError, match="exists already"):
        setup.open_folder(out, resume=False, force=False)
    (tmp_path / "other").mkdir()
    with pytest.raises(OutputError, match="holds no run to resume"):
        setup.open_folder(tmp_path / "other", resume=True, force=False)
