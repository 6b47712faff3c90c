"""Panels: every way to write one, and what is said of names that are not there."""

from __future__ import annotations

import pytest

from exval.data.patients import simulated_patients
from exval.data.source import open_source
from exval.errors import GeneError, InputError
from exval.tasks.survival.panel import read_panel


@pytest.fixture(scope="module")
def source():
    return open_source(simulated_patients(30, 60), missing=True)


def test_file_text_and_names_give_one_panel(source, tmp_path):
    (tmp_path / "p.txt").write_text("# my panel\nA2M\nA1BG, A2MP1\n\nA1BG\n", encoding="utf-8")
    want = read_panel(["A2M", "A1BG", "A2MP1", "A1BG"], source)
    found = read_panel(tmp_path / "p.txt", source)
    assert found.genes == want.genes == read_panel("A2M,A1BG,A2MP1", source).genes
    assert found.repeated == ("A1BG",) and found.name == "p.txt"


def test_other_ids_of_a_gene_are_that_gene(source):
    found = read_panel(["ENSG00000121410", "A1BG", "A2M"], source)
    assert found.genes == ("A1BG", "A2M") and found.repeated == ("A1BG",)


def test_absent_genes_are_listed(source):
    found = read_panel("A2M,TP53,nosuch", source)
    assert found.genes == ("A2M",) and found.absent == ("TP53", "nosuch")
    assert found.notes[0] == {"what": "genes of the panel not in the cohort", "n": 2, "note": "TP53, nosuch"}


def test_refused(source, tmp_path):
    with pytest.raises(GeneError, match="no gene of the panel"):
        read_panel("TP53,KRAS", source)
    with pytest.raises(InputError, match="there is no file"):
        read_panel(str(tmp_path / "absent.txt"), source)
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match="names no gene"):
        read_panel(tmp_path / "empty.txt", source)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="no text file"):
        read_panel(tmp_path / "bytes.txt", source)
    assert read_panel(None, source) is None
