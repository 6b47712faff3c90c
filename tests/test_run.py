"""A run folder as later commands see it: each cell on its own, whatever file it comes in."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from scipy import sparse

import exval
from exval.data.source import open_source
from exval.errors import DivergedError, GeneError, InputError
from exval.methods.run import RunMethod
from exval.run import Run, pick_device


@pytest.fixture(scope="module")
def run(small_run):
    return Run(small_run)


@pytest.fixture
def prepared(baron_small):
    return open_source(baron_small).to_adata()


@pytest.fixture
def copied(small_run, tmp_path):
    shutil.copytree(small_run, tmp_path / "run")
    return tmp_path / "run"


def close(a, b):
    np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


def test_embedding_by_hand(run, prepared, monkeypatch):
    """Through the model itself, one cell after the other."""
    monkeypatch.setattr(run.config, "infer_visible", None)
    from exval.rng import Draw
    from exval.visibility import Everything

    batch = run.batch(prepared)
    expected = [
        run.model.pool(run.model.encode(Everything().split(batch.select([i]), Draw(0)))).detach()[0] for i in range(5)
    ]
    out = run.embed(prepared)
    assert out.shape == (60, run.model.sample_width) and out.dtype == np.float32
    close(out[:5], torch.stack(expected))


@pytest.mark.parametrize("cap", [None, 40])
def test_an_embedding_depends_on_its_cell_only(run, prepared, cap, monkeypatch):
    monkeypatch.setattr(run.config, "infer_visible", cap)
    whole = run.embed(prepared)
    for size in (1, 7, 60):
        close(run.embed(prepared, size=size), whole)
    order = np.random.default_rng(0).permutation(60)
    close(run.embed(prepared[order].copy()), whole[order])
    close(run.embed(prepared[[17]].copy()), whole[[17]])
    genes = np.random.default_rng(1).permutation(prepared.n_vars)
    close(run.embed(prepared[:, genes].copy()), whole)


def test_totals_are_those_of_the_file_when_genes_are_missing(run, baron_small, prepared):
    """A file with fewer of the run's genes: values stay scaled by the depth of the cell."""
    half = prepared[:, : prepared.n_vars // 2].copy()
    batch = run.batch(half)
    np.testing.assert_allclose(batch.total_n, prepared.obs["exval_total"], rtol=1e-6)
    assert len(batch.panels[0]) == prepared.n_vars // 2
    assert np.isfinite(run.embed(half)).all()


def test_a_file_without_the_runs_genes_is_refused(run, prepared):
    other = prepared.copy()
    other.var_names = [f"OTHER{i}" for i in range(other.n_vars)]
    with pytest.raises(GeneError, match="0 of the 300 genes"):
        run.embed(other)


def test_a_cell_without_counts_is_embedded_and_recovered(run, prepared):
    x = prepared.layers["counts"].tolil()
    x[4] = 0
    prepared.layers["counts"] = x.tocsr()
    prepared.obs.loc[prepared.obs_names[4], "exval_total"] = 0.0
    assert np.isfinite(run.embed(prepared)).all()
    hidden = sparse.csr_matrix(([True, False], ([4, 5], [3, 8])), shape=prepared.shape)
    assert np.isfinite(run.recover(prepared, hidden)).all()


def test_recovery_answers_every_entry_in_its_place(run, prepared):
    rng = np.random.default_rng(0)
    mask = sparse.random(60, prepared.n_vars, 0.05, random_state=0, format="csr")
    hidden = sparse.csr_matrix((rng.random(mask.nnz) < 0.5, mask.indices, mask.indptr), shape=mask.shape)
    seen = prepared.copy()
    rows, columns = hidden.nonzero()
    x = seen.layers["counts"].tolil()
    x[rows, columns] = 0
    seen.layers["counts"] = x.tocsr()
    whole = run.recover(seen, hidden)
    assert whole.shape == (mask.nnz,) and np.isfinite(whole).all() and whole.std() > 0
    close(run.recover(seen, hidden, size=7), whole)
    row = 11
    part = slice(hidden.indptr[row], hidden.indptr[row + 1])
    close(run.recover(seen[[row]].copy(), hidden[[row]]), whole[part])
    back = np.arange(prepared.n_vars)[::-1]
    codes = sparse.csr_matrix((hidden.data + 1, hidden.indices, hidden.indptr), shape=hidden.shape)[:, back].tocsr()
    codes.sort_indices()
    flipped = sparse.csr_matrix((codes.data == 2, codes.indices, codes.indptr), shape=codes.shape)
    answers = np.zeros(hidden.shape, np.float32)
    answers[codes.nonzero()] = run.recover(seen[:, back].copy(), flipped)
    close(answers[:, back][mask.nonzero()], whole)


def test_a_gene_outside_the_vocabulary_is_answered_with_zero(run, prepared):
    names = prepared.var_names.tolist()
    names[5] = "NOT_IN_THE_RUN"
    prepared.var_names = names
    hidden = sparse.csr_matrix(([False, False], ([0, 0], [5, 6])), shape=prepared.shape)
    answer = run.recover(prepared, hidden)
    assert answer[0] == 0 and answer[1] != 0


def test_hidden_and_shown_zeros_are_answered_differently(run, prepared):
    zero = np.flatnonzero(prepared.X[0].toarray()[0] == 0)[0]
    at = ([0], [zero])
    answers = [
        run.recover(prepared, sparse.csr_matrix(([flag], at), shape=prepared.shape))[0] for flag in (True, False)
    ]
    assert answers[0] != answers[1]


def test_probabilities(tuned_run, prepared):
    tuned = Run(tuned_run)
    p = tuned.predict_proba(prepared)
    assert p.shape == (60, 5) and tuned.classes == ["acinar", "alpha", "beta", "delta", "ductal"]
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    close(tuned.predict_proba(prepared[[3]].copy()), p[[3]])


def test_a_pretrained_run_names_nothing(run, prepared):
    with pytest.raises(InputError, match="was not fine-tuned on labels; run exval finetune"):
        run.predict_proba(prepared)


def test_broken_weights_do_not_answer(copied, prepared):
    run = Run(copied)
    with torch.no_grad():
        run.model.genes.weight[:, 0] = float("nan")
    with pytest.raises(DivergedError, match="embedding of .* and 59 more are NaN or inf"):
        run.embed(prepared)
    with pytest.raises(DivergedError, match="recovers NaN"):
        run.recover(prepared, sparse.csr_matrix(([True], ([0], [0])), shape=prepared.shape))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "it has no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "no run of exval"),
        (lambda f: (f / "config.json").write_text('{"kind": "demo"}'), "no run of exval"),
        (lambda f: edit(f, format_version=2), "newer exval .format 2, this one reads 1.; upgrade"),
        (lambda f: edit(f, format_version=7, kind="field"), "newer exval"),
        (lambda f: edit(f, format_version=None), "no format_version"),
        (lambda f: edit(f, config={"model": {"width": "wide"}}), "config.json is damaged: model.width does not fit"),
        (lambda f: edit(f, config=None), "is damaged"),
        (lambda f: (f / "model.safetensors").unlink(), "not finished; go on with --resume"),
        (lambda f: (f / "genes.tsv").unlink(), "no genes.tsv"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x80\x04."), "is damaged or no safetensors"),
        (lambda f: (f / "genes.tsv").write_text("index\tsymbol\n0\tINS\n"), "does not fit"),
    ],
)
def test_spoilt_folders_get_one_line(copied, spoil, message):
    spoil(copied)
    with pytest.raises(InputError, match=message) as fault:
        Run(copied).model  # noqa: B018
    assert "\n" not in str(fault.value)


