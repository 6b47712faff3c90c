"""From probes to genes: values by hand, and the same by other ways of computing them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from exval.data.ahba import probes as p
from exval.errors import InputError

A = np.array(["A", "A", "A", "B"])
IDS = np.array([11, 12, 13, 14])


def test_background_by_hand():
    assert p.above_background(np.array([0, 5, 6, 10]), 10, 0.6).tolist() == [False, False, True, True]
    assert p.above_background(np.array([0, 7]), 10, 0.0).all() and p.above_background(np.array([7]), 10, 0.7).all()
    with pytest.raises(InputError, match="--ibf 50: give a share"):
        p.above_background(np.array([1]), 1, 50)


def test_differential_stability_by_hand():
    """Two probes, three donors; donor 2 lacks structure 4. Ranks are written out."""
    one = (np.array([[1.0, 2, 3, 4], [4, 3, 2, 1]]), np.array([1, 2, 3, 4]))
    two = (np.array([[10.0, 30, 20], [1, 2, 3]]), np.array([1, 2, 3]))
    three = (np.array([[4.0, 1, 2, 3], [4, 3, 2, 1]]), np.array([4, 1, 2, 3]))
    # probe 0: 1-2: (1,2,3) with (1,3,2) = 0.5; 1-3: (1,2,3,4) with (1,2,3,4) = 1; 2-3: (1,3,2) with (1,2,3) = 0.5
    # probe 1: 1-2: (4,3,2) with (1,2,3) = -1; 1-3: (4,3,2,1) with (3,2,1,4) = -0.2; 2-3: (1,2,3) with (3,2,1) = -1
    np.testing.assert_allclose(p.diff_stability([one, two, three]), [2 / 3, (-1 - 0.2 - 1) / 3])


def test_pairs_without_three_shared_structures_do_not_count():
    one = (np.array([[1.0, 2, 3]]), np.array([1, 2, 3]))
    far = (np.array([[1.0, 2, 9]]), np.array([2, 3, 9]))
    assert p.diff_stability([one, one, far]).tolist() == [1.0]
    with pytest.raises(InputError, match="needs two donors that share three structures"):
        p.diff_stability([one, far])
    with pytest.raises(InputError, match="needs two donors"):
        p.diff_stability([one])


@given(st.integers(0, 10**6), st.integers(3, 12), st.booleans())
def test_spearman_is_scipys(seed, s, ties):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 4, s))
    if ties:
        a, b = a.round(), b.round()
    got = p.spearman(a, b)
    with np.errstate(invalid="ignore"):
        want = [stats.spearmanr(x, y).statistic if np.ptp(x) and np.ptp(y) else 0.0 for x, y in zip(a, b)]
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_averages_over_structures():
    x, ids = p.structure_means(np.array([[1.0, 2, 6, 4], [0, 0, 0, 8]], np.float32), np.array([9, 3, 9, 3]))
    assert ids.tolist() == [3, 9]
    np.testing.assert_array_equal(x, [[3, 3.5], [4, 0]])


X = np.array([[1.0, 2, 3, 4], [5, 5, 6, 6], [0, 9, 0, 9], [1, 1, 1, 1]])


@pytest.mark.parametrize(
    ("method", "want"),
    [
        ("max_intensity", 12),  # means 2.5, 5.5, 4.5
        ("max_variance", 13),  # variances 1.25, 0.25, 20.25
        ("corr_intensity", 11),  # correlations: 1-2 0.894, 1-3 0.447, 2-3 0, so sums 2.34, 1.89, 1.45
        ("corr_variance", 11),
    ],
)
def test_choice_by_hand(method, want):
    row_g = p.best_of_gene(p.scores(method, X, A), A, IDS)
    assert IDS[row_g].tolist() == [want, 14]


@pytest.mark.parametrize(("method", "want"), [("corr_intensity", 12), ("corr_variance", 11)])
def test_two_probes_have_no_majority(method, want):
    row_g = p.best_of_gene(p.scores(method, X[:2], A[:2]), A[:2], IDS[:2])
    assert IDS[row_g].tolist() == [want]


@given(st.integers(0, 10**6), st.integers(2, 6))
def test_loading_is_that_of_a_singular_value_decomposition(seed, k):
    """Samples centred over the probes, u s of the first component, the largest loading of a sample positive."""
    x_kn = np.random.default_rng(seed).normal(size=(k, 9))
    centred = x_kn - x_kn.mean(0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(vt[0, np.abs(vt[0]).argmax()])
    np.testing.assert_allclose(p.scores("pc_loading", x_kn, np.full(k, "A")), sign * u[:, 0] * s[0], atol=1e-8)


@given(st.integers(0, 10**6))
def test_mean_correlation_is_numpys(seed):
    x_kn = np.random.default_rng(seed).normal(size=(4, 7))
    np.testing.assert_allclose(p.scores("corr_variance", x_kn, np.full(4, "A")), np.corrcoef(x_kn).mean(0), atol=1e-12)


def test_average_by_hand():
    np.testing.assert_allclose(p.average(X.astype(np.float32), A), [X[:3].mean(0), X[3]])


@given(st.permutations(range(6)), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_order_of_probes_does_not_matter(order, score):
    """Not even for ties, which the smaller id wins."""
    order, score = np.array(order), np.array(score, float)
    gene, ids = np.array(list("BABCAB")), np.array([6, 3, 5, 1, 2, 4])
    want = ids[p.best_of_gene(score, gene, ids)]
    got = ids[order][p.best_of_gene(score[order], gene[order], ids[order])]
    assert want.tolist() == got.tolist()
    for name, one in zip("ABC", want):
        rows = gene == name
        best = score[rows].max()
        assert one == min(ids[rows][score[rows] == best])


def test_donors_choose_together_by_majority_or_alone():
    """The best probe of donors 1 and 2 is 11, of donor 3 it is 12, and so strongly that it has the highest mean."""
    x = np.array([[3.0, 3, 3, 3, 0, 0], [2, 2, 2, 2, 90, 90]])
    gene, ids, structure = np.array(["A", "A"]), np.array([11, 12]), np.arange(6)
    donors = [slice(0, 2), slice(2, 4), slice(4, 6)]
    pick = lambda how: [ids[one].tolist() for one in p.choose("max_intensity", x, gene, ids, donors, structure, how)]  # noqa: E731
    assert pick("aggregate") == [[12]] * 3
    assert pick("common") == [[11]] * 3
    assert pick("independent") == [[11], [11], [12]]
    with pytest.raises(InputError, match="uses all donors at once"):
        p.choose("diff_stability", x, gene, ids, donors, structure, "common")
    with pytest.raises(InputError, match="--probe-selection 'best' is not known; choose one of diff_stability"):
        p.choose("best", x, gene, ids, donors, structure)
    with pytest.raises(InputError, match="--donor-probes 'all' is not known"):
        p.choose("max_intensity", x, gene, ids, donors, structure, "all")


def test_rnaseq_agreement_by_hand():
    probes = (np.array([[1.0, 2, 3], [3, 2, 1], [1, 2, 3], [1, 2, 3]]), np.array([1, 2, 3]))
    tpm = (np.array([[5.0, 6, 7], [4, 4, 4]]), np.array([1, 2, 3]))
    gene = np.array(["A", "A", "flat", "absent"])
    got = p.rnaseq_agreement(gene, [(probes, tpm, np.array(["A", "flat"], dtype=object))])
    assert got[:2].tolist() == [1.0, -1.0] and np.isnan(got[2:]).all()
    assert p.best_of_gene(got, gene, np.arange(4)).tolist() == [0]


def test_the_whole_choice_is_that_of_plain_pandas(truth, samples):
    """Differential stability in the words of its definition, on the miniature: every chosen probe is the same."""
    from exval.data.ahba.layout import MATRIX, find_donors

    keep = dict(zip(samples.obs["well_id"], samples.obs["structure_id"]))
    tables = []
    for donor in find_donors(truth.folder):
        wells = pd.read_csv(donor.place / "SampleAnnot.csv")["well_id"]
        x = pd.read_csv(donor.place / MATRIX, header=None, index_col=0).T.reset_index(drop=True)
        own = wells.isin(keep).to_numpy()
        tables.append(x[own].groupby(wells[own].map(keep).to_numpy()).mean())
    rows = [row for row in tables[0].columns if row not in truth.absent]
    total = 0
    for i in range(4):
        for j in range(i):
            both = tables[i].index.intersection(tables[j].index)
            total = total + tables[i].loc[both, rows].rank().corrwith(tables[j].loc[both, rows].rank())
    stability = total / 6
    np.testing.assert_allclose(samples.var["diff_stability"], stability[samples.var["probe_id"]], atol=1e-4)
    others = pd.read_csv(find_donors(truth.folder)[0].place / "Probes.csv").set_index("probe_id")["entrez_id"]
    for one, entrez in zip(samples.var["probe_id"], samples.var["entrez"]):
        rivals = others.index[(others == entrez) & others.index.isin(rows)]
        assert stability[rivals].idxmax() == one
