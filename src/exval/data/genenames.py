"""Gene names as files spell them: what to strip, and what a spelling says about the species."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_GENOME = re.compile(r"^(?:GRCh\d\d|GRCm\d\d|hg\d\d|mm\d\d|human|mouse)(?:[_:]+|-{2,})(?=.)", re.IGNORECASE)
_MOUSE_GENOME = re.compile(r"^(?:GRCm|mm\d|mouse)", re.IGNORECASE)
_ENSEMBL = re.compile(r"(ENS(?:MUS)?G\d{11})(?:\.\d+)?(?:_PAR_Y)?")
_OTHER = re.compile(
    r"^(?:(?P<rat>ENSRNOG)|(?P<zebrafish>ENSDARG)|(?P<pig>ENSSSCG)|(?P<macaque>ENSMMUG|ENSMFAG)|(?P<chicken>ENSGALG)"
    r"|(?P<fly>FBgn)|(?P<worm>WBGene)|(?P<plant>AT[1-5CM]G\d{5}))"
)
_TITLE = re.compile(r"^[A-Z][a-z][a-z0-9]*\d*[a-z]?\d*$|^mt-[A-Z][a-z0-9]+$")
_MONTHS = {"mar": "MARCH", "sep": "SEPT", "dec": "DEC"}
_DATE = re.compile(
    r"^(?:(?P<d1>\d{1,2})[-/ ](?P<m1>mar|sep|sept|dec)|(?P<m2>mar|sep|sept|dec)[-/ ](?P<d2>\d{1,2})"
    r"|(?:19|20)\d\d-(?P<n>03|09|12)-(?P<d3>\d\d)(?: 00:00:00)?)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Spelling:
    """One gene name of a file, taken apart: the name without decoration, and other ids found beside it."""

    clean: str
    candidates: tuple[str, ...]


def spell(name: object) -> Spelling:
    """Strip quotes, genome prefixes and Ensembl versions; take composite names apart.

    Examples
    --------
    >>> spell("GRCh38_ENSG00000141510.17").clean
    'ENSG00000141510'
    >>> spell("ENSG00000141510_TP53").candidates
    ('ENSG00000141510', 'TP53')
    >>> spell("TP53|7157").candidates
    ('TP53', '7157')
    >>> spell("HLA-DRA").clean
    'HLA-DRA'
    """
    text = _GENOME.sub("", str(name).strip().strip("\"'").strip())
    if (found := _ENSEMBL.search(text)) is not None:
        rest = (text[: found.start()] + text[found.end() :]).strip("_|:;,- ")
        return Spelling(found[1], (found[1], rest) if rest else (found[1],))
    if "|" in text:
        parts = tuple(part for part in text.split("|") if part and part != "?")
        if parts:
            return Spelling(parts[0], parts)
    return Spelling(text, (text,))


def excel_symbol(name: str) -> str | None:
    """The gene symbol that a spreadsheet turned into this date, ``""`` if two fit, None if it is no such date.

    A date of day 1 or 2 of March was MARCH1/MARC1 or MARCH2/MARC2: that cannot be told, and is not guessed.

    Examples
    --------
    >>> excel_symbol("7-Mar"), excel_symbol("Sep-09"), excel_symbol("2001-09-02"), excel_symbol("1-Mar")
    ('MARCH7', 'SEPT9', 'SEPT2', '')
    >>> excel_symbol("TP53") is None
    True
    """
    found = _DATE.match(name)
    if found is None:
        return None
    month = (found["m1"] or found["m2"] or {"03": "mar", "09": "sep", "12": "dec"}[found["n"] or "03"]).lower()[:3]
    day = int(found["d1"] or found["d2"] or found["d3"])
    if month == "mar" and day <= 2:
        return ""
    if month == "sep" and day == 15:
        return "SEP15"
    return f"{_MONTHS[month]}{day}"


def shares(names: Iterable[str]) -> dict[str, float]:
    """Share of the names whose spelling gives a species away, by species; ``title`` is the share in Title case.

    Examples
    --------
    >>> shares(["ENSMUSG00000064339.1", "Actb", "FBgn0000008", "TP53"])["mouse"]
    0.25
    """
    names = [str(name) for name in names]
    count: dict[str, int] = {"human": 0, "mouse": 0, "title": 0}
    for name in names:
        if _GENOME.match(name):
            count["mouse" if _MOUSE_GENOME.match(name) else "human"] += 1
        elif "ENSMUSG" in name:
            count["mouse"] += 1
        elif "ENSG" in name and _ENSEMBL.search(name):
            count["human"] += 1
        elif _TITLE.match(name):
            count["title"] += 1
        elif (other := _OTHER.match(name)) is not None:
            species = str(other.lastgroup)
            count[species] = count.get(species, 0) + 1
    return {species: n / max(len(names), 1) for species, n in count.items()}
