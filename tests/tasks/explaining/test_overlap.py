"""The permutation null: a random list finds nothing in the promised share of cases, a planted one is found."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from exval.tasks.explaining.overlap import enrichment, strata


def cohort(g=240, seed=0):
    """Genes of very different means; sets of which the first holds high ones only."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(0, 8, g)
    x = mean + rng.normal(size=(40, g)) * rng.uniform(0.2, 2, g)
    member = rng.random((g, 12)) < 0.08
    member[:, 0] = mean > np.quantile(mean, 0.85)
    return x, mean, member


def matched(stratum, k, rng):
    """A random list with the strata of a random first list: what the null is about."""
    return rng.permutation(len(stratum))[:k]


def test_strata_are_alike_and_of_one_size():
    x, mean, _ = cohort()
    stratum = strata(x)
    sizes = np.bincount(stratum)
    assert sizes.min() >= 20 and len(sizes) == 9
    within = np.mean([mean[stratum == s].std() for s in range(len(sizes))])
    assert within < 0.5 * mean.std()
    order = np.random.default_rng(0).permutation(x.shape[1])
    assert len(set(zip(stratum[order], strata(x[:, order])))) == len(sizes)  # whatever the order of the genes


def test_p_values_of_random_lists_are_uniform():
    x, _, member = cohort()
    stratum, rng = strata(x), np.random.default_rng(1)
    p, family = [], []
    for i in range(150):
        score = np.zeros(len(stratum))
        score[matched(stratum, 40, rng)] = 1
        found = enrichment(score, member, stratum, permutations=199, seed=i)
        p.append(found.p.iloc[3])
        family.append(found.attrs["p"])
    assert kstest(family, "uniform").pvalue > 0.01
    assert 0.01 <= np.mean(np.array(family) <= 0.1) <= 0.19  # 15 expected of 150; six sds either way
    assert np.mean(np.array(p) <= 0.1) <= 0.19  # ties make it conservative


def test_what_its_level_explains_is_no_overlap_and_what_is_planted_is_found():
    x, mean, member = cohort(720)
    stratum, rng = strata(x), np.random.default_rng(4)
    above = np.flatnonzero(mean > np.quantile(mean, 2 / 3))  # two of six levels
    member[:, 0] = False
    member[rng.choice(above, 120, replace=False), 0] = True
    high = np.zeros(len(mean))
    high[rng.choice(above, 60, replace=False)] = 1
    alone = enrichment(high, member, np.zeros(len(mean), int), permutations=499)
    assert alone.p_family.iloc[0] < 0.01  # like genes were not asked: the level alone finds the set of high genes
    assert enrichment(high, member, stratum, permutations=499).p_family.iloc[0] > 0.05
    planted = np.zeros(len(mean))
    planted[np.flatnonzero(member[:, 5])[:12]] = 1
    found = enrichment(planted, member, stratum, permutations=499)
    assert found.p_family.idxmin() == 5 and found.p_family.iloc[5] <= 0.01 and found["sum"].iloc[5] == 12


def test_weights_count_and_a_set_of_all_or_none_says_nothing():
    x, _, member = cohort()
    member[:, 0], member[:, 1] = True, False
    score = np.random.default_rng(2).random(len(member)) + 0.6 * member[:, 6]
    found = enrichment(score, member, strata(x), permutations=299)
    assert found.p_family.idxmin() == 6 and found.p_family.iloc[6] < 0.05
    assert (found.z.iloc[:2] == 0).all() and (found.p.iloc[:2] == 1).all()
