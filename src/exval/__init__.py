"""Learn from gene expression values.

``exval`` names cells, recovers hidden values and embeds samples, always beside the simple methods that a fancy one must
beat. Everything below works on AnnData, in place, in the habits of the scverse:

>>> import exval
>>> cells = exval.datasets.baron()
>>> exval.check(cells).unit
'counts'

Verbs: :func:`check`, :func:`annotate` (:func:`annotate_file` for paths), :func:`impute`
(:func:`impute_file`), :func:`recommend`, :func:`evaluate`, :func:`survival` and :func:`predict` (patients),
:func:`explain`, :func:`pretrain`, :func:`finetune`, :func:`embed`, :func:`build_store`, :func:`run_benchmark`. Files:
:func:`open_source`, :class:`Store`, :func:`import_ahba` (Allen Human Brain Atlas). What there is:
:func:`list_methods`, :func:`list_recipes`, :func:`list_benchmarks`. Pictures: :mod:`exval.pl`, or a whole page:
:func:`exval.report.write_report`. Cells to try things on: :mod:`exval.datasets`.

A name is imported when it is first used, so that ``import exval`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "annotate": "exval.verbs.annotate",
    "annotate_file": "exval.verbs.annotate",
    "build_store": "exval.verbs.build",
    "check": "exval.verbs.check",
    "embed": "exval.verbs.embed",
    "evaluate": "exval.verbs.evaluate",
    "explain": "exval.verbs.explain",
    "finetune": "exval.verbs.finetune",
    "import_ahba": "exval.data.ahba.pipeline",
    "impute": "exval.verbs.impute",
    "impute_file": "exval.verbs.impute",
    "list_benchmarks": "exval.verbs.bench",
    "list_methods": "exval.verbs.lists",
    "list_recipes": "exval.verbs.lists",
    "open_source": "exval.data.source",
    "predict": "exval.verbs.predict",
    "pretrain": "exval.verbs.pretrain",
    "recommend": "exval.verbs.recommend",
    "run_benchmark": "exval.verbs.bench",
    "survival": "exval.verbs.survival",
    "Store": "exval.data.store",
}
_MODULES = ("datasets", "pl")

__all__ = ["__version__", *_WHERE, *_MODULES]

if TYPE_CHECKING:
    from exval import datasets as datasets
    from exval import pl as pl
    from exval.data.ahba.pipeline import import_ahba as import_ahba
    from exval.data.source import open_source as open_source
    from exval.data.store import Store as Store
    from exval.verbs.annotate import annotate as annotate
    from exval.verbs.annotate import annotate_file as annotate_file
    from exval.verbs.bench import list_benchmarks as list_benchmarks
    from exval.verbs.bench import run_benchmark as run_benchmark
    from exval.verbs.build import build_store as build_store
    from exval.verbs.check import check as check
    from exval.verbs.embed import embed as embed
    from exval.verbs.evaluate import evaluate as evaluate
    from exval.verbs.explain import explain as explain
    from exval.verbs.finetune import finetune as finetune
    from exval.verbs.impute import impute as impute
    from exval.verbs.impute import impute_file as impute_file
    from exval.verbs.lists import list_methods as list_methods
    from exval.verbs.lists import list_recipes as list_recipes
    from exval.verbs.predict import predict as predict
    from exval.verbs.pretrain import pretrain as pretrain
    from exval.verbs.recommend import recommend as recommend
    from exval.verbs.survival import survival as survival


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(import_module(_WHERE[name]), name)
    elif name in _MODULES:
        value = import_module(f"exval.{name}")
    else:
        raise AttributeError(f"module 'exval' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
