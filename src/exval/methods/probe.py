"""How an embedding is judged: a logistic regression on it, fitted on training cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exval.errors import InputError
from exval.methods.base import Card, Method, labels_of
from exval.methods.softmax import fit_softmax, softmax


class LogisticProbe:
    """Multinomial logistic regression on dense, standardised columns.

    Parameters
    ----------
    strength
        Weight of the likelihood against the penalty (scikit-learn's ``C``).
    """

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def fit(self, z_nd: np.ndarray, adata, label: str | None) -> LogisticProbe:
        self.classes_, class_n = two_classes(labels_of(adata, label), label)
        self.mean_ = z_nd.mean(0, dtype=np.float64)
        sd = z_nd.std(0, dtype=np.float64)
        self.sd_ = np.where(sd > 1e-9 * (1 + np.abs(self.mean_)), sd, np.inf)
        z_nd = (z_nd - self.mean_) / self.sd_
        width = z_nd.shape[1]
        self.weights_, self.intercept_ = fit_softmax(
            z_nd, np.zeros(width), np.ones(width), class_n, len(self.classes_), strength=self.strength
        )
        return self

    def predict_proba(self, z_nd: np.ndarray, adata) -> pd.DataFrame:
        proba = softmax((z_nd - self.mean_) / self.sd_ @ self.weights_ + self.intercept_)
        return pd.DataFrame(proba, index=adata.obs_names, columns=self.classes_)


def two_classes(labels_n: np.ndarray, label: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Sorted class names and the class index of each cell; an ``InputError`` if there is only one class."""
    classes, class_n = np.unique(labels_n.astype(str), return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"{label!r} has only the class {classes[0]!r}; two or more are needed to tell them apart")
    return classes.astype(object), class_n


class Probe(Method):
    """An embedding method and a logistic regression on what it returns; both see the training cells only.

    It carries no registry name: it wraps whatever method offers ``embed`` and no labels.

    Parameters
    ----------
    embedder
        A method with ``embed``.
    strength
        Weight of the likelihood against the penalty.
    """

    card = Card(
        category="embedding",
        sees=("the embedding", "labels"),
        space_in="log1p(CP10k)",
        space_out="class probabilities",
        cost="that of the embedding",
        reference="Alain and Bengio 2016, linear probes",
        summary="Standardises an embedding and fits a logistic regression on it.",
    )

    def __init__(self, embedder: Method, strength: float = 1.0) -> None:
        self.embedder = embedder
        self.strength = strength

    @property
    def title(self) -> str:
        return self.embedder.title

    @property
    def spent_seconds(self) -> float:
        return self.embedder.spent_seconds

    def fit(self, adata, label=None):
        self.embedder_ = self.embedder.fit(adata)
        self.probe_ = LogisticProbe(self.strength).fit(self.embedder_.embed(adata), adata, label)
        self.classes_ = self.probe_.classes_
        return self

    def predict_proba(self, adata) -> pd.DataFrame:
        return self.probe_.predict_proba(self.embedder_.embed(adata), adata)

    def embed(self, adata) -> np.ndarray:
        return self.embedder_.embed(adata)

    def n_parameters(self) -> int:
        return self.embedder_.n_parameters() + self.probe_.weights_.size + self.probe_.intercept_.size


def as_classifier(method: Method) -> Method:
    """The method itself where it predicts, else a :class:`Probe` on its embedding."""
    if "predict" in method.provides:
        return method
    if "embed" in method.provides:
        return Probe(method)
    raise InputError(f"{method.title} neither names cells nor embeds them; `exval methods` lists what each one does")
