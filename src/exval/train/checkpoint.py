"""Everything that a resumed run needs, in safetensors and JSON; nothing is pickled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from exval.data.files import atomic_path
from exval.errors import InputError

FORMAT_VERSION = 1
ADDED = ("head.sd_scale",)  # tensors that runs of this format may lack: the model's start stands for them


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's tensors, whole or not at all."""
    with atomic_path(path) as temporary:
        save_file({k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}, temporary)


def load_weights(model: nn.Module, path: Path, new: tuple[str, ...] = ()) -> None:
    """Read a model's tensors.

    Parameters
    ----------
    new
        Beginnings of the names of tensors that the file lacks and the model keeps as they are: a label head.

    Raises
    ------
    InputError
        If the file is damaged or does not fit the model.
    """
    try:
        tensors = load_file(path)
    except Exception as fault:
        raise InputError(f"{path} is damaged or no safetensors file ({fault}); copy the run again") from None
    try:
        kept = {k: v for k, v in model.state_dict().items() if k.startswith((*new, *ADDED))}
        model.load_state_dict({**kept, **tensors})
    except RuntimeError as fault:
        raise InputError(
            f"{path} does not fit this shape of the model ({str(fault).splitlines()[-1].strip()})"
        ) from None


def save_state(folder: Path, step: int, model: nn.Module, optimiser: torch.optim.Optimizer, extra: dict) -> None:
    """Write ``folder/step-N`` and then delete the older ones."""
    tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in model.state_dict().items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{k}": torch.as_tensor(v) for k, v in state.items()}
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{step:08d}"
    with atomic_path(path) as temporary:
        temporary.mkdir(exist_ok=True)
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary / "state.safetensors")
        (temporary / "state.json").write_text(json.dumps({"format_version": FORMAT_VERSION, "step": step, **extra}))
    for old in sorted(folder.glob("step-*")):
        if old.name < path.name:
            shutil.rmtree(old)


def newest_state(folder: Path) -> Path | None:
    """The newest complete checkpoint of a run, or None."""
    found = sorted(p for p in folder.glob("step-*") if (p / "state.json").exists()) if folder.is_dir() else []
    return found[-1] if found else None


def load_state(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> dict:
    """Restore model and optimiser; returns what was saved beside them. No state of a generator is kept: the loop seeds
    it at every step."""
    try:
        extra = json.loads((path / "state.json").read_text())
        tensors = load_file(path / "state.safetensors")
    except Exception as fault:
        raise InputError(f"{path} is damaged ({fault}); begin the run again with --force") from None
    check_version(extra, path)
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, i, name = key.split(".", 2)
            state.setdefault(int(i), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return extra


def check_version(described: dict, path: Path) -> None:
    """Refuse what a newer exval wrote."""
    version = described.get("format_version")
    if not isinstance(version, int):
        raise InputError(f"{path} has no format_version: it is no run of exval, or damaged")
    if version > FORMAT_VERSION:
        raise InputError(
            f"{path} was written by a newer exval (format {version}, this one reads {FORMAT_VERSION}); upgrade exval"
        )
