"""The figures of `exval bench patients` that are quoted: classes, missing values, survival, anchors, parts swapped.

    exval bench patients --data DIR -o RESULTS    # a night on two cores; resumable
    python benchmarks/patients.py RESULTS         # writes results/patients.json, docs/patients.md and two pictures

DIR holds the files named in `exval.tasks.patients.cohorts`. Nothing is computed here but means over draws: every number
is one of RESULTS, the speed one of `results/patients_speed.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from exval import pl
from exval.bench.results import Results
from exval.tasks.patients.models import VARIANTS

HERE = Path(__file__).parent
JSON, PAGE = HERE / "results" / "patients.json", HERE.parent / "docs" / "patients.md"
PICTURES, SPEED = HERE.parent / "docs" / "img", HERE / "results" / "patients_speed.json"
SIZES = (4, 8, 16, 32, 64, 256, 1024)
ARMS = {"random-10": "10 %", "random-50": "50 %", "random-90": "90 %", "genes-50": "half of the genes",
        "genes-90": "90 % of the genes", "low-30": "the lowest 30 %"}  # fmt: skip
DATA = "tcga-3"
COHORTS = ("blca", "coadread", "stad", "kirc", "lihc")


def table(head: list[str], rows: list[list[object]]) -> str:
    """A Markdown table; all columns but the first to the right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def number(value: float, digits: int = 3) -> str:
    """A figure; nothing where there is none."""
    return "" if value != value else f"{value:.{digits}f}"


def gap(row: pd.Series) -> str:
    """A difference with its interval and verdict."""
    return "" if row.difference != row.difference else (
        f"{row.difference:+.3f} [{row.lo:.3f}, {row.hi:.3f}], {row.verdict}")  # fmt: skip


def grid(found: pd.DataFrame, columns: dict[str, str], value: Callable[[pd.Series], str], data: str = DATA) -> str:
    """Methods down, tasks across."""
    found = found[found.data == data]
    there = [task for task in columns if (found.task == task).any()]
    rows = []
    for method in dict.fromkeys(found[found.task.isin(there)].method):
        if method in VARIANTS and VARIANTS[method].of not in ("", "gexbert"):
            continue  # parts of the bare network have a table of their own
        cells = [found[(found.method == method) & (found.task == task)] for task in there]
        said = [value(cell.iloc[0]) if len(cell) else "" for cell in cells]
        if any(said):
            rows.append([method, *said])
    return table(["method", *(columns[task] for task in there)], rows)


def draws(figures: pd.DataFrame) -> str:
    """How many draws each method had, in words."""
    counts = figures[figures.metric.isin(["accuracy", "rmse", "harrell_c"])].groupby("method")["count"].max()
    by = {n: [method for method, m in counts.items() if m == n] for n in sorted(set(counts), reverse=True)}
    return "; ".join(f"{int(n)}: {', '.join(methods)}" for n, methods in by.items())


def metric(figures: pd.DataFrame, task: str, data: str, method: str, name: str) -> float:
    """Mean over draws."""
    key = (figures.task == task) & (figures.data == data) & (figures.method == method) & (figures.metric == name)
    return float(figures[key]["mean"].iloc[0]) if key.any() else float("nan")


def coverage(figures: pd.DataFrame) -> str:
    """Share of hidden values inside the intervals."""
    rows = []
    for method in dict.fromkeys(figures[figures.metric == "coverage_95"].method):
        if method in VARIANTS and VARIANTS[method].of not in ("", "gexbert"):
            continue
        cells = []
        for arm in ARMS:
            got = [metric(figures, f"restore-{arm}", DATA, method, f"coverage_{level}") for level in (50, 80, 95)]
            cells.append(" / ".join(f"{100 * x:.0f}" for x in got) if got[0] == got[0] else "")
        rows.append([method, *cells])
    return table(["method", *ARMS.values()], rows)


