"""``exval pretrain`` and ``exval finetune``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from exval.cli import options as o
from exval.cli.command import say, verb
from exval.errors import InputError

Run = Annotated[str, o.output("RUN", "Folder for the weights, the log and report.html.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""

    @verb(app, short_help="Learn from unlabelled cells.")
    def pretrain(
        data: Annotated[list[str], typer.Argument(metavar="DATA", help="Files of cells, or one store.")],
        out: Run,
        recipe: Annotated[str, typer.Option("--recipe", help="See: exval recipes.")] = "xtrimogene",
        preset: Annotated[str, typer.Option("--preset", help="Size of the model; exval recipes lists them.")] = "tiny",
        set: o.Set = None,
        steps: o.Steps = None,
        epochs: o.Epochs = None,
        resume: Annotated[bool, typer.Option("--resume", help="Go on where RUN stopped, exactly.")] = False,
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Learn from unlabelled cells by predicting hidden values.

        Interrupted runs go on with --resume as if nothing had happened.
        """
        changes = overrides(set)
        from exval.verbs.pretrain import pretrain as run

        result = run(
            data if len(data) > 1 else data[0],
            recipe=recipe,
            preset=preset,
            out=out,
            overrides=changes,
            steps=steps,
            epochs=epochs,
            resume=resume,
            force=force,
            layer=layer,
            unit=unit,
            species=species,
            orientation=orientation,
            seed=seed,
            threads=threads,
            device=device,
        )
        say(result.lines())

    @verb(app, short_help="Teach a pretrained run the labels of a file, or survival.")
    def finetune(
        run: o.RunFolder,
        file: o.File,
        out: Run,
        label: o.Label = "cell_type",
        time: Annotated[
            str | None, typer.Option("--time", metavar="COLUMN", help="Teach survival: column of times.")
        ] = None,
        event: Annotated[
            str | None, typer.Option("--event", metavar="COLUMN", help="1 where the event was seen.")
        ] = None,
        censored: Annotated[
            str | None, typer.Option("--censored", metavar="COLUMN", help="1 where the patient was censored.")
        ] = None,
        head: Annotated[Literal["cox", "discrete"], typer.Option("--head", help="Of survival.")] = "cox",
        split_by: o.SplitBy = None,
        set: o.Set = None,
        steps: o.Steps = None,
        epochs: o.Epochs = None,
        resume: Annotated[bool, typer.Option("--resume", help="Go on where the output folder stopped.")] = False,
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Teach a pretrained RUN the labels of FILE, or survival with --time; the result is a method like others."""
        changes = overrides(set)
        from exval.verbs.finetune import finetune as tune

        result = tune(
            run,
            file,
            label=label,
            time=time,
            event=event,
            censored=censored,
            head=head,
            split_by=split_by,
            out=out,
            overrides=changes,
            steps=steps,
            epochs=epochs,
            resume=resume,
            force=force,
            layer=layer,
            unit=unit,
            species=species,
            orientation=orientation,
            seed=seed,
            threads=threads,
            device=device,
        )
        say(result.lines())


def overrides(words: list[str] | None) -> dict[str, str]:
    """``["train.lr=0.001"]`` as ``{"train.lr": "0.001"}``.

    Raises
    ------
    InputError
        If there is no ``=``, or a path is given twice.

    Examples
    --------
    >>> overrides(["train.lr=0.001"])
    {'train.lr': '0.001'}
    """
    found: dict[str, str] = {}
    for word in words or ():
        path, equals, value = word.partition("=")
        if not (path and equals):
            raise InputError(f"--set takes path=value, e.g. --set train.lr=0.001; it cannot read {word!r}")
        if path in found:
            raise InputError(f"--set {path} is given twice; keep one of them")
        found[path] = value
    return found
