"""A method from what a user types: a name, a column, a folder, a program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from exval.errors import InputError
from exval.methods.base import METHODS, Method

COMMAND = re.compile(r"\s*cmd[:\[]")


def resolve(spec: Any) -> Method:
    """A method from what a user types; registry names win over paths.

    Parameters
    ----------
    spec
        A registry name or alias, ``obsm:X_name`` for an embedding already in the file, the folder of a pretraining
        or fine-tuning run, ``cmd:PROGRAM {input} {output}`` for a program that imputes
        (:class:`~exval.methods.imputation.external.External`), or a :class:`Method`, which is passed through.

    Raises
    ------
    InputError
        If nothing fits.

    Examples
    --------
    >>> resolve("hvg-logreg").name, resolve("obsm:X_scGPT").title
    ('logreg', 'obsm:X_scGPT')
    """
    if isinstance(spec, Method):
        return spec
    text = str(spec)
    if COMMAND.match(text):
        from exval.methods.imputation.external import External

        return External.of(text)
    if text in METHODS:
        return METHODS[text]()
    if text.startswith("obsm:"):
        from exval.methods.obsm import ObsmEmbedding

        return ObsmEmbedding(key=text.removeprefix("obsm:"))
    if (Path(text) / "config.json").is_file():
        from exval.methods.run import RunMethod

        return RunMethod(text)
    if re.search(r"[/\\.]", text) or Path(text).exists():
        raise InputError(f"{text} is neither a method nor a run folder (a run folder holds config.json)")
    return METHODS[text]()


def configured(spec: Any, **settings: Any) -> Method:
    """:func:`resolve`, then set those of ``settings`` (seed, device) that the method has.

    Examples
    --------
    >>> configured("pca", seed=7, device="cpu").seed
    7
    """
    method = resolve(spec)
    known = method.get_params(deep=False)
    return method.set_params(**{key: value for key, value in settings.items() if key in known})


def _parts(text: str) -> list[str]:
    """Pieces between commas, up to a piece that starts a command."""
    pieces = text.split(",")
    for i, piece in enumerate(pieces):
        if COMMAND.match(piece):
            return [*pieces[:i], ",".join(pieces[i:])]
    return pieces


def split_specs(specs: str | Method | list | tuple) -> list:
    """Method names repeated or comma-separated, in order and without repeats; a command runs to the end of its text.

    Examples
    --------
    >>> split_specs(("pca,logreg", "pca"))
    ['pca', 'logreg']
    >>> split_specs("magic, cmd:Rscript my.R {input} {output} --ranks 5,10")
    ['magic', 'cmd:Rscript my.R {input} {output} --ranks 5,10']
    """
    found: list = []
    for spec in [specs] if isinstance(specs, (str, Method)) else list(specs):
        for part in [spec] if isinstance(spec, Method) else _parts(str(spec)):
            part = part.strip() if isinstance(part, str) else part
            if isinstance(part, Method) or (part and part not in found):
                found.append(part)
    return found
