"""``exval survival``."""

from __future__ import annotations

from typing import Annotated

import typer

from exval.cli import options as o
from exval.cli.command import print_json, say, split, verb
from exval.errors import InputError

Cohort = Annotated[str, typer.Argument(metavar="COHORT", help=f"Samples of patients: {o.FILES}.", show_default=False)]
Table = Annotated[
    str | None,
    typer.Option("--clinical-table", metavar="CSV", help="Clinical columns (or outcome) beside the file."),
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Prognosis of patients, beside what age and chance foretell.")
    def survival(
        file: Cohort,
        time: Annotated[str, typer.Option("--time", metavar="COLUMN", help="Column of obs with times above 0.")],
        out: Annotated[str, o.output("DIR", "Folder for figures, report.html and model/ (exval predict).")],
        event: Annotated[
            str | None,
            typer.Option("--event", metavar="COLUMN", help="Column in which 1 means that the event was seen."),
        ] = None,
        censored: Annotated[
            str | None, typer.Option("--censored", metavar="COLUMN", help="Or: column in which 1 means censored.")
        ] = None,
        genes: Annotated[
            str | None,
            typer.Option("--genes", metavar="LIST", help="A panel: a file, or names with commas.", show_default="all"),
        ] = None,
        clinical: Annotated[
            list[str] | None, typer.Option("--clinical", metavar="COLUMN,...", help="Clinical columns: age,stage.")
        ] = None,
        clinical_table: Table = None,
        method: o.Methods = None,
        split_by: Annotated[
            str | None,
            typer.Option(
                "--split-by", metavar="COLUMN", help="Column held out as a whole: site.", show_default="patients"
            ),
        ] = None,
        patient: Annotated[
            str | None,
            typer.Option(
                "--patient", metavar="COLUMN", help="Column that names the patient of a sample.", show_default="by name"
            ),
        ] = None,
        external: Annotated[
            str | None, typer.Option("--external", metavar="COHORT2", help="Another cohort to be scored on.")
        ] = None,
        folds: o.Folds = 5,
        repeats: Annotated[int, typer.Option("--repeats", metavar="N", min=1, help="Repeats with other splits.")] = 1,
        null: Annotated[
            int, typer.Option("--null", metavar="N", min=0, help="Random panels beside that of --genes.")
        ] = 1000,
        groups: Annotated[int, typer.Option("--groups", metavar="N", min=2, max=3, help="Groups of risk.")] = 2,
        horizons: Annotated[
            str | None,
            typer.Option("--horizons", metavar="T,...", help="Times at which survival is told.", show_default="three"),
        ] = None,
        json: o.Json = False,
        force: o.Force = False,
        layer: o.Layer = None,
        unit: o.Unit = None,
        species: o.Species = "auto",
        orientation: o.Orientation = None,
        seed: o.Seed = 0,
        threads: o.Threads = None,
        device: o.Device = "auto",
    ) -> None:
        """Compare prognoses of patients who were not fitted; the verdict comes first.

        Without --method: clinical (with --clinical), cox, coxnet and rsf, those that look at genes without and with the
        clinical columns. Every one is kept in DIR/model for exval predict.
        """
        from exval.verbs.survival import survival as run

        result = run(
            file,
            time=time,
            event=event,
            censored=censored,
            genes=genes,
            clinical=split(clinical),
            clinical_table=clinical_table,
            method=tuple(split(method)) if method else None,
            split_by=split_by,
            patient=patient,
            external=external,
            folds=folds,
            repeats=repeats,
            null=null,
            groups=groups,
            horizons=_numbers(horizons),
            out=out,
            force=force,
            layer=layer,
            unit=unit,
            species=species,
            orientation=orientation,
            seed=seed,
            threads=threads,
            device=device,
        )
        if json:
            table = result.extras["survival_table"]
            methods = [{"name": row.pop("method"), **row} for row in table.to_dict("records")]
            print_json({"verdict": result.verdict, "chosen": result.config["chosen"], "out": out,
                        "warnings": result.config["warnings"], "methods": methods})  # fmt: skip
        else:
            say([result.verdict, f"Report: {out}/report.html", f"New patients: exval predict {out} NEW -o risk.csv"])


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        found = [float(word) for word in split([text])]
    except ValueError:
        raise InputError(f"--horizons: {text!r} are no numbers; give times with commas, 12,36,60") from None
    if not found or any(not one > 0 for one in found):
        raise InputError(f"--horizons: {text!r}; give times above 0 with commas, 12,36,60")
    return found
