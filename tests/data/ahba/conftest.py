"""One miniature for all tests of the folder; those that change files make a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import packs  # noqa: F401  (the settings of hypothesis)
from exval.data.ahba.miniature import Miniature, write_miniature
from exval.data.ahba.pipeline import import_ahba

PAIR = (("9861", 30, True), ("10021", 25, True))


@pytest.fixture(scope="session")
def truth(tmp_path_factory) -> Miniature:
    """Four donors, 40 genes; not to be changed."""
    return write_miniature(tmp_path_factory.mktemp("mini") / "ahba")


@pytest.fixture(scope="session")
def _samples(truth):
    return import_ahba(truth.folder)


@pytest.fixture
def samples(_samples):
    """The miniature with all defaults, a fresh copy."""
    return _samples.copy()


@pytest.fixture(scope="session")
def _pair(tmp_path_factory) -> Path:
    return write_miniature(tmp_path_factory.mktemp("pair") / "ahba", genes=8, donors=PAIR).folder


@pytest.fixture
def pair(_pair, tmp_path) -> Path:
    """A folder with two donors and 8 genes that may be spoiled."""
    return Path(shutil.copytree(_pair, tmp_path / "ahba"))


@pytest.fixture(scope="session")
def first(_pair):
    """Files of the first donor; not to be changed."""
    from exval.data.ahba.layout import find_donors

    return find_donors(_pair)[0]
