"""The number that is explained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from exval.errors import InputError
from exval.run import Run
from exval.tasks.explaining.question import Question


@given(shift=st.floats(-50, 50), seed=st.integers(0, 99))
def test_what_softmax_ignores_does_not_count(shift, seed):
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed)).double()
    question, code = Question(("a", "b", "c"), "classes"), torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(question.of(logits, code), question.of(logits + shift, code), atol=1e-4, rtol=1e-4)


def test_of_two_classes_it_is_half_the_log_odds():
    p = torch.tensor([[0.8, 0.2]])
    found = Question(("a", "b"), "classes").of(p.log(), torch.tensor([1]))
    assert float(found) == pytest.approx(0.5 * np.log(0.2 / 0.8))


def test_risks_are_those_of_the_run(survival_run, new_patients):
    from exval.data.source import open_source

    adata = open_source(new_patients[:6].copy(), missing=True).to_adata(measured=True)
    logits = torch.from_numpy(survival_run._logits(adata, 64))
    question = Question.of_run(survival_run)
    assert question.names == ("risk",) and question.survival
    np.testing.assert_allclose(question.of(logits, torch.zeros(6).long()), survival_run.risk(adata), atol=1e-5)
    hazards = torch.tensor([[-1.0, 0.5, 2.0]])
    by_hand = -np.cumprod(1 / (1 + np.exp(hazards.numpy())), axis=1).sum()
    assert float(Question(("risk",), "discrete").of(hazards, torch.zeros(1).long())) == pytest.approx(by_hand)


def test_a_run_that_was_taught_nothing_is_told_how(small_run):
    with pytest.raises(InputError, match="pretrained only .* exval finetune .*--label COLUMN"):
        Question.of_run(Run(small_run))
