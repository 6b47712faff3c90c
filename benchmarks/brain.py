"""The figures of `exval bench brain` that are quoted: donors and blocks held out, new genes, new donors.

    exval bench brain --data DIR -o RESULTS     # two hours on two cores; resumable
    python benchmarks/brain.py RESULTS          # writes results/brain.json, docs/brain.md and two pictures

DIR holds the files named in `exval.tasks.field.collection`. Nothing is computed here but means over draws: every number
is one of RESULTS, or of `results/brain_truth.json`, `brain_published.json`, `brain_null.json` and `brain_speed.json`,
where those are.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd

from exval import pl
from exval.bench.results import Results

HERE = Path(__file__).parent
JSON, PAGE, PICTURES = HERE / "results" / "brain.json", HERE.parent / "docs" / "brain.md", HERE.parent / "docs" / "img"
ARMS = {"regions told": "told the regions", "position alone": "position alone"}


def table(head: list[str], rows: list[list[object]]) -> str:
    """A Markdown table; all columns but the first to the right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def number(value: float, digits: int = 3) -> str:
    """A figure; nothing where there is none."""
    return "" if value != value else f"{value:.{digits}f}"


def share(value: float) -> str:
    """Per cent."""
    return "" if value != value else f"{100 * value:.0f}"


def figure(figures: pd.DataFrame, task: str, arm: str, method: str, metric: str) -> float:
    """Mean over draws."""
    key = (figures.task == task) & (figures.slice == f"arm={arm}") & (figures.method == method)
    found = figures[key & (figures.metric == metric)]["mean"]
    return float(found.iloc[0]) if len(found) else float("nan")


def gap(gaps: pd.DataFrame, task: str, arm: str, method: str) -> str:
    """The paired difference of R2 with its interval and verdict."""
    row = gaps[(gaps.task == task) & (gaps.arm == arm) & (gaps.method == method) & (gaps.metric == "r2")]
    if not len(row) or row.difference.isna().iloc[0]:
        return ""
    row = row.iloc[0]
    bounds = "" if row.lo != row.lo else f" [{row.lo:.3f}, {row.hi:.3f}]"
    return f"{row.difference:+.3f}{bounds}, {row.verdict}"


def held(found: Results, task: str) -> str:
    """Every field of a question, arm by arm, the best by R2 first."""
    figures, gaps, parts = found.extras["figures"], found.extras["differences"], []
    for arm in ARMS:
        here = figures[(figures.task == task) & (figures.slice == f"arm={arm}")]
        if not len(here):
            continue
        names = sorted(set(here.method), key=lambda name: -figure(figures, task, arm, name, "r2"))
        rows = [
            [name, number(figure(figures, task, arm, name, "pearson")), number(figure(figures, task, arm, name, "r2")),
             number(figure(figures, task, arm, name, "pearson_within")),
             " / ".join(share(figure(figures, task, arm, name, f"coverage_{level}")) for level in (50, 80, 95)),
             gap(gaps, task, arm, name)]
            for name in names
        ]  # fmt: skip
        parts.append(table([ARMS[arm], "mean r", "mean R2", "r within regions", "in 50 / 80 / 95 %",
                            "R2 against knn"], rows))  # fmt: skip
    return "\n\n".join(parts)


def few(found: Results, task: str) -> str:
    """A new gene or donor: R2 and r of every way, and the difference from the way without."""
    figures, gaps = found.extras["figures"], found.extras["differences"]
    names = list(dict.fromkeys(figures[figures.task == task].method))
    rows = [
        [name, *(" / ".join(number(figure(figures, task, arm, name, metric)) for metric in ("r2", "pearson"))
                 for arm in ARMS), share(figure(figures, task, "position alone", name, "coverage_95")),
         gap(gaps, task, "position alone", name)]
        for name in names
    ]  # fmt: skip
    return table(["R2 / r", *ARMS.values(), "in 95 %", "R2, position alone, against the one without"], rows)


