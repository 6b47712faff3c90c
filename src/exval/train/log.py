"""log.jsonl: one object per optimiser step, and one per validation."""

from __future__ import annotations

import json
from pathlib import Path

from exval.data.files import write_text


class Log:
    """Appends to ``log.jsonl``; on resume cuts it back to the checkpoint.

    Parameters
    ----------
    path
        The file.
    after
        Keep lines up to this step (a resumed run), or None to begin anew.
    """

    def __init__(self, path: Path, after: int | None = None) -> None:
        kept = [] if after is None else [line for line in read_log(path) if line["step"] <= after]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = Path(path).open("a", buffering=1)  # noqa: SIM115

    def write(self, line: dict) -> None:
        """Append one object."""
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._file.close()


def read_log(path: Path) -> list[dict]:
    """The lines of a log; a last line cut short by a kill is left out."""
    lines = []
    path = Path(path)
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines
