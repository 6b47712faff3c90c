"""The configuration of one run, and how ``--set path=value`` changes it."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exval.errors import InputError
from exval.models.config import ModelConfig
from exval.train.checkpoint import FORMAT_VERSION
from exval.train.config import TrainConfig
from exval.visibility import Everything, Masking, Subset

#: What ``--set`` cannot change: it follows from the command.
FIXED = ("format_version", "kind", "recipe", "preset", "visibility.kind", "model.n_classes", "dense")


class RunConfig(BaseModel):
    """All that decides a run; saved resolved as ``config.json``.

    Parameters
    ----------
    kind
        "pretrain" or "finetune".
    recipe, preset
        Where the settings came from.
    model, visibility, train
        The parts.
    infer_visible
        Most values that the encoder reads of a sample when embedding, recovering or predicting.
    dense
        Zeros are values like any other, and a gene that is absent was not measured (patients); otherwise absent genes
        of the panel are zeros (cells).
    """

    model_config = ConfigDict(extra="forbid")
    format_version: int = FORMAT_VERSION
    kind: Literal["pretrain", "finetune"] = "pretrain"
    recipe: str = "xtrimogene"
    preset: str = "tiny"
    model: ModelConfig = ModelConfig()
    visibility: Annotated[Masking | Subset | Everything, Field(discriminator="kind")] = Masking()
    train: TrainConfig = TrainConfig()
    infer_visible: int | None = Field(None, ge=1)
    dense: bool = False

    @property
    def show(self) -> Everything:
        """How a sample is shown when nothing of it is hidden."""
        return Everything(max_visible=self.infer_visible, dense=self.dense)


def make_config(recipe: str, preset: str, overrides: dict[str, Any] | None = None) -> RunConfig:
    """The configuration of a recipe with some settings changed.

    Raises
    ------
    InputError
        Unknown recipe, preset or setting (with what was probably meant), or a value that does not fit.

    Examples
    --------
    >>> make_config("xtrimogene", "tiny", {"train.lr": "0.002"}).train.lr
    0.002
    """
    from exval.recipes import RECIPES

    if recipe not in RECIPES:
        raise InputError(f"no recipe is called {recipe!r}; {_meant(recipe, RECIPES)}")
    return change(RECIPES[recipe](preset), overrides or {})


def change(config: RunConfig, overrides: dict[str, Any], fixed: tuple[str, ...] = (*FIXED, "train.seed")) -> RunConfig:
    """``config`` with settings replaced; keys are dotted paths, values JSON or text. Those in ``fixed`` are refused."""
    data = config.model_dump()
    for path, value in overrides.items():
        if path in fixed:
            raise InputError(f"{path} cannot be set; it follows from the command and its options")
        *parents, last = path.split(".")
        node = data
        for name in parents:
            node = node.get(name) if isinstance(node, dict) else None
        if not isinstance(node, dict) or (last not in node and parents[-1:] != ["options"]):
            raise InputError(f"no setting is called {path!r}; {_meant(path, [s['name'] for s in settings(config)])}")
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except json.JSONDecodeError:
                value = value.split(",") if isinstance(node.get(last), tuple | list) else value
        node[last] = value
    try:
        return RunConfig.model_validate(data)
    except ValidationError as fault:
        first = fault.errors()[0]
        if first["type"] == "value_error":
            raise InputError(first["msg"].removeprefix("Value error, ")) from None
        where = ".".join(str(x) for x in first["loc"] if x not in ("masking", "subset", "everything"))
        raise InputError(f"{where} = {first['input']!r} does not fit: {first['msg'].lower()}") from None


def settings(config: RunConfig) -> list[dict[str, Any]]:
    """Every setting that ``--set`` can change: its dotted path as ``name``, and its value."""

    def walk(node: dict, prefix: str):
        for key, value in node.items():
            path = f"{prefix}{key}"
            if isinstance(value, dict) and key != "options":
                yield from walk(value, path + ".")
            else:
                yield {"name": path, "value": value}

    return [row for row in walk(config.model_dump(mode="json"), "") if row["name"] not in FIXED]


def _meant(word: str, known) -> str:
    known = list(known)
    ends = [name for name in known if name.endswith("." + word)]
    close = ends if len(ends) == 1 else get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
