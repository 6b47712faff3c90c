"""The published network: size, start, and the number that stands for a gene."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from exval.models.gene_code_siren import GeneCodeSiren, encoded, gene_codes


def test_size_and_start_are_those_of_the_paper():
    torch.manual_seed(0)
    model = GeneCodeSiren(27)
    assert sum(p.numel() for p in model.parameters()) == (27 + 1) * 512 + 12 * (512 + 1) * 512 + 513 == 3_166_721
    first, hidden, head = model.sines[0].weight, model.sines[5].weight, model.head.weight
    for weight, bound in ((first, 1 / 27), (hidden, math.sqrt(6 / 512) / 30), (head, math.sqrt(6 / 512) / 30)):
        assert 0.95 * bound < weight.abs().max() <= bound
    # Sitzmann et al. 2020, theorem 1.8: outputs of hidden sine layers keep a standard deviation of about 0.7.
    h = torch.rand(2000, 27) * 2 - 1
    for layer in model.sines:
        h = torch.sin(30 * layer(h)).detach()
    assert abs(float(h.std()) - 0.707) < 0.05


def test_a_value_by_hand():
    model = GeneCodeSiren(2, width=1, layers=1, omega=2.0)
    with torch.no_grad():
        for part, weight, bias in ((model.sines[0], [[0.5, -1.0]], 0.1), (model.sines[1], [[0.3]], -0.2),
                                   (model.head, [[4.0]], 1.0)):  # fmt: skip
            part.weight.copy_(torch.tensor(weight))
            part.bias.fill_(bias)
        told = model(torch.tensor([[1.0, 0.25]]))
    h = math.sin(2 * (0.5 - 0.25 + 0.1))
    assert float(told) == pytest.approx(4 * math.sin(2 * (0.3 * h - 0.2)) + 1, abs=1e-6)


def test_a_code_becomes_itself_and_its_waves():
    row = encoded(np.array([0.3]), octaves=11)[0]
    waves = [f(2**k * 0.3) for k in range(11) for f in (math.sin, math.cos)]
    np.testing.assert_allclose(row, [0.3, *waves], atol=1e-6)


@pytest.mark.parametrize("g", [1, 2, 3, 4, 5, 14, 40])
def test_genes_have_codes_of_their_own(g):
    x_ng = np.random.default_rng(g).random((60, g))
    code = gene_codes(x_ng)
    assert code.shape == (g,) and len(set(code.round(9))) == g
    assert code.min() == 0 and (g == 1 or code.max() == 1)
    np.testing.assert_array_equal(code, gene_codes(x_ng))


def test_genes_that_are_alike_in_every_sample_get_codes_of_their_own():
    x_ng = np.repeat(np.random.default_rng(0).random((60, 3)), 4, axis=1)
    code = gene_codes(x_ng)
    assert len(set(code.round(9))) == 12
    group = code.reshape(3, 4)
    spans = sorted((one.min(), one.max()) for one in group)
    assert all(before[1] < after[0] for before, after in zip(spans, spans[1:]))  # and lie together


def test_many_genes_are_embedded_as_scikit_learn_does_by_default():
    from sklearn.manifold import SpectralEmbedding

    rng = np.random.default_rng(0)
    x_ng = rng.random((80, 5)) @ rng.random((5, 60))
    theirs = SpectralEmbedding(n_components=1, random_state=0).fit_transform(x_ng.T)[:, 0]
    np.testing.assert_allclose(gene_codes(x_ng), (theirs - theirs.min()) / np.ptp(theirs), atol=1e-9)
