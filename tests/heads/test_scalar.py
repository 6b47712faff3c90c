"""The scalar head starts at the gene means, or as published."""

from __future__ import annotations

import torch

from exval.heads.scalar import Scalar


def test_the_untrained_head_is_the_gene_mean():
    head = Scalar(3, 4).fit(torch.tensor([0, 0, 2, 1]), torch.tensor([1.0, 2.0, 5.0, 4.0]))
    h_qd, genes_q = torch.randn(4, 3), torch.tensor([0, 1, 2, 3])
    assert head.mean(head(h_qd, genes_q)).tolist() == [1.5, 4.0, 5.0, 3.0]  # gene 3 was never seen: the mean of all


def test_as_published_it_is_a_linear_map():
    torch.manual_seed(0)
    head = Scalar(3, 4, gene_bias=False)
    weight = head.out.weight.clone()
    head.fit(torch.tensor([0]), torch.tensor([9.0]))
    h_qd = torch.randn(5, 3)
    assert torch.equal(head.out.weight, weight)
    assert [name for name, _ in head.named_parameters()] == ["out.weight", "out.bias"]
    torch.testing.assert_close(head(h_qd, torch.zeros(5).long()), h_qd @ weight[0] + head.out.bias)


def test_squared_error():
    assert Scalar(1, 1).nll(torch.tensor([1.0, 4.0]), torch.tensor([3.0, 4.0])).tolist() == [4.0, 0.0]
