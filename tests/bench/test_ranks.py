"""Ranks and tests against the worked example of Demšar (2006), scipy, and cases that can be done by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from exval.bench import ranks as r
from exval.errors import InputError

# Demšar 2006, JMLR 7, table 6: AUC of C4.5 without and with tuned -m and -cf, on 14 data sets. On the last but one
# (voting) cf and m+cf are equal as printed, and have the ranks 2 and 3: cf was better in digits that are not shown.
AUC = pd.DataFrame(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.97501, 0.975], [0.957, 0.978, 0.946, 0.970],
    ],
    columns=["C4.5", "m", "cf", "m+cf"],
)  # fmt: skip


def test_mean_ranks_of_demsar():
    assert r.rank_cases(AUC).mean().round(3).tolist() == [3.143, 2.0, 2.893, 1.964]


def test_friedman_of_demsar():
    found = r.friedman(r.rank_cases(AUC).to_numpy(), ties=False)
    assert round(found.chi2, 2) == 9.28 and round(found.f, 2) == 3.69
    assert found.f_p < 0.05 and round(stats.f.isf(0.05, 3, 39), 2) == 2.85


def test_friedman_is_that_of_scipy_with_ties():
    found = r.friedman(r.rank_cases(AUC).to_numpy())
    want = stats.friedmanchisquare(*(AUC[name] for name in AUC))
    assert found.chi2 == pytest.approx(want.statistic, rel=1e-12) and found.p == pytest.approx(want.pvalue, rel=1e-10)


def test_critical_differences_of_demsar():
    # table 5a of the paper: q for 2, 4 and 10 methods
    for k, q05, q10 in ((2, 1.960, 1.645), (4, 2.569, 2.291), (10, 3.164, 2.920)):
        scale = np.sqrt(k * (k + 1) / (6 * 14))
        assert r.critical_difference(k, 14) / scale == pytest.approx(q05, abs=6e-4)
        assert r.critical_difference(k, 14, alpha=0.1) / scale == pytest.approx(q10, abs=6e-4)


def test_wilcoxon_of_demsar():
    """Table 2: C4.5 against C4.5+m, sums of ranks 12 and 93."""
    found = r.pairs(AUC[["C4.5", "m"]]).iloc[0]
    assert (found.wins, found.losses) == (2, 10)
    d = np.round(AUC["m"] - AUC["C4.5"], 12)
    of_size = stats.rankdata(np.abs(d))
    assert of_size[d < 0].sum() + of_size[d == 0].sum() / 2 == 12
    normal = stats.wilcoxon(AUC["m"] - AUC["C4.5"], zero_method="zsplit", method="approx").pvalue
    assert found.p < 0.05 and found.p == pytest.approx(normal, abs=0.01)


@pytest.mark.parametrize("n", [6, 13, 40])
def test_wilcoxon_without_ties_is_that_of_scipy(n):
    d = np.random.default_rng(n).normal(0.3, size=n)
    assert r._wilcoxon(d) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, rel=1e-10)
    assert r._wilcoxon(d) == r._wilcoxon(-d)


def test_wilcoxon_with_ties_and_zeros_is_the_permutation_test():
    d = np.array([1.0, 1.0, -1.0, 2.0, 0.0, 3.0, 3.0, 0.0, 5.0])
    all_signs = stats.PermutationMethod(n_resamples=10_000)
    assert r._wilcoxon(d) == pytest.approx(stats.wilcoxon(d, zero_method="zsplit", method=all_signs).pvalue)


def test_wilcoxon_is_exact_for_few_blocks_with_ties():
    """Eight differences of one sign: two of 2^8 assignments of signs are as extreme, whether or not they are equal."""
    for d in (np.ones(8), np.arange(1, 9)):
        assert r.pairs(pd.DataFrame({"a": d, "b": np.zeros(8)})).p[0] == pytest.approx(2 / 2**8)


def test_against_a_control_of_demsar():
    found = r.ranking(AUC, control="C4.5").against.set_index("method")
    assert found.z.abs().round(2)[["m+cf", "m", "cf"]].tolist() == [2.42, 2.34, 0.51]
    assert found.p.round(3)[["m+cf", "m"]].tolist() == [0.016, 0.019]
    # Holm: 0.016 < 0.05 / 3 is rejected, 0.019 < 0.05 / 2 too, 0.607 is not
    assert (found.p_holm < 0.05)[["m+cf", "m", "cf"]].tolist() == [True, True, False]


def test_holm_by_hand():
    assert r.holm([0.001, 0.02, 0.02, 0.5]) == pytest.approx([0.004, 0.06, 0.06, 0.5])
    assert r.holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert r.holm([]).tolist() == []


def test_failures_come_last_and_share_the_place():
    scores = pd.DataFrame({"a": [np.nan, 0.1], "b": [np.nan, 5.0], "c": [-3.0, 2.0]})
    assert r.rank_cases(scores).values.tolist() == [[2.5, 2.5, 1], [3, 1, 2]]
    assert r.rank_cases(scores, higher_is_better=False).values.tolist() == [[2.5, 2.5, 1], [1, 3, 2]]
    assert r.rank_cases(scores, [True, False]).values.tolist() == [[2.5, 2.5, 1], [1, 3, 2]]


def test_a_failure_is_worse_than_any_score_in_a_pair():
    worst = pd.DataFrame({"a": [0.1] * 8, "b": [0.9, 0.9, 0.9, np.nan, np.nan, np.nan, np.nan, np.nan]})
    found = r.pairs(worst).iloc[0]
    assert (found.wins, found.losses) == (5, 3)
    both = pd.DataFrame({"a": [np.nan] * 6, "b": [np.nan] * 6})
    assert r.pairs(both).p[0] == 1.0


def test_ranks_do_not_depend_on_the_scale_of_a_case():
    scale = np.linspace(0.1, 50, len(AUC))
    a, b = r.ranking(AUC), r.ranking(AUC.mul(scale, axis=0).add(scale**2, axis=0))
    pd.testing.assert_frame_equal(a.table, b.table)


def test_direction_does_not_matter():
    a, b = r.ranking(AUC), r.ranking(-AUC, higher_is_better=False)
    pd.testing.assert_frame_equal(a.table, b.table)
    assert a.pairs.p.tolist() == b.pairs.p.tolist() and a.pairs.wins.tolist() == b.pairs.wins.tolist()


def test_interval_covers_the_truth_about_as_often_as_it_says():
    """Of a method that is best with probability 0.7 of two: mean rank 1.3."""
    rng, hit = np.random.default_rng(0), 0
    for _ in range(100):
        wins = rng.random(40) < 0.7
        found = (
            r.ranking(pd.DataFrame({"a": wins.astype(float), "b": 0.5}), n_boot=200).table.set_index("method").loc["a"]
        )
        hit += found.lo <= 1.3 <= found.hi
    assert 87 < hit <= 100


def test_five_cases_have_no_interval_six_have():
    for n, known in ((5, False), (6, True)):
        found = r.ranking(AUC.head(n), control="m")
        assert found.table.lo.notna().all() == known == np.isfinite(found.cd)
        assert (len(found.pairs) > 0) == (len(found.against) > 0) == known
        assert found.ranks_cm.shape == (n, 4)


def test_repeats_of_a_data_set_are_no_new_evidence():
    once = r.ranking(AUC)
    thrice = r.ranking(pd.concat([AUC] * 3, ignore_index=True), blocks_c=list(range(14)) * 3)
    pd.testing.assert_frame_equal(
        once.table.drop(columns=["first", "n_cases"]), thrice.table.drop(columns=["first", "n_cases"])
    )
    assert once.friedman == thrice.friedman and once.cd == thrice.cd and thrice.n_blocks == 14
    few = r.ranking(pd.concat([AUC.head(5)] * 3, ignore_index=True), blocks_c=list(range(5)) * 3)
    assert np.isnan(few.cd) and few.n_blocks == 5


def test_false_alarms_of_friedman_on_averaged_ranks():
    """Several tasks on each data set: still about one in twenty under the hypothesis."""
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(400):
        ranks_tbm = stats.rankdata(rng.normal(size=(3, 10, 5)), axis=2)
        alarms += r.friedman(ranks_tbm.mean(0)).f_p < 0.05
    assert 5 < alarms < 38


def test_methods_and_cases_that_were_not_tried():
    scores = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [2.0, np.nan, 1.0, 5.0], "c": [9.0, np.nan, np.nan, np.nan]})
    tried = pd.DataFrame({"a": [True] * 4, "b": [True, True, True, False], "c": [True, False, False, False]})
    found = r.ranking(scores, tried_cm=tried)
    assert found.left_out == {"c": "tried in 1 of 4 cases"}
    assert found.ranks_cm.index.tolist() == [0, 1, 2]  # case 3 lacks b; in case 1 b failed and is last
    assert found.table[["method", "mean_rank", "failed"]].values.tolist() == [["a", 4 / 3, 0], ["b", 5 / 3, 1]]
    with pytest.raises(InputError, match="nothing can be ranked"):
        r.ranking(scores.head(0))


def test_a_case_that_nobody_solved_says_nothing():
    scores = pd.DataFrame({"a": [1.0] * 6 + [np.nan], "b": [0.5] * 6 + [np.nan]})
    found = r.ranking(scores)
    assert len(found.ranks_cm) == found.n_blocks == 6 and found.table.mean_rank.tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match="some method solved"):
        r.ranking(scores.tail(1))


def test_who_cannot_be_told_from_the_first():
    found = r.ranking(AUC)
    assert found.table.method.tolist() == ["m+cf", "m", "cf", "C4.5"]
    assert found.cd == pytest.approx(1.254, abs=1e-3)
    assert found.level_with_first == ["m", "cf", "C4.5"]  # 3.143 - 1.964 = 1.18 < 1.25
    assert r.ranking(pd.concat([AUC] * 2, ignore_index=True)).level_with_first == ["m"]


def test_first_places_are_shared():
    found = r.ranking(pd.DataFrame({"a": [1.0, 1.0], "b": [1.0, 0.0]}))
    assert found.table["first"].tolist() == [1.5, 0.5]
