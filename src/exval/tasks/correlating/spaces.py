"""Names of spaces: which mean the MNI 152 template, and why the others cannot be used."""

from __future__ import annotations

import re
from collections.abc import Collection

from exval.data.brain import SPACES
from exval.errors import InputError

GOOD = "MNI152NLin2009cAsym, MNI152NLin6Asym, MNI152, mni"
_MNI = re.compile(r"(mni|icbm)(152)?(lin|nlin\w*)?")
_WHY = {
    "a surface, and samples have a place in a volume": ("fsaverage", "fslr", "fsnative", "civet", "onavg", "surf"),
    "the space of one person": (
        "native",
        "t1",
        "t2",
        "bold",
        "epi",
        "scanner",
        "individual",
        "anat",
        "subject",
    ),
    "numbers of voxels, not millimetres": ("voxel", "index", "ijk"),
    "another space than MNI 152": ("tal", "mni305", "mnicolin", "mniinfant", "mnipediatric", "uncinfant", "oasis"),
}


def coordinates_of(space: str, there: Collection[str]) -> str | None:
    """Coordinates of the samples that a name of ``--space`` stands for.

    Parameters
    ----------
    space
        What was given: a template, or coordinates of the file.
    there
        Coordinates that the file has (:func:`coordinates_in`).

    Returns
    -------
    str or None
        Coordinates to read; None for those that are read by default (non-linear where there are such).

    Raises
    ------
    InputError
        A space that is not MNI 152, or a name that says nothing.

    Examples
    --------
    >>> coordinates_of("MNI152NLin2009cAsym", ["mni"]), coordinates_of("mni", ["mni", "mni_nlin"])
    (None, 'mni')
    >>> coordinates_of("fsaverage", ["mni"])
    Traceback (most recent call last):
    exval.errors.InputError: --space fsaverage is a surface, and samples have a place in a volume; bring ...
    """
    plain = re.sub(r"[^a-z0-9]", "", space.lower())
    for why, names in _WHY.items():
        if plain.startswith(names):
            raise InputError(
                f"--space {space} is {why}; bring the contrast into MNI 152 and name that template ({GOOD})"
            )
    if space in there:
        return space
    if _MNI.fullmatch(plain):
        return None
    own = f", or coordinates of the file ({', '.join(sorted(there))})" if there else ""
    raise InputError(f"--space {space!r} is not known; name the template of the contrast and the samples: {GOOD}{own}")


def coordinates_in(obsm: Collection[str], columns: Collection[str]) -> list[str]:
    """Names of the coordinates that a file has, in ``obsm`` or as ``NAME_x``, ``NAME_y``, ``NAME_z`` of obs.

    Examples
    --------
    >>> coordinates_in(["X_pca", "mni"], ["donor", "mni_nlin_x", "mni_nlin_y", "mni_nlin_z"])
    ['mni', 'mni_nlin']
    """
    stems = {str(name)[:-2] for name in columns if str(name).endswith("_x")} | set(SPACES)
    found = {stem for stem in stems if all(f"{stem}_{axis}" in columns for axis in "xyz")}
    return sorted(found | {str(name) for name in obsm if not str(name).startswith("X_")})
