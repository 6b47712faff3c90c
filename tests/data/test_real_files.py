"""Every real expression file: unit, species, matrix and genes come out right."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.data.source import open_source
from exval.errors import GeneError, InputError, UnitError

EXPECTED = {
    "scrna/baron2016_human1_indrop.h5ad": ("counts", "human", 1937, 20018),
    "scrna/celltypist_sample_559_raw.h5ad": ("counts", "human", 559, 9531),
    "scrna/pbmc3k_2638_lognorm_2000genes.h5ad": ("log1p", "human", 2638, 1908),
    "scrna/pbmc_10x_3protocols_1200_lognorm.h5ad": ("log1p", "human", 1200, 1513),
    "scrna/scmixology_3cl_celseq2_dropseq.h5ad": ("counts", "human", 499, 23455),
    "scrna/scmixology_9cellmix_traj_p1p2.h5ad": ("counts", "human", 534, 13587),
    "scrna/scmixology_rnamix_celseq2.h5ad": ("counts", "human", 340, 14057),
    "perturb/kang2018_pbmc_ifnb_1400.h5ad": ("counts", "human", 1400, 8783),
    "perturb/cropseq_28targetgenes.h5ad": ("counts", "human", 6229, 28),
    "spatial/dlpfc151510_500genes.h5ad": ("counts", "human", 4634, 497),
    "spatial/her2st_C2.h5ad": ("counts", "human", 187, 15603),
    "spatial/her2st_C3.h5ad": ("counts", "human", 180, 15717),
    "spatial/her2st_C4.h5ad": ("counts", "human", 184, 15742),
    "spatial/her2st_C5.h5ad": ("counts", "human", 181, 15620),
    "spatial/mob_1.h5ad": ("counts", "mouse", 1923, 996),
    "spatial/mob_2.h5ad": ("counts", "mouse", 1925, 996),
    "bulk/tcga_blca_stad_coadread_log2tpm_1577genes.h5ad": ("log2", "human", 1016, 1571),
    "bulk/tcga_brca_rnaseq_z_survival.h5ad": ("z", "human", 956, 1558),
    "bulk/tcga_hnsc_rnaseq_z_survival.h5ad": ("z", "human", 416, 1557),
    "bulk/tcga_kirc_rnaseq_z_survival.h5ad": ("z", "human", 345, 1556),
    "bulk/tcga_lihc_rnaseq_z_survival.h5ad": ("z", "human", 333, 1550),
    "bulk/tcga_luad_rnaseq_z_survival.h5ad": ("z", "human", 453, 1555),
    "bulk/survset_gse3143.h5ad": ("log2", "human", 158, 8599),
    "brain/ahba_donor2001_946samples_100probes_log2.h5ad": ("log2", "human", 946, 96),
    "kg/subramanian.h5ad": ("log2", "human", 50, 8305),
    "kg/GSE123658_expression.h5ad": ("cp10k", "human", 82, 2875),
    "kg/GSE140627_expression.h5ad": ("cp10k", "human", 7, 2463),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_file(shared_data, name):
    unit, species, n, recognised = EXPECTED[name]
    with open_source(shared_data / name) as source:
        assert (source.unit, source.genes.species, source.n) == (unit, species, n)
        # the vocabulary may grow; it must not lose more than a few names
        assert abs(source.genes.summary()["recognised"] - recognised) <= 0.01 * recognised
        assert source.obs.index.is_unique and source.var_names.is_unique
        if unit in ("log2", "z"):
            with pytest.raises(UnitError):
                source.to_adata(slice(0, 3))
        else:
            part = source.to_adata(slice(0, 5))
            assert np.isfinite(part.X.data).all() and ("counts" in part.layers) == (unit == "counts")
            if unit == "counts":
                np.testing.assert_allclose(np.expm1(part.X.toarray()).sum(1), 1e4, rtol=1e-3)


def test_files_that_must_be_refused(shared_data):
    with pytest.raises(GeneError, match="probe ids"):
        open_source(shared_data / "kg/borovecki.h5ad")
    with pytest.raises(InputError, match="negative count -342"):
        open_source(shared_data / "kg/golub.h5ad")


def test_repeated_cell_names_are_told(shared_data):
    source = open_source(shared_data / "bulk/tcga_blca_stad_coadread_log2tpm_1577genes.h5ad")
    assert source.obs_names_made_unique and source.obs.index.is_unique


def test_ids_and_symbols_of_one_file_agree(shared_data):
    """The mixture files carry Ensembl ids and, in a column, symbols: two independent ways to the same gene."""
    source = open_source(shared_data / "scrna/scmixology_rnamix_celseq2.h5ad")
    import anndata

    from exval.data.genes import map_genes

    var = anndata.read_h5ad(shared_data / "scrna/scmixology_rnamix_celseq2.h5ad").var
    by_symbol = map_genes(var["symbol"].astype(str), "human", threshold=0.0)
    by_id = map_genes(var.index, "human", threshold=0.0)
    both = by_id.known & (by_symbol.how == "symbol")
    agree = (by_id.canonical == by_symbol.canonical)[both]
    assert both.sum() > 12_000 and agree.mean() > 0.999
    assert pd.Index(by_id.canonical[both]).isin(source.var_names).all()
