"""How well cells are named, and how well the confidence says so."""

from __future__ import annotations

import numpy as np
import pandas as pd


def confusion_matrix(truth_n: np.ndarray, prediction_n: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(k, k) counts, truth in rows; every name has to be one of ``classes``.

    Examples
    --------
    >>> confusion_matrix(np.array(["a", "a", "b"]), np.array(["a", "b", "b"]), np.array(["a", "b"])).tolist()
    [[1, 1], [0, 1]]
    """
    k = len(classes)
    row, column = _codes(truth_n, classes), _codes(prediction_n, classes)
    return np.bincount(row * k + column, minlength=k * k).reshape(k, k)


def _codes(names_n: np.ndarray, classes: np.ndarray) -> np.ndarray:
    codes = pd.Index(classes).get_indexer(np.asarray(names_n, dtype=object))
    if (codes < 0).any():
        raise ValueError("a name is not one of the classes")
    return codes


def _union(truth_n: np.ndarray, prediction_n: np.ndarray) -> np.ndarray:
    return np.union1d(np.asarray(truth_n, dtype=str), np.asarray(prediction_n, dtype=str)).astype(object)


def f1_from_confusion(confusion_kk: np.ndarray) -> np.ndarray:
    """(..., k) F1 of each class; NaN for a class without a true cell, which a macro mean leaves out.

    A class that no training fold offered but that occurs in the truth counts with F1 = 0; a class that is only ever
    predicted lowers the precision of nobody but shows as the missed cells of others.

    Parameters
    ----------
    confusion_kk
        (..., k, k), truth in rows, counts or resampled weights.
    """
    true_k, said_k = confusion_kk.sum(-1), confusion_kk.sum(-2)
    hit_k = np.diagonal(confusion_kk, axis1=-2, axis2=-1)
    f1_k = 2.0 * hit_k / np.maximum(true_k + said_k, 1e-12)
    return np.where(true_k > 0, f1_k, np.nan)


def macro_f1_from_confusion(confusion_kk: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that have true cells; leading axes are kept."""
    f1_k = f1_from_confusion(confusion_kk)
    present = np.isfinite(f1_k)
    return np.where(present, f1_k, 0.0).sum(-1) / np.maximum(present.sum(-1), 1)


def accuracy(truth_n: np.ndarray, prediction_n: np.ndarray) -> float:
    """Share of cells named correctly.

    Examples
    --------
    >>> accuracy(np.array(["a", "b"]), np.array(["a", "a"]))
    0.5
    """
    return float(np.mean(np.asarray(truth_n, dtype=object) == np.asarray(prediction_n, dtype=object)))


def macro_f1(truth_n: np.ndarray, prediction_n: np.ndarray) -> float:
    """Mean over the classes present in the truth of the harmonic mean of precision and recall.

    Examples
    --------
    >>> round(macro_f1(np.array(["a", "a", "b"]), np.array(["a", "b", "b"])), 4)
    0.6667
    """
    classes = _union(truth_n, prediction_n)
    return float(macro_f1_from_confusion(confusion_matrix(np.asarray(truth_n).astype(str).astype(object),
                 np.asarray(prediction_n).astype(str).astype(object), classes)))  # fmt: skip


def balanced_accuracy(truth_n: np.ndarray, prediction_n: np.ndarray) -> float:
    """Mean recall over the classes present in the truth.

    Examples
    --------
    >>> balanced_accuracy(np.array(["a", "a", "b"]), np.array(["a", "b", "b"]))
    0.75
    """
    truth_n, prediction_n = np.asarray(truth_n, dtype=object), np.asarray(prediction_n, dtype=object)
    return float(np.mean([(prediction_n[truth_n == name] == name).mean() for name in sorted(set(truth_n))]))


def per_class(truth_n: np.ndarray, prediction_n: np.ndarray) -> pd.DataFrame:
    """Columns ``label, precision, recall, f1, support``; precision is NaN for a class never predicted.

    Examples
    --------
    >>> per_class(np.array(["a", "a", "b"]), np.array(["a", "b", "b"])).recall.tolist()
    [0.5, 1.0]
    """
    truth_n, prediction_n = np.asarray(truth_n).astype(str), np.asarray(prediction_n).astype(str)
    classes = _union(truth_n, prediction_n)
    matrix = confusion_matrix(truth_n.astype(object), prediction_n.astype(object), classes)
    hit, true, said = np.diagonal(matrix).astype(float), matrix.sum(1), matrix.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = pd.DataFrame(
            {
                "label": classes,
                "precision": hit / said,
                "recall": hit / true,
                "f1": f1_from_confusion(matrix),
                "support": true,
            }
        )
    return table[table.support > 0].reset_index(drop=True)


def reliability(correct_n: np.ndarray, score_n: np.ndarray, n_bins: int = 10) -> pd.DataFrame:
    """Columns ``bin_lo, bin_hi, confidence, accuracy, n`` of the bins that hold cells.

    Parameters
    ----------
    correct_n
        Whether each cell was named correctly.
    score_n
        The winning probability, in [0, 1].
    """
    correct_n, score_n = np.asarray(correct_n, dtype=float), np.asarray(score_n, dtype=float)
    bin_n = np.clip((score_n * n_bins).astype(int), 0, n_bins - 1)
    count = np.bincount(bin_n, minlength=n_bins)
    used = np.flatnonzero(count)
    return pd.DataFrame(
        {
            "bin_lo": used / n_bins,
            "bin_hi": (used + 1) / n_bins,
            "confidence": np.bincount(bin_n, weights=score_n, minlength=n_bins)[used] / count[used],
            "accuracy": np.bincount(bin_n, weights=correct_n, minlength=n_bins)[used] / count[used],
            "n": count[used],
        }
    )


def expected_calibration_error(correct_n: np.ndarray, score_n: np.ndarray, n_bins: int = 10) -> float:
    """Mean distance between confidence and accuracy over the bins, weighted by cells (Naeini et al. 2015).

    Examples
    --------
    >>> round(expected_calibration_error(np.array([1, 0]), np.array([0.9, 0.9])), 3)
    0.4
    """
    bins = reliability(correct_n, score_n, n_bins)
    return float((bins.n * (bins.confidence - bins.accuracy).abs()).sum() / bins.n.sum())


def auroc(positive_n: np.ndarray, score_n: np.ndarray) -> float:
    """Probability that a positive scores above a negative, ties counting half; NaN if one side is empty.

    Examples
    --------
    >>> auroc(np.array([True, False, False]), np.array([0.8, 0.8, 0.1]))
    0.75
    """
    from scipy.stats import rankdata

    positive_n = np.asarray(positive_n, dtype=bool)
    n_pos, n_neg = int(positive_n.sum()), int((~positive_n).sum())
    if not n_pos or not n_neg:
        return float("nan")
    ranks = rankdata(score_n)
    return float((ranks[positive_n].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))
