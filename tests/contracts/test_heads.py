"""Every registered value head: a vector becomes a distribution over a value, one query at a time."""

from __future__ import annotations

import pytest
import torch

from exval.heads import HEADS
from exval.heads.base import Prior

WIDTH, GENES = 5, 7


def made(name):
    torch.manual_seed(0)
    head = HEADS[name](WIDTH, GENES)
    head.fit(torch.arange(200) % GENES, torch.linspace(0, 6, 200))
    for parameter in head.parameters():  # fit may begin with zeros, which hide everything
        torch.nn.init.normal_(parameter)
    return head


@pytest.fixture(params=list(HEADS))
def head(request):
    return made(request.param)


@pytest.fixture
def queries():
    generator = torch.Generator().manual_seed(1)
    h_qd = torch.randn(9, WIDTH, generator=generator)
    return h_qd, torch.arange(9) % GENES, torch.tensor([0.0, 0.0, 0.5, 1, 1.5, 2, 3, 4, 6])


def test_shapes(head, queries):
    h_qd, genes_q, values_q = queries
    parameters = head(h_qd, genes_q)
    sd = head.sd(parameters)
    for out in (head.nll(parameters, values_q), head.mean(parameters), *([] if sd is None else [sd])):
        assert out.shape == (9,) and out.dtype == torch.float32 and out.isfinite().all()
    assert sd is None or (sd >= 0).all()
    assert head.name and head.reference


def test_same_seed_same_numbers(head, queries):
    h_qd, genes_q, _ = queries
    for a, b in zip(*(torch.utils._pytree.tree_leaves(one(h_qd, genes_q)) for one in (made(head.name), head))):
        assert torch.equal(a, b)


def test_a_query_is_answered_the_same_alone_or_among_others(head, queries):
    h_qd, genes_q, values_q = queries
    whole = head(h_qd, genes_q)
    nll, mean = head.nll(whole, values_q), head.mean(whole)
    order = torch.randperm(9)
    torch.testing.assert_close(head.nll(head(h_qd[order], genes_q[order]), values_q[order]), nll[order])
    for i in range(9):
        one = head(h_qd[i : i + 1], genes_q[i : i + 1])
        torch.testing.assert_close(head.mean(one)[0], mean[i])


def test_no_queries(head):
    parameters = head(torch.zeros(0, WIDTH), torch.zeros(0, dtype=torch.long))
    assert head.nll(parameters, torch.zeros(0)).shape == (0,) and head.mean(parameters).shape == (0,)


def test_gradients(head, queries):
    h_qd, genes_q, values_q = queries
    h_qd.requires_grad_()
    head.nll(head(h_qd, genes_q), values_q).sum().backward()
    assert (h_qd.grad.abs().sum(1) > 0).all()
    for name, parameter in head.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_minimising_the_nll_brings_the_mean_to_the_values(head):
    """The likelihood has to prefer the truth, or a head would train towards something else than its mean says."""
    genes_q = torch.arange(60) % GENES
    h_qd = torch.nn.functional.one_hot(genes_q, GENES).float() @ torch.randn(GENES, WIDTH)
    values_q = torch.tensor([0.0, 1.0, 3.0])[genes_q % 3]
    head.fit(genes_q, values_q)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    first = (head.mean(head(h_qd, genes_q)) - values_q).square().mean().item()
    for _ in range(300):
        optimiser.zero_grad()
        head.nll(head(h_qd, genes_q), values_q).mean().backward()
        optimiser.step()
    last = (head.mean(head(h_qd, genes_q)) - values_q).square().mean().item()
    assert last < 0.05 and last <= first + 1e-6


def test_what_was_fitted_is_saved(head, queries):
    other = HEADS[head.name](WIDTH, GENES)
    other.load_state_dict(head.state_dict())
    h_qd, genes_q, values_q = queries
    a, b = (one(h_qd, genes_q) for one in (head, other))
    assert torch.equal(head.mean(a), other.mean(b)) and torch.equal(head.nll(a, values_q), other.nll(b, values_q))


def test_fit_takes_nothing_but_training_pairs(head):
    head.fit(torch.tensor([0, 0]), torch.tensor([0.0, 0.0]))
    assert head.mean(head(torch.zeros(2, WIDTH), torch.tensor([0, 6]))).isfinite().all()


def test_bfloat16(head, queries):
    h_qd, genes_q, _ = queries
    with torch.autocast("cpu", torch.bfloat16):
        half = head.mean(head(h_qd, genes_q))
    whole = head.mean(head(h_qd, genes_q))
    assert half.dtype == torch.float32 and (half - whole).norm() < 2e-2 * whole.norm()


def test_a_head_with_a_prior_answers_with_it_before_training():
    """The start of a model that corrects a Gaussian is the Gaussian itself."""
    prior = Prior(torch.tensor([0.5, -1.0, 2.0]), torch.tensor([0.8, 1.0, 0.6]))
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    for name in ("gaussian", "gene-bins", "scalar"):
        head = HEADS[name](WIDTH, 1)
        head.fit(torch.zeros(20_000, dtype=torch.long), values)
        parameters = head(torch.randn(3, WIDTH), torch.zeros(3, dtype=torch.long), prior)
        near = 0.1 if name == "gene-bins" else 1e-6  # bins are as wide as they are
        torch.testing.assert_close(head.mean(parameters), prior.mean_q, atol=near, rtol=0)
        if head.sd(parameters) is not None:
            torch.testing.assert_close(head.sd(parameters), prior.sd_q, atol=3 * near, rtol=0)
