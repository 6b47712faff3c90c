"""Which samples are of the cerebral cortex, by the names of their regions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from exval.data.brain import COARSE, FINE, SIDES
from exval.errors import InputError

CLASS = "structure_class"
LOBES = (
    "frontal", "temporal", "parietal", "occipital", "insula", "insular", "cingulate", "sensorimotor", "motor",
    "somatosensory", "visual", "auditory", "orbitofrontal", "prefrontal", "cortex", "cortical", "neocortex",
)  # fmt: skip
_NOT = re.compile(r"subcort|cerebell|nucle|thalam|white|corticospinal|allocort")
_DEEP = re.compile(
    r"claustrum|nucle(us|i)\b|amygdal|\bhippocamp|subiculum|dentate|\bca[1-4]\b|putamen|caudate|pallid|accumbens|thalam"
    r"|septal|innominata|white matter|corpus callosum|cerebell|ventricle"
)


@dataclass(frozen=True, eq=False)
class Cortex:
    """Samples of the cortex.

    Parameters
    ----------
    row_n
        (n,) bool.
    column, names
        By which column, and which of its names were taken for cortex.
    deep
        Names of structures that are not cortex though their division is, and were left out.
    """

    row_n: np.ndarray
    column: str
    names: tuple[str, ...]
    deep: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What was taken, in words."""
        named = ", ".join(self.names[:12]) + (f" and {len(self.names) - 12} more" if len(self.names) > 12 else "")
        text = f"cortex by {self.column}: {named}"
        return text + (f"; not {', '.join(self.deep[:8])}" if self.deep else "")


def cortical(
    obs: pd.DataFrame, regions: Sequence[str] | None = None, names: Sequence[str] | None = None, data: str = "the file"
) -> Cortex:
    """Samples of the cortex.

    Parameters
    ----------
    obs
        Of the samples.
    regions
        Columns with names of regions, coarse to fine: the first tells the cortex, the last (where there are two) what
        of it is not cortex. By default ``structure_class``, as ``exval brain import`` writes it, else one of the usual
        columns of divisions, and one of the usual columns of structures.
    names
        Which names of the coarse column are cortex; by default those that name a lobe, the insula, the cingulate gyrus
        or cortex (and not the cerebellum).
    data
        What messages call the file.

    Raises
    ------
    InputError
        No such column; none of its names is cortex; a name that is not in it.

    Examples
    --------
    >>> obs = pd.DataFrame({"division": ["Frontal", "Insula", "Insula", "Thalamus"],
    ...                     "structure_name": ["frontal pole", "claustrum, left", "long insular gyri", "thalamus"]})
    >>> found = cortical(obs)
    >>> found.row_n.tolist(), found.text
    ([True, False, True, False], 'cortex by division: Frontal, Insula; not claustrum')
    """
    coarse = list(regions[:1]) if regions else [one for one in (CLASS, *COARSE) if one in obs][:1]
    advice = "name a column and its names of cortex (--regions COLUMN --cortex NAME,...), or pass --whole-brain"
    if not coarse or coarse[0] not in obs:
        looked = coarse[0] if coarse else ", ".join(COARSE)
        raise InputError(f"obs of {data} does not tell which samples are cortex (no column {looked}); {advice}")
    column = coarse[0]
    value_n = obs[column].astype(object).map(lambda x: str(x) if isinstance(x, str) else "").to_numpy(object)
    there = sorted(set(value_n) - {""})
    if names:
        plain = {_plain(one): one for one in there}
        lost = [one for one in names if _plain(one) not in plain]
        if lost:
            raise InputError(f"--cortex: {lost[0]!r} is not in {column} of {data}; there are: {', '.join(there[:30])}")
        taken = [plain[_plain(one)] for one in names]
        return Cortex(np.isin(value_n, taken), column, tuple(taken))
    taken = [one for one in there if _is_cortex(one, column)]
    if not taken:
        raise InputError(
            f"no name in {column} of {data} is known as cortex ({', '.join(there[:12]) or 'empty'}); {advice}"
        )
    row_n, deep = np.isin(value_n, taken), ()
    fine = list(regions[1:])[-1:] if regions else [one for one in FINE if one in obs][:1]
    if column != CLASS and fine and fine[0] in obs:
        name_n = obs[fine[0]].astype(object).map(lambda x: x if isinstance(x, str) else "").to_numpy(object)
        deep_n = row_n & np.array([bool(_DEEP.search(one.lower())) for one in name_n], dtype=bool)
        deep, row_n = tuple(sorted({_one_side(one) for one in name_n[deep_n]})), row_n & ~deep_n
    return Cortex(row_n, column, tuple(taken), deep)


def _one_side(name: str) -> str:
    for side in SIDES:
        name = name.replace(side, "")
    return name


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[_\-]", " ", name.lower()).split())


def _is_cortex(name: str, column: str) -> bool:
    plain = _plain(name)
    if column == CLASS:
        return plain == "cortex"
    return not _NOT.search(plain) and bool(set(re.findall(r"[a-z]+", plain)) & set(LOBES))
