"""Which code a result came from: a method that is edited gives other cells, a comment in it does not."""

from __future__ import annotations

import ast
import hashlib
import inspect
import shlex
from contextlib import suppress
from pathlib import Path


def source_hash(thing: type) -> str:
    """Eight hexadecimal digits of the file that defines a class, without comments and docstrings; "" where it has none.

    Code that the file imports does not count: the version of its package stands for that.

    Examples
    --------
    >>> from exval.methods.imputation.magic import Magic
    >>> len(source_hash(Magic)), source_hash(int)
    (8, '')
    """
    try:
        text = Path(inspect.getsourcefile(thing) or "").read_text(encoding="utf-8")
        return _digest(_bare(text).encode())
    except (OSError, TypeError, SyntaxError, ValueError):
        return ""


def command_hash(command: str) -> str:
    """Eight hexadecimal digits of every word of a command that is a file (a script, its settings); "" if none is.

    Examples
    --------
    >>> command_hash("Rscript no-such-file.R {input} {output}")
    ''
    """
    found = b""
    with suppress(ValueError):
        for word in shlex.split(command):
            with suppress(OSError):
                found += Path(word).read_bytes() if Path(word).is_file() else b""
    return _digest(found) if found else ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def _bare(text: str) -> str:
    """Code as Python writes it, without docstrings.

    Examples
    --------
    >>> _bare('# why' + chr(10) + 'def f():' + chr(10) + '  "what"' + chr(10) + '  return  1')
    'def f():\\n    return 1'
    """
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)
