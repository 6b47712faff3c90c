"""Imputation of single-cell counts: six goals, a null arm and the controls that any gain has to beat.

After Iwashita, Abbasi, Kise, Dengel and Asim 2026 (arXiv 2603.24626), who compare fifteen methods on thirty data sets
in six analyses: recovery of values, clustering, differential expression, markers, trajectory, annotation. Their lists
of methods and data are not published with code; here the methods are those that exval registers, the data those with a
truth that can be checked. What this adds: controls in every table, a test that each metric prefers the truth, false
discoveries where no gene differs (Andrews and Hemberg 2018), labels withheld from every method, and intervals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exval.bench.benchmark import Benchmark, Conclusion, Primary
from exval.bench.cell import Cell, Limits
from exval.errors import InputError

PRESETS = ("cpu", "paper")
FUNCTION = "exval.tasks.imputing.score:run_cell"
PRELOAD = (
    "anndata", "h5py", "torch", "scipy.stats", "sklearn.cluster", "exval.tasks.imputing.data", "exval.data.source",
)  # fmt: skip
TASKS = {
    "recovery": Primary("rmse", False, "recovery of expected values"),
    "molecules": Primary("poisson_deviance", False, "recovery of held-out molecules"),
    "clustering": Primary("ari", True, "clustering"),
    "diffexp": Primary("auprc", True, "differential expression"),
    "markers": Primary("auprc", True, "markers"),
    "trajectory": Primary("kendall", True, "trajectory"),
    "annotation": Primary("macro_f1", True, "annotation"),
    "null": Primary("false_discoveries", False, "false discoveries where no gene differs"),
}
SETTINGS = {
    "cpu": {"genes": 2000, "cells": None, "seeds": 3, "limits": Limits(seconds=120, memory_gb=4, threads=1)},
    "paper": {"genes": 2000, "cells": 100_000, "seeds": 5, "limits": Limits(seconds=7200, memory_gb=16, threads=2)},
}
ABOUT = (
    "Protocol after Iwashita et al. 2026 (arXiv 2603.24626). Each method fits and imputes the cells of a case once "
    "and is scored by every analysis that applies; it sees neither labels nor held-out molecules. A seed draws its "
    "own 90 % of the cells and its own molecules. Expected values: proportion-weighted means of pure profiles (RNA "
    "mixtures, Tian et al. 2019) and simulations. Held-out molecules: Batson, Royer and Webber 2019. Genes that "
    "differ: the other protocol, held-out molecules or known means; ties are never broken by row order. Null arm: "
    "permuted genes, and halves of a type with planted differences, at equal depth (after Andrews and Hemberg 2018). "
    "The verdict holds each method against the values as read, by paired bootstraps over cells or genes, seeds "
    "averaged; further, the mean of all cells, zeros, the mean of predicted clusters and, where it is known, the "
    "truth stand in the tables."
)


def plan(
    *, preset: str = "cpu", data: str | None = None, methods: Sequence[str] | None = None, seeds: int | None = None
) -> Benchmark:
    """Imputation: recovery, clustering, differential expression, markers, trajectory, annotation, false discoveries.

    Parameters
    ----------
    preset
        ``cpu``: cases of at most 2,000 cells and 2,000 genes, 120 s and 4 GB for each method and case. ``paper``: all
        cells, settings as published, two hours.
    data
        Folder with the files of :data:`exval.tasks.imputing.data.DATA`; what is missing is skipped and said.
    methods
        Names, ``cmd:...`` for a program, folders of pretraining runs; by default all that are registered and can be
        judged.
    seeds
        Repeats; by default the preset's (3 or 5).

    Examples
    --------
    >>> planned = plan(methods=["nothing", "oracle"], seeds=1)
    >>> sorted({cell.labels["data"] for cell in planned.cells})
    ['pancreas', 'simulated-path', 'simulated-types']
    >>> planned.skipped[0]
    ('rna-mixtures', 'no folder with data sets was named (--data)')
    """
    from exval.tasks.imputing.data import DATA

    if preset not in PRESETS:
        raise InputError(f"imputation has no preset {preset!r}; there are: {', '.join(PRESETS)}")
    chosen = SETTINGS[preset]
    names, skipped = _methods(methods, preset)
    repeats = seeds or chosen["seeds"]
    cells: list[Cell] = []
    for spec in DATA.values():
        file_hash = None
        if spec.file:
            path = None if data is None else Path(data) / spec.file
            if path is None or not path.is_file():
                skipped.append((spec.name, _missing(data, spec.file)))
                continue
            file_hash = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for arm in spec.arms:
            for method, (title, about) in names.items():
                if method == "oracle" and not _known(spec.name):
                    continue
                for seed in range(repeats):
                    params: dict[str, Any] = {
                        "method": method, **about, "preset": preset, "data": spec.name, "file_hash": file_hash,
                        "arm": arm, "seed": seed, "genes": chosen["genes"], "cells": chosen["cells"],
                    }  # fmt: skip
                    labels = {"method": title, "data": spec.name, "split": arm, "seed": seed}
                    cells.append(Cell(FUNCTION, params, labels, {"data_dir": data}))
    if "oracle" in names:
        skipped.append(("oracle where the truth is not known", "it is the truth itself"))
    config = {"preset": preset, "seeds": repeats, "genes": chosen["genes"], "methods": list(names)}
    return Benchmark(
        "imputation", "Imputation of single-cell counts", cells, TASKS, skipped, config, chosen["limits"], _conclude,
        unranked=("oracle", "zeros", "mean"), reference="nothing", about=ABOUT,
        blocks={name: "three lines" for name in DATA if name.startswith("three-lines")},  # the same lines, one file
        preload=(*PRELOAD, *_modules()),
    )  # fmt: skip


def _methods(
    asked: Sequence[str] | None, preset: str
) -> tuple[dict[str, tuple[str, dict[str, Any]]], list[tuple[str, str]]]:
    """What to make each method from -> its name in the tables and what its result depends on; controls first.

    Also what is left out and why.
    """
    from exval.methods import METHODS
    from exval.methods.imputation.base import Imputer
    from exval.methods.imputation.pretrained import as_imputer

    known = {name: cls for name, cls in METHODS.items() if issubclass(cls, Imputer)}
    by_default = sorted(known, key=lambda name: (known[name].card.category != "control", name))
    taken: dict[str, tuple[str, dict[str, Any]]] = {}
    skipped = []
    for one in by_default if asked is None else ["nothing", *asked]:
        method = as_imputer(one)  # a name, an alias, a command, the folder of a run
        spec = method.name if one in METHODS else _anywhere(one)
        if method.labels == "required":
            skipped.append((spec, "it needs the labels that it would be judged by"))
        elif spec not in taken:
            if method.title in [title for title, _ in taken.values()]:
                raise InputError(
                    f"two methods are called {method.title!r}; rename a run folder or a program, or give it once"
                )
            taken[spec] = method.title, _about(method, preset)
    return taken, skipped


def _about(method: Any, preset: str) -> dict[str, Any]:
    """Settings and code of a method: a result of other ones is another cell."""
    from exval.bench.source import command_hash, source_hash

    settings = {**method.get_params(deep=False), **method.presets.get(preset, {})}
    settings = {name: value for name, value in settings.items() if name not in ("seed", "device", "command")}
    return {"settings": settings, "code": source_hash(type(method)) + command_hash(getattr(method, "command", ""))}


def _modules() -> list[str]:
    """Those of the methods, to be imported before cells are forked: torch alone takes seconds, in every cell."""
    from exval.methods import METHODS
    from exval.methods.imputation.base import Imputer

    return sorted({cls.__module__ for _, cls in METHODS.items() if issubclass(cls, Imputer)})


def _missing(data: str | None, file: str) -> str:
    if data is None:
        return "no folder with data sets was named (--data)"
    below = next((path.parent for path in sorted(Path(data).glob(f"*/{file}"))), None)
    return f"{file} is not in {data}" + (f", but in {below}" if below else "")


def _anywhere(spec: str) -> str:
    """A folder with its whole path: cells run elsewhere."""
    return str(Path(spec).resolve()) if Path(spec).is_dir() else spec


def _known(data: str) -> bool:
    return data.startswith("simulated") or data == "rna-mixtures"


def _conclude(results: Any) -> Conclusion:
    from exval.tasks.imputing.conclude import conclude

    return conclude(results)