def beside(name: str) -> dict | None:
    """Another file of results."""
    path = HERE / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def page(found: Results) -> str:
    """docs/brain.md."""
    cells, machine = found.config["cells"], found.config.get("machine", {})
    ran = f"{cells.get('ok', 0):,} of {cells['planned']:,} jobs"
    pieces = [
        f"""# Brain fields: what helps

Measured, not argued: `exval bench brain --data DIR -o RESULTS`, then `python benchmarks/brain.py RESULTS`, which writes
this page. {ran}; {machine.get("cores", "?")} cores of {machine.get("processor", "one machine")}.

> {found.verdict}

Figures are of held-out samples, gene by gene, then averaged over genes and over what was held out; R2 is against the
mean of the training samples. Differences are paired over genes and held-out units, with 95 % bootstrap intervals over
both; *tie* means within 0.01. Fields are asked twice: told the names of the regions that a sample lies in, and by its
position alone, which is what is known of a voxel. What was chosen on which data stands in `benchmarks/README.md`.

## Six donors, 14 summaries of genes, one donor held out

{held(found, "donor of summaries")}

## The same samples, blocks of space held out

Six k-means blocks, both hemispheres laid onto one, a buffer of the range of the variogram (at most 40 mm). A whole part
of the brain is missing: no field interpolates there. {found.config["repeats"]} draws.

{held(found, "block of summaries")}

## The same samples, at random (optimistic)

{held(found, "random of summaries")}

## One donor, 100 probes, blocks of space held out

Probes of one gene are averaged: 50 genes, and 4 probes without a symbol. {found.config["repeats"]} draws
of six blocks.

{held(found, "block of donor2001")}

![R2 of every probe](img/brain_genes.png)

## A gene that is known at fifty samples

*Borrowed*: its loading on the factors of the other genes, to which the field was fitted. *Alone*: the field fitted to
the fifty samples.

{few(found, "new gene of summaries")}

One donor, 100 probes, blocks:

{few(found, "new gene of donor2001")}

## A donor of whom fifty samples are known

*Without*: they are left away. *Added*: they join the training samples. *Told*: and the field is told whose samples are
asked.

{few(found, "new donor of summaries")}
"""
    ]
    pieces += [made for section in (truth, published, null, speed) if (made := section())]
    return "\n".join(pieces)


def published() -> str:
    """The published network beside the others on one donor."""
    found = beside("brain_published")
    if found is None:
        return ""
    own, rows = found["published"], []
    for name, one in found["beside"].items():
        told, alone = one["held_out_regions_told"], one["held_out"]
        rows.append([name, f"{alone['pearson']:.3f} / {alone['r2']:.3f}", f"{told['pearson']:.3f} / {told['r2']:.3f}",
                     f"{one['train']['r2']:.3f}", f"{one['seconds']:.3g}"])  # fmt: skip
    for one in own["looks"]:
        if one["steps"] >= 200:
            alone = one["held_out"]
            rows.append([f"published, {one['steps']:,} steps", f"{alone['pearson']:.3f} / {alone['r2']:.3f}", "",
                         f"{one['train']['r2']:.3f}", f"{one['seconds']:.3g}"])  # fmt: skip
    return f"""
## The published network, to its end

`benchmarks/brain_published.py --steps 10000 --device cuda`, on one {own["device"]}: donor 9861 held out, one seed, the
recipe of `exval methods inr-published` ({own["parameters"]:,} parameters, {own["rows"]:,} rows in every step). Mean r /
R2 over the 14 summaries; the others were fitted in the same run, without error bars, and the networks did not yet fade
far from samples.

{table(["", "position alone", "told the regions", "R2 in training", "seconds"], rows)}

It is best after about 200 steps, and what the recipe keeps, the weights of the lowest training loss, has memorised the
noise.
"""


def truth() -> str:
    """Where the truth is known."""
    found = beside("brain_truth")
    if found is None:
        return ""
    figures = pd.DataFrame(found["figures"])
    here = figures[figures["where"] == "all"]
    mean = here.groupby("method")[["r2", "rmse", "pearson", "coverage_50", "coverage_80", "coverage_95"]].mean()
    by = here.pivot_table("r2", "method", "group")
    white = figures[figures["where"] == "white"].groupby("method").r2.mean()
    rows = [
        [name, number(one.r2), *(number(by.loc[name, group]) for group in ("easy", "middling", "hard")),
         number(white[name]), number(one.rmse), number(one.pearson),
         " / ".join(share(one[f"coverage_{level}"]) for level in (50, 80, 95))]
        for name, one in mean.sort_values("r2", ascending=False).iterrows()
    ]  # fmt: skip
    head = ["", "R2", "easy genes", "middling", "hard", "white matter", "RMSE", "r", "in 50 / 80 / 95 %"]
    return f"""
## Where the truth is known

`benchmarks/brain_truth.py --seeds {found["seeds"]}`: {found["genes"]} invented genes at the {found["samples"]:,} real
positions, asked by position alone at all {found["voxels"]:,} grey and white voxels of {found["resolution_mm"]} mm. The
intervals are of a new measurement of a new donor. The truth mixes smooth waves, bumps, areas that no name tells,
regions, and tissue, and no field has its covariance; but the tissue part is the template that `gp` and `siren` look at,
which favours them.

{table(head, rows)}
"""


