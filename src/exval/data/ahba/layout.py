"""Folders of the Allen Human Brain Atlas: which donors are there, unpacked or as the zip files of the download."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from exval.errors import InputError

MATRIX, PRESENT, PROBES, SAMPLES, ONTOLOGY = FILES = (
    "MicroarrayExpression.csv",
    "PACall.csv",
    "Probes.csv",
    "SampleAnnot.csv",
    "Ontology.csv",
)
RNASEQ_FILES = ("RNAseqTPM.csv", SAMPLES)
UIDS = {
    "H0351.2001": "9861",
    "H0351.2002": "10021",
    "H0351.1009": "12876",
    "H0351.1012": "14380",
    "H0351.1015": "15496",
    "H0351.1016": "15697",
}
DEPTH = 2
_DONOR = re.compile(r"donor[_-]?(\w+)$", re.IGNORECASE)
_NAMED = re.compile(r"^normalized_microarray_donor", re.IGNORECASE)


@dataclass(frozen=True)
class DonorFiles:
    """The files of one donor, in a folder or in a zip file.

    Parameters
    ----------
    donor
        Name of the donor: what follows ``donor`` in the folder's name, else the folder's whole name.
    place
        The folder, or the zip file.
    members
        File name -> path below the folder, or name in the zip file.
    """

    donor: str
    place: Path
    members: dict[str, str]

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """One of the files, for reading bytes; a zip file is read without unpacking it.

        Raises
        ------
        InputError
            The file cannot be read.
        """
        try:
            if self.place.suffix.lower() == ".zip":
                with zipfile.ZipFile(self.place) as archive, archive.open(self.members[name]) as file:
                    yield file
            else:
                with open(self.place / self.members[name], "rb") as file:
                    yield file
        except (zipfile.BadZipFile, EOFError, OSError) as fault:
            raise InputError(f"{self.say(name)} cannot be read ({fault}); download it again") from None

    def say(self, name: str) -> str:
        """How messages call a file: with the folder or zip file it lies in.

        Examples
        --------
        >>> DonorFiles("9861", Path("ahba/donor9861"), {}).say("PACall.csv")
        'donor9861/PACall.csv'
        """
        return f"{self.place.name}/{name}"


def find_donors(folder: str | os.PathLike, donors: Iterable[str] | None = None) -> list[DonorFiles]:
    """The donors in a folder, ordered by number.

    Looked for are folders (two levels deep, or ``folder`` itself) and zip files that hold the five files of the
    download: MicroarrayExpression.csv, PACall.csv, Probes.csv, SampleAnnot.csv and Ontology.csv.

    Parameters
    ----------
    folder
        Where the downloads lie.
    donors
        Only these: numbers (9861) or names of the Allen Institute (H0351.2001); all by default.

    Raises
    ------
    InputError
        No such folder, no donor in it, a file of a donor missing, a donor twice, or one asked for that is not there.

    Examples
    --------
    >>> find_donors("nowhere")
    Traceback (most recent call last):
    exval.errors.InputError: there is no folder nowhere; give the folder with the normalized_microarray_donor* downloads
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder}; give the folder with the normalized_microarray_donor* downloads"
        )
    found: dict[str, DonorFiles] = {}
    for one in _search(folder, FILES, MATRIX):
        missing = [name for name in FILES if name not in one.members]
        if missing:
            raise InputError(f"{one.place} lacks {', '.join(missing)}; unpack or download this donor again")
        if one.donor in found:
            before = found[one.donor].place
            if one.place.suffix.lower() == ".zip" and before.is_dir():
                continue
            raise InputError(f"donor {one.donor} is there twice ({before} and {one.place}); remove one")
        found[one.donor] = one
    if not found:
        raise InputError(
            f"{folder} holds no donor: expected are folders or zip files like normalized_microarray_donor9861 with "
            f"{', '.join(FILES)} (human.brain-map.org, Download)"
        )
    wanted = None if donors is None else [UIDS.get(str(name), str(name)) for name in donors]
    if wanted is not None:
        absent = [name for name in wanted if name not in found]
        if absent or not wanted:
            there = ", ".join(sorted(found, key=_order))
            raise InputError(f"donor {', '.join(absent) or 'names'} not in {folder}; there are: {there}")
    return [found[name] for name in sorted(found, key=_order) if wanted is None or name in wanted]


def find_rnaseq(folder: str | os.PathLike) -> dict[str, DonorFiles]:
    """Donors with RNA-seq downloads (``rnaseq_donor9861``: RNAseqTPM.csv and SampleAnnot.csv) in a folder.

    Raises
    ------
    InputError
        There is none.
    """
    found = {}
    for one in _search(Path(folder), RNASEQ_FILES, RNASEQ_FILES[0]):
        missing = [name for name in RNASEQ_FILES if name not in one.members]
        if missing:
            raise InputError(f"{one.place} lacks {', '.join(missing)}; unpack or download it again")
        found.setdefault(one.donor, one)
    if not found:
        raise InputError(
            f"probe selection 'rnaseq' needs the RNA-seq downloads (rnaseq_donor9861, rnaseq_donor10021) in {folder}; "
            "put them there, or choose another selection such as diff_stability"
        )
    return found


def _search(folder: Path, names: tuple[str, ...], key: str) -> Iterator[DonorFiles]:
    """Places that hold the key file, or are called as if they did: folders first, then zip files."""
    folders, archives = [folder], []
    level = [folder]
    for _ in range(DEPTH):
        inside = [child for one in level for child in sorted(one.iterdir()) if not child.name.startswith(".")]
        archives += [child for child in inside if child.suffix.lower() == ".zip" and child.is_file()]
        level = [child for child in inside if child.is_dir()]
        folders += level
    for one in folders:
        members = {name: name for name in names if (one / name).is_file()}
        if key in members or (key == MATRIX and _NAMED.match(one.name) and one != folder):
            if not members and any(child.is_dir() for child in one.iterdir()):
                continue  # the download unpacked into a folder of the same name within
            yield DonorFiles(_name(one.name), one, members)
    for one in archives:
        try:
            with zipfile.ZipFile(one) as archive:
                inside = [member for member in archive.namelist() if "__MACOSX" not in member]
        except (zipfile.BadZipFile, OSError) as fault:
            if _NAMED.match(one.name):
                raise InputError(f"{one} is no readable zip file ({fault}); download it again") from None
            continue
        members = {name: member for name in names for member in inside if member.rpartition("/")[2] == name}
        if key in members or (key == MATRIX and _NAMED.match(one.name)):
            yield DonorFiles(_name(one.stem), one, members)


def _name(name: str) -> str:
    match = _DONOR.search(name)
    return match.group(1) if match else UIDS.get(name, name)


def _order(name: str) -> tuple[int, int, str]:
    return (0, int(name), "") if name.isdecimal() else (1, 0, name)
