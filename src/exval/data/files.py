"""Outputs that are either whole or absent: a temporary sibling, fsync, rename.

Every file or folder exval writes goes through :func:`atomic_path`. Whatever happens in between (an exception, Ctrl-C, a
full disk, ``kill -9``), the name the user asked for shows the old content or the complete new one.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from exval.errors import OutputError

__all__ = ["atomic_path", "check_writable", "is_ours", "refuse_existing", "write_bytes", "write_json", "write_text"]

#: Files that mark a folder as written by exval, and fields that only exval's have: other programs write files of the
#: same names (every model folder of a hub has a config.json).
MARKERS = {"manifest.json": {"format_version", "record_bytes"}, "config.json": {"verdict", "kind", "config_hash"}}

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


def check_writable(path: str | os.PathLike) -> Path:
    """Refuse an output early, before minutes are spent computing it.

    Parameters
    ----------
    path
        The file or folder that will be written. Its parent has to exist.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    OutputError
        If the parent is absent, is not a folder, or may not be written to.

    Examples
    --------
    >>> check_writable("nowhere/at/all.csv")
    Traceback (most recent call last):
    ...
    exval.errors.OutputError: cannot write nowhere/at/all.csv: there is no folder nowhere/at; create it first
    """
    path = Path(path)
    parent = path.absolute().parent
    if not parent.exists():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}; create it first")
    if not parent.is_dir():
        raise OutputError(f"cannot write {path}: {path.parent} is a file, not a folder; choose another place")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: no permission in the folder {path.parent}; choose another place")
    return path


def refuse_existing(path: str | os.PathLike, force: bool = False) -> Path:
    """Refuse to overwrite, unless the user said so; also checks that the place can be written.

    A folder that is not empty and that exval did not write is refused even under ``force``: replacing it would delete
    whatever else is in it.

    Parameters
    ----------
    path
        The file or folder about to be written.
    force
        Allow an existing output to be replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    OutputError
        If the output exists and may not be replaced, or cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "labels.csv"
    >>> refuse_existing(file) == file
    True
    """
    path = check_writable(path)
    if not os.path.lexists(path):
        return path
    if not force:
        raise OutputError(f"{path} exists already; choose another name, or pass --force (force=True) to replace it")
    if path.is_dir() and any(path.iterdir()) and not is_ours(path):
        raise OutputError(f"{path} is a folder that exval did not write; it is not replaced even with --force")
    return path


def is_ours(folder: Path) -> bool:
    """Whether exval wrote a folder: only then may it be replaced under ``force``."""
    for name, fields in MARKERS.items():
        with suppress(OSError, ValueError):
            found = json.loads((folder / name).read_text(encoding="utf-8"))
            if isinstance(found, dict) and {"version", "format_version"} & set(found) and fields & set(found):
                return True
    return False


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Write a file or a folder so that it appears under its name only when it is complete.

    Parameters
    ----------
    path
        Where the result belongs. An existing file, or a folder written by exval, is replaced: ask
        :func:`refuse_existing` before.

    Yields
    ------
    pathlib.Path
        A sibling name that does not exist yet and ends like ``path`` (so that a writer which looks at the suffix picks
        the right format). Create a file or a folder there. On leaving the block everything is flushed to disk and
        renamed; if the block raises anything, the sibling is removed.

    Raises
    ------
    OutputError
        If the place cannot be written or the disk is full; nothing is left behind.

    Notes
    -----
    What a killed process left behind is removed by the next write of the same output.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "labels.csv") as part:
    ...     _ = part.write_text("cell,label")
    >>> [file.name for file in folder.iterdir()]
    ['labels.csv']
    """
    path = check_writable(path)
    _remove_abandoned(path)
    part = path.with_name(f".partial-{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield part
        if not os.path.lexists(part):
            raise OutputError(f"nothing was written for {path}")
        _open_up(part)
        _flush(part)
        _replace(part, path)
    except BaseException as error:
        _remove(part)
        reason = _reason(error)
        if reason is not None and not isinstance(error, OutputError):
            raise OutputError(f"cannot write {path}: {reason}") from error
        raise


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Write one file atomically.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "a.bin"
    >>> write_bytes(file, b"abc")
    >>> file.read_bytes()
    b'abc'
    """
    with atomic_path(path) as part:
        part.write_bytes(content)


def write_text(path: str | os.PathLike, content: str) -> None:
    r"""Write one text file atomically, as UTF-8.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> write_text(file, "µ\n")
    >>> file.read_bytes()
    b'\xc2\xb5\n'
    """
    write_bytes(path, content.encode())


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write one JSON file atomically; numpy scalars and arrays and paths are converted, NaN is refused.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "a.json"
    >>> write_json(file, {"n": 3})
    >>> json.loads(file.read_text())
    {'n': 3}
    """
    write_text(path, json.dumps(content, indent=1, default=_plain, allow_nan=False, ensure_ascii=False) + "\n")


def _plain(value: Any) -> Any:
    """What ``json`` cannot take: numpy values by their ``tolist``, paths as text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _host() -> str:
    return re.sub(r"\W", "", socket.gethostname())[:16] or "host"


def _reason(error: BaseException) -> str | None:
    """Why the operating system refused, in the user's terms; None if this is some other fault.

    HDF5, Arrow and safetensors wrap the system's error in their own classes, hence the look at chain and text.
    """
    seen: BaseException | None = error
    while seen is not None:
        code = getattr(seen, "errno", None)
        if code in _FULL or "No space left on device" in str(seen):
            return "the disk is full; free some space or choose another place. Nothing was written"
        if code in _DENIED and _is_ours(seen):
            return "no permission; choose another place. Nothing was written"
        seen = seen.__cause__ or seen.__context__
    return None


def _is_ours(error: BaseException) -> bool:
    """Whether the refusal concerns the temporary output, not an input that was being read meanwhile."""
    names = (getattr(error, "filename", None), getattr(error, "filename2", None))
    return any(".partial-" in os.fsdecode(name) for name in names if isinstance(name, str | bytes | os.PathLike))


def _open_up(part: Path) -> None:
    """Give files that a writer made for the owner alone the rights of any other new file."""
    mask = os.umask(0)
    os.umask(mask)
    for file in [part] if part.is_file() else [one for one in part.rglob("*") if one.is_file()]:
        if stat.S_IMODE(file.stat().st_mode) & 0o077 == 0:
            file.chmod(0o666 & ~mask)


def _flush(part: Path) -> None:
    """Bring a file, or every file and folder below, to the disk."""
    if part.is_dir():
        for folder, _, files in os.walk(part, topdown=False):
            for file in files:
                _fsync(Path(folder) / file)
            _fsync(Path(folder))
    else:
        _fsync(part)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(part: Path, path: Path) -> None:
    """Put ``part`` in the place of ``path``; folders are renamed onto free names only, so an old one steps aside."""
    if path.is_dir() and not path.is_symlink():
        if not part.is_dir():
            raise OutputError(f"{path} is a folder, but the output is a file; choose another name")
        refuse_existing(path, force=True)
        aside = part.with_name(part.name.replace(".partial-", ".partial-old-", 1))
        os.rename(path, aside)
        try:
            os.rename(part, path)
        except BaseException:
            os.rename(aside, path)
            raise
        _remove(aside)
    else:
        if path.exists() and part.is_dir():
            raise OutputError(f"{path} is a file, but the output is a folder; choose another name")
        os.replace(part, path)
    _fsync(path.absolute().parent)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    """Delete the temporary siblings of ``path`` whose process on this machine is gone."""
    pattern = re.compile(rf"\.partial-(?:old-)?{_host()}-(\d+)-[0-9a-f]{{8}}-{re.escape(path.name)}")
    with suppress(OSError):
        for sibling in path.absolute().parent.iterdir():
            match = pattern.fullmatch(sibling.name)
            if match and not _alive(int(match.group(1))):
                if sibling.name.startswith(".partial-old-") and not path.exists():
                    sibling.rename(path)  # killed between the two renames of _replace: the old output is the valid one
                else:
                    _remove(sibling)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
