"""The whole way on real cells: annotate, pretrain, fine-tune, evaluate, recover, one report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exval.verbs.stages import Stages

#: Optimiser steps of the small model: what fits into two minutes on two cores.
STEPS = 150
FINETUNE_STEPS = 60
LABEL, TRUTH = "cell_type", "truth"


@dataclass
class Demo:
    """What the demo made.

    Attributes
    ----------
    folder
        Where it lies: ``report.html``, ``annotated.h5ad``, and one folder a stage.
    verdicts
        The sentence of each stage that compares something.
    seconds
        Wall-clock seconds of each stage; stages finished by an earlier call keep their time.
    """

    folder: Path
    verdicts: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def demo(
    out: str | Path = "exval-demo",
    *,
    seed: int = 0,
    steps: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    force: bool = False,
    say: Callable[[str], None] = print,
) -> Demo:
    """Name the cells of a simulated second lab, train a small model, and compare the two.

    The second lab is made of held-out Baron pancreas cells: 40 % of the genes dropped, Ensembl ids, a quarter of the
    depth, and one type that the reference lacks (:func:`exval.datasets.second_lab`). The model never sees its cells
    while training.

    Parameters
    ----------
    out
        Folder to write. A demo that was interrupted goes on with the first unfinished stage.
    seed
        Of every random choice.
    steps
        Optimiser steps of pretraining, :data:`STEPS` if not given; fine-tuning takes at most :data:`FINETUNE_STEPS`.
    threads
        CPU threads, one if not given.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    force
        Begin anew, replacing an earlier demo in ``out``.
    say
        Called with each line for the user.

    Returns
    -------
    Demo

    Raises
    ------
    OutputError
        If ``out`` holds something else, or an earlier demo with other settings and not ``force``.

    Examples
    --------
    >>> result = demo("exval-demo", steps=20)  # doctest: +SKIP
    >>> result.verdicts["annotate"]  # doctest: +SKIP
    """
    folder = Path(out)
    settings = {"seed": seed, "steps": steps or STEPS}
    stages = Stages(folder, settings, force, say)
    # one thread: matrices are so small here that a second one costs more than it brings, much more on a busy machine
    common = {"seed": seed, "threads": threads or 1, "device": device, "force": True}
    reference, query = folder / "reference.h5ad", folder / "second_lab.h5ad"
    named, annotated = folder / "named.h5ad", folder / "annotated.h5ad"

    def make_cells() -> str:
        from exval.datasets import second_lab

        known, unknown = second_lab(seed=seed)
        for cells, path in ((known, reference), (unknown, query)):
            write_h5ad(cells, path)
        return f"{known.n_obs:,} labelled reference cells, {unknown.n_obs:,} cells of a second lab to be named"

    def annotate() -> str:
        from exval.verbs.annotate import annotate_file

        found = annotate_file(
            query, reference, label=LABEL, truth=TRUTH, folds=3, out=named, report=folder / "annotate", **common
        )
        return found.verdict

    def pretrain() -> str:
        from exval.verbs.pretrain import pretrain

        run = pretrain(str(reference), preset="tiny", steps=steps or STEPS, out=str(folder / "run"), **common)
        return run.summary

    def finetune() -> str:
        from exval.verbs.finetune import finetune

        few = min(FINETUNE_STEPS, steps or FINETUNE_STEPS)
        run = finetune(
            str(folder / "run"), str(reference), label=LABEL, steps=few, out=str(folder / "finetune"), **common
        )
        return run.summary

    def embed() -> str:
        from exval.verbs.embed import embed

        embed(str(folder / "run"), str(named), out=str(annotated), **common)
        named.unlink()
        return 'obsm["X_exval"] in annotated.h5ad'

    def evaluate() -> str:
        from exval.verbs.evaluate import evaluate

        methods = ("pca", "logreg", "obsm:X_exval")
        found = evaluate(str(annotated), label=TRUTH, method=methods, folds=3, out=str(folder / "evaluate"), **common)
        return found.verdict

    def recover() -> str:
        from exval.verbs.evaluate import evaluate

        run = str(folder / "run")
        found = evaluate(str(query), task="recover", method=run, folds=2, out=str(folder / "recover"), **common)
        return found.verdict

    stages.run("cells", "Cells", make_cells)
    stages.run("annotate", "Naming the cells with simple methods", annotate)
    stages.run("run", "Pretraining a small model on the reference", pretrain)
    stages.run("finetune", "Fine-tuning it on the labels", finetune)
    stages.run("embed", "Embedding the second lab", embed)
    stages.run("evaluate", "Is its embedding better than PCA?", evaluate)
    stages.run("recover", "Recovering hidden values", recover)
    page = stages.finish()
    say(f"Report: {page}\nCells:  {annotated}")
    return Demo(folder, stages.verdicts, stages.seconds)


def write_h5ad(cells: Any, path: Path) -> None:
    """Write an AnnData, whole or not at all."""
    from exval.data.files import atomic_path

    with atomic_path(path) as part:
        cells.write_h5ad(part, compression="gzip")
