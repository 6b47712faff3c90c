"""``exval methods [NAME]`` and ``exval recipes``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from exval.cli import options as o
from exval.cli.command import print_json, verb


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""

    @verb(app, short_help="List the methods, or the card of one.")
    def methods(
        name: Annotated[
            str | None, typer.Argument(metavar="[NAME]", help="Show this method's card.", show_default=False)
        ] = None,
        verb: Annotated[
            Literal["embed", "predict", "recover", "impute", "fill", "map"] | None,
            typer.Option("--verb", help="Only those that can do this.", show_default=False),
        ] = None,
        json: o.Json = False,
    ) -> None:
        """List the methods: what each can do, what it sees, and where it comes from; or the whole card of one."""
        from exval.verbs.lists import list_completers, list_fields, list_methods, method_card

        if name is not None:
            card = method_card(name, verb)
            print_json(card) if json else print(as_card(card))
            return
        rows = [row for row in list_methods() if verb is None or verb in row["verbs"]]
        rows = list_completers() if verb == "fill" else list_fields() if verb == "map" else rows
        if json:
            print_json(rows)
        elif verb in ("impute", "fill", "map"):
            print(table(rows, ("name", "category", "summary")))
        else:
            print(table(rows, ("name", "verbs", "summary")))

    @verb(app, short_help="List the recipes, or the settings of one.")
    def recipes(
        name: Annotated[
            str | None, typer.Argument(metavar="[NAME]", help="Show this recipe's settings.", show_default=False)
        ] = None,
        preset: Annotated[str, typer.Option("--preset", help="Size of the model: tiny, 3m, 10m, 100m.")] = "tiny",
        json: o.Json = False,
    ) -> None:
        """List the recipes, or show every setting of one: the paths that --set can change."""
        from exval.verbs.lists import list_recipes, recipe_settings

        rows = list_recipes() if name is None else recipe_settings(name, preset=preset)
        if json:
            print_json(rows)
        else:
            print(table(rows, tuple(rows[0]) if rows else ()))


def as_card(card: dict[str, Any]) -> str:
    """The card of a method as text: a line for each fact that there is.

    Examples
    --------
    >>> print(as_card({"name": "pca", "verbs": ["embed"], "sees": [], "parameters": {"n_components": 50}}))
    name        pca
    verbs       embed
    parameters  n_components=50
    """
    lines = []
    for key, value in card.items():
        if isinstance(value, dict):
            if value and all(isinstance(part, dict) for part in value.values()):
                value = "; ".join(f"{name}: {_pairs(part) or 'the defaults'}" for name, part in value.items())
            else:
                value = _pairs(value)
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        if value not in ("", None, [], ()):
            lines.append((key.replace("_", " "), _text(value)))
    width = max(len(key) for key, _ in lines)
    return "\n".join(f"{key.ljust(width)}  {text}" for key, text in lines)


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{key}={_text(value)}" for key, value in values.items())


def table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    """Rows as aligned text; the last column is not padded.

    Examples
    --------
    >>> rows = [{"name": "pca", "verbs": ["embed"]}, {"name": "majority", "verbs": ["predict"]}]
    >>> print(table(rows, ("name", "verbs")))
    pca       embed
    majority  predict
    """
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    widths = [max((len(line[i]) for line in cells), default=0) for i in range(len(columns))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in cells)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else str(value)
