"""Structures of the Allen ontology: their hemisphere, their broad class and the same structure on the other side."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exval.errors import InputError

#: Structures of the ontology below which everything is of one class; the deepest on the path counts.
HEADS = {
    4008: "cortex",  # cerebral cortex
    4249: "subcortex/brainstem",  # hippocampal formation
    4275: "subcortex/brainstem",  # cerebral nuclei
    4391: "subcortex/brainstem",  # diencephalon
    4696: "cerebellum",
    9001: "subcortex/brainstem",  # mesencephalon
    9131: "subcortex/brainstem",  # pons
    9512: "subcortex/brainstem",  # myelencephalon
    9218: "white matter",
    9352: "other",  # sulci and spaces
}
CLASSES = ("cortex", "subcortex/brainstem", "cerebellum", "white matter", "other")
UNKNOWN = "unknown"
_ACROSS = {"L": "R", "R": "L", "B": "B"}


class Ontology:
    """What Ontology.csv says about structures.

    Parameters
    ----------
    table
        As :func:`exval.data.ahba.reading.read_ontology` gives it.

    Notes
    -----
    The ids of the classes are those of the Allen ontology (human.brain-map.org, ontology 1); the classes are the five
    that abagen uses (Markello et al., eLife 2021). A structure outside of them is ``unknown``.

    Examples
    --------
    >>> table = pd.DataFrame({"id": [4008, 11, 12], "acronym": ["Cx", "FP", "FP"], "hemisphere": ["B", "L", "R"],
    ...     "name": ["cerebral cortex", "frontal pole, left", "frontal pole, right"],
    ...     "structure_id_path": ["/4005/4008/", "/4005/4008/11/", "/4005/4008/12/"]})
    >>> ontology = Ontology(table)
    >>> ontology.opposite(np.array([11, 12, 4008])).tolist()
    [12, 11, 4008]
    >>> ontology.structure_class(np.array([12])).tolist()
    ['cortex']
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table.set_index("id")
        self.table["hemisphere"] = self.table["hemisphere"].replace({"": "B"})
        self._across = self._opposites()

    def hemisphere(self, id_n: np.ndarray) -> np.ndarray:
        """(n,) L, R, or B for structures of both or neither side."""
        return self._column(id_n, "hemisphere")

    def acronym(self, id_n: np.ndarray) -> np.ndarray:
        """(n,) acronyms."""
        return self._column(id_n, "acronym")

    def name(self, id_n: np.ndarray) -> np.ndarray:
        """(n,) names."""
        return self._column(id_n, "name")

    def structure_class(self, id_n: np.ndarray) -> np.ndarray:
        """(n,) one of ``CLASSES``, or ``unknown``."""
        classes = {path: _class_of(path) for path in set(self._column(id_n, "structure_id_path"))}
        return np.array([classes[path] for path in self._column(id_n, "structure_id_path")], dtype=object)

    def opposite(self, id_n: np.ndarray) -> np.ndarray:
        """(n,) id of the same structure on the other side; itself where it has no side, -1 where it has no partner."""
        self._column(id_n, "acronym")
        return np.array([self._across.get(int(one), -1) for one in id_n], dtype=np.int64)

    def _column(self, id_n: np.ndarray, column: str) -> np.ndarray:
        row_n = self.table.index.get_indexer(np.asarray(id_n))
        if (row_n < 0).any():
            raise InputError(
                f"structure {np.asarray(id_n)[row_n < 0][0]} of SampleAnnot.csv is not in Ontology.csv: they belong to "
                "different downloads"
            )
        return self.table[column].to_numpy(dtype=object)[row_n]

    def _opposites(self) -> dict[int, int]:
        """By acronym and side; where several share both, by the name with its side changed."""
        by_side: dict[tuple[str, str], list[int]] = {}
        for one, acronym, side in zip(self.table.index, self.table["acronym"], self.table["hemisphere"]):
            by_side.setdefault((acronym, side), []).append(int(one))
        names = dict(zip(self.table.index, self.table["name"]))
        across = {}
        for (acronym, side), ids in by_side.items():
            partners = by_side.get((acronym, _ACROSS[side]), [])
            for one in ids:
                if side == "B":
                    across[one] = one
                elif len(partners) == 1:
                    across[one] = partners[0]
                else:
                    named = [other for other in partners if _sideless(names[other]) == _sideless(names[one])]
                    across.update({one: named[0]} if named else {})
        return across


def _sideless(name: str) -> str:
    return " ".join(word for word in name.replace(",", " ").split() if word.lower() not in ("left", "right"))


def _class_of(path: str) -> str:
    found = [HEADS[int(one)] for one in path.strip("/").split("/") if one.isdecimal() and int(one) in HEADS]
    return found[-1] if found else UNKNOWN
