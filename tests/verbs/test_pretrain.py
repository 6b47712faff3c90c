"""``pretrain``: what it refuses before it writes anything, and what it writes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import exval
from exval.data.store import Store
from exval.errors import GeneError, InputError, OutputError, UnitError
from exval.run import Run
from exval.train.log import read_log

SMALL = {"model.width": 8, "model.decoder_width": 8, "model.factors": 4, "train.batch_size": 16}


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    """Drawing a page takes longer than training; the session's runs have theirs."""
    monkeypatch.setattr("exval.report.write_report", lambda folder: None)


def pretrain(data, out, **changes):
    return exval.pretrain(data, out=out, **{"steps": 3, "overrides": SMALL, **changes})


def logged(cells):
    """log1p(CP10k) as most files hold it, and its log2 and z-scored sisters."""
    x = cells.X.toarray()
    log = np.log1p(x / x.sum(1, keepdims=True) * 1e4)
    return log, np.log2(1 + x / x.sum(1, keepdims=True) * 1e4) - 2.5, (log - log.mean(0)) / (log.std(0) + 1e-3)


def test_a_run_folder_holds_what_it_promises(small_run):
    names = {path.name for path in small_run.iterdir()}
    assert names == {"config.json", "genes.tsv", "log.jsonl", "model.safetensors", "report.html", "seen.npy", "state"}
    described = json.loads((small_run / "config.json").read_text())
    assert described["kind"] == "pretrain" and described["format_version"] == 1
    assert described["config"]["model"]["width"] == 8 and described["n_genes"] == 300
    assert (described["n_train"], described["n_valid"]) == (57, 3)
    assert described["verdict"].startswith("Hidden values of held-out samples: loss")
    run = Run(small_run)
    assert len(run.genes) == 300 and run.genes == sorted(run.genes) and run.classes is None
    assert [line["step"] for line in read_log(small_run / "log.jsonl") if "loss" in line] == list(range(1, 9))


def test_the_untrained_model_is_the_gene_mean(baron_small, tmp_path):
    """The first validation loss is the squared error of each gene's mean among the queries."""
    pretrain(baron_small, tmp_path / "run", steps=1)
    first = next(line for line in read_log(tmp_path / "run" / "log.jsonl") if "valid" in line)
    run = Run(tmp_path / "run")
    assert f"{first['valid']['loss']:.4f}" in run.summary and "each gene's mean alone gives" in run.summary


def test_same_seed_same_run_at_any_number_of_workers(baron_small, tmp_path):
    logs = []
    for name, workers, seed in (("a", 0, 0), ("b", 3, 0), ("c", 0, 1)):
        pretrain(baron_small.copy(), tmp_path / name, overrides={**SMALL, "train.workers": workers}, seed=seed)
        logs.append([line["loss"] for line in read_log(tmp_path / name / "log.jsonl") if "loss" in line])
    assert logs[0] == logs[1] != logs[2]


@pytest.mark.parametrize("which", [1, 2])
def test_log2_and_z_are_refused_and_nothing_is_left(baron_small, tmp_path, which):
    baron_small.X = logged(baron_small)[which]
    unit = ("log2", "z")[which - 1]
    with pytest.raises(UnitError, match=f"is in {unit}; xtrimogene takes counts") as fault:
        pretrain(baron_small, tmp_path / "run", unit=unit)
    assert "\n" not in str(fault.value) and list(tmp_path.iterdir()) == []


def test_log1p_is_taken(baron_small, tmp_path):
    baron_small.X = logged(baron_small)[0]
    assert pretrain(baron_small, tmp_path / "run").described["n_train"] == 57


@pytest.mark.parametrize(
    ("changes", "fault", "message"),
    [
        ({"steps": 0}, InputError, "--steps has to be at least 1, not 0"),
        ({"steps": None, "epochs": -1}, InputError, "--epochs has to be at least 1"),
        ({"epochs": 1}, InputError, "--steps or --epochs, not both"),
        ({"preset": "big"}, InputError, "known: tiny"),
        ({"recipe": "xtrimogen"}, InputError, "did you mean 'xtrimogene'"),
        ({"overrides": {"train.lrr": 1}}, InputError, "did you mean 'train.lr'"),
        ({"overrides": {"model.values.name": "autobins"}}, InputError, "did you mean 'auto-bins'"),
        ({"overrides": {"model.values.options.n_bin": 3}}, InputError, "did you mean 'n_bins'"),
        ({"overrides": {"model.heads": 5}}, InputError, "does not divide"),
        ({"overrides": {"model.factors": 0}}, InputError, "set model.pooling"),
        ({"device": "tpu"}, InputError, "auto, cpu or cuda"),
        ({"layer": "spliced"}, InputError, "spliced"),
        ({"unit": "tpm"}, InputError, "tpm"),
    ],
)
def test_bad_use_leaves_nothing(baron_small, tmp_path, changes, fault, message):
    with pytest.raises(fault, match=message) as told:
        pretrain(baron_small, tmp_path / "run", **changes)
    assert "\n" not in str(told.value) and list(tmp_path.iterdir()) == []


