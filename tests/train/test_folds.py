"""Factors fitted without each fold travel with a run, and are asked for samples that it has seen."""

from __future__ import annotations

import numpy as np
import pytest

from exval.data.hashing import hashes_of
from exval.data.patients import simulated_patients
from exval.data.source import open_source
from exval.errors import InputError
from exval.run import Run
from exval.train.folds import FILE, number_folds
from exval.verbs.finetune import finetune
from exval.verbs.pretrain import pretrain

QUICK = {"model.width": 8, "model.decoder_width": 8, "model.factors": 6, "visibility.max_visible": 16}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    adata = simulated_patients(n=160, g=60, seed=0)
    run = pretrain(adata[:120].copy(), recipe="gexbert", out=folder / "base", steps=2, overrides=QUICK)
    tuned = finetune(run, adata, label="site", out=folder / "tuned", steps=1)
    return run, tuned, open_source(adata, missing=True).to_adata(measured=True)


def test_samples_of_the_training_are_read_as_new_ones(runs):
    run, tuned, adata = runs
    for one in (run, tuned):
        plain, fair = one.embed(adata), one.embed(adata, identity_n=hashes_of(adata))
        same = np.isclose(plain, fair, atol=1e-5).all(1)
        assert same[120:].all() and not same[:120].any()
        np.testing.assert_array_equal(one.embed(adata), plain)  # asked once more, nothing is left behind
    a, b = (run.embed(adata, identity_n=x)[:120, -6:] for x in (None, hashes_of(adata)))
    assert all(np.corrcoef(a[:, r], b[:, r])[0, 1] > 0.8 for r in range(2))


def test_sds_are_calibrated_on_validation_samples(runs):
    run, tuned, _ = runs
    scales = [float(one.model.head.sd_scale) for one in (run, tuned)]
    assert scales[0] != 1 and 0.5 < scales[0] < 2 and scales[1] == scales[0]


def test_a_patient_is_in_one_fold():
    fold_n = number_folds(np.arange(100, dtype=np.uint64), patient_n=np.arange(100) // 4).reshape(25, 4)
    assert (fold_n == fold_n[:, :1]).all() and np.bincount(fold_n[:, 0])[1:].tolist() == [5] * 5
    few = number_folds(np.arange(100, dtype=np.uint64), patient_n=np.arange(100) // 50)
    assert set(few) == {1, 2, 3, 4, 5}  # two hospitals cannot be five folds


def test_a_damaged_file_is_said(runs, tmp_path):
    import shutil

    run, _, adata = runs
    copy = shutil.copytree(run.folder, tmp_path / "copy")
    (copy / FILE).write_bytes(b"nothing")
    with pytest.raises(InputError, match="folds.safetensors is damaged"):
        Run(copy).embed(adata, identity_n=hashes_of(adata))
    (copy / FILE).unlink()  # a run without: all samples are read by all factors
    np.testing.assert_array_equal(Run(copy).embed(adata, identity_n=hashes_of(adata)), Run(copy).embed(adata))
