"""What there is: methods and recipes."""

from __future__ import annotations

from typing import Any


def list_methods() -> list[dict[str, Any]]:
    """Every registered method with what it can do.

    Returns
    -------
    list of dict
        ``name``, ``aliases``, ``verbs`` (of embed, predict, recover, impute, survival), ``transductive`` and the
        fields of its card.

    Examples
    --------
    >>> "majority" in [method["name"] for method in list_methods()]
    True
    """
    from dataclasses import asdict

    from exval.methods.base import METHODS, verbs

    return [
        {
            "name": name,
            "aliases": list(method.aliases),
            "verbs": list(verbs(method)),
            "transductive": method.transductive,
            **asdict(method.card),
        }
        for name, method in METHODS.items()
    ]


def list_completers() -> list[dict[str, Any]]:
    """Every registered method that fills values which were not measured (:func:`exval.impute` of bulk samples).

    Returns
    -------
    list of dict
        ``name``, ``aliases``, ``verbs`` (``["fill"]``), ``has_sd`` and the fields of its card.

    Examples
    --------
    >>> "ppca" in [method["name"] for method in list_completers()]
    True
    """
    from dataclasses import asdict

    from exval.methods.completion import COMPLETERS

    return [
        {"name": name, "aliases": list(cls.aliases), "verbs": ["fill"], "has_sd": cls.has_sd, **asdict(cls.card)}
        for name, cls in COMPLETERS.items()
    ]


def list_fields() -> list[dict[str, Any]]:
    """Every way of telling expression at unseen places of the brain (:func:`exval.verbs.brain_fit.brain_fit`).

    Returns
    -------
    list of dict
        ``name``, ``aliases``, ``verbs`` (``["map"]``), ``has_sd`` and the fields of its card.

    Examples
    --------
    >>> "kriging" in [field["name"] for field in list_fields()]
    True
    """
    from dataclasses import asdict

    from exval.fields import FIELDS

    return [
        {"name": name, "aliases": list(cls.aliases), "verbs": ["map"], "has_sd": cls.bars, **asdict(cls.card)}
        for name, cls in FIELDS.items()
    ]


def method_card(name: str, verb: str | None = None) -> dict[str, Any]:
    """Everything that is to be known of one method.

    Parameters
    ----------
    name
        Of the method.
    verb
        ``map`` for fields of the brain, ``fill`` for values that were not measured: some names stand for several
        methods, and without a verb the card is that of the one for cells.

    Returns
    -------
    dict
        As in :func:`list_methods`, and ``parameters`` (name -> default) and, for imputation, ``unit``,
        ``needs_counts``, ``has_sd``, ``stochastic``, ``labels``, ``heavy``, ``min_cells``, ``presets``.

    Raises
    ------
    InputError
        If there is no such method.

    Examples
    --------
    >>> method_card("nothing")["unit"]
    'log1p'
    >>> method_card("knn", "map")["verbs"]
    ['map']
    """
    import inspect

    from exval.fields import FIELDS
    from exval.methods.base import METHODS
    from exval.methods.completion import COMPLETERS
    from exval.methods.imputation.base import Imputer

    if name in list(FIELDS) and (verb == "map" or (verb is None and name not in [*METHODS, *COMPLETERS])):
        cls, rows = FIELDS[name], list_fields()
    elif name in list(COMPLETERS) and (verb == "fill" or name not in list(METHODS)):
        cls, rows = COMPLETERS[name], list_completers()
    else:
        cls, rows = METHODS[name], list_methods()
    found = next(row for row in rows if row["name"] == cls.name)
    signature = inspect.signature(cls.__init__).parameters.values()
    found["parameters"] = {p.name: p.default for p in signature if p.default is not inspect.Parameter.empty}
    if issubclass(cls, Imputer):
        facts = ("unit", "needs_counts", "has_sd", "stochastic", "labels", "heavy", "min_cells", "presets")
        found |= {fact: getattr(cls, fact) for fact in facts}
        found["presets"] = {k: v for k, v in cls.presets.items() if k in ("cpu", "paper")}
    return found


def list_recipes() -> list[dict[str, Any]]:
    """Every recipe: a published system, or exval's version of it.

    Returns
    -------
    list of dict
        ``name``, ``presets`` and ``summary``.

    Examples
    --------
    >>> [recipe["name"] for recipe in list_recipes()]
    ['xtrimogene', 'xtrimogene-published', 'gexbert', 'gexbert-published']
    """
    from exval.recipes import PRESETS, RECIPES

    return [
        {"name": name, "presets": list(PRESETS[name]), "summary": (recipe.__doc__ or "").split("\n", 1)[0]}
        for name, recipe in RECIPES.items()
    ]


def recipe_settings(name: str, *, preset: str = "tiny") -> list[dict[str, Any]]:
    """Every setting of a recipe that ``--set path=value`` can change.

    Parameters
    ----------
    name, preset
        The recipe, and the size of its model.

    Returns
    -------
    list of dict
        ``name`` (the path) and ``value``.

    Raises
    ------
    InputError
        If there is no such recipe or preset.

    Examples
    --------
    >>> {row["name"]: row["value"] for row in recipe_settings("xtrimogene")}["model.width"]
    64
    """
    from exval.recipes import make_config, settings

    return settings(make_config(name, preset))
