"""Which donors are in a folder: names, zip files, and a line for everything that is missing."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from exval.data.ahba.layout import FILES, find_donors, find_rnaseq
from exval.data.ahba.pipeline import import_ahba
from exval.errors import InputError

D1, D2 = "normalized_microarray_donor9861", "normalized_microarray_donor10021"


def zipped(folder: Path, prefix: str = "") -> Path:
    path = folder.with_name(folder.name + ".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, prefix + file.name)
        archive.writestr("__MACOSX/._Probes.csv", b"no file")
    shutil.rmtree(folder)
    return path


def test_donors_by_number_and_by_name(pair):
    assert [one.donor for one in find_donors(pair)] == ["9861", "10021"]
    assert [one.donor for one in find_donors(pair, ["H0351.2002"])] == ["10021"]
    (pair / D1).rename(pair / "my first brain")
    assert [one.donor for one in find_donors(pair)] == ["10021", "my first brain"]
    assert [one.donor for one in find_donors(pair / D2)] == ["10021"]
    assert [one.donor for one in find_donors(pair.parent)] == ["10021", "my first brain"]


@pytest.mark.parametrize("prefix", ["", "normalized_microarray_donor9861/"])
def test_a_zip_file_reads_like_its_folder(pair, prefix):
    want = import_ahba(pair)
    zipped(pair / D1, prefix)
    got = import_ahba(pair)
    assert list(got.obs_names) == list(want.obs_names) and (got.X == want.X).all()


def test_an_unpacked_zip_file_counts_once(pair):
    copy = shutil.copytree(pair / D1, pair / "keep")
    zipped(pair / D1)
    copy.rename(pair / D1)
    assert [one.place.suffix for one in find_donors(pair)] == ["", ""]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(pair, name):
    (pair / D2 / name).unlink()
    with pytest.raises(InputError, match=f"{D2} lacks {name}; unpack or download"):
        find_donors(pair)


def test_what_is_no_donor(pair, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no donor: expected are folders or zip files like"):
        find_donors(tmp_path / "empty")
    with pytest.raises(InputError, match="donor 9 not in .*; there are: 9861, 10021"):
        find_donors(pair, ["9"])
    shutil.copytree(pair / D1, pair / "more" / D1)
    with pytest.raises(InputError, match="donor 9861 is there twice"):
        find_donors(pair)
    shutil.rmtree(pair / "more")
    (pair / "normalized_microarray_donor12876.zip").write_bytes(b"PK and then nothing")
    with pytest.raises(InputError, match="no readable zip file"):
        find_donors(pair)
    (pair / "normalized_microarray_donor12876.zip").unlink()
    with pytest.raises(InputError, match="needs the RNA-seq downloads"):
        find_rnaseq(pair)
