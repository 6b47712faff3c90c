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
from exval.fields.newgene import Extended
from exval.fields.places import Places

FORMAT_VERSION = 2


@dataclass(frozen=True, eq=False)
class SavedField:
    """A fitted field, the samples that it was fitted to, and what ``config.json`` says.

    ``genes`` are all that are told, those that were added by a few samples last.
    """

    field: Field | Extended
    places: Places
    values_ng: np.ndarray
    genes: np.ndarray
    config: dict[str, Any]


def save_field(
    folder: Path, field: Field | Extended, places: Places, values_ng: np.ndarray, config: dict[str, Any]
) -> None:
    """Write ``config.json``, ``genes.tsv``, ``samples.safetensors`` and ``field.safetensors`` into a folder.

    Parameters
    ----------
    folder
        Of the run; it exists.
    field
        Fitted with names of genes. Of one with genes that were added, ``added.safetensors`` holds those.
    places, values_ng
        What it was fitted to.
    config
        What else is to be said: ``data``, ``space``, ``unit``, ...
    """
    from safetensors.numpy import save_file

    from exval import __version__
    from exval.data.files import write_json, write_text

    added: list[str] = []
    if isinstance(field, Extended):
        save_file({key: np.ascontiguousarray(value) for key, value in field.keep().items()},
                  folder / "added.safetensors")  # fmt: skip
        field, added = field.field, list(map(str, field.added))
    told, arrays = field.keep()
    errors = {f"errors.{'told' if key else 'alone'}.{name}": np.ascontiguousarray(value)
              for key, bars in field._errors.items() for name, value in bars.keep().items()}  # fmt: skip
    donors, donor_n = _coded(places.donor_n)
    regions = [_coded(places.regions_nk[:, k]) for k in range(places.regions_nk.shape[1])]
    region_kn = np.array([code for _, code in regions], dtype=np.int64).reshape(-1, len(places))
    xyz_n3, values_ng = (np.ascontiguousarray(x, dtype=np.float64) for x in (places.xyz_n3, values_ng))
    save_file({"xyz_n3": xyz_n3, "values_ng": values_ng, "donor_n": donor_n, "region_kn": region_kn},
              folder / "samples.safetensors")  # fmt: skip
    save_file({**{k: np.ascontiguousarray(v) for k, v in arrays.items()}, **errors} or {"none": np.zeros(1)},
              folder / "field.safetensors")  # fmt: skip
    genes = [*map(str, field.genes_), *added]
    write_text(folder / "genes.tsv", "\n".join(genes) + "\n")
    write_json(folder / "config.json", {
        **config, "kind": "field", "format_version": FORMAT_VERSION, "version": __version__, "method": field.name,
        "params": field.get_params(), "chosen": told, "donors": donors, "region_names": [names for names, _ in regions],
        "n": len(places), "n_genes": len(genes), "n_added": len(added),
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
    if folder.is_file():
        raise InputError(f"{folder} is a file, not a run: fit a field to it with exval brain fit")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{folder} is no run: there is no config.json in it that can be read") from None
    if config.get("kind") != "field":
        what = config.get("kind") or config.get("task")
        raise InputError(f"{folder} holds something else ({what}), not a fitted field: make one with exval brain fit")
    if config.get("format_version", 0) > FORMAT_VERSION:
        raise InputError(f"{folder} was written by a newer exval ({config.get('version')}); upgrade to read it")
    if config.get("format_version", 0) < FORMAT_VERSION:
        raise InputError(f"{folder} was written by an older exval ({config.get('version')}); fit it again")
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
    n_added = int(config.get("n_added", 0))
    field.take_up(places, samples["values_ng"], genes[: len(genes) - n_added])
    own = {key: value for key, value in arrays.items() if not key.startswith("errors.") and key != "none"}
    field.regain(places, field.standardised(samples["values_ng"]), config["chosen"], own)
    field._errors = {}
    for key, word in ((True, "told"), (False, "alone")):
        start = f"errors.{word}."
        found = {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}
        if found:
            field._errors[key] = ErrorBars().regain(places, found)
    if n_added:
        field = Extended.regained(field, load_file(folder / "added.safetensors"), genes[-n_added:])
    return SavedField(field, places, samples["values_ng"], genes, config)


def _coded(values_n: np.ndarray) -> tuple[list[str], np.ndarray]:
    names = sorted({str(value) for value in values_n if value is not None})
    return names, np.asarray(
        pd.Index(names, dtype=object).get_indexer(pd.Index(values_n, dtype=object)), dtype=np.int64
    )


def _named(names: list[str], code_n: np.ndarray) -> np.ndarray:
    table = np.array([*names, None], dtype=object)
    return table[code_n]
