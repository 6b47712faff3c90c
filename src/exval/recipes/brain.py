"""Brain fields: expression at donors and in blocks of space that a field was not fitted on.

After implicit neural representations of brain-wide expression (arXiv 2506.11158), whose agreement with a region-filled
map is no measure of accuracy, and after Zhou, Bazinet and Misic's comparison of interpolation methods. Added here:
whole donors and blocks with a buffer held out, figures at held-out samples alone, the nearest samples and the mean of
the structure in the same table, error bars, a gene known at fifty samples, a donor of whom fifty samples are known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exval.bench.benchmark import Benchmark, Conclusion, Primary
from exval.bench.cell import Cell, Limits
from exval.errors import InputError
from exval.tasks.field.collection import COLLECTIONS
from exval.verbs.fields import DEFAULTS as METHODS

PRESETS = ("cpu", "quick")
FUNCTION = "exval.tasks.field.jobs:run_cell"
PRELOAD = ("anndata", "pyarrow.parquet", "torch", "scipy.optimize", "sklearn.cluster", "exval.tasks.field.jobs")
FURTHER = ("fourier-network",)
SLOW = ("siren", "fourier-network")  # they have a seed that matters, and no time is spent on the optimistic split
NEW_GENE, NEW_DONOR = ("gp", "knn", "kriging"), ("gp", "kriging")
WAYS = {"new_gene": ("borrowed", "alone"), "new_donor": ("without", "added", "told")}
FOLDS = {"donor": 6, "block": 6, "random": 5}
EXPECTED = {"siren": 150.0, "fourier-network": 150.0, "gp": 40.0}
FEWER = {"gp": {"subset": 400}}  # new genes and donors: five covariances for each draw
COUNTED = ("jobs", "evaluation", "score", "splits", "collection")  # files that figures depend on
QUICK = {"siren": {"omegas": [2.0], "steps": 20, "members": 2, "width": 16}, "gp": {"subset": 100}}
TASKS = {
    **{f"{by} of {name}": Primary("r2", True, f"{COLLECTIONS[name].title}: a {by} held out", "arm=position alone")
       for name in COLLECTIONS for by in COLLECTIONS[name].by},
    **{f"new gene of {name}": Primary("r2", True, f"{COLLECTIONS[name].title}: a gene known at 50 samples",
                                      "arm=position alone") for name in COLLECTIONS},
    **{f"new donor of {name}": Primary("r2", True, f"{known.title}: 50 samples of the donor known",
                                       "arm=position alone") for name, known in COLLECTIONS.items()
       if "donor" in known.by},
}  # fmt: skip
ABOUT = (
    "Whole donors are held out, or blocks of space (k-means of the positions, both hemispheres laid onto one) with a "
    "buffer of the range of the variogram, at most 40 mm; a split of samples at random is optimistic. Figures are of "
    "held-out samples, gene by gene, R2 against the training mean. Fields are asked with the regions of the held-out "
    "samples told, and by the position alone. A new gene is known at fifty training samples; a new donor by fifty of "
    "its samples."
)


def plan(
    *, preset: str = "cpu", data: str | None = None, methods: Sequence[str] | None = None, seeds: int | None = None
) -> Benchmark:
    """Brain fields on donors and blocks of space that they were not fitted on, new genes, new donors.

    Parameters
    ----------
    preset
        ``cpu``: three repeats. ``quick``: tiny networks, one repeat, to see that it runs.
    data
        Folder with the files of :data:`exval.tasks.field.collection.COLLECTIONS`; without one, simulated samples.
    methods
        Names of fields; by default all but ``fourier-network``.
    seeds
        Repeats: other blocks, other starts of what is drawn at random.

    Examples
    --------
    >>> planned = plan(preset="quick", methods=["knn", "gp"])
    >>> sorted({cell.labels["task"] for cell in planned.cells})
    ['donor of simulated', 'new donor of simulated', 'new gene of simulated']
    """
    if preset not in PRESETS:
        raise InputError(f"brain has no preset {preset!r}; there are: {', '.join(PRESETS)}")
    if unknown := [name for name in methods or () if name not in METHODS + FURTHER]:
        raise InputError(f"no field of this benchmark is called {unknown[0]!r}; known: {', '.join(METHODS + FURTHER)}")
    wanted, repeats = list(methods or METHODS), seeds or (1 if preset == "quick" else 3)
    skipped: list[tuple[str, str]] = []
    files, cells = _files(data, skipped), []

    def add(job: str, name: str, by: str, method: str, repeats: int, way: str = "") -> None:
        words = {"hold": by, "new_gene": "new gene", "new_donor": "new donor"}
        for draw in range(repeats * FOLDS[by]):
            settings = QUICK.get(method, {}) if preset == "quick" else FEWER.get(method, {}) if way else {}
            params = {"job": job, "data": name, "by": by, "folds": FOLDS[by], "draw": draw, "method": method,
                      "way": way, "settings": settings, "code": _code(), "file_hash": files[name]}  # fmt: skip
            labels = {"method": f"{method}, {way}" if way else method, "data": name, "split": by, "seed": draw,
                      "task": f"{words[job]} of {name}"}  # fmt: skip
            cells.append(Cell(FUNCTION, params, labels, {"data_dir": data}, EXPECTED.get(method, 5.0)))

    for name in files:
        first = COLLECTIONS[name].by[0]
        for by in COLLECTIONS[name].by:
            for method in wanted:
                if by == "random" and method in SLOW:
                    continue
                again = repeats if by == "block" or method in SLOW else 1
                add("hold", name, by, method, 1 if by == "random" else again)
        for job, of in (("new_gene", NEW_GENE), ("new_donor", NEW_DONOR)):
            for method in (one for one in of if one in wanted and (job == "new_gene" or first == "donor")):
                for way in WAYS[job]:
                    add(job, name, first, method, 1, way)
    return Benchmark(
        "brain", "Brain fields", cells, {task: TASKS[task] for task in dict.fromkeys(c.labels["task"] for c in cells)},
        skipped, {"preset": preset, "repeats": repeats}, Limits(seconds=1800, memory_gb=6, threads=1), _conclude,
        reference="knn", about=ABOUT, preload=PRELOAD, ranked=False,
    )  # fmt: skip


def _files(data: str | None, skipped: list[tuple[str, str]]) -> dict[str, str | None]:
    """Collection -> hash of its file; what is not there is skipped. Simulated samples stand in where no file is."""
    found: dict[str, str | None] = {}
    for name, known in COLLECTIONS.items():
        if known.file is None:
            continue
        path = None if data is None else Path(data) / known.file
        if path is None or not path.is_file():
            why = "no folder with data sets was named (--data)" if path is None else f"{known.file} is not in {data}"
            skipped.append((name, why))
            continue
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return found or {"simulated": None}


def _code() -> str:
    """A mark of what the jobs run, so that results of other code are not taken for theirs."""
    import exval

    root, digest = Path(exval.__file__).parent, hashlib.sha256()
    files = [*sorted((root / "fields").glob("*.py")), *(root / "tasks/field" / f"{name}.py" for name in COUNTED),
             root / "models/field.py", root / "data/brain.py"]  # fmt: skip
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


def _conclude(results: Any) -> Conclusion:
    from exval.tasks.field.benchmark import conclude

    return conclude(results)
