"""``explain``: which genes a fine-tuned run decides by, beside what would give such a list for nothing."""

from __future__ import annotations

import time as clock
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exval.errors import InputError
from exval.logs import warn

if TYPE_CHECKING:
    import pandas as pd

    from exval.bench.results import Results


def explain(
    run: Any,
    data: Any,
    *,
    label: str | None = None,
    time: str | None = None,
    event: str | None = None,
    censored: str | None = None,
    gene_sets: str | PathLike | None = None,
    top: int = 50,
    steps: int = 32,
    samples: int = 300,
    networks: int = 3,
    permutations: int = 1000,
    out: str | PathLike | None = None,
    force: bool = False,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: str = "auto",
) -> Results:
    """Rank the genes that a fine-tuned run decides by, class by class, and say what the ranking is worth.

    Integrated gradients (occlusion where an encoder has hard bins), with raw attention and a ranking of single genes
    beside them. Every list is held against those of networks with random weights, genes are taken away in its order
    from samples that it was not made of, and with ``gene_sets`` its top is compared with matched random genes.

    Parameters
    ----------
    run
        Folder of ``exval finetune``: classes or survival, cells or patients.
    data
        Path, AnnData or source, in the unit of the run.
    label
        Column of obs with the classes; default: the one that the run was taught. Where the file has it not, the classes
        that the run names are used, and this is said.
    time, event, censored
        Columns of the outcome for a run that was taught survival; default: those that it was taught.
    gene_sets
        A GMT file, plain or gzipped (Hallmark sets: ``h.all.*.symbols.gmt`` of MSigDB). None are shipped.
    top
        Genes at the top of each list.
    steps
        Gradients along each path; doubled until attributions add up.
    samples
        At most so many, classes as evenly as they allow; a third of them loses genes, the others rank them.
    networks
        Untrained networks of each kind that lists are held against.
    permutations
        Of the gene sets.
    out
        Folder to write: ``importance.csv``, ``results.parquet``, ``predictions.parquet``, ``config.json``, ``extras/``,
        ``report.html``.
    force
        Replace an existing folder.
    layer, unit, species, orientation
        See :func:`exval.data.source.open_source`.
    seed
        Of every draw.
    threads, device
        Where and how to compute.

    Returns
    -------
    Results
        ``extras["importance"]`` is the table of genes (:func:`exval.tasks.explaining.ranking.importance_table`).

    Raises
    ------
    InputError, UnitError, GeneError, OutputError
        Among them: the run was not fine-tuned; no gene shared; no such column; a file that is no GMT.

    Examples
    --------
    >>> import exval
    >>> found = exval.explain("tuned", "cohort.h5ad", gene_sets="h.all.symbols.gmt", out="why")  # doctest: +SKIP
    >>> found.verdict  # doctest: +SKIP
    """
    import torch

    from exval.data.files import atomic_path, refuse_existing
    from exval.data.genesets import read_gene_sets
    from exval.data.source import open_source
    from exval.run import Run
    from exval.tasks.explaining.explain import evaluate_explanation
    from exval.tasks.explaining.material import choose_material
    from exval.tasks.explaining.question import Question

    began = clock.monotonic()
    for name, value, least in (("--top", top, 1), ("--steps", steps, 1), ("--samples", samples, 4),
                               ("--networks", networks, 1), ("--permutations", permutations, 1)):  # fmt: skip
        if value < least:
            raise InputError(f"{name} has to be at least {least}, not {value}")
    if out is not None:
        refuse_existing(out, force)
    opened = run if isinstance(run, Run) else Run(run, device)
    question = Question.of_run(opened)
    sets = None if gene_sets is None else read_gene_sets(gene_sets, opened.species)
    if threads:
        torch.set_num_threads(threads)
    source = open_source(
        data, layer=layer, unit=unit, species=species, orientation=orientation, missing=opened.config.dense
    )
    if source.genes.species != opened.species:
        raise InputError(f"{source.name} is {source.genes.species}, the run {opened.folder} is {opened.species}")
    material = choose_material(
        opened, source, question, label=label, time=time, event=event, censored=censored, samples=samples, seed=seed
    )
    config = {
        "data": source.name, "run": opened.folder.name, "run_verdict": opened.summary, "recipe": opened.config.recipe,
        "preset": opened.config.preset, "samples": samples, "layer": layer, "unit": source.unit, "species": species,
        "title": f"{opened.folder.name}, explained on {source.name}", "warnings": list(source.warnings),
        "dataset": {"name": source.name, "genes": len(source.var_names), "unit": source.unit, "label": material.label,
                    "classes": [] if question.survival else list(question.names)},
    }  # fmt: skip
    found = evaluate_explanation(
        opened, material, question, gene_sets=sets, top=top, steps=steps, networks=networks, permutations=permutations,
        seed=seed, config=config,
    )  # fmt: skip
    found.config["seconds"] = round(clock.monotonic() - began, 1)
    if out is not None:
        from exval.report import write_report

        with atomic_path(out) as part:
            found.save(part)
            found.extras["importance"].to_csv(Path(part) / "importance.csv", index=False)
            write_report(part)
    warn(found.config["warnings"])
    return found


def top_genes(importance: pd.DataFrame, top: int) -> list[dict[str, Any]]:
    """The first genes of every list, for ``--json``: one object a gene, with a ``name``.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"class": ["a", "a"], "gene": ["TP53", "KRAS"], "rank": [2, 1], "ig_abs": [0.1, 0.4]})
    >>> top_genes(table, 1)
    [{'name': 'KRAS', 'class': 'a', 'rank': 1, 'ig_abs': 0.4}]
    """
    first = importance[importance["rank"] <= top].sort_values(["class", "rank"], kind="stable")
    first = first.rename(columns={"gene": "name"})
    columns = ["name", *(column for column in first if column != "name")]
    return first[columns].to_dict("records")
