"""Bulk patients: classes from few genes, values that were not measured, survival, and anchor genes.

After GexBERT (Jiang and Hassanpour 2025, arXiv 2504.09704): pan-cancer classes from limited genes, survival after
restoring prognostic genes, imputation at rising missingness. Added here: baselines fitted to the same genes, clinical
columns in every survival table, whole genes missing and values missing by their size, intervals over patients, and the
same budget for every model that is compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exval.bench.benchmark import Benchmark, Conclusion, Primary
from exval.bench.cell import Cell, Limits
from exval.errors import InputError
from exval.tasks.patients.jobs import ARMS, MEMBERS, task_of

PRESETS = ("cpu", "quick")
FUNCTION = "exval.tasks.patients.jobs:run_cell"
PRELOAD = ("anndata", "h5py", "torch", "scipy.stats", "sklearn.ensemble", "exval.data.source", "exval.verbs.finetune")
SETTINGS: dict[str, dict[str, Any]] = {
    "cpu": {"preset": "tiny", "steps": 600, "tune_steps": 800, "outlook_steps": 150, "outlook_tune": 100,
            "repeats": 3, "limits": Limits(seconds=7200, memory_gb=6, threads=1)},
    "quick": {"preset": "tiny", "steps": 20, "tune_steps": 20, "outlook_steps": 20, "outlook_tune": 10,
              "repeats": 1, "limits": Limits(seconds=1200, memory_gb=4, threads=1)},
}  # fmt: skip
CLASSIFIERS = ("logreg", "rda", "pca-knn", "majority")
COMPLETERS = ("mean", "knn", "ppca", "softimpute")
SURVIVAL = ("null-survival", "clinical", "cox", "coxnet", "rsf")
GROUPS = {**MEMBERS, "tcga-z": ("kirc", "lihc"), "simulated": ("simulated",)}
CLASSES = ("tcga-3", "simulated")
TASKS = {
    **{f"classify-{kind}-{size}": Primary("accuracy", True, f"classes from {size} {kind} genes")
       for kind in ("random", "chosen") for size in (4, 8, 16, 32, 64, 256, 1024)},
    **{task_of(arm): Primary("rmse", False, f"missing values, {arm}") for arm in ARMS},
    "survival": Primary("harrell_c", True, "survival"),
    **{f"survival-{name}": Primary("harrell_c", True, f"survival of {name}, expression alone")
       for name in GROUPS["tcga-3"]},
    "anchors": Primary("harrell_c", True, "survival by anchor genes"),
}  # fmt: skip
ABOUT = (
    "Questions after GexBERT (Jiang and Hassanpour 2025, arXiv 2504.09704). Whole patients are held out; a draw is one "
    "fold of one repeat. A network is pretrained on the training patients of the draw alone. Classes: one fine-tuned "
    "model answers for every panel, the other methods are fitted to each. Missing values: errors in SDs of the "
    "training patients, the same values hidden for every method. Survival: C counts pairs within a fold; clinical "
    "columns are age and sex. Anchor genes: the twenty with the smallest p of univariate Cox regressions in the "
    "training fold."
)


def plan(
    *, preset: str = "cpu", data: str | None = None, methods: Sequence[str] | None = None, seeds: int | None = None
) -> Benchmark:
    """Bulk patients: classes from few genes, missing values, survival, anchor genes, beside simple baselines.

    Parameters
    ----------
    preset
        ``cpu``: models of minutes, three repeats. ``quick``: twenty steps, to see that it runs.
    data
        Folder with the files of :data:`exval.tasks.patients.cohorts.COHORTS`; without one, simulated patients.
    methods
        Names of methods and models (:data:`exval.tasks.patients.models.VARIANTS`); ``outlook`` for survival by
        networks. By default all.
    seeds
        Repeats.

    Examples
    --------
    >>> planned = plan(preset="quick", methods=["logreg", "ppca"])
    >>> sorted({cell.labels["method"] for cell in planned.cells}), planned.cells[0].labels["data"]
    (['logreg', 'ppca'], 'simulated')
    """
    from exval.tasks.patients.models import VARIANTS, WHOLE

    if preset not in PRESETS:
        raise InputError(f"patients has no preset {preset!r}; there are: {', '.join(PRESETS)}")
    chosen, cells, skipped = SETTINGS[preset], [], []
    known = [*CLASSIFIERS, *COMPLETERS, "forest", *SURVIVAL, *VARIANTS, "outlook"]
    if unknown := [name for name in methods or () if name not in known]:
        raise InputError(f"no method of this benchmark is called {unknown[0]!r}; known: {', '.join(known)}")
    wanted = set(methods or [name for name in known if name != "forest"])
    repeats = seeds or chosen["repeats"]
    files = _files(data, skipped)

    def add(job: str, method: str, name: str, folds: int, draws: int, label: str | None = None, **more: Any) -> None:
        for draw in range(draws):
            params = {"job": job, "method": method, "data": name, "folds": folds, "draw": draw, "code": _code(),
                      "file_hash": files[name], **more}  # fmt: skip
            labels = {"method": label or method, "data": name, "split": "patients", "seed": draw}
            cells.append(Cell(FUNCTION, params, labels, {"data_dir": data}))

    sizes = {"preset": chosen["preset"], "steps": chosen["steps"], "tune_steps": chosen["tune_steps"]}
    for name in (one for one in CLASSES if one in files):
        for method in CLASSIFIERS:
            add("classify", method, name, 3, 3 * repeats) if method in wanted else None
        for method in (*COMPLETERS, "forest"):  # forests are slow: three draws
            draws = 3 if method == "forest" else 3 * repeats
            add("complete", method, name, 3, draws) if method in wanted else None
        for method in VARIANTS:
            draws = 3 * repeats if method == WHOLE else 3  # the others are held against it on these
            add("model", method, name, 3, draws, **sizes) if method in wanted else None
        if name in MEMBERS:
            for method in (one for one in ("clinical", "cox") if one in wanted):
                add("beside", method, name, 3, 3 * repeats, clinical=method == "clinical")
    for group, members in GROUPS.items():
        there = [name for name in members if name in files]
        for name in there:
            for method in (one for one in SURVIVAL if one in wanted):
                for clinical in (False, True) if method not in ("null-survival", "clinical") else (True,):
                    title = (
                        f"{method} + clinical" if clinical and method not in ("null-survival", "clinical") else method
                    )
                    add("survive", method, name, 5, 5 * repeats, title, clinical=clinical)
        if there and "outlook" in wanted:
            add("outlook", "outlook", there[0], 5, 5 * repeats, f"gexbert, {group}", cohorts=there,
                hashes=[files[name] for name in there], preset=chosen["preset"], steps=chosen["outlook_steps"],
                tune_steps=chosen["outlook_tune"])  # fmt: skip
    config = {"preset": preset, "repeats": repeats, **{k: v for k, v in chosen.items() if k != "limits"}}
    return Benchmark(
        "patients", "Bulk patients", cells, TASKS, skipped, config, chosen["limits"], _conclude,
        about=ABOUT, preload=PRELOAD, ranked=False,
    )  # fmt: skip


def _files(data: str | None, skipped: list[tuple[str, str]]) -> dict[str, str | None]:
    """Cohort -> hash of its file; what is not there is skipped. Simulated patients stand in where no file is."""
    from exval.tasks.patients.cohorts import COHORTS

    found: dict[str, str | None] = {}
    hashes: dict[str, str] = {}
    for name, cohort in COHORTS.items():
        if cohort.file is None:
            continue
        path = None if data is None else Path(data) / cohort.file
        if path is None or not path.is_file():
            why = "no folder with data sets was named (--data)" if path is None else f"{cohort.file} is not in {data}"
            skipped.append((name, why))
            continue
        if cohort.file not in hashes:
            hashes[cohort.file] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        found[name] = hashes[cohort.file]
    return found or {"simulated": None}


def _code() -> str:
    """A mark of what the jobs run, so that results of other code are not taken for theirs."""
    from exval.bench.source import source_hash
    from exval.tasks.patients import jobs

    return source_hash(jobs.run_cell)


def _conclude(results: Any) -> Conclusion:
    from exval.tasks.patients.conclude import conclude

    return conclude(results)
