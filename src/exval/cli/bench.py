"""``exval bench``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from exval.cli import options as o
from exval.cli.command import print_json, say, verb


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Rerun a published benchmark, or list them.")
    def bench(
        name: Annotated[
            str | None, typer.Argument(metavar="[NAME]", help="Which one; none: list them.", show_default=False)
        ] = None,
        out: Annotated[
            str | None,
            typer.Option("--out", "-o", metavar="DIR", help="Folder for jobs, tables and report.html; goes on there."),
        ] = None,
        preset: Annotated[
            str | None,
            typer.Option("--preset", metavar="SIZE", help="Its size: cpu, paper, ...", show_default="its first"),
        ] = None,
        data: Annotated[
            str | None,
            typer.Option("--data", metavar="DIR", help="Folder with data sets.", show_default="what comes with exval"),
        ] = None,
        method: Annotated[
            list[str] | None, typer.Option("--method", "-m", metavar="NAME,...", help="Only these methods.")
        ] = None,
        seeds: Annotated[
            int | None,
            typer.Option("--seeds", metavar="N", min=1, help="Repeats with other seeds.", show_default="the preset's"),
        ] = None,
        engine: Annotated[Literal["local", "ray"], typer.Option("--engine", help="Where jobs are run.")] = "local",
        workers: Annotated[
            int | None,
            typer.Option("--workers", metavar="N", min=1, help="Cells at a time.", show_default="what fits"),
        ] = None,
        threads: Annotated[
            int | None, typer.Option("--threads", metavar="N", min=1, help="CPU threads of each job.")
        ] = None,
        seconds: Annotated[
            float | None, typer.Option("--seconds", metavar="S", help="Longest time of a job; then it failed.")
        ] = None,
        memory: Annotated[
            float | None, typer.Option("--memory", metavar="GB", help="Most memory of a job; then it failed.")
        ] = None,
        resume: Annotated[
            bool, typer.Option("--resume/--no-resume", help="Keep the jobs of DIR that have ended, or forget them.")
        ] = True,
        retry: Annotated[
            Literal["failed"] | None, typer.Option("--retry", help="Run jobs again that failed.", show_default=False)
        ] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")] = False,
        only_report: Annotated[
            bool, typer.Option("--only-report", help="Run nothing: report on the jobs that have ended.")
        ] = False,
        json: o.Json = False,
    ) -> None:
        """Rerun a published benchmark: every method on every data set, each a job in a process of its own with limits.

        What crashes, hangs or needs too much memory is recorded as that. Ctrl-C, a power cut or kill -9 lose the
        running jobs at most: the same command goes on. Without NAME: what there is.
        """
        from exval.bench.benchmark import find
        from exval.errors import InputError
        from exval.verbs import bench as b

        if name is None:
            _list(b.list_benchmarks(), json)
            return
        asked = {
            "preset": preset, "data": data, "method": method or None, "seeds": seeds, "seconds": seconds,
            "memory_gb": memory, "threads": threads,
        }  # fmt: skip
        if dry_run:
            print("\n".join(b.describe(b.plan_benchmark(name, **asked), out, workers)))
            return
        find(name)
        if out is None:
            raise InputError("name a folder for the results: -o DIR")
        found = b.run_benchmark(
            name, out=out, engine=engine, workers=workers, resume=resume, retry=retry, only_report=only_report, **asked
        )
        say([found.verdict, f"Report: {out}/report.html"])


def _list(rows: list[dict], json: bool) -> None:
    from exval.cli.lists import table

    if json:
        print_json(rows)
    else:
        print(table(rows, ("name", "presets", "summary")) if rows else "no benchmark is installed")
