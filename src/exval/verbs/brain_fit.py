"""``exval brain fit``: a field on all samples, kept in a folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from exval.errors import ExvalError, InputError
from exval.logs import warn


def brain_fit(
    data: Any,
    *,
    method: str = "gp",
    settings: dict[str, Any] | None = None,
    genes: Any = None,
    space: str | None = None,
    donor: str = "donor",
    regions: tuple[str, ...] | None = None,
    unit: str | None = None,
    out: str | Path,
    force: bool = False,
    seed: int = 0,
    threads: int | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Fit a field to all samples of a file and keep it in a folder.

    Parameters
    ----------
    data, genes, space, donor, regions, unit
        See :func:`exval.data.brain.read_samples`.
    method
        A name of :data:`exval.fields.FIELDS`.
    settings
        Parameters of the field that are changed, e.g. ``{"k": 20}``.
    out
        Folder of the run; ``report.html`` in it says what was fitted.
    force, seed, threads, device
        As everywhere.

    Returns
    -------
    dict
        What ``config.json`` of the run says.
    """
    from threadpoolctl import threadpool_limits

    from exval.bench.folder import write_table
    from exval.data.brain import read_samples
    from exval.data.files import atomic_path, refuse_existing
    from exval.fields.named import named_field
    from exval.fields.saved import open_field, save_field
    from exval.report import write_report
    from exval.tasks.field.diagnosis import variogram_table
    from exval.tasks.field.words import held_inside, in_words, inner_table, verdict

    out = Path(out)
    refuse_existing(out, force)
    field = named_field(method, settings, seed=seed, device=device)
    samples = read_samples(data, space=space, donor=donor, regions=regions, genes=genes, unit=unit)
    began, cpu = time.perf_counter(), time.process_time()
    with threadpool_limits(threads):
        try:
            field.fit(samples.places, samples.values_ng, samples.genes)
        except (ValueError, IndexError, ZeroDivisionError) as fault:
            if isinstance(fault, ExvalError) or not settings:
                raise
            told = ", ".join(f"{key}={value}" for key, value in settings.items())
            raise InputError(f"{field.title} cannot be fitted with {told}: {' '.join(str(fault).split())}") from None
    config = {
        "data": samples.name, "space": samples.space, "unit": samples.unit, "regions": list(samples.regions),
        "notes": samples.notes, "warnings": samples.warnings, "seed": seed,
        "seconds": round(time.perf_counter() - began, 2), "cpu_seconds": round(time.process_time() - cpu, 2),
        "parameters": field.n_parameters(), "title": f"{samples.name}: {field.title}", "folder": str(out),
        "in_words": in_words(field, samples.regions), "held_inside": held_inside(samples.places),
        "card": vars(field.card), "mirrored": field.mirrored, "n": len(samples.places), "n_genes": len(samples.genes),
    }  # fmt: skip
    inner = inner_table(field, samples.genes)
    config["verdict"] = verdict(field, config, inner)
    measured = {"measured": field.standardised(samples.values_ng)[:, field.sd_g_ > 0]}
    found = {"inner_errors": inner, "field_variogram": variogram_table(samples.places.folded(), measured, seed)}
    with atomic_path(out) as part:
        part.mkdir(exist_ok=True)
        for name, table in found.items():
            if len(table):
                write_table(table, part / "extras" / f"{name}.parquet")
        save_field(part, field, samples.places, samples.values_ng, config)
        write_report(part)
    warn(samples.warnings)
    return open_field(out).config