def test_bad_data_leaves_nothing(baron_small, tmp_path):
    foreign = baron_small.copy()
    foreign.var_names = [f"thing{i}" for i in range(300)]
    broken = baron_small.copy()
    broken.X = broken.X.toarray()
    broken.X[3, 4] = np.nan
    for data, fault in ((foreign, GeneError), (broken, InputError), (baron_small[:1].copy(), InputError)):
        with pytest.raises(fault) as told:
            pretrain(data, tmp_path / "run")
        assert "\n" not in str(told.value) and list(tmp_path.iterdir()) == []


def test_an_existing_output_needs_force_and_outlives_a_failure(baron_small, tmp_path):
    out = tmp_path / "run"
    pretrain(baron_small, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    with pytest.raises(OutputError, match="exists already"):
        pretrain(baron_small, out)
    bad = baron_small.copy()
    bad.X = logged(baron_small)[2]
    with pytest.raises(UnitError):
        pretrain(bad, out, unit="z", force=True)
    with pytest.raises(InputError, match="has no option"):
        pretrain(baron_small, out, force=True, overrides={"model.head.options.x": 1})
    assert before == {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert pretrain(baron_small, out, force=True, steps=2).described["training"]["steps"] == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("ten years")
    with pytest.raises(OutputError, match="did not write"):
        pretrain(baron_small, tmp_path / "mine", force=True)


def test_resuming_with_other_settings_or_data_is_refused(baron_small, tmp_path, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("exval.train.setup.finish_folder", lambda *_: None)
        pretrain(baron_small, out, steps=4)
    with pytest.raises(InputError, match="model.width = 8, not 16; resume with the settings"):
        pretrain(baron_small, out, steps=4, resume=True, overrides={**SMALL, "model.width": 16})
    for changes, what in (({"steps": 9}, "train.steps = 4, not 9"), ({"steps": 4, "seed": 3}, "train.seed = 0, not 3")):
        with pytest.raises(InputError, match=what):
            pretrain(baron_small, out, resume=True, **changes)
    other = baron_small.copy()
    other.X = other.X.multiply(2).tocsr()
    for data in (other, baron_small[:50].copy()):
        with pytest.raises(InputError, match="started on other data"):
            pretrain(data, out, steps=4, resume=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OutputError, match="holds no run to resume"):
        pretrain(baron_small, tmp_path / "empty", resume=True)
    assert "verdict" in pretrain(baron_small, out, steps=4, resume=True).described


def test_resuming_a_finished_run_gives_it_back_untouched(baron_small, tmp_path):
    out = tmp_path / "run"
    pretrain(baron_small, out)
    before = (out / "model.safetensors").stat().st_mtime_ns
    assert pretrain(baron_small, out, resume=True).described["training"]["steps"] == 3
    assert before == (out / "model.safetensors").stat().st_mtime_ns


def test_a_store_and_several_files(baron_small, tmp_path):
    first, second = baron_small[:30, :250].copy(), baron_small[30:, 50:].copy()
    names = []
    for i, part in enumerate((first, second)):
        part.write_h5ad(tmp_path / f"{i}.h5ad")
        names.append(tmp_path / f"{i}.h5ad")
    joined = pretrain(names, tmp_path / "joined")
    store = exval.build_store(names, tmp_path / "store")
    assert [len(panel) for panel in store.panels] == [250, 250]
    stored = pretrain(tmp_path / "store", tmp_path / "stored")
    assert joined.genes == stored.genes and len(joined.genes) == 300
    logs = [[x["loss"] for x in read_log(tmp_path / n / "log.jsonl") if "loss" in x] for n in ("joined", "stored")]
    assert logs[0] == logs[1]
    assert stored.described["species"] == "human"


def test_the_species_of_a_store_is_that_of_its_files(baron_small, tmp_path):
    from exval.verbs.pretrain import _species

    assert _species(Store.from_source(baron_small)) == "human"
    mouse = baron_small.copy()
    mouse.var_names = [name.capitalize() for name in mouse.var_names]
    assert _species(Store.from_source(exval.open_source(mouse, species="mouse"))) == "mouse"


@pytest.mark.parametrize("encoder", ["bins", "continuous"])
@pytest.mark.parametrize("head", ["bins", "scalar"])
def test_other_parts_train(baron_small, tmp_path, encoder, head):
    run = pretrain(
        baron_small, tmp_path / "run", overrides={**SMALL, "model.values.name": encoder, "model.head.name": head}
    )
    assert np.isfinite(run.embed(exval.open_source(baron_small).to_adata())).all()


def test_as_published(baron_small, tmp_path):
    run = exval.pretrain(
        baron_small, recipe="xtrimogene-published", out=tmp_path / "run", steps=2, overrides={"model.width": 8}
    )
    assert run.config.model.decoder == "linear" and run.described["training"]["steps"] == 2


def test_a_damaged_store_is_not_trained_on(baron_small, tmp_path):
    exval.build_store([baron_small], tmp_path / "store")
    path = tmp_path / "store" / "pairs.bin"
    path.write_bytes(bytes(64) + path.read_bytes()[64:])
    with pytest.raises(InputError, match="checksum of pairs.bin differs"):
        pretrain(str(tmp_path / "store"), out=tmp_path / "run", steps=1)
    assert not (tmp_path / "run").exists()
