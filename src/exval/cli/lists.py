"""``exval methods`` and ``exval recipes``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from exval.cli import options as o
from exval.cli.command import print_json, verb


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""

    @verb(app, short_help="List the methods.")
    def methods(json: o.Json = False) -> None:
        """List the methods: what each can do, what it sees, and where it comes from."""
        from exval.verbs.lists import list_methods

        rows = list_methods()
        if json:
            print_json(rows)
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
