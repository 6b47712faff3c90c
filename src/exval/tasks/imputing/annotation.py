"""Annotation: whether cells keep their name when a classifier of cells as measured reads imputed ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exval.metrics.classification import accuracy, macro_f1
from exval.tasks.imputing.analysis import Analysis, Figure, answer, units
from exval.tasks.imputing.cases import ImputeCase


class Annotation(Analysis):
    """Multinomial logistic regression (``logreg``) trained on labelled cells *as measured*, applied to imputed ones.

    The training cells were never imputed: a quarter of the data set's cells that was set aside, or the cells of another
    protocol. Types that the training cells lack are not scored. ``macro_f1`` and ``accuracy``; the row of ``nothing``
    is the control without imputation.

    Each gene is taken relative to its mean over the imputed cells, and the type is that of the largest
    :math:`(x - \\bar x) W`, without the intercepts. The classifier as it is (slice ``as trained``) stands beside and
    judges nothing, because it is not proper: it knows logs of noisy counts, an imputed value is the log of a mean,
    which is higher for every gene and varies less, so that the intercepts decide and the truth itself may be called one
    type throughout.
    """

    name = "annotation"
    task = "annotation"
    invariant = frozenset({"macro_f1", "accuracy"})

    def applies(self, case):
        if case.null is not None or case.groups_n is None or case.reference is None:
            return False
        return len(set(case.reference_groups.astype(str)) & set(case.groups_n.astype(str))) >= 2

    def score(self, case, imputed):
        aligned_n, said_n = named(case, answer(case, imputed).log_ng)
        kinds = case.groups_n.astype(str).astype(object)
        scored = np.isin(kinds.astype(str), case.reference_groups.astype(str))
        truth, said, other = kinds[scored], aligned_n[scored], said_n[scored]
        # one numbering for every method, whatever types it names
        types = pd.Index(sorted({*case.groups_n.astype(str), *case.reference_groups.astype(str)}))
        codes = types.get_indexer(np.concatenate([truth, said]).astype(str))
        n = int(scored.sum())
        return [
            Figure("macro_f1", macro_f1(truth, said), n=n,
                   units=units(codes[n:], codes[:n], np.flatnonzero(scored))),
            Figure("accuracy", accuracy(truth, said), n=n,
                   units=units((truth == said).astype(float), 1.0, np.flatnonzero(scored))),
            Figure("macro_f1", macro_f1(truth, other), "as trained", n),
        ]  # fmt: skip


def named(case: ImputeCase, log_ng: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the type of each imputed cell: relative to the cells' means and without intercepts, and as trained."""
    from exval.methods.logreg import LogReg

    reference = case.reference.copy()
    reference.obs["kind"] = case.reference_groups.astype(str)
    model = LogReg(n_genes=None).fit(reference, "kind")
    where = pd.Index(case.adata.var_names).get_indexer(model.genes_)
    values_ng, classes = log_ng[:, where], np.asarray(model.classes_, dtype=object)
    relative = (values_ng - values_ng.mean(0, dtype=np.float64)) @ model.weights_
    trained = (values_ng - model.mean_) @ model.weights_ + model.intercept_
    return classes[relative.argmax(1)], classes[trained.argmax(1)]