def edit(folder, **changes):
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**described, **changes}))


def test_which_device():
    assert pick_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="auto, cpu or cuda"):
        pick_device("tpu")
    if not torch.cuda.is_available():
        assert pick_device("auto") == torch.device("cpu")
        with pytest.raises(InputError, match="no GPU"):
            pick_device("cuda")


def test_samples_seen_in_training_are_known_by_content(small_run, tuned_run, baron_small):
    cells = open_source(baron_small).to_adata()
    pretrained, tuned = (RunMethod(str(folder)).seen(cells) for folder in (small_run, tuned_run))
    described = Run.read(small_run)
    assert described["n_train"] == 57
    assert pretrained.sum() == 60, "validation samples decide which weights are kept: they are seen too"
    assert tuned.sum() == 60, "what the pretrained run saw, the tuned one saw too"
    taught = RunMethod(str(tuned_run)).taught(cells)
    assert 0 < taught.sum() < 60, "labels of validation samples are not taught"
    changed = baron_small.copy()
    changed.X = changed.X.multiply(2).tocsr()
    assert not RunMethod(str(small_run)).seen(open_source(changed).to_adata()).any()
    assert exval.__version__ == described["version"]


def test_seen_cells_are_known_in_a_file_with_other_genes(small_run, baron_small, tmp_path):
    """Fine-tuning a run on a file with more genes than the run has: the file's cells are marked seen."""
    fewer = baron_small[:, :200].copy()
    exval.pretrain(fewer, out=tmp_path / "p", steps=1, overrides={"model.width": 8, "model.heads": 2})
    exval.finetune(tmp_path / "p", baron_small.copy(), out=tmp_path / "t", steps=1)
    seen = RunMethod(str(tmp_path / "t")).seen(open_source(baron_small).to_adata())
    assert seen.all()
