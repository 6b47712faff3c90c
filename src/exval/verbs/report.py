"""Draw the page of a folder again."""

from __future__ import annotations

import os
from pathlib import Path


def report(folder: str | os.PathLike, force: bool = True) -> Path:
    """Write ``report.html`` again from the tables in a folder.

    Parameters
    ----------
    folder
        The folder of ``evaluate``, ``annotate`` (``OUT.report/``), a training run, or the demo.
    force
        Replace a page that is there already; it can always be drawn again.

    Returns
    -------
    pathlib.Path
        The page: one file that makes no outside request.

    Raises
    ------
    InputError
        If the folder is none of exval's.
    OutputError
        If there is a page already and ``force`` is false, or the folder cannot be written.

    Examples
    --------
    >>> report("nowhere")
    Traceback (most recent call last):
    ...
    exval.errors.InputError: nowhere is not a folder; give one that exval evaluate, annotate, pretrain or demo wrote
    """
    from exval.data.files import refuse_existing
    from exval.report import write_report

    path = Path(folder)
    if path.is_dir():
        refuse_existing(path / "report.html", force=force)
    return write_report(path)
