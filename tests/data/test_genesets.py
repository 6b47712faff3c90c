"""GMT files as people have them."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from exval.data.genesets import read_gene_sets
from exval.errors import GeneError, InputError

GOOD = "A\tfirst\tTP53\tENSG00000254647\tMARCH7\n\n# a remark\nB\thttps://x\tGCG\t\tTP53\r\n"


@pytest.mark.parametrize("packed", [False, True])
def test_plain_and_gzipped_with_ids_and_aliases(tmp_path, packed):
    path = tmp_path / ("a.gmt.gz" if packed else "a.gmt")
    path.write_bytes(gzip.compress(GOOD.encode()) if packed else GOOD.encode())
    found = read_gene_sets(path)
    assert found.name == path.name
    assert found.sets == {"A": {"TP53", "INS", "MARCHF7"}, "B": {"GCG", "TP53"}}


def test_sets_of_a_file():
    from exval.data.genesets import GeneSets

    genes = np.array([f"G{i}" for i in range(8)], dtype=object)
    given = GeneSets("x.gmt", {"five": frozenset(genes[:5]), "four": frozenset(genes[:4]), "all": frozenset(genes),
                               "more": frozenset([*genes[2:8], "H1"])})  # fmt: skip
    names, member = given.within(genes)
    assert names == ["five", "more"] and member.sum(0).tolist() == [5, 6] and member[2:8, 1].all()
    with pytest.raises(GeneError, match="none of the 4 sets of x.gmt shares 5 genes"):
        given.within(genes[:4])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"# only\n", "is empty"),
        (b"TP53,KRAS\n", "line 1 of .* is no set"),
        (b"A\tx\tTP53\nB\tx\n", "line 2 of .* is no set"),
        (b"A\tx\tTP53\nA\tx\tKRAS\n", "two sets called 'A'"),
        (b"\xff\xfe\x00bad", "cannot be read as text"),
        (b"\x1f\x8b\x08garbage", "cannot be read as text"),
        (gzip.compress(b"A\tx\tTP53\n" * 999)[:-9], "cannot be read as text"),
    ],
)
def test_bad_files_get_one_line(tmp_path, content, message):
    path = tmp_path / "bad.gmt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as told:
        read_gene_sets(path)
    assert "\n" not in str(told.value)


def test_absent_files(tmp_path):
    for path in (tmp_path / "nothing.gmt", tmp_path):
        with pytest.raises(InputError, match="--gene-sets: there is no file"):
            read_gene_sets(path)


def test_the_hallmark_sets(shared_data):
    found = read_gene_sets(shared_data / "vocab" / "human_hallmark_v2025.gmt.gz")
    assert len(found.sets) == 50 and {"CDH1", "VIM"} & found.sets["HALLMARK_EPITHELIAL_MESENCHYMAL_TRANSITION"]
    assert all(20 <= len(genes) <= 210 for genes in found.sets.values())