def survival(gaps: pd.DataFrame, figures: pd.DataFrame) -> str:
    """C and Brier of every method and cohort."""
    here = gaps[(gaps.task == "survival") & gaps.data.isin(COHORTS)]
    names = [name for name in COHORTS if name in set(here.data)]
    rows = []
    for method in dict.fromkeys(here.method):
        cells = []
        for name in names:
            one = here[(here.data == name) & (here.method == method)]
            brier = metric(figures, "survival", name, method, "integrated_brier")
            text = number(one.value.iloc[0]) if len(one) else ""
            if len(one) and one.verdict.iloc[0] in ("better", "worse"):
                text += f" ({one.verdict.iloc[0]})"
            cells.append(f"{text}, {number(brier)}" if brier == brier else text)
        rows.append([method, *cells])
    return table(["method", *(name.upper() for name in names)], rows)


def compared(gaps: pd.DataFrame, method: str) -> str:
    """A method against clinical columns, cohort by cohort."""
    here = gaps[(gaps.task == "survival") & (gaps.method == method) & gaps.data.isin(COHORTS)]
    return "; ".join(f"{row.data.upper()} {gap(pd.Series(row._asdict()))}" for row in here.itertuples())


def anchored(gaps: pd.DataFrame) -> str:
    """C of every way of treating anchor genes."""
    here = gaps[(gaps.task == "anchors") & gaps.data.isin(COHORTS)]
    names = [name for name in COHORTS if name in set(here.data)]
    if not names:
        return "Not run."
    rows = []
    for method in here.groupby("method").value.mean().sort_values(ascending=False).index:
        cells = [here[(here.data == name) & (here.method == method)] for name in names]
        rows.append([method, *(number(cell.value.iloc[0]) if len(cell) else "" for cell in cells)])
    picture = "![C of each way of treating the anchor genes](img/anchors.png)"
    return table(["anchor genes", *(name.upper() for name in names)], rows) + f"\n\n{picture}"


def swapped(parts: pd.DataFrame) -> str:
    """Models with one part swapped, question by question."""
    columns = {"classify-random-4": "4 genes", "classify-random-16": "16", "classify-random-64": "64",
               "restore-random-50": "50 % hidden", "restore-genes-50": "half of the genes",
               "survival-blca": "BLCA, C", "survival-coadread": "COADREAD, C", "survival-stad": "STAD, C"}  # fmt: skip
    parts = parts[parts.data == DATA]
    rows = []
    for name, known in VARIANTS.items():
        here = parts[parts.method == name]
        if not len(here):
            continue
        cells = []
        for task in columns:
            one = here[here.task == task]
            cells.append("" if not len(one) else
                         f"{number(one.value.iloc[0])} ({one.difference.iloc[0]:+.3f} "
                         f"[{one.lo.iloc[0]:.3f}, {one.hi.iloc[0]:.3f}])")  # fmt: skip
        rows.append([f"{name}: {known.asks}; against {known.of}", *cells])
    return table(["model", *columns.values()], rows)


def rates(figures: dict) -> str:
    """Samples and share of the limit."""
    return (
        f"{figures['samples_per_cpu_second']:.3g} samples per CPU-second, "
        f"{100 * figures['share_of_product_rate']:.0f} %"
    )


