"""Fitted methods as JSON and arrays: nothing is pickled, and nothing but classes of this package is made again."""

from __future__ import annotations

import importlib
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exval.errors import InputError
from exval.methods.run import RunMethod

OURS = ("exval.methods.", "exval.tasks.survival.")
RUN_FILES = ("config.json", "genes.tsv", "model.safetensors", "classes.json")


def pack(value: Any, arrays: dict[str, np.ndarray], folder: Path) -> Any:
    """What JSON can hold of an object; numeric arrays go into ``arrays`` and are named.

    Parameters
    ----------
    value
        Numbers, text, arrays, tables, containers of these, and objects of this package made of them. A survival forest
        becomes :class:`~exval.tasks.survival.forest.Trees`; the files of a pretrained run are copied.
    arrays
        Filled.
    folder
        Where pretrained runs are copied to, below ``runs/``.

    Raises
    ------
    InputError
        Something else, such as an object of another package.

    Examples
    --------
    >>> arrays = {}
    >>> pack({"a": (1.5, np.arange(2))}, arrays, Path("."))
    {'dict': [['a', {'tuple': [1.5, {'array': '0'}]}]]}
    >>> unpack(_, arrays, Path("."))
    {'a': (1.5, array([0, 1]))}
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (int, float)):
        return value if isinstance(value, int) or math.isfinite(value) else {"number": str(value)}
    if isinstance(value, np.ndarray):
        return _pack_array(value, arrays, folder)
    for name, kind in (("list", list), ("tuple", tuple), ("set", (set, frozenset))):
        if isinstance(value, kind):
            items = sorted(value) if name == "set" else value
            return {name: [pack(one, arrays, folder) for one in items]}
    if isinstance(value, dict):
        pairs = [[pack(k, arrays, folder), pack(v, arrays, folder)] for k, v in value.items()]
        return {"dict": pairs}
    if isinstance(value, pd.DataFrame):
        columns = {str(name): _pack_array(value[name].to_numpy(), arrays, folder) for name in value.columns}
        return {"table": columns}
    return _pack_object(value, arrays, folder)


def _pack_array(value: np.ndarray, arrays: dict[str, np.ndarray], folder: Path) -> Any:
    if value.dtype.kind in "OU":
        return {"objects": [pack(one, arrays, folder) for one in value.ravel()], "shape": list(value.shape)}
    key = str(len(arrays))
    arrays[key] = value
    return {"array": key}


def _pack_object(value: Any, arrays: dict[str, np.ndarray], folder: Path) -> Any:
    if type(value).__name__ == "RandomSurvivalForest":
        from exval.tasks.survival.forest import Trees

        value = Trees.of(value)
    if isinstance(value, RunMethod):
        name = Path(value.folder).name
        target = folder / "runs" / name
        target.mkdir(parents=True, exist_ok=True)
        for file in RUN_FILES:
            if (Path(value.folder) / file).is_file():
                shutil.copyfile(Path(value.folder) / file, target / file)
        return {"run": name}
    kind = type(value)
    if (
        not kind.__module__.startswith(OURS)
        or getattr(importlib.import_module(kind.__module__), kind.__name__, None) is not kind
    ):
        raise InputError(f"a {kind.__name__} of {kind.__module__} cannot be kept in a file")
    state = {name: pack(one, arrays, folder) for name, one in vars(value).items()}
    return {"object": f"{kind.__module__}:{kind.__name__}", "state": state}


def unpack(value: Any, arrays: dict[str, np.ndarray], folder: Path) -> Any:
    """The inverse of :func:`pack`.

    Raises
    ------
    InputError
        A class that is not of this package, or an array that is not there.
    """
    if not isinstance(value, dict):
        return value
    if "number" in value:
        return float(value["number"])
    if "array" in value:
        if value["array"] not in arrays:
            raise InputError(f"{folder} is damaged: an array of a model is not there; make it again")
        return arrays[value["array"]]
    if "objects" in value:
        out = np.empty(len(value["objects"]), dtype=object)
        out[:] = [unpack(one, arrays, folder) for one in value["objects"]]
        return out.reshape(value["shape"])
    for name, kind in (("list", list), ("tuple", tuple), ("set", set)):
        if name in value:
            return kind(unpack(one, arrays, folder) for one in value[name])
    if "dict" in value:
        return {unpack(k, arrays, folder): unpack(v, arrays, folder) for k, v in value["dict"]}
    if "table" in value:
        return pd.DataFrame({name: unpack(one, arrays, folder) for name, one in value["table"].items()})
    if "run" in value:
        return RunMethod(str(folder / "runs" / Path(value["run"]).name))
    return _unpack_object(value, arrays, folder)


def _unpack_object(value: dict, arrays: dict[str, np.ndarray], folder: Path) -> Any:
    where, _, name = str(value.get("object")).partition(":")
    if not where.startswith(OURS):
        raise InputError(f"{folder} names the class {where}:{name}, which is none of exval's; it is not loaded")
    try:
        kind = getattr(importlib.import_module(where), name)
    except (ImportError, AttributeError):
        raise InputError(f"{folder} was written by another version of exval ({where}:{name} is not here)") from None
    if not isinstance(kind, type):
        raise InputError(f"{folder} names {where}:{name}, which is no class; it is not loaded")
    made = kind.__new__(kind)
    made.__dict__.update({key: unpack(one, arrays, folder) for key, one in value["state"].items()})
    return made
