"""What a method is, and which verbs it offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from exval.errors import InputError
from exval.registry import Registry

if TYPE_CHECKING:
    from anndata import AnnData

METHODS: Registry[Method] = Registry("exval.methods", "exval.methods.base:Method", "method")
VERBS = {"embed": "embed", "predict": "predict_proba", "recover": "recover", "impute": "impute", "survival": "survival"}


@dataclass(frozen=True)
class Card:
    """What a person must know of a method before believing its numbers.

    Parameters
    ----------
    category
        ``control``, ``linear``, ``neighbours``, ``low rank``, ``embedding``, ``pretrained``.
    sees
        What it looks at while fitting, e.g. ``("expression", "labels")``.
    space_in, space_out
        Unit of the values it takes and of what it returns.
    cost
        How time grows, in words.
    reference
        Publication or textbook.
    summary
        One sentence.
    departures
        Where it does otherwise than the publication, and why; empty where it does not.
    """

    category: str
    sees: tuple[str, ...]
    space_in: str
    space_out: str
    cost: str
    reference: str
    summary: str
    departures: str = ""


class Method(BaseEstimator):
    """Base of every method; subclasses follow scikit-learn's estimator habits (``clone``, ``get_params``).

    A method takes a *prepared* AnnData: ``X`` is CSR float32 in log1p(CP10k), or, for bulk files in log2, z or with
    values missing, dense float32 with NaN where a value was not measured and the unit in ``uns["exval_unit"]``.
    ``var_names`` are canonical symbols, ``layers["counts"]`` is present where the file has counts. It defines
    ``fit(adata, label=None)`` and one or more of

    ``embed(adata)``
        (n, d) float32.
    ``predict_proba(adata)``
        DataFrame (n, classes), rows sum to 1; ``classes_`` holds the sorted class names.
    ``recover(adata, hidden)``
        ``adata`` has the hidden entries at zero and is scaled by visible totals. The stored entries of the boolean CSR
        ``hidden`` (n, g) are those asked for: True where the value was hidden, False where it is visible and only to
        be freed of noise. Returns a float32 CSR of the same sparsity, log1p(CP10k).
    ``impute(adata, genes)``
        Dense values of the cells that were fitted: :class:`exval.methods.imputation.base.Imputed`.
    ``survival(adata, times)``
        (n, t) probability of no event until each time, and beside it ``risk(adata)``, (n,) higher is worse; fitted on
        ``obs["exval_time"]`` and ``obs["exval_event"]``: :class:`exval.methods.survival.base.SurvivalMethod`.

    Genes are matched by name at predict. A gene that was fitted and is not in the new file counts as *not measured*
    and takes its training mean, zero would claim that it was looked for and not found; a method that ``integrates``
    makes no claim about it at all.
    """

    name: str = ""
    aliases: tuple[str, ...] = ()
    card: Card
    transductive: bool = False
    integrates: bool = False  # genes that were not measured are integrated out: a panel needs no new fit

    @property
    def title(self) -> str:
        """What the method is called in tables."""
        return self.name

    @property
    def provides(self) -> tuple[str, ...]:
        """The verbs of this object."""
        return verbs(type(self))

    @property
    def spent_seconds(self) -> float:
        """CPU-seconds spent before ``fit`` (the training of a run), which belong to the cost; NaN where unknown."""
        return 0.0

    def fit(self, adata: AnnData, label: str | None = None) -> Method:
        raise TypeError(f"{type(self).__name__} has to define fit")

    def embed_to_learn(self, adata: AnnData, identity_n: np.ndarray) -> np.ndarray:
        """(n, d) the embedding of samples that something is to be learned from; ``identity_n`` says who they are, for
        methods that read samples of their own training differently."""
        return self.embed(adata)  # type: ignore[attr-defined]

    def predict(self, adata: AnnData) -> pd.Series:
        """The most probable class of each cell, indexed by ``obs_names`` (methods with ``predict_proba`` only)."""
        proba = self.predict_proba(adata)  # type: ignore[attr-defined]
        best = np.asarray(proba.columns)[proba.to_numpy().argmax(1)] if len(proba) else np.array([], dtype=object)
        return pd.Series(best, index=proba.index, name="prediction", dtype=object)

    def n_parameters(self) -> int:
        """See :func:`fitted_numbers`."""
        return fitted_numbers(self)


def fitted_numbers(fitted: object) -> int:
    """How many numbers were fitted: the sizes of all arrays in attributes whose name ends in an underscore."""
    return int(sum(v.size for k, v in vars(fitted).items() if k.endswith("_") and isinstance(v, np.ndarray)))


def verbs(cls: type) -> tuple[str, ...]:
    """Which verbs a class offers: those whose function it defines.

    Examples
    --------
    >>> verbs(METHODS["pca"]), verbs(METHODS["logreg"])
    (('embed',), ('predict',))
    """
    return tuple(verb for verb, function in VERBS.items() if callable(getattr(cls, function, None)))


def labels_of(adata: AnnData, label: str | None) -> np.ndarray:
    """(n,) class names as text; an ``InputError`` where the column is absent or has empty entries."""
    if label is None:
        raise InputError("this method learns from labels: name the column of obs that holds them (label=...)")
    if label not in adata.obs:
        raise InputError(f"no column {label!r} in obs; there are: {', '.join(map(str, adata.obs.columns)) or 'none'}")
    column = adata.obs[label]
    if column.isna().any():
        raise InputError(f"{int(column.isna().sum())} cells have no value in {label!r}; leave them out before fitting")
    return column.astype(str).to_numpy(dtype=object)
