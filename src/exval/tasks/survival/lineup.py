"""Which methods take part: those asked for, each without and with the clinical columns, and the controls."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from exval.errors import InputError
from exval.methods.resolve import configured, split_specs
from exval.methods.run import RunMethod
from exval.methods.survival.base import SurvivalMethod
from exval.methods.survival.embedding import as_survival
from exval.tasks.survival.runs import KeptRun, TaughtRun

NULL, CLINICAL = "null-survival", "clinical"
DEFAULT = (CLINICAL, "cox", "coxnet", "rsf")
NEEDS_SKSURV = frozenset({"coxnet", "rsf"})
MISSING = "scikit-survival: pip install 'exval[survival]'"


def line_up(
    spec: Any, covariates: Sequence[str], genes: Sequence[str] | None, *, seed: int = 0, device: str = "auto"
) -> list[SurvivalMethod]:
    """Unfitted methods: ``null-survival``, ``clinical`` where there are clinical columns, and what was asked for.

    Parameters
    ----------
    spec
        Names, ``obsm:X_name``, run folders, methods; repeated or comma-separated. None: all of :data:`DEFAULT`.
    covariates
        Clinical columns; every method that looks at genes then stands twice, without and with them.
    genes
        A panel; None for all genes.
    seed, device
        For methods that use them.

    Raises
    ------
    InputError
        A method that gives no risk, one that needs clinical columns where there are none, one that needs a package that
        is not installed, two methods of one name.

    Examples
    --------
    >>> [method.title for method in line_up("cox", ["age"], None)]
    ['null-survival', 'clinical', 'cox', 'cox + clinical']
    """
    asked = split_specs(DEFAULT if spec is None else spec)
    if spec is None and not covariates:
        asked.remove(CLINICAL)
    controls = [NULL] + [CLINICAL] * bool(covariates)
    found: list[SurvivalMethod] = []
    lacking = []
    for one in [*controls, *asked]:
        method = configured(one, seed=seed, device=device)
        if isinstance(method, RunMethod) and not isinstance(method, KeptRun):
            method = KeptRun(method.folder, method.device)
        if isinstance(method, RunMethod) and "survival" in method.provides:
            found.append(TaughtRun(method, (), genes))
            continue
        plain = as_survival(method, (), genes, **({} if "survival" in method.provides else {"seed": seed}))
        if plain.name in NEEDS_SKSURV and importlib.util.find_spec("sksurv") is None:
            lacking.append(plain.name)
        both = isinstance(plain, SurvivalMethod) and plain.uses_genes
        if isinstance(plain, SurvivalMethod) and plain.needs_covariates:
            if not covariates:
                raise InputError(f"{plain.title} learns from clinical columns: name them with --clinical age,stage")
            plain, both = as_survival(plain, covariates), False
        found.append(plain)
        if both and covariates:
            found.append(as_survival(plain, covariates))
    if lacking:
        rest = [str(one) for one in asked if str(one) not in lacking]
        hint = f", or leave {'them' if len(lacking) > 1 else 'it'} out: --method {','.join(rest)}" if rest else ""
        names = list(dict.fromkeys(lacking))
        raise InputError(f"{' and '.join(names)} need{'s' if len(names) == 1 else ''} {MISSING}{hint}")
    return _without_twins(found, {NULL, CLINICAL})


def _without_twins(methods: list[SurvivalMethod], controls: set[str]) -> list[SurvivalMethod]:
    """A control that was asked for as well stands once; two other methods of one name are refused."""
    kept: dict[str, SurvivalMethod] = {}
    for method in methods:
        if method.title in kept and method.title not in controls:
            raise InputError(f"two methods are called {method.title!r}; rename one run folder, or give it once")
        kept.setdefault(method.title, method)
    return list(kept.values())