def null() -> str:
    """False positives of `brain correlate`."""
    found = beside("brain_null")
    if found is None:
        return ""
    rates = pd.DataFrame(found["rates"])
    rates = rates[rates.noise == 0]
    tests = ["naive", "surrogates", "random lists", "surrogates and random lists"]
    rows = []
    for (where, places, what), part in rates.groupby(["where", "places", "what"], sort=False):
        wide = part.pivot_table("share", "test", "length").reindex(tests)
        cells = ["" if line.isna().all() else " / ".join(f"{x:.2f}" for x in line) for _, line in wide.iterrows()]
        rows.append([f"{places:,} {where.replace('cortical ', '')}: {what}", *cells])
    lengths = " / ".join(f"{x:.0f}" for x in sorted(rates.length.unique()))
    drawn = ", ".join(f"{n} at {where}" for where, n in rates.groupby("where", sort=False).maps.first().items())
    return f"""
## What `brain correlate` finds where there is nothing

`benchmarks/brain_null.py`: smooth random maps of length {lengths} mm, unrelated to any gene; share with p below 0.05
(maps of each length: {drawn}).

{table(["", *tests], rows)}

The naive test is worthless for maps. Surrogates hold what they promise at samples, are conservative for rough maps of
parcels and **liberal for very smooth ones**. Random lists of genes alone are **no test** for co-expressed genes, as
most lists have them. The neighbourhoods of the surrogates were chosen by the misfit of their variograms on other maps,
after early runs had shown false-positive rates of several settings.
"""


def speed() -> str:
    """Time and memory."""
    found = beside("brain_speed")
    if found is None:
        return ""
    rows = []
    for name in ("gp", "siren"):
        one = found[name]
        for what, key in (("fitted", "without_error_bars"), ("with error bars", "with_error_bars")):
            rows.append([f"{name}, 100 genes x 3,702 samples, {what}", f"{one[key]['cpu_seconds']:.0f}",
                         f"{one[key]['seconds']:.0f}", f"{one['peak_mb']:,.0f}"])  # fmt: skip
    one = found["map"]
    rows.append([f"siren, 1 mm means of 100 genes at {one['voxels']:,} voxels, files written",
                 f"{one['cpu_seconds']:.0f}", f"{one['seconds']:.0f}", f"{one['peak_mb']:,.0f}"])  # fmt: skip
    sd, own = found["sd"]["sd"]["minutes_at_1mm"], found["published"]
    ratio = 100 * own["map_of_a_gene_1mm"]["cpu_seconds"] / one["cpu_seconds"]
    return f"""
## Time and memory

`benchmarks/brain_speed.py`, {found["threads"]} threads; invented genes.

{table(["", "CPU-seconds", "seconds", "peak MB"], rows)}

The standard deviations of `gp` at 1 mm take {sd["cpu_seconds"]:.0f} CPU-minutes (from {found["sd"]["sd"]["voxels"]:,}
voxels), computed once for each noise ratio and scaled for each gene. The published network, measured in the same run,
tells a row in {own["microseconds_per_row_predicted"]["cpu_seconds"]:.0f} microseconds:
{own["map_of_a_gene_1mm"]["cpu_seconds"]:.0f} CPU-seconds a gene, {ratio:,.0f} times the map above for 100 genes, and
{own["hours_of_10000_steps_3702_samples_100_genes"]["cpu_seconds"]:.0f} CPU-hours to train 10,000 steps on 100 genes
(extrapolated from a few rows).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of exval bench brain")
    found = Results.load(parser.parse_args().results)
    about = ("cells", "limits", "preset", "repeats", "machine", "versions")
    content = {"verdict": found.verdict, "config": {key: found.config.get(key) for key in about}}
    content |= {
        key: json.loads(found.extras[key].round(5).to_json(orient="records"))
        for key in ("differences", "figures", "failures")
        if key in found.extras
    }
    JSON.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    units = found.predictions[found.predictions.task == "block of donor2001"]
    if len(units):
        PICTURES.mkdir(exist_ok=True)
        shown = units[units.method.isin(["mean", "knn", "structure-mean", "kriging", "gp", "siren"])]
        ax = pl.field_genes(shown, arm="regions told")
        ax.figure.savefig(PICTURES / "brain_genes.png", dpi=144)
    PAGE.write_text(page(found), encoding="utf-8")
    print(f"{JSON} and {PAGE}")


if __name__ == "__main__":
    main()
