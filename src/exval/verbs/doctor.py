"""Is this machine ready? One finding a line: ok, note (works, but worth knowing) or broken."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Literal

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "anndata",
    "scikit-learn",
    "pyarrow",
    "h5py",
    "safetensors",
    "pydantic",
)
PACKAGES += ("typer", "rich", "matplotlib")
_IMPORT_NAME = {"scikit-learn": "sklearn"}
LITTLE_SPACE_GB = 2.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    name
        What was looked at.
    state
        ``ok``, ``note`` or ``broken``.
    detail
        What was found, and what to do if it is broken.
    """

    name: str
    state: Literal["ok", "note", "broken"]
    detail: str

    def line(self) -> str:
        """As one line of text."""
        return f"{self.state:<7} {self.name:<13} {self.detail}"

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary of strings."""
        return asdict(self)


def doctor() -> list[Finding]:
    """Look at Python, the packages, the processor, a GPU, the disk and the data that come with exval.

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> {finding.state for finding in doctor()} <= {"ok", "note", "broken"}
    True
    """
    looks: list[tuple[str, Callable[[], Finding]]] = [("python", _python), ("exval", _exval)]
    looks += [(package, lambda package=package: _package(package)) for package in PACKAGES]
    looks += [("cpu", _cpu), ("gpu", _gpu), ("temp", _temp), ("disk", _disk), ("cells", _cells)]
    return [_guarded(name, look) for name, look in looks]


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    """A look that fails is itself the finding: the doctor has to finish on a broken installation."""
    try:
        return look()
    except Exception as error:
        return Finding(name, "broken", f"{type(error).__name__}: {' '.join(str(error).split())}")


def _python() -> Finding:
    state = "ok" if sys.version_info >= (3, 11) else "broken"
    return Finding("python", state, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _exval() -> Finding:
    import exval

    return Finding("exval", "ok", exval.__version__)


def _package(package: str) -> Finding:
    importlib.import_module(_IMPORT_NAME.get(package, package))
    return Finding(package, "ok", metadata.version(package))


def _cpu() -> Finding:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    state = "ok" if threads <= cores else "note"
    return Finding("cpu", state, f"{cores} cores usable, {threads} threads used; change with --threads")


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("gpu", "note", "none found; everything runs on the CPU")
    from exval.nn.attention import padded, varlen

    name, memory = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory / 2**30
    q_thd = torch.randn(96, 2, 32, device="cuda", dtype=torch.bfloat16)
    offsets = torch.tensor([0, 64, 96], device="cuda")
    apart = (varlen(q_thd, q_thd, q_thd, offsets, offsets) - padded(q_thd, q_thd, q_thd, offsets, offsets)).abs().max()
    if not apart < 0.05:
        return Finding("gpu", "broken", f"{name}: fused attention is off by {apart:.2g}; use --device cpu")
    return Finding("gpu", "ok", f"{name}, {memory:.0f} GB; fused attention works")


def _temp() -> Finding:
    with tempfile.NamedTemporaryFile(prefix="exval-") as file:
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())
    return Finding("temp", "ok", f"{tempfile.gettempdir()} can be written")


def _disk() -> Finding:
    free = shutil.disk_usage(".").free / 1e9
    state = "ok" if free > LITTLE_SPACE_GB else "note"
    return Finding("disk", state, f"{free:.1f} GB free in this folder")


def _cells() -> Finding:
    from exval.datasets import baron

    cells = baron()
    return Finding("cells", "ok", f"the Baron pancreas cells that come with exval: {cells.n_obs:,} x {cells.n_vars:,}")
