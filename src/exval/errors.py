"""The errors a user can cause: each carries one line that says what is wrong and what to do."""

from __future__ import annotations


class ExvalError(Exception):
    """Something the user can put right. The command line prints it as one line and exits with 2.

    Parameters
    ----------
    message
        One sentence: what is wrong, in the user's terms, and what to do about it.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))


class InputError(ExvalError, ValueError):
    """A file or an argument that cannot be used as it is."""


class UnitError(InputError):
    """Values in a unit that the method cannot take (DESIGN: units are declared, never guessed twice)."""


class GeneError(InputError):
    """Too few of a file's genes were recognised, or none is shared with the other side."""


class OutputError(ExvalError, OSError):
    """An output that exists already, cannot be written, or was only partly written and therefore removed."""


class DivergedError(ExvalError, ArithmeticError):
    """NaN or inf appeared in something computed; names the step and the offending part."""
