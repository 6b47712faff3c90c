"""Which samples shaped which part of a fitted Gaussian, kept beside the weights of a run.

Factors that are a sample's posterior (:mod:`exval.nn.posterior`) answer too well for samples that they were fitted to.
Whoever teaches something to a run with samples that it has seen therefore asks factors fitted without them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from exval.data.files import atomic_path
from exval.errors import InputError
from exval.nn.posterior import FOLDS, fold_of

FILE = "folds.safetensors"


def number_folds(identity_n: np.ndarray, patient_n: np.ndarray | None = None) -> np.ndarray:
    """(n,) 1 to 5: by patient where one has several samples, folds of about one size, else by what is in the sample.

    Fewer than five patients cannot be divided into five folds: their samples are.

    Examples
    --------
    >>> number_folds(np.arange(12, dtype=np.uint64), patient_n=np.arange(12) // 2).tolist()
    [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 1, 1]
    """
    if patient_n is not None:
        names, code_n, size = np.unique(patient_n, return_inverse=True, return_counts=True)
        if len(names) >= FOLDS:
            filled, fold = np.zeros(FOLDS, int), np.zeros(len(names), np.int64)
            for code in np.argsort(-size, kind="stable"):
                fold[code] = filled.argmin() + 1
                filled[fold[code] - 1] += size[code]
            return fold[code_n]
    return fold_of(torch.as_tensor(identity_n.view(np.int64).copy())).numpy()


def save_folds(factors, folder: Path, identity_n: np.ndarray, fold_n: np.ndarray) -> None:
    """Keep the factors fitted without each fold, and who is in it."""
    if factors.n_models == 1:
        return
    tensors = {name: table.cpu().half().contiguous() for name, table in factors.tables().items()}
    tensors |= {"identity": torch.as_tensor(identity_n.view(np.int64).copy()), "fold": torch.as_tensor(fold_n)}
    with atomic_path(folder / FILE) as temporary:
        save_file(tensors, temporary)


def copy_folds(parent: Path, folder: Path) -> None:
    """A fine-tuned run has the factors of the run it came from."""
    if (parent / FILE).exists():
        with atomic_path(folder / FILE) as temporary:
            shutil.copyfile(parent / FILE, temporary)


def load_folds(factors, folder: Path, identity_n: np.ndarray) -> np.ndarray:
    """Give the factors their folds back; (n,) the fold of each sample, 0 for one that shaped none."""
    path = folder / FILE
    if factors is None or not path.exists():
        return np.zeros(len(identity_n), np.int64)
    try:
        tensors = load_file(path)
        known_n, fold_n = tensors.pop("identity").numpy().view(np.uint64), tensors.pop("fold").numpy()
        factors.with_tables(**{name: table.float() for name, table in tensors.items()})
    except Exception as fault:
        raise InputError(f"{path} is damaged ({fault}); copy the run again") from None
    order = np.argsort(known_n)
    at = order[np.searchsorted(known_n[order], identity_n).clip(max=len(order) - 1)]
    return np.where(known_n[at] == identity_n, fold_n[at], 0).astype(np.int64)
