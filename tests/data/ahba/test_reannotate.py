"""Genes of probes: the shipped table, that of the download, and tables of users."""

from __future__ import annotations

import pandas as pd
import pytest

from exval.data.ahba.reannotate import _shipped, annotate_probes
from exval.data.genetable import GeneTable
from exval.errors import GeneError, InputError


def probes(*names, entrez=-1, symbol=""):
    return pd.DataFrame(
        {"probe_id": range(1, len(names) + 1), "probe_name": names, "gene_symbol": symbol, "entrez_id": entrez}
    )


def test_the_shipped_table():
    table = _shipped()
    assert len(table) == 45892 and table["probe_name"].is_unique and (table["entrez_id"] == "").sum() == 71
    whole = annotate_probes(probes(*table["probe_name"]))
    assert len(whole) == 45821 and whole["entrez_id"].nunique() == 20232
    assert whole.drop_duplicates("entrez_id")["recognised"].mean() > 0.999
    by_entrez = dict(zip(GeneTable.load("human").entrez.tolist(), GeneTable.load("human").symbols))
    known = whole[whole["entrez_id"].isin(by_entrez)]
    assert (known["gene"] == known["entrez_id"].map(by_entrez)).all()


def test_probes_that_the_table_lacks_are_left_out():
    got = annotate_probes(probes("nobody", "CUST_98_PI416379584", "A_99_P1", "CUST_966_PI416379584"))
    assert got["probe_id"].tolist() == [2, 4] and got["gene"].tolist() == ["ZNF883", "ARHGAP42"]
    with pytest.raises(GeneError, match="no probe has a gene.*--reannotation original"):
        annotate_probes(probes("nobody"))


def test_the_columns_of_the_download():
    got = annotate_probes(probes("a", "b", "c", entrez=[7157, -1, 999999999], symbol=["P53", "X", "NEW1"]), "original")
    assert got["gene"].tolist() == ["TP53", "NEW1"] and got["recognised"].tolist() == [True, False]


def test_a_table_of_ones_own(tmp_path):
    table = pd.DataFrame(
        {"probe_name": ["a", "b", "zz"], "gene_symbol": ["x", "", ""], "entrez_id": ["7157", "672.0", "1"]}
    )
    want = annotate_probes(probes("b", "a"), table)
    assert want["gene"].tolist() == ["BRCA1", "TP53"]
    table.to_csv(tmp_path / "mine.csv", index=False)
    pd.testing.assert_frame_equal(annotate_probes(probes("b", "a"), tmp_path / "mine.csv"), want)
    with pytest.raises(InputError, match="no column entrez_id"):
        annotate_probes(probes("a"), table.drop(columns="entrez_id"))
    with pytest.raises(InputError, match="names the probe 'a' twice"):
        annotate_probes(probes("a"), pd.concat([table, table]))
    with pytest.raises(InputError, match="there is no file nowhere.csv"):
        annotate_probes(probes("a"), "nowhere.csv")
