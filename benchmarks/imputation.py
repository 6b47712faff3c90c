"""The figures of `exval bench imputation` that are quoted: which method for which goal, and what it makes up.

    exval bench imputation --preset cpu --data DIR -o RESULTS   # about 1,000 jobs, an hour on two cores
    python benchmarks/imputation.py RESULTS                     # writes results/imputation.json and docs/imputation.md

DIR holds the files named in `exval.tasks.imputing.data`. Nothing is computed here: every number is one of RESULTS.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd

from exval.bench.results import Results

HERE = Path(__file__).parent
JSON, PAGE = HERE / "results" / "imputation.json", HERE.parent / "docs" / "imputation.md"
TRUTH = "rna-mixtures"


def table(head: list[str], rows: list[list[object]]) -> str:
    """A Markdown table; all columns but the first to the right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def percent(value: float) -> str:
    """A share, with a decimal below ten."""
    return "" if value != value else f"{100 * value:.{0 if value >= 0.0995 or value == 0 else 1}f} %"


def truth(found: Results, split: str) -> str:
    """Error and rank on the RNA mixtures, false discoveries beside them."""
    part = found.extras["standings"]
    part = part[(part.data == TRUTH) & (part.split == split)]
    false = found.extras["false_discoveries"].groupby("method").false_discoveries.max()
    cost = found.extras["cost"].set_index("method").seconds
    rows = []
    for one in part[part.task == "recovery"].itertuples():
        rank = f"{one.rank:.1f} [{one.rank_lo:.1f}, {one.rank_hi:.1f}]" if one.rank == one.rank else "not ranked"
        rows.append([one.method, f"{one.value:.3f} [{one.lo:.3f}, {one.hi:.3f}]", rank,
                     percent(false.get(one.method, float("nan"))), f"{cost[one.method]:.2f}"])  # fmt: skip
    return table(["method", "RMSE, log1p(CP10k)", "rank", "false discoveries, worst case", "CPU-seconds, median"], rows)


def matrix(goals: pd.DataFrame) -> str:
    """Better and worse than the values as read, by goal."""
    names = list(dict.fromkeys(goals.goal))
    rows = []
    for method in goals[goals.goal == names[0]].method:
        row = [method]
        for goal in names:
            one = goals[(goals.method == method) & (goals.goal == goal)]
            lost = f", {one.failed.iloc[0]} failed" if len(one) and one.failed.iloc[0] else ""
            row.append(f"+{one.better.iloc[0]} −{one.worse.iloc[0]} of {one.cases.iloc[0]}{lost}" if len(one) else "")
        rows.append(row)
    return table(["method", *names], rows)


def null(found: pd.DataFrame) -> str:
    """Share of equal genes called different, case by case, and the planted differences found."""
    found = found.assign(case=found.data + ", " + found.split.str.removeprefix("null: "))
    wide = found.pivot(index="method", columns="case", values="false_discoveries")
    power = found.groupby("method").power.mean()
    order = wide.max(axis=1).sort_values(kind="stable").index
    rows = [[name, *(percent(wide.loc[name, case]) for case in wide), percent(power[name])] for name in order]
    return table(["method", *wide.columns, "power (halves)"], rows)


def coverage(found: pd.DataFrame) -> str:
    """Median over the cases, and their range."""
    rows = []
    for (method, kind), part in found.groupby(["method", "slice"], sort=False):
        cells = [f"{100 * part[c].median():.0f} % [{100 * part[c].min():.0f}, {100 * part[c].max():.0f}]"
                 for c in ("coverage_80", "coverage_95")]  # fmt: skip
        rows.append([f"{method}, {'expected values' if kind == 'expected' else 'held-out molecules'}", *cells])
    return table(["method, truth", "of 80 %", "of 95 %"], rows)


def page(found: Results) -> str:
    """docs/imputation.md."""
    config, extras = found.config, found.extras
    cells, machine = config["cells"], config.get("machine", {})
    failed = {name: n for name, n in cells.items() if name not in ("planned", "ok", "not run")}
    ran = f"{cells['planned']:,} jobs, {cells.get('ok', 0):,} ok" + "".join(f", {n} {w}" for w, n in failed.items())
    answers = [[f"**{one.goal}**", one.text] for one in extras["answers"].itertuples()]
    lost = extras.get("failures", pd.DataFrame(columns=["method", "data", "seed", "status", "note"]))
    fails = [f"- {one.method} on {one.data}, seed {one.seed}: {one.status}, {one.note}" for one in lost.itertuples()]
    return f"""# Which imputation method for which goal

Measured, not argued: `exval bench imputation --preset cpu --data DIR -o RESULTS`, then `python benchmarks/imputation.py
RESULTS`, which writes this page. {ran}; {config["seeds"]} seeds, {config["genes"]:,} genes;
{machine.get("cores", "?")} cores of {machine.get("processor", "one machine")}.

> {found.verdict}

{table(["goal", "answer"], answers).replace("--:", "---")}

*Better* and *worse* are against the values as read, by paired 95 % intervals outside a margin. A case is a data set in
one arm (as measured, or with molecules held out). The methods saw no labels and no held-out molecules, and nothing was
tuned on these data sets but what `benchmarks/README.md` names. Four of the seven data sets are cells or RNA of the same
three cell lines, two are simulated, one is one donor's pancreas: for other tissue, `exval recommend FILE --goal GOAL`
asks your own cells.

## Against a measured truth

RNA of three cell lines mixed in known shares: the expected value of a gene is the mean of the pure profiles, weighted
with the shares, and the wells that the profiles come from are seen by no method. As measured:

{truth(found, "as measured")}

With a quarter of the molecules:

{truth(found, "thinned 0.25")}

In brackets: 95 % bootstrap over cells, methods ranked anew in every draw; seeds averaged.

## What is made up where no gene differs

Share of genes that differ nowhere and are called different (rank-sum test, false discovery rate 5 %); none should be.
*Permuted*: genes shuffled over cells of equal depth, tested between two types. *Halves*: cells of one type divided at
random, with a tenth of the genes planted to differ; *power* is the share of these that is found.

{null(extras["false_discoveries"])}

## Goal by goal

+5 −1 of 8: better than the values as read in 5 of 8 cases, worse in 1.

{matrix(extras["goals"])}

## Do the error bars hold?

Share of the truth inside the intervals of the methods that give a standard deviation: median over the cases, and their
range. The sd of bayNorm is of the transcripts in the cell, not of the expected value.

{coverage(extras["coverage"])}

## What failed

{chr(10).join(fails) or "Nothing."}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of exval bench imputation")
    found = Results.load(parser.parse_args().results)
    kept = ("answers", "goals", "standings", "false_discoveries", "coverage", "cost", "ranks", "failures")
    about = ("cells", "limits", "preset", "seeds", "genes", "machine", "versions")
    config = {key: found.config.get(key) for key in about}
    content = {"verdict": found.verdict, "config": config}
    content |= {
        key: json.loads(found.extras[key].round(5).to_json(orient="records")) for key in kept if key in found.extras
    }
    JSON.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")
    print(f"{JSON} and {PAGE}")


if __name__ == "__main__":
    main()
