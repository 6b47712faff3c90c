"""Samples of a brain as a file has them: names, positions, donors."""

import anndata
import numpy as np
import pandas as pd
import pytest

from exval.data.brain import read_samples
from exval.data.genelist import words_of
from exval.errors import InputError
from exval.verbs.check import check


def samples(symbols, columns=("mni_x", "mni_y", "mni_z"), n=48, **obs):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.uniform(-50, 50, (n, 3)), columns=list(columns), index=[f"s{i}" for i in range(n)])
    var = pd.DataFrame({"gene_symbol": symbols}, index=[f"probe{i}" for i in range(len(symbols))])
    values = rng.normal(size=(n, len(symbols))) + 7
    return anndata.AnnData(values, table.assign(**obs), var)


def test_probes_without_a_symbol_keep_their_own_names_and_are_not_averaged():
    adata = samples(["GFAP", "", None, "GFAP", "MBP", "MBP", "nan"])
    found = read_samples(adata)
    assert found.genes.tolist() == ["GFAP", "probe1", "probe2", "MBP", "probe6"]
    np.testing.assert_allclose(found.values_ng[:, 1], adata.X[:, 1])
    np.testing.assert_allclose(found.values_ng[:, 0], adata.X[:, [0, 3]].mean(1))
    assert any("4 columns of 2 genes that occur more than once" in line for line in found.warnings)


def test_positions_of_another_name_are_pointed_to():
    with pytest.raises(InputError, match="it has mni: give --space mni"):
        read_samples(samples(["GFAP", "MBP"]), space="MNI152")
    with pytest.raises(InputError, match="such as NAME_x, NAME_y, NAME_z"):
        read_samples(samples(["GFAP", "MBP"], columns=("X", "Y", "Z")))


def test_a_column_that_looks_like_donors_is_pointed_to():
    found = read_samples(samples(["GFAP", "MBP"], subject=list("ab") * 24))
    assert any("give --donor subject" in line for line in found.warnings)
    told = read_samples(samples(["GFAP", "MBP"], subject=list("ab") * 24), donor="subject")
    assert not any("--donor" in line for line in told.warnings)
    odd = read_samples(samples(["GFAP", "MBP"], cell=[f"c{i}" for i in range(48)]), donor="cell")
    assert any("tells 48 donors apart in 48 samples" in line for line in odd.warnings)


def test_check_tells_positions_from_embeddings():
    adata = samples(["GFAP", "MBP", "SNAP25"])
    adata.obsm["mni_nlin"] = adata.obs[["mni_x", "mni_y", "mni_z"]].to_numpy()
    adata.obsm["X_pca"] = np.zeros((48, 2))
    report = check(adata)
    assert report.positions == ["mni_nlin", "mni"] and report.embeddings == ["X_pca"]
    assert any(line.startswith("positions") and "exval brain fit" in line for line in report.lines())


def test_a_long_list_of_genes_is_no_name_of_a_file():
    names = [f"GENE{i}" for i in range(2000)]
    assert words_of(",".join(names), "--genes") == names
