"""Stages that are done once: an interrupted demo goes on where it stopped."""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from exval.errors import OutputError
from exval.train.stop import Stopped

#: Folders, in the order in which the report tells them.
CHAPTERS = ("annotate", "evaluate", "run", "finetune", "recover")
FILES = ("config.json", "report.html", "reference.h5ad", "second_lab.h5ad", "named.h5ad", "annotated.h5ad")


def sentences(text: str) -> list[str]:
    """A verdict as one line a sentence.

    Examples
    --------
    >>> sentences("pca against depth: +0.2 [0.1, 0.3]: better. 582 cells named, 10% unsure.")
    ['pca against depth: +0.2 [0.1, 0.3]: better.', '582 cells named, 10% unsure.']
    """
    return re.split(r"(?<=[\w%]\.) +", text)


class Stages:
    """Runs a stage once: what is finished stands in ``config.json``, with its time and its sentence.

    Parameters
    ----------
    folder
        Where the stages write; made if it is absent.
    settings
        What the stages depend on: a folder made with other settings is refused.
    force
        Remove what an earlier demo wrote (and nothing else) and begin anew.
    say
        Called with each line for the user.
    chapters, files
        Folders of results, in the order in which the page tells them (with ``folder``, ``title`` and ``text`` where
        the page shall say so), and files that the stages write.
    title
        Of the page.

    Raises
    ------
    OutputError
        If the folder holds something else, or a demo with other settings and not ``force``.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "demo"
    >>> Stages(folder, {"seed": 0}, False, print).run("sum", "Adding", lambda: "2")
    Adding (0 s):
      2
    >>> Stages(folder, {"seed": 0}, False, print).run("sum", "Adding", lambda: "3")
    Adding (done before):
      2
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        force: bool,
        say: Callable[[str], None],
        chapters: Sequence[str | dict[str, str]] = CHAPTERS,
        files: Sequence[str] = FILES,
        title: str = "",
    ) -> None:
        from exval import __version__

        self.folder, self.say, self.written = folder, say, (*files, "config.json", "report.html")
        self.written += tuple(one if isinstance(one, str) else one["folder"] for one in chapters)
        self.file = folder / "config.json"
        wanted = {"kind": "demo", "version": __version__, "settings": settings}
        self.state = self._read(wanted, force) or {**wanted, "chapters": list(chapters), "stages": {}}
        if title:
            self.state["title"] = title
        folder.mkdir(exist_ok=True)
        self._save()

    @property
    def verdicts(self) -> dict[str, str]:
        return {name: stage["says"] for name, stage in self.state["stages"].items()}

    @property
    def seconds(self) -> dict[str, float]:
        return {name: stage["seconds"] for name, stage in self.state["stages"].items()}

    def run(self, name: str, title: str, work: Callable[[], str]) -> None:
        """Do the work unless it is done, and say how long it took and what came out."""
        done = self.state["stages"].get(name)
        if done is None:
            start = time.perf_counter()
            log = logging.getLogger("exval")
            level = log.level
            log.setLevel(logging.ERROR)  # what there is to beware of stands in the report
            try:
                says = work()
            except Stopped:
                raise KeyboardInterrupt("stopped; the same command begins this stage again") from None
            finally:
                log.setLevel(level)
            done = self.state["stages"][name] = {"seconds": round(time.perf_counter() - start, 1), "says": says}
            self._save()
            took = f"{done['seconds']:.0f} s"
        else:
            took = "done before"
        self.say("\n  ".join([f"{title} ({took}):", *sentences(done["says"])]))

    def finish(self, headline: str = "annotate") -> Path:
        """Write the page that tells all stages, the verdict of one of them first."""
        from exval.report import write_report

        self.state["verdict"] = self.verdicts[headline]
        self._save()
        return write_report(self.folder)

    def _read(self, wanted: dict[str, Any], force: bool) -> dict[str, Any] | None:
        from exval.data.files import check_writable

        check_writable(self.folder)
        if not self.folder.exists() or (self.folder.is_dir() and not any(self.folder.iterdir())):
            return None
        try:
            found = json.loads(self.file.read_text())
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict) or found.get("kind") != "demo":
            raise OutputError(f"{self.folder} exists and holds no demo; choose another folder with --out")
        if force:
            self._clear()
            return None
        if any(found.get(key) != value for key, value in wanted.items()):
            raise OutputError(f"{self.folder} holds a demo with other settings; pass --force to begin anew")
        return found

    def _clear(self) -> None:
        for name in self.written:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _save(self) -> None:
        from exval.data.files import write_json

        write_json(self.file, self.state)
