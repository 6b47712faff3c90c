"""A fitted field in a folder: its samples, what was chosen, its weights; nothing is pickled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exval.errors import InputError
from exval.fields.base import Field
from exval.fields.errorbars import ErrorBars
from exval.fields.places import Places

FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class SavedField:
    """A fitted field, the samples that it was fitted to, and what ``config.json`` says."""

    field: Field
    places: Places
    genes: np.ndarray
    config: dict[str, Any]


def save_field(folder: Path, field: Field, places: Places, values_ng: np.ndarray, config: dict[str, Any]) -> None:
    """Write ``config.json``, ``genes.tsv``, ``samples.safetensors`` and ``field.safetensors`` into a folder.

    Parameters
    ----------
    folder
        Of the run; it exists.
    field
        Fitted with names of genes.
    places, values_ng
        What it was fitted to.
    config
        What else is to be said: ``data``, ``space``, ``unit``, ...
    """
    from safetensors.numpy import save_file

    from exval import __version__
    from exval.data.files import write_json, write_text

    told, arrays = field.keep()
    errors = {f"errors.{'told' if key else 'alone'}.{name}": np.ascontiguousarray(value)
              for key, bars in field._errors.items() for name, value in bars.keep().items()}  # fmt: skip
    donors, donor_n = _coded(places.donor_n)
    regions = [_coded(places.regions_nk[:, k]) for k in range(places.regions_nk.shape[1])]
    region_kn = np.array([code for _, code in regions], dtype=np.int64).reshape(-1, len(places))
    values_ng = np.asarray(values_ng, dtype=np.float64)
    save_file({"xyz_n3": places.xyz_n3, "values_ng": values_ng, "donor_n": donor_n, "region_kn": region_kn},
              folder / "samples.safetensors")  # fmt: skip
    save_file({**{k: np.ascontiguousarray(v) for k, v in arrays.items()}, **errors} or {"none": np.zeros(1)},
              folder / "field.safetensors")  # fmt: skip
    write_text(folder / "genes.tsv", "\n".join(map(str, field.genes_)) + "\n")
    write_json(folder / "config.json", {
        **config, "kind": "field", "format_version": FORMAT_VERSION, "version": __version__, "method": field.name,
        "params": field.get_params(), "chosen": told, "donors": donors, "region_names": [names for names, _ in regions],
        "n": len(places), "n_genes": len(field.genes_),
    })  # fmt: skip


def open_field(folder: str | Path) -> SavedField:
    """Read what :func:`save_field` wrote.

    Raises
    ------
    InputError
        No such folder, not a field, written by a newer exval, or damaged.
    """
    from safetensors.numpy import load_file

    from exval.fields import FIELDS

    folder = Path(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{folder} is no run: there is no config.json in it that can be read") from None
    if config.get("kind") != "field":
        raise InputError(f"{folder} holds {config.get('kind') or config.get('task')}, no field: see exval brain fit")
    if config.get("format_version", 0) > FORMAT_VERSION:
        raise InputError(f"{folder} was written by a newer exval ({config.get('version')}); upgrade to read it")
    try:
        samples, arrays = load_file(folder / "samples.safetensors"), load_file(folder / "field.safetensors")
        genes = np.array((folder / "genes.tsv").read_text(encoding="utf-8").split("\n")[:-1], dtype=object)
    except Exception as fault:
        raise InputError(f"{folder} is damaged ({fault}); fit it again") from None
    names = [config["donors"], *config["region_names"]]
    columns = [samples["donor_n"], *samples["region_kn"]]
    told = [_named(name, code) for name, code in zip(names, columns)]
    regions_nk = np.column_stack(told[1:]) if len(told) > 1 else None
    places = Places.of(samples["xyz_n3"], told[0], regions_nk)
    params = {key: tuple(value) if isinstance(value, list) else value for key, value in config["params"].items()}
    field = FIELDS[config["method"]](**{key: value for key, value in params.items() if key != "chosen"})
    field.take_up(places, samples["values_ng"], genes)
    own = {key: value for key, value in arrays.items() if not key.startswith("errors.") and key != "none"}
    field.regain(places, field.standardised(samples["values_ng"]), config["chosen"], own)
    field._errors = {}
    for key, word in ((True, "told"), (False, "alone")):
        start = f"errors.{word}."
        found = {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}
        if found:
            field._errors[key] = ErrorBars().regain(places, found)
    return SavedField(field, places, genes, config)


def _coded(values_n: np.ndarray) -> tuple[list[str], np.ndarray]:
    names = sorted({str(value) for value in values_n if value is not None})
    return names, np.asarray(
        pd.Index(names, dtype=object).get_indexer(pd.Index(values_n, dtype=object)), dtype=np.int64
    )


def _named(names: list[str], code_n: np.ndarray) -> np.ndarray:
    table = np.array([*names, None], dtype=object)
    return table[code_n]
