"""Render the API reference from the docstrings: ``make docs``."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc

import exval


def main(folder: str) -> None:
    """Write one page a module; names that are imported when first used are imported before."""
    names = ["exval", *(info.name for info in pkgutil.walk_packages(exval.__path__, "exval."))]
    names = [name for name in names if not name.endswith("__main__")]
    for name in names:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            vars(module)[public] = getattr(module, public)
    pdoc.render.configure(docformat="numpy")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The module specification")  # found as a child of its package before
        pdoc.pdoc(*names, output_directory=Path(folder))
    print(f"API reference of {len(names)} modules: {folder}/index.html")


if __name__ == "__main__":
    main(sys.argv[1])
