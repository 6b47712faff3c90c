"""``check``: what it counts, what it warns of, and that its answer is plain data."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from exval.verbs.check import check


def test_figures_by_hand(tiny_adata):
    report = check(tiny_adata)
    x = tiny_adata.X.toarray()
    assert (report.cells, report.genes, report.unit, report.matrix, report.species) == (6, 8, "counts", "X", "human")
    assert report.sparsity == pytest.approx((x == 0).mean())
    assert report.depth == {"median": 10.0, "p5": 10.0, "p95": 10.0}
    assert report.genes_per_cell["median"] == np.median((x > 0).sum(1))
    assert report.labels == {"cell_type": 2} and report.donors == {"donor": 3}
    assert report.empty_cells == report.repeated_cells == report.constant_cells == 0


def test_answer_is_strict_json(baron_small, tiny_adata):
    for adata in (baron_small, tiny_adata):
        report = check(adata)
        assert json.loads(json.dumps(report.to_dict(), allow_nan=False)) == report.to_dict()
        lines = report.lines()
        assert all("\n" not in line for line in lines) and lines[0].startswith("file")
        # every line has its text in the same column
        width = len(lines[0]) - len(lines[0].removeprefix("file").lstrip())
        assert all(line[width - 1] == " " and line[width] != " " for line in lines)


def test_gene_names_are_counted(tiny_adata):
    tiny_adata.var_names = ["INS", "ENSG00000115263.15", "MARCH7", "7-Mar", "CDKN2", "no_gene", "MT-CO1", "LOC7157"]
    report = check(tiny_adata)
    m = report.mapping
    assert (m["by_symbol"], m["by_ensembl"], m["by_alias"], m["by_entrez"], m["unknown"]) == (2, 1, 2, 1, 2)
    assert m["duplicated"] == 1 and report.examples["duplicated"] == ["MARCHF7"]
    assert report.examples["alias"][0] == "MARCH7 -> MARCHF7" and report.examples["dates"] == ["7-Mar"]
    assert report.examples["unclear"] == ["CDKN2"] and "spreadsheet" in " ".join(report.warnings)
    assert report.genes == 7


def test_unknown_genes_are_reported_not_refused(tiny_adata):
    tiny_adata.var_names = [f"probe_{i}" for i in range(8)]
    report = check(tiny_adata)
    assert report.mapping["recognised"] == 0 and "less than half" in report.warnings[0]


def test_logarithms_say_so(tiny_adata):
    tiny_adata.X = sparse.csr_matrix(np.log1p(tiny_adata.X.toarray() * 1000.0))
    report = check(tiny_adata)
    assert report.unit == "log1p" and report.depth is None
    assert any("no raw counts" in note for note in report.notes) and any("panel" in note for note in report.notes)


def test_empty_constant_and_repeated_cells(baron_small):
    x = baron_small.X.toarray()
    x[3] = 0
    x[4] = 2
    x[9] = x[8]
    baron_small.X = sparse.csr_matrix(x)
    report = check(baron_small)
    assert (report.empty_cells, report.constant_cells, report.repeated_cells) == (1, 1, 1)
    assert (
        sum(word in " ".join(report.warnings) for word in ("no count at all", "one single value", "earlier cell")) == 3
    )


def _simulate(adata, rng):
    x = adata.X.toarray()
    share = x.sum(0) / x.sum()
    adata.X = sparse.csr_matrix(rng.multinomial(5000, share, size=adata.n_obs).astype(np.float32))


def test_simulated_counts_are_suspected(baron_small):
    rng = np.random.default_rng(0)
    assert not any("simulated" in one for one in check(baron_small).warnings)
    baron_small.obs["cell_type"] = "same"
    baron_small.obs["cell_type"] = pd.Categorical(["a", "b"] * 30)
    _simulate(baron_small, rng)
    found = [one for one in check(baron_small).warnings if "simulated" in one]
    assert len(found) == 1 and "20 to 60 %" in found[0]


def test_stored_totals_must_match(baron_small):
    totals = np.asarray(baron_small.X.sum(1)).ravel()
    baron_small.obs["nCount_RNA"] = totals * 3
    assert not any("nCount_RNA" in one for one in check(baron_small).warnings)
    baron_small.obs["nCount_RNA"] = np.random.default_rng(0).permutation(totals)
    assert any("nCount_RNA" in one and "row sums" in one for one in check(baron_small).warnings)


def test_real_cells_are_not_suspected(shared_data):
    for name in ("baron2016_human1_indrop", "scmixology_3cl_celseq2_dropseq", "celltypist_sample_559_raw"):
        report = check(shared_data / "scrna" / f"{name}.h5ad")
        assert not any("simulated" in one or "row sums" in one for one in report.warnings)


def test_streams(baron_small, tmp_path, monkeypatch):
    baron_small.write_h5ad(tmp_path / "x.h5ad")
    module = importlib.import_module("exval.verbs.check")
    monkeypatch.setattr(module, "_BLOCK", 7)
    whole = check(baron_small).to_dict()
    streamed = module.check(tmp_path / "x.h5ad").to_dict()
    assert {**whole, "name": ""} == {**streamed, "name": ""}


def test_gaps_are_counted_and_impossible_z_scores_said():
    import anndata as ad
    import pandas as pd

    from exval.data.patients import simulated_patients

    bulk = simulated_patients(n=60, g=40, seed=0)
    bulk.X = np.array(bulk.X, dtype=np.float32)
    bulk.X[::3, ::4] = np.nan
    found = check(bulk)
    assert found.missing == pytest.approx(20 * 10 / 2400) and any("not measured" in line for line in found.lines())
    assert found.lines()[0].startswith("file") and "60 samples x 40 genes" in found.lines()[0]
    x = np.random.default_rng(0).normal(size=(60, 40))
    z = ad.AnnData((x - x.mean(0)) / x.std(0), var=pd.DataFrame(index=bulk.var_names))
    assert not any("no z-score" in line for line in check(z).warnings)
    z.X[3, :2] = 500.0
    assert any(line.startswith("2 genes hold values that no z-score of 60 samples") for line in check(z).warnings)
