"""Cases: what a method sees and what it does not, the truths of the measured data sets, and the null arm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from exval.errors import InputError, UnitError
from exval.tasks.imputing.cases import case_of, largest, make_case, most_variable
from exval.tasks.imputing.data import DATA, find_data
from exval.tasks.imputing.material import Material, _read
from exval.tasks.imputing.molecules import equal_depth, from_logs, prepared, split_molecules
from exval.tasks.imputing.simulate import simulate

SMALL = {"genes": 100, "cells": 120}


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "scrna"


def test_molecules_are_divided_and_independent():
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(4.0, (400, 60)).astype(np.float32))
    parts = split_molecules(counts, (0.5, 0.25, 0.25), rng)
    assert (sum(parts) != counts).nnz == 0
    assert [part.sum() / counts.sum() for part in parts] == pytest.approx([0.5, 0.25, 0.25], abs=0.01)
    r = [np.corrcoef(parts[0].toarray()[:, j], parts[1].toarray()[:, j])[0, 1] for j in range(60)]
    assert abs(np.mean(r)) < 0.02  # Poisson counts fall apart into independent ones
    assert sum(split_molecules(counts, (0.1, 0.1), rng)).sum() < 0.3 * counts.sum()
    with pytest.raises(UnitError, match="whole numbers"):
        split_molecules(counts * 0.3, (0.5, 0.5), rng)


def test_equal_depth_is_exact_and_unbiased():
    counts = sparse.csr_matrix(np.array([[60.0, 30, 10], [6, 3, 1]]))
    drawn = np.mean([equal_depth(counts, 10, np.random.default_rng(i)).toarray() for i in range(400)], axis=0)
    assert (equal_depth(counts, 10, np.random.default_rng(0)).sum(1) == 10).all()
    np.testing.assert_allclose(drawn, [[6, 3, 1], [6, 3, 1]], atol=0.3)


def test_simulated_counts_have_the_expected_values():
    made = simulate("types", 3000, 40, depth=400, seed=2)
    counts, total = made.adata.layers["counts"].toarray(), made.adata.obs["exval_total"].to_numpy()
    for kind in set(made.groups_n):
        rows = made.groups_n == kind
        got = 1e4 * counts[rows].sum(0) / total[rows].sum()
        np.testing.assert_allclose(got, made.expected_ng[rows][0], rtol=0.25, atol=5)
    path = simulate("path", 100, 40)
    assert path.groups_n is None and set(path.paths) == {"to the left end", "to the right end"}
    assert np.nanmax(path.paths["to the left end"]) > 1 and np.isnan(path.paths["to the left end"]).any()


@pytest.mark.parametrize("arm", ["as measured", "thinned 0.9", "thinned 0.25", "null: permuted", "null: halves"])
def test_a_method_sees_no_label_and_no_held_out_molecule(arm):
    spec = find_data("simulated-types")
    case = make_case(spec, arm, **SMALL)
    assert list(case.adata.obs) == ["exval_total"] and list(case.adata.layers) == ["counts"]
    assert not case.adata.obsm and not case.adata.uns and not len(case.adata.var.columns)
    log = np.log1p(1e4 * case.adata.layers["counts"].toarray() / case.adata.obs["exval_total"].to_numpy()[:, None])
    np.testing.assert_allclose(case.adata.X.toarray(), log, rtol=1e-4)
    assert (case.adata.obs["exval_total"].to_numpy() >= np.asarray(case.adata.layers["counts"].sum(1)).ravel()).all()
    again, other = make_case(spec, arm, **SMALL), make_case(spec, arm, seed=1, **SMALL)
    assert (again.adata.X != case.adata.X).nnz == 0
    assert other.adata.shape != case.adata.shape or (other.adata.X != case.adata.X).nnz
    if case.held_ng is not None:
        kept = float(arm.split()[1])
        assert case.share_held == pytest.approx(1 - kept)
        told = case.exposure_n * 1e4
        np.testing.assert_allclose(told, case.adata.obs["exval_total"] * (1 - kept) / kept)


def test_thinning_loses_no_molecule():
    made = simulate("types", 80, 60)
    case = case_of(made, "x", "thinned 0.7", np.random.default_rng(0), genes=None, share=1.0)
    rows = made.adata.obs_names.get_indexer(case.adata.obs_names)
    columns = made.adata.var_names.get_indexer(case.adata.var_names)
    whole = made.adata.layers["counts"][rows][:, columns]
    assert ((case.adata.layers["counts"] + case.held_ng) != whole).nnz == 0
    aside = set(case.reference.obs_names)
    assert aside and not aside & set(case.adata.obs_names)


def test_permuted_genes_keep_their_values_and_others_their_cells():
    made = simulate("types", 150, 60)
    case = case_of(made, "x", "null: permuted", np.random.default_rng(0), genes=None, share=1.0)
    null = case.null
    assert null.genes_g.sum() == round(0.2 * case.adata.n_vars) and not (null.first_n & null.second_n).any()
    assert len(set(case.adata.obs["exval_total"])) == 1
    counts = case.adata.layers["counts"].toarray()
    kinds = case.groups_n
    # what is left tells the types, what was shuffled does not
    from exval.metrics.diffexp import rank_sum

    p = rank_sum(counts, kinds == "type A").p_g
    assert (p[~null.genes_g] < 1e-3).any() and (p[null.genes_g] < 1e-4).mean() < 0.1


def test_halves_differ_in_the_planted_genes_only():
    made = simulate("types", 400, 80, share_different=0.2)
    case = case_of(made, "x", "null: halves", np.random.default_rng(0), genes=None, share=1.0)
    null = case.null
    assert case.groups_n is None and (null.first_n ^ null.second_n).all()
    assert not (null.genes_g & null.planted_g).any() and (null.genes_g | null.planted_g).all()
    a, b = (case.expected_ng[rows].mean(0) for rows in (null.first_n, null.second_n))
    np.testing.assert_allclose(a[null.genes_g], b[null.genes_g], rtol=1e-5)
    assert (np.abs(np.log(a / b))[null.planted_g] > 0.3).mean() > 0.5


def test_values_without_counts_have_the_arms_that_need_none():
    made = simulate("types", 150, 60)
    logs = Material(from_logs(made.adata.X, made.adata.obs_names, made.adata.var_names), made.groups_n)
    rng = np.random.default_rng(0)
    for arm in ("as measured", "null: permuted", "null: halves"):
        case = case_of(logs, "x", arm, rng)
        assert "counts" not in case.adata.layers and np.isnan(case.adata.obs["exval_total"]).all()
    permuted = case_of(logs, "x", "null: permuted", rng, genes=None, share=1.0)
    got = permuted.adata.X.toarray()
    want = logs.adata[:, permuted.adata.var_names].X.toarray()
    moved = permuted.null.genes_g
    np.testing.assert_array_equal(np.sort(got, axis=0), np.sort(want, axis=0))
    assert (got[:, ~moved] == want[:, ~moved]).all() and (got[:, moved] != want[:, moved]).any(0).mean() > 0.9
    with pytest.raises(InputError, match="counts only"):
        case_of(logs, "x", "thinned 0.9", rng)


def test_faults_have_one_line(tmp_path):
    with pytest.raises(InputError, match="no arm is called 'masked'"):
        make_case(find_data("simulated-types"), "masked")
    with pytest.raises(InputError, match="no arm is called 'null: all'"):
        make_case(find_data("simulated-types"), "null: all")
    with pytest.raises(InputError, match="no data set .* 'baron'; known: simulated-types"):
        find_data("baron")
    with pytest.raises(InputError, match="is not there"):
        make_case(find_data("rna-mixtures"), "as measured", folder=tmp_path)
    with pytest.raises(InputError, match="has no types"):
        make_case(find_data("simulated-path"), "null: permuted")
    few = simulate("types", 12, 30)
    with pytest.raises(InputError, match="fewer than two types"):
        case_of(few, "few", "null: halves", np.random.default_rng(0))


def test_genes_are_chosen_by_what_is_visible():
    seen = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (50, 30)).astype(np.float32))
    log = prepared(seen, map(str, range(50)), map(str, range(30))).X.tolil()
    log[:, 3] = 0
    log[0, 4], log[1:, 4] = 1.0, 0
    columns = most_variable(log.tocsr(), None)
    assert 3 not in columns and 4 not in columns and len(columns) == 28  # in no cell, in one cell
    assert largest(np.array(list("aaabbc")), 5, least=2) == ["a", "b"]


def test_a_file_of_the_user_is_a_data_set(tmp_path):
    from exval.data.examples import baron

    cells = baron()[::6].copy()
    cells.write_h5ad(tmp_path / "mine.h5ad")
    case = make_case(find_data("file:mine.h5ad@cell_type"), "thinned 0.25", folder=tmp_path, genes=200)
    assert case.groups_n is not None and case.reference is not None and case.adata.n_vars == 200
    assert make_case(find_data("file:mine.h5ad"), "thinned 0.9", folder=tmp_path, genes=50).groups_n is None


def test_rna_mixtures_have_the_weighted_mean_of_pure_profiles(folder):
    made = DATA["rna-mixtures"].load(folder / DATA["rna-mixtures"].file, 0)
    every = _read(folder / DATA["rna-mixtures"].file)
    obs, counts = made.adata.obs, made.adata.layers["counts"]
    aside = ~every.obs_names.isin(made.adata.obs_names)
    lines = ("H2228", "H1975", "HCC827")
    truth = [np.flatnonzero(aside & (every.obs[f"{line}_prop"] == 1).to_numpy()) for line in lines]
    # two thirds of 26 pure wells of 15 and 30 pg; no method sees them
    assert [len(r) for r in truth] == [17, 17, 17] and aside.sum() == 51
    assert (every.obs.mRNA_amount[aside] >= 15).all()
    whole = every.layers["counts"]
    profile = [1e4 * np.asarray(whole[r].sum(0)).ravel() / whole[r].sum() for r in truth]
    mixed = int(np.flatnonzero((obs.H2228_prop == 0.68).to_numpy())[0])
    want = 0.68 * profile[0] + 0.16 * profile[1] + 0.16 * profile[2]
    np.testing.assert_allclose(made.expected_ng[mixed], want, rtol=1e-4, atol=1e-4)
    other = DATA["rna-mixtures"].load(folder / DATA["rna-mixtures"].file, 1)
    assert set(other.adata.obs_names) != set(made.adata.obs_names)  # another seed, other wells
    rows = [np.flatnonzero((obs[f"{line}_prop"] == 1).to_numpy()) for line in lines]
    # and the truth is near what the mixtures' wells hold together
    deep = np.flatnonzero(((obs.H2228_prop == 0.33) & (obs.mRNA_amount >= 15)).to_numpy())
    pooled = 1e4 * np.asarray(counts[deep].sum(0)).ravel() / counts[deep].sum()
    seen = pooled > 1
    assert np.sqrt(np.mean((np.log1p(pooled) - np.log1p(made.expected_ng[deep[0]]))[seen] ** 2)) < 0.09
    place = made.paths["H2228 to H1975"]
    assert sorted(set(place[np.isfinite(place)])) == [0, 1, 2, 3, 4]
    assert set(place[rows[0]]) == {0} and set(place[rows[1]]) == {4} and np.isnan(place[rows[2]]).all()


def test_nine_cell_mixtures_lie_on_three_paths(folder):
    made = DATA["nine-cell-mixtures"].load(folder / DATA["nine-cell-mixtures"].file, 0)
    obs, place = made.adata.obs, made.paths["H1975 to HCC827"]
    assert set(obs.traj) == {"YES"} and set(obs.poor_quality) == {"NO"} and made.expected_ng is None
    assert sorted(set(place[np.isfinite(place)])) == list(range(7))
    assert set(obs.H1975[place == 0]) == {9} and set(obs.HCC827[place == 6]) == {9}
    assert set(obs.HCC827[place == 3]) == {3} and set(obs.HCC827[place == 5]) == {7}


def test_three_lines_have_the_other_protocol_as_truth(folder):
    made = DATA["three-lines-dropseq"].load(folder / DATA["three-lines-dropseq"].file, 0)
    assert set(made.adata.obs.protocol) == {"Drop-seq"} and set(made.reference.obs.protocol) == {"CEL-seq2"}
    assert set(made.adata.obs.demuxlet_cls) | set(made.reference.obs.demuxlet_cls) == {"SNG"}
    assert list(made.adata.var_names) == list(made.reference.var_names)
    case = make_case(DATA["three-lines-dropseq"], "thinned 0.05", folder=folder, genes=300)
    assert case.protocol_reference and case.reference.n_obs == len(case.reference_groups) == 240
    assert list(case.reference.var_names) == list(case.adata.var_names)


@pytest.mark.parametrize("name", sorted(DATA))
def test_every_default_arm_can_be_made(name, folder):
    for arm in DATA[name].arms:
        case = make_case(DATA[name], arm, folder=folder, genes=50, cells=400)
        assert case.n >= 100 and 10 <= case.adata.n_vars <= 50
