"""``exval doctor``."""

from __future__ import annotations

import typer

from exval.cli import options as o
from exval.cli.command import print_json, verb


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @verb(app, short_help="Look at the machine and the installation.")
    def doctor(json: o.Json = False) -> int:
        """Look at the machine and the installation; exits with 1 if something is broken."""
        from exval.verbs.doctor import doctor as examine

        findings = examine()
        if json:
            print_json([finding.to_dict() for finding in findings])
        else:
            print("\n".join(finding.line() for finding in findings))
        return int(any(finding.state == "broken" for finding in findings))
