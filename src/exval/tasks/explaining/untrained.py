"""Does the list of genes come from what was learned? The same attributions of networks that learned nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import nn

if TYPE_CHECKING:
    from exval.models.encdec import EncoderDecoder
    from exval.run import Run

MOST_ALIKE = 0.5
KINDS = ("network", "head")


def untrained(run: Run, kind: str, seed: int) -> EncoderDecoder:
    """A model of the run's shape whose weights were drawn anew; what was fitted and not trained is kept.

    Source: Adebayo et al. 2018, NeurIPS ("Sanity checks for saliency maps"), the model parameter randomisation test.

    Parameters
    ----------
    run
        The run.
    kind
        ``"network"``: every weight. ``"head"``: those of the label head alone. Scale, factors and borders of bins stay.
    seed
        Of the weights.

    Returns
    -------
    EncoderDecoder
        In evaluation mode, on the run's device. Layers that a new model starts at zero are drawn too.
    """
    from exval.models.encdec import EncoderDecoder

    old = run.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        new = EncoderDecoder(run.config.model, len(run.genes))
        for part in new.labels.modules():
            if isinstance(part, nn.Linear):
                part.reset_parameters()
    # Gaussians of classes were learned from the labels: they are part of what is drawn anew.
    taught = ("labels.", "class_prior.")
    fitted = {name for name, _ in old.named_buffers()}
    kept = {name: tensor for name, tensor in old.state_dict().items()
            if (name in fitted or kind == "head") and not name.startswith(taught)}  # fmt: skip
    new.load_state_dict({**new.state_dict(), **kept})
    return new.eval().to(run.device)


def alike(list_g: np.ndarray, others_mg: np.ndarray, top: int) -> dict[str, float]:
    """How much a ranking agrees with those of untrained networks.

    Parameters
    ----------
    list_g
        (g,) importance, higher is more.
    others_mg
        (m, g) the same of m untrained networks.
    top
        Genes at the top that are compared.

    Returns
    -------
    dict
        ``spearman`` and ``overlap``: mean over the networks of the rank correlation and of the number of shared genes
        among the first ``top``. ``chance``: what two random lists share in 97.5 % of draws at most (hypergeometric).
        ``between``, ``between_overlap``: the same two figures between the untrained networks (NaN if there is one).

    Examples
    --------
    >>> found = alike(np.arange(100.0), np.stack([np.arange(100.0), -np.arange(100.0)]), 10)
    >>> found["spearman"], found["overlap"], found["chance"], round(found["between"], 6)
    (0.0, 5.0, 3.0, -1.0)
    """
    from scipy.stats import hypergeom

    from exval.metrics.regression import spearman

    g, m = len(list_g), len(others_mg)
    first = first_of(list_g, top)
    firsts = [first_of(other_g, top) for other_g in others_mg]
    pairs = [(i, j) for i in range(m) for j in range(i)]
    nan = float("nan")
    return {
        "spearman": float(np.mean([spearman(list_g, other_g) for other_g in others_mg])),
        "overlap": float(np.mean([len(first & other) for other in firsts])),
        "chance": float(hypergeom(g, len(first), len(first)).ppf(0.975)),
        "between": float(np.mean([spearman(others_mg[i], others_mg[j]) for i, j in pairs])) if pairs else nan,
        "between_overlap": float(np.mean([len(firsts[i] & firsts[j]) for i, j in pairs])) if pairs else nan,
    }


def first_of(score_g: np.ndarray, top: int) -> set[int]:
    """Places of the ``top`` largest, ties to the first.

    Examples
    --------
    >>> sorted(first_of(np.array([1.0, 3.0, 3.0, 2.0]), 2))
    [1, 2]
    """
    return set(np.argsort(-np.asarray(score_g), kind="stable")[:top].tolist())


def is_untrained(row: pd.Series | dict) -> bool:
    """Whether a list is no better than that of an untrained network.

    It is where ranks correlate by more than a half in either direction, or where more genes of the top are shared than
    two random lists share.

    Examples
    --------
    >>> is_untrained({"spearman": 0.1, "overlap": 2.0, "chance": 4.0})
    False
    >>> is_untrained({"spearman": -0.7, "overlap": 2.0, "chance": 4.0})
    True
    """
    return bool(abs(row["spearman"]) > MOST_ALIKE or row["overlap"] > row["chance"])
