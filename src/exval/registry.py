"""Name -> class, found by looking through a package: adding a part is adding a file.

Contract tests enumerate a registry, so a new encoder, head, method or reader is tested the moment its file exists.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import metadata
from types import ModuleType
from typing import Generic, TypeVar

from exval.errors import InputError
from exval.logs import warn

T = TypeVar("T")


class Registry(Generic[T]):
    """The classes of one kind that live in the modules of one package and of the packages in it.

    A class belongs to the registry if it is defined in a module of ``package``, derives from ``base`` and has a
    non-empty ``name``. ``aliases`` on the class are further names that find it. Other projects add theirs through an
    entry point of the group ``package`` (``[project.entry-points."exval.methods"]``) that names a class or a module.

    Parameters
    ----------
    package
        Dotted name of the package whose modules are searched, e.g. ``"exval.encoders"``.
    base
        Name of the base class, as ``"module:Class"`` (a string, so that building a registry imports nothing).
    kind
        What an entry is called in messages, e.g. ``"value encoder"``.

    Examples
    --------
    >>> from exval.encoders import ENCODERS
    >>> sorted(ENCODERS)
    ['auto-bins', 'bins', 'continuous', 'gene-bins']
    """

    def __init__(self, package: str, base: str, kind: str) -> None:
        self.package, self.base, self.kind = package, base, kind
        self._found: dict[str, type[T]] | None = None

    def _classes(self) -> dict[str, type[T]]:
        if self._found is None:
            module_name, class_name = self.base.split(":")
            base = getattr(importlib.import_module(module_name), class_name)
            found: dict[str, type[T]] = {}
            for value in [*self._own(), *self._plugged_in()]:
                if isinstance(value, type) and issubclass(value, base) and vars(value).get("name"):
                    if found.get(value.name, value) is not value:
                        raise RuntimeError(f"two {self.kind}s are called {value.name!r}")
                    found[value.name] = value
            self._found = dict(sorted(found.items()))
        return self._found

    def _own(self) -> Iterator[object]:
        """Everything that a module of the package defines."""
        package = importlib.import_module(self.package)
        for info in pkgutil.walk_packages(package.__path__, prefix=self.package + "."):
            module = importlib.import_module(info.name)
            yield from (v for v in vars(module).values() if getattr(v, "__module__", None) == info.name)

    def _plugged_in(self) -> Iterator[object]:
        """What other projects offer; one that cannot be imported is told about and left out."""
        for entry in metadata.entry_points(group=self.package):
            try:
                offered = entry.load()
            except Exception as error:  # whatever another project's import raises
                warn([f"the {self.kind} {entry.name!r} of {entry.value} cannot be imported: {error}"])
                continue
            yield from vars(offered).values() if isinstance(offered, ModuleType) else [offered]

    def __iter__(self):
        return iter(self._classes())

    def __len__(self) -> int:
        return len(self._classes())

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except InputError:
            return False
        return True

    def __getitem__(self, name: str) -> type[T]:
        classes = self._classes()
        if name in classes:
            return classes[name]
        for cls in classes.values():
            if name in getattr(cls, "aliases", ()):
                return cls
        close = get_close_matches(name, classes, n=1, cutoff=0.6)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(classes)}"
        raise InputError(f"no {self.kind} is called {name!r}; {hint}")

    def items(self):
        return self._classes().items()
