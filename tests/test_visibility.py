"""Masking against its definition: shares within binomial bounds, replacement, thinning, depths and caps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from exval.rng import Draw
from exval.visibility import Everything, Masking, log1p_cp10k, merge, to_log1p
from packs import packed, pairs


@pytest.fixture(scope="module")
def big():
    """400 samples x 500 genes, 60,000 non-zeros and 140,000 zeros."""
    return packed(400, 500, density=0.3, seed=1)


def within(k: int, n: int, p: float) -> bool:
    """Whether k of n is no surprise (1 in 10,000) at probability p."""
    return stats.binomtest(int(k), int(n), p).pvalue > 1e-4


def counts_of(split, batch) -> tuple[int, int, int, int]:
    """Asked non-zeros, non-zeros, asked zeros, zeros."""
    asked_nonzero = int((split.queries.values_t != 0).sum())
    nonzero = len(batch.genes_t)
    return asked_nonzero, nonzero, len(split.queries.genes_t) - asked_nonzero, batch.n * batch.n_genes - nonzero


@pytest.mark.parametrize(("nonzeros", "zeros"), [(0.3, 0.03), (0.3, 0.3), (0.0, 0.5), (1.0, 0.0)])
def test_shares_of_asked_nonzeros_and_zeros(big, nonzeros, zeros):
    asked, n, asked_zeros, n_zeros = counts_of(Masking(nonzeros=nonzeros, zeros=zeros).split(big, Draw(0)), big)
    assert within(asked, n, nonzeros)
    assert within(asked_zeros, n_zeros, zeros)


def test_the_released_shares_are_the_default():
    assert (Masking().nonzeros, Masking().zeros) == (0.3, 0.03)


def test_every_zero_of_a_panel_is_asked_as_often(big):
    asked_g = np.zeros(500)
    for step in range(20):
        split = Masking(nonzeros=0.0, zeros=0.3).split(big, Draw(0, step))
        asked_g += np.bincount(split.queries.genes_t.numpy(), minlength=500)
    zeros_g = 20 * (400 - np.bincount(big.genes_t.numpy(), minlength=500))
    chi2 = ((asked_g - 0.3 * zeros_g) ** 2 / (0.3 * 0.7 * zeros_g)).sum()
    assert 1e-4 < stats.chi2(500).sf(chi2) < 1 - 1e-4


def test_hidden_swapped_and_left_by_80_10_10(big):
    split = Masking(nonzeros=0.3, zeros=0.03, hide=0.8, swap=0.1).split(big, Draw(0))
    truth = to_log1p(big).dense()
    shown, hidden, queries = (pairs(x) for x in (split.shown, split.hidden, split.queries))
    fates = {"hidden": 0, "left": 0, "swapped": 0}
    for i in range(big.n):
        own = set(truth[i][truth[i] != 0].tolist())
        for gene, value in queries[i].items():
            if value == 0:
                continue
            if gene in hidden[i]:
                fates["hidden"] += 1
            elif shown[i][gene] == value:
                fates["left"] += 1
            else:
                fates["swapped"] += 1
                assert shown[i][gene] in own
    n = sum(fates.values())
    assert within(fates["hidden"], n, 0.8)
    # A swap may draw an equal value (there are few different counts), so it hides among those left.
    assert fates["swapped"] < 0.1 * n + 4 * math.sqrt(0.09 * n) and fates["swapped"] > 0.05 * n
    zero_q = split.queries.values_t == 0
    zero_hidden = sum(truth[i, g] == 0 for i in range(big.n) for g in hidden[i])
    zero_shown = sum(truth[i, g] == 0 for i in range(big.n) for g in shown[i])
    assert within(zero_hidden, zero_q.sum(), 0.8) and within(zero_shown, zero_q.sum(), 0.1)


def test_all_asked_genes_are_hidden_by_default(big):
    split = Masking().split(big, Draw(0))
    assert pairs(split.hidden) == pairs(split.queries)
    assert len(split.shown.genes_t) + int((split.queries.values_t != 0).sum()) == len(big.genes_t)


def test_a_swapped_zero_never_takes_a_neighbours_value():
    batch = packed(4, 40, empty=(1, 3))
    for step in range(30):
        split = Masking(nonzeros=0.3, zeros=0.5, hide=0.0, swap=1.0).split(batch, Draw(0, step))
        shown = pairs(split.shown)
        assert shown[1] == shown[3] == {} and shown[0] and shown[2]


def test_a_zero_made_by_thinning_is_not_swapped_in():
    """Every token of the encoder is a non-zero."""
    for step in range(20):
        split = Masking(nonzeros=0.5, zeros=0.3, hide=0.0, swap=1.0, thinning=1.0, thin_above=0.0).split(
            packed(6, 20), Draw(0, step)
        )
        assert (split.shown.values_t != 0).all()


def test_shares_that_do_not_add_up_are_refused():
    with pytest.raises(ValidationError, match=r"hide \+ visibility.swap is 1.1"):
        Masking(hide=1.0, swap=0.1)


def test_caps_are_redrawn_and_every_gene_has_its_turn():
    batch = packed(1, 40, density=0.5, seed=3)
    seen: set[int] = set()
    for step in range(40):
        split = Everything(max_visible=5).split(batch, Draw(0, step))
        assert len(split.visible.genes_t) == 5
        assert split.unknown.genes_t.tolist() == sorted(
            set(batch.genes_t.tolist()) - set(split.visible.genes_t.tolist())
        )
        seen |= set(split.visible.genes_t.tolist())
    assert seen == set(batch.genes_t.tolist())


def test_a_cap_keeps_genes_equally_often():
    batch = packed(1, 40, density=0.5, seed=3)
    n, times = len(batch.genes_t), 600
    hits = np.zeros(40)
    for step in range(times):
        hits[Everything(max_visible=5).split(batch, Draw(0, step)).visible.genes_t.numpy()] += 1
    own = hits[batch.genes_t.numpy()]
    assert stats.chi2(n - 1).sf(((own - times * 5 / n) ** 2 / (times * 5 / n)).sum()) > 1e-4


def test_hidden_genes_stay_unknown_when_they_are_not_asked(big):
    split = Masking(nonzeros=0.5, zeros=0.1, max_queries=4).split(big, Draw(0))
    assert int(split.queries.lengths_n.max()) == 4
    assert len(split.hidden.genes_t) > 0.4 * len(big.genes_t)


def test_values_and_depths_of_thinned_counts_by_hand(big):
    """T is the depth of the targets, S that of what is shown, and what is shown is scaled by its own depth."""
    counts = big.with_values(big.values_t * 20, "counts")
    split = Masking(nonzeros=0.0, zeros=0.0, thinning=1.0, thin_above=0.0).split(counts, Draw(0, 1))
    at = counts.offsets_n1.tolist()
    for i in (0, 7, 399):
        own = counts.values_t[at[i] : at[i + 1]].numpy()
        generator = Draw(0, 1).generator("thin", int(counts.id_n[i]))
        generator.random()
        thinned = generator.binomial(own.astype(int), generator.beta(2, 2))
        genes = counts.genes_t[at[i] : at[i + 1]].numpy()
        expected = np.log1p(1e4 * thinned / thinned.sum())
        shown = pairs(split.shown)[i]
        assert sorted(shown) == genes[thinned > 0].tolist()
        np.testing.assert_allclose([shown[g] for g in genes[thinned > 0]], expected[thinned > 0], rtol=1e-5)
        np.testing.assert_allclose(split.depth_n2[i], np.log10([own.sum(), thinned.sum()]), rtol=1e-5)


def test_thinning_keeps_means_and_draws_its_rate_from_beta_2_2():
    counts = packed(600, 60, density=0.5, seed=2)
    counts = counts.with_values(counts.values_t * 200, "counts")
    thinned = Masking(thinning=1.0, thin_above=0.0)._thin(counts, Draw(0, 1))
    total = torch.zeros(600).index_add_(0, counts.sample_t, counts.values_t)
    left = torch.zeros(600).index_add_(0, counts.sample_t, thinned)
    rate_n = left / total
    assert stats.kstest(rate_n.numpy(), stats.beta(2, 2).cdf).pvalue > 1e-3
    ratio_t = thinned / (rate_n[counts.sample_t] * counts.values_t)
    assert ratio_t.mean().item() == pytest.approx(1, abs=0.005)
    assert (thinned <= counts.values_t).all() and torch.equal(thinned, thinned.round())


def test_how_many_samples_are_thinned(big):
    depth = lambda **changes: Masking(**changes).split(big, Draw(0)).depth_n2  # noqa: E731
    changed = lambda d: int((d[:, 0] != d[:, 1]).sum())  # noqa: E731
    assert changed(depth(thinning=0.0)) == changed(depth(thinning=1.0, thin_above=1e9)) == 0
    assert within(changed(depth(thinning=0.5, thin_above=0.0)), 400, 0.5)
    assert changed(depth(thinning=1.0, thin_above=0.0)) == 400


def test_thinning_does_not_change_the_targets(big):
    split = Masking(zeros=0.2, thinning=1.0, thin_above=0.0).split(big, Draw(0))
    truth = to_log1p(big).dense()
    assert torch.equal(split.queries.values_t, truth[split.queries.sample_t, split.queries.genes_t])
    plain = Masking(nonzeros=0.0, zeros=0.2, thinning=1.0, thin_above=0.0).split(big, Draw(0)).queries
    assert (plain.values_t != 0).any(), "a zero made by thinning is asked with the value it had"


def test_depth_uses_the_totals_of_the_whole_file():
    batch = packed(3)
    whole = replace(batch, total_n=torch.tensor([1e4, 1e5, 1e3]))
    split = Everything().split(whole, Draw(0))
    torch.testing.assert_close(split.depth_n2, torch.tensor([[4.0, 4.0], [5.0, 5.0], [3.0, 3.0]]))
    first = whole.values_t[0].item()
    assert split.shown.values_t[0].item() == pytest.approx(math.log1p(first * 1e4 / 1e4), rel=1e-6)


def test_scaling_by_hand():
    out = log1p_cp10k(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([0, 0, 1]), torch.tensor([4.0, 10.0]))
    torch.testing.assert_close(out, torch.log1p(torch.tensor([2500.0, 7500.0, 5000.0])))
    batch = packed(2, unit="counts")
    cp10k = batch.with_values(batch.values_t, "cp10k")
    assert torch.equal(to_log1p(cp10k).values_t, torch.log1p(batch.values_t))
    assert to_log1p(packed(2, unit="log1p")) is not None


def test_merging_keeps_pairs():
    batch = packed(5, 30, seed=4)
    mask = torch.arange(len(batch.genes_t)) % 3 == 0
    assert pairs(merge(batch.keep(mask), batch.keep(~mask))) == pairs(batch)


@pytest.mark.parametrize("cap", [None, 5])
def test_asked_shares_are_how_often_a_pair_is_asked(cap):
    batch = to_log1p(packed(4, 24, seed=3, n_panels=2))
    masking, draws = Masking(nonzeros=0.3, zeros=0.1, max_queries=cap), 2000
    pair_t, zero_n = masking.asked_shares(batch)
    asked = torch.zeros(batch.n, batch.n_genes)
    for step in range(draws):
        queries = masking.split(batch, Draw(0, step)).queries
        asked[queries.sample_t, queries.genes_t.long()] += 1 / draws
    expected = torch.zeros(batch.n, batch.n_genes)
    for i in range(batch.n):
        expected[i, batch.panels[int(batch.panel_n[i])]] = zero_n[i]
    expected[batch.sample_t, batch.genes_t.long()] = pair_t
    # With a cap the shares are those of the expected number of questions: somewhat above the mean of the true ones.
    torch.testing.assert_close(asked, expected, atol=0.05 if cap is None else 0.07, rtol=0)