def page(found: Results, speed: dict) -> str:
    """docs/patients.md."""
    config, gaps, figures = found.config, found.extras["differences"], found.extras["figures"]
    parts = found.extras.get("ablations", pd.DataFrame())
    cells, machine = config["cells"], config.get("machine", {})
    random = {f"classify-random-{size}": str(size) for size in SIZES}
    chosen = {f"classify-chosen-{size}": str(size) for size in SIZES}
    restore = {f"restore-{arm}": text for arm, text in ARMS.items()}
    value, difference = (lambda row: number(row.value)), gap
    ours = gaps[gaps.method.isin(["gexbert", "rda"])]
    missing = cells["planned"] - cells.get("ok", 0)
    ran = f"{cells.get('ok', 0):,} of {cells['planned']:,} jobs" + (f"; {missing} did not run" if missing else "")
    small = speed["gexbert small"]
    tiny = speed["gexbert tiny"]
    return f"""# Bulk patients: what helps

Measured, not argued: `exval bench patients --data DIR -o RESULTS`, then `python benchmarks/patients.py RESULTS`, which
writes this page. {ran}; {machine.get("cores", "?")} cores of {machine.get("processor", "one machine")}.

> {found.verdict}

Whole patients are held out: three folds for classes and missing values, five for survival, redrawn for every repeat. A
network is pretrained on the training patients of each draw alone (`tiny`, {config["steps"]} steps; fine-tuning at most
{config["tune_steps"]}). Differences are paired over patients, with 95 % bootstrap intervals; *tie* means within 0.01.
What was chosen on which data stands in `benchmarks/README.md`. Draws of each method: {draws(figures)}.

## Classes from a few random genes

Three cancers, three random panels of each size in every draw, the same for all. `logreg` and `pca-knn` are fitted anew
to every panel; `rda` and `gexbert` are fitted once and answer for all. Accuracy:

{grid(gaps, random, value)}

Against `logreg` on the same genes:

{grid(ours, random, difference)}

![Accuracy against the number of random genes](img/classes_by_genes.png)

Genes chosen by their F statistic in training:

{grid(gaps, chosen, value)}

## Values that were not measured

RMSE in standard deviations of the training patients, hidden at random, as whole genes (a panel), or because they were
low. The rank of `ppca` is chosen in training.

{grid(gaps, restore, value)}

`gexbert` against `ppca`, positive is better:

{grid(gaps[gaps.method == "gexbert"], restore, difference)}

Per cent of the hidden values inside the 50 / 80 / 95 % intervals:

{coverage(figures)}

## Survival

Harrell's C within the fold, and the integrated Brier score (lower is better); *better* and *worse* are against the
clinical columns age and sex.

{survival(gaps, figures)}

`cox + clinical` against `clinical`, which was named beforehand: {compared(gaps, "cox + clinical")}.

A ridge Cox regression on the frozen embedding of the `gexbert` above, pretrained on the training patients of all three
cohorts (three folds, C):

{grid(gaps, {f"survival-{name}": name.upper() for name in COHORTS}, value)}

## Prognostic genes that a panel lacks

The twenty genes of smallest p in univariate Cox regressions of the training fold. A Cox model is fitted to their
measured values; the test patients have them measured, restored from the other genes, or the model does without them
(*absent*: fitted to all other genes). C:

{anchored(gaps)}

## One part swapped, the same budget

The parts are swapped in the network without the fitted Gaussian (`no-gaussian`): with it, whatever the network does
hides behind it. In brackets the difference on the same draws, positive is better. Survival: a Cox regression on the
frozen embedding.

{swapped(parts) if len(parts) else "Not run."}

## Speed

`benchmarks/patients_speed.py`, one thread: training at width 128 with 512 genes shown and 512 asked,
{rates(small)} of the machine's matrix-product rate; `tiny` with 128 and 128, {rates(tiny)}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of exval bench patients")
    found = Results.load(parser.parse_args().results)
    about = ("cells", "limits", "preset", "repeats", "steps", "tune_steps", "outlook_steps", "outlook_tune", "machine",
             "versions")  # fmt: skip
    content = {"verdict": found.verdict, "config": {key: found.config.get(key) for key in about}}
    content |= {
        key: json.loads(found.extras[key].round(5).to_json(orient="records"))
        for key in ("differences", "ablations", "figures", "failures")
        if key in found.extras
    }
    JSON.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    gaps = found.extras["differences"]
    shown = gaps[(gaps.data == DATA) & ~gaps.method.isin([m for m, v in VARIANTS.items() if v.of == "no-gaussian"])]
    PICTURES.mkdir(exist_ok=True)
    pl.by_size(shown, kind="classify-random").figure.savefig(PICTURES / "classes_by_genes.png", dpi=144)
    if (gaps.task == "anchors").any():
        pl.anchors(gaps[gaps.data.isin(COHORTS)]).figure.savefig(PICTURES / "anchors.png", dpi=144)
    PAGE.write_text(page(found, json.loads(SPEED.read_text())), encoding="utf-8")
    print(f"{JSON} and {PAGE}")


if __name__ == "__main__":
    main()
