"""The words of the command line are a promise: what changes them has to change ``help.txt`` knowingly.

Write the file again with ``python tests/cli/test_help.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from exval.cli.app import app

FROZEN = Path(__file__).with_name("help.txt")
COMMON = {"--quiet", "--debug"}
COMPUTING = {"--seed", "--threads", "--device"}
READING = {"--layer", "--unit", "--species", "--orientation"}


def commands() -> dict[str, object]:
    """``{"annotate": command, "data build": command, ...}``."""
    found = {}

    def walk(group, prefix):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                walk(command, f"{prefix}{name} ")
            else:
                found[prefix + name] = command

    walk(typer.main.get_command(app), "")
    return found


def options(command) -> dict[str, object]:
    return {name: parameter for parameter in command.params for name in parameter.opts if name.startswith("--")}


def render() -> str:
    lines = []
    for name, command in commands().items():
        lines.append(f"exval {name}: {command.get_short_help_str(limit=200)}")
        for parameter in command.params:
            words = ", ".join(parameter.opts) if parameter.param_type_name == "option" else str(parameter.metavar)
            default = "" if parameter.required or parameter.default is None else f" [{parameter.default}]"
            required = " (required)" if parameter.required else ""
            lines.append(f"  {words}{required}{default}: {getattr(parameter, 'help', '') or ''}".rstrip())
    return "\n".join(lines) + "\n"


def test_help_is_frozen():
    assert render() == FROZEN.read_text()


def test_the_verbs():
    assert sorted(commands()) == [
        "annotate",
        "bench",
        "brain correlate",
        "brain evaluate",
        "brain extend",
        "brain fit",
        "brain import",
        "brain map",
        "check",
        "data build",
        "demo",
        "doctor",
        "embed",
        "evaluate",
        "explain",
        "finetune",
        "impute",
        "methods",
        "predict",
        "pretrain",
        "recipes",
        "recommend",
        "report",
        "survival",
    ]


@pytest.mark.parametrize("name", sorted(commands()))
def test_common_options(name):
    found = set(options(commands()[name]))
    assert found >= COMMON
    if name in ("annotate", "evaluate", "pretrain", "finetune", "embed", "survival"):
        assert found >= COMPUTING | READING | {"--force", "--out"}
    if name in ("check", "data build", "predict"):
        assert found >= READING
    if name in ("pretrain", "finetune"):
        assert found >= {"--steps", "--epochs", "--resume", "--set"}
    if name in ("annotate", "embed"):
        assert "--key-added" in found
    if name in ("bench", "brain import", "check", "methods", "recipes", "doctor", "survival", "predict"):
        assert "--json" in found


def test_every_option_says_what_it_does():
    silent = [
        f"{name} {word}"
        for name, command in commands().items()
        for word, parameter in options(command).items()
        if not parameter.help
    ]
    assert not silent


if __name__ == "__main__":
    FROZEN.write_text(render())
