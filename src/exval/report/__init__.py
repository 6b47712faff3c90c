"""One self-contained HTML page for a folder: the verdict first, then what it rests on.

Pages make no outside request (style and figures are inside), are written atomically, and leave out whatever the folder
does not hold.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["write_report"]


def write_report(folder: str | os.PathLike) -> Path:
    """Write ``report.html`` into a folder that exval wrote, replacing an older one.

    Parameters
    ----------
    folder
        The folder of an evaluation, of ``annotate`` (``OUT.report/``), a training run, or a folder that holds several
        of these (the demo): then one page tells them in order.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    InputError
        If the folder is none of exval's.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "config.json").write_text(json.dumps({"task": "annotate", "verdict": "PCA: 0.900."}))
    >>> write_report(folder).name
    'report.html'
    """
    from exval.data.files import write_text
    from exval.report.folder import open_folder
    from exval.report.page import render

    path = Path(folder) / "report.html"
    write_text(path, render(open_folder(folder)))
    return path
