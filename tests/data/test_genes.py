"""Gene names: reference values by hand, and properties that no order or spelling may break."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.data.genenames import excel_symbol, shares, spell
from exval.data.genes import GeneMapping, GeneTable, map_genes
from exval.errors import GeneError, InputError

HUMAN = GeneTable.load("human")
some_symbols = st.lists(st.sampled_from(HUMAN.symbols[::37]), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("name", "symbol", "how"),
    [
        ("TP53", "TP53", "symbol"),
        (" TP53 ", "TP53", "symbol"),
        ('"TP53"', "TP53", "symbol"),
        ("GRCh38_TP53", "TP53", "symbol"),
        ("GRCh38______TP53", "TP53", "symbol"),
        ("hg19_TP53", "TP53", "symbol"),
        ("hg38---TP53", "TP53", "symbol"),
        ("ENSG00000141510", "TP53", "ensembl"),
        ("ENSG00000141510.17", "TP53", "ensembl"),
        ("GRCh38_ENSG00000141510.17", "TP53", "ensembl"),
        ("ENSG00000182378.13_PAR_Y", "PLCXD1", "ensembl"),
        ("LOC7157", "TP53", "entrez"),
        ("MT-CO1", "MT-CO1", "symbol"),
        ("ENSG00000198804", "MT-CO1", "ensembl"),
        ("MARCH7", "MARCHF7", "alias"),
        ("SEPT9", "SEPTIN9", "alias"),
        ("SEPT2", "SEPTIN2", "alias"),
        ("7-Mar", "MARCHF7", "alias"),
        ("9-Sep", "SEPTIN9", "alias"),
        ("Sep-09", "SEPTIN9", "alias"),
        ("15-Sep", "SELENOF", "alias"),
        ("1-Mar", "1-Mar", "unknown"),
        ("HLA.DRA", "HLA-DRA", "alias"),
        ("C1ORF112", "C1orf112", "alias"),
        ("CDKN2", "CDKN2", "unknown"),  # alias of CDKN2A and of others: never guessed
        ("COX1", "COX1", "unknown"),  # PTGS1 or MT-CO1
        ("no_gene", "no_gene", "unknown"),
    ],
)
def test_one_name(name, symbol, how):
    mapping = map_genes([name], "human", threshold=0.0)
    assert (mapping.canonical[0], mapping.how[0]) == (symbol, how)


def test_entrez_ids_but_not_a_row_counter():
    ids = ["7157", "3630", "2641", "100"]
    mapping = map_genes(ids)
    assert mapping.canonical.tolist() == ["TP53", "INS", "GCG", "ADA"]
    assert set(mapping.how) == {"entrez"}
    with pytest.raises(GeneError, match="only 0 of 2,000"):
        map_genes([str(i) for i in range(2000)])


def test_symbol_wins_over_alias():
    aliases = set(HUMAN._by_alias)
    assert not aliases & set(HUMAN.symbols)
    assert not aliases & HUMAN.unclear
    assert len(set(HUMAN.symbols)) == len(HUMAN) == len(HUMAN.ensembl) == len(HUMAN.entrez)


def test_table_is_fast():
    from exval.data import genetable

    start = time.process_time()
    genetable._load.__wrapped__("human").find("ENSG00000141510")
    assert time.process_time() - start < 0.3


def test_composite_names():
    assert map_genes(["ENSG00000141510_TP53", "INS_ENSG00000254647", "GCG|2641"]).canonical.tolist() == [
        "TP53",
        "INS",
        "GCG",
    ]
    assert map_genes(["ENSG99999999999_TP53"]).canonical.tolist() == ["TP53"]


def test_suffix_of_made_unique_names_needs_the_first_one():
    assert map_genes(["TBCE", "TBCE.1", "INS", "INS-1"]).canonical.tolist() == ["TBCE", "TBCE", "INS", "INS"]
    assert map_genes(["TBCE.1", "INS"]).how.tolist() == ["unknown", "symbol"]


def test_columns_of_var_help():
    var = pd.DataFrame({"gene_ids": ["ENSG00000141510", "ENSG00000254647"], "score": [0.5, 1.0]}, index=["a", "b"])
    mapping = map_genes(var.index, extra_columns=var)
    assert mapping.canonical.tolist() == ["TP53", "INS"] and mapping.source == "gene_ids"
    var = pd.DataFrame({"feature_name": ["INS", "MARCH7", "GCG"]}, index=["TP53", "ENSG00000165682", "x"])
    mapping = map_genes(var.index, extra_columns=var)
    assert mapping.canonical.tolist() == ["TP53", "CLEC1B", "GCG"]  # ids in the index come before names in a column


def test_mouse_by_orthologs():
    mapping = map_genes(["Actb", "Gcg", "Trp53", "ENSMUSG00000064351.1", "mm10_Cd3e", "Ins2"])
    assert mapping.species == "mouse"
    assert mapping.canonical.tolist() == ["ACTB", "GCG", "TP53", "MT-CO1", "CD3E", "Ins2"]
    assert mapping.how.tolist() == ["ortholog"] * 5 + ["symbol"]  # Ins2 has no one-to-one partner: keeps its name
    assert mapping.summary()["recognised"] == 6


def test_no_mouse_name_without_partner_is_a_human_symbol():
    mouse = GeneTable.load("mouse")
    alone = {name for name, partner in zip(mouse.symbols, mouse.ortholog) if partner < 0}
    assert not alone & set(HUMAN.symbols)
    partners = mouse.ortholog[mouse.ortholog >= 0]
    assert len(np.unique(partners)) == len(partners) > 15_000


def test_human_and_mouse_are_told_apart():
    human, mouse = HUMAN.symbols[1000:3000:7], GeneTable.load("mouse").symbols[::80]
    assert map_genes(human).species == "human"
    assert map_genes(mouse).species == "mouse"


@pytest.mark.parametrize(
    ("names", "species", "words"),
    [
        (["GRCh38_TP53", "GRCh38_INS", "mm10_Actb", "mm10_Gcg"], "auto", "two species"),
        (["ENSG00000141510", "ENSMUSG00000064351"], "auto", "two species"),
        ([*HUMAN.symbols[:3000:30], *GeneTable.load("mouse").symbols[:9000:90]], "auto", "two species"),
        (["Actb", "Gcg", "Trp53", "Cd3e"], "human", "use species mouse"),
        (["TP53", "INS", "GCG", "CD3E"], "mouse", "use species human"),
        (["ENSRNOG00000000001", "ENSRNOG00000000008"], "auto", "look like rat"),
        (["1007_s_at", "1053_at", "117_at"], "auto", "probe ids are not known"),
        ([f"{row}{column}" for row in "ABCD" for column in range(1, 13)], "auto", "are these cells|only"),
        ([name for name in HUMAN._by_alias if len(name) == 3][:60], "human", "are these cells"),
        ([], "auto", "no gene"),
    ],
)
def test_refused(names, species, words):
    with pytest.raises(GeneError, match=words) as caught:
        map_genes(names, species)
    assert "\n" not in str(caught.value)


def test_unknown_species_word():
    with pytest.raises(InputError, match="use auto, human or mouse"):
        map_genes(["TP53"], "yeast")
    with pytest.raises(InputError, match="no gene table"):
        GeneTable.load("yeast")


def test_threshold_is_of_the_files_genes():
    panel = ["TP53", "INS", "GCG", "x1", "x2"]
    assert map_genes(panel).summary()["share"] == 0.6
    with pytest.raises(GeneError, match="only 3 of 7"):
        map_genes([*panel, "x3", "x4"])


def test_summary_and_report_add_up():
    mapping = map_genes(["TP53", "ENSG00000141510", "MARCH7", "zz", "1-Mar", "CDKN2"], "human", threshold=0.0)
    s = mapping.summary()
    assert (s["n"], s["recognised"], s["unknown"], s["duplicated"]) == (6, 3, 3, 1)
    assert s["by_symbol"] + s["by_ensembl"] + s["by_entrez"] + s["by_alias"] + s["by_ortholog"] == s["recognised"]
    assert mapping.duplicates == ["TP53"] and mapping.dates == ["1-Mar"] and mapping.unclear == ["CDKN2"]
    report = mapping.report()
    assert "3 of 6 genes recognised (50 %)" in report and "'zz'" in report and "spreadsheet" in report
    assert "\n" not in report


@settings(max_examples=40, deadline=None)
@given(some_symbols, st.randoms(use_true_random=False))
def test_order_never_matters(names, random):
    shuffled = names.copy()
    random.shuffle(shuffled)
    one, two = map_genes(names, "human"), map_genes(shuffled, "human")
    assert dict(zip(names, one.canonical)) == dict(zip(shuffled, two.canonical))
    assert one.summary() == two.summary()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([*HUMAN.symbols[::211], *list(HUMAN._by_alias)[::173], "x", "y"]), min_size=1, max_size=40)
)
def test_mapping_is_idempotent(names):
    once = map_genes(names, "human", threshold=0.0)
    again = map_genes(once.canonical, "human", threshold=0.0)
    assert again.canonical.tolist() == once.canonical.tolist()
    assert (again.known == once.known).all()


@settings(max_examples=40, deadline=None)
@given(some_symbols, st.sampled_from(["", "GRCh38_", "hg19_", "GRCh38______"]), st.integers(1, 30))
def test_symbol_and_id_agree(names, prefix, version):
    table = [name for name in names if HUMAN.ensembl[HUMAN.row[name]]]
    ids = [f"{prefix}{HUMAN.ensembl[HUMAN.row[name]]}.{version}" for name in table]
    if table:
        assert map_genes(ids, "human").canonical.tolist() == table


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_taken(text):
    mapping = map_genes([text], "human", threshold=0.0)
    assert isinstance(mapping, GeneMapping) and len(mapping.canonical) == 1
    assert spell(text).candidates[0] == spell(text).clean
    excel_symbol(text)
    assert 0 <= shares([text])["human"] <= 1


@pytest.mark.parametrize("other", [[str(i) for i in range(4)], ["x"] * 4])
def test_a_column_called_index_does_not_hide_the_index(other):
    """``reset_index`` leaves such a column: row numbers, or the names of another table."""
    names = ["INS", "GCG", "SST", "PPY"]
    mapping = map_genes(names, extra_columns={"index": other})
    assert mapping.canonical.tolist() == names == mapping.names_in.tolist() and mapping.source == "index"
    assert map_genes(other, extra_columns={"index": names}).canonical.tolist() == names
