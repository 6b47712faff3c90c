"""What fields told at held-out samples, kept for the report: all of it, or that of a few genes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from exval.fields.base import Told
from exval.fields.places import Places

MOST_ROWS = 2_000_000
CANDIDATES, FEW, NEAR = 96, 12, 10


class Kept:
    """Predictions of every field, arm and fold, of as many genes as there is room for.

    Where fields x arms x held-out samples x genes are more than two million, only some genes are held: while fields are
    judged up to 96 candidates, spread evenly over how well a gene is told by its ten nearest samples; at the end up to
    twelve of them, spread evenly over the R2 of the best field.

    Parameters
    ----------
    places, values_ng, genes
        The n samples.
    asked
        Answers for each gene: fields x arms x held-out samples, all folds and repeats together.

    Examples
    --------
    >>> places = Places.of(np.random.default_rng(0).uniform(-40, 40, (30, 3)))
    >>> kept = Kept(places, places.xyz_n3[:, :2], ["A", "B"], asked=30)
    >>> kept.take({"method": "knn", "arm": "position alone", "fold": 0, "seed": 0}, np.arange(2),
    ...           Told(np.zeros((2, 2), np.float32)))
    >>> kept.table(["A", "B"]).columns.tolist()[:7]
    ['sample', 'gene', 'method', 'arm', 'fold', 'seed', 'truth']
    """

    def __init__(self, places: Places, values_ng: np.ndarray, genes: Sequence[str], asked: int) -> None:
        self.places, self.values_ng, self.genes = places, values_ng, np.asarray(genes, dtype=str)
        self.room = len(self.genes) if asked * len(self.genes) <= MOST_ROWS else int(
            np.clip(MOST_ROWS // max(asked, 1), 1, FEW))  # fmt: skip
        self.columns = np.arange(len(self.genes))
        if self.room < len(self.genes) > CANDIDATES:
            self.columns = np.sort(spread(near_r2(places, values_ng), CANDIDATES))
        self.parts: list[tuple[dict, np.ndarray, np.ndarray, np.ndarray | None]] = []

    @property
    def whole(self) -> bool:
        """All genes are kept."""
        return self.room >= len(self.genes)

    def take(self, head: dict, rows: np.ndarray, told: Told) -> None:
        """Note what was told; ``head`` is method, arm, fold and seed."""
        sd = None if told.sd_mg is None else np.asarray(told.sd_mg[:, self.columns], dtype=np.float32)
        self.parts.append((dict(head), rows, np.asarray(told.mean_mg[:, self.columns], dtype=np.float32), sd))

    def drop(self, methods: Sequence[str]) -> None:
        """Forget fields that failed."""
        self.parts = [part for part in self.parts if part[0]["method"] not in methods]

    def choose(self, scores: pd.DataFrame) -> list[str]:
        """Genes to keep: all, or those spread over the best field's R2, from the first of these ``field_genes``."""
        if self.whole:
            return list(self.genes)
        best = scores.groupby(["method", "gene"]).r2.mean().groupby("gene").max().reindex(self.genes[self.columns])
        return list(best.index[np.sort(spread(best.fillna(best.min()).to_numpy(), self.room))])

    def table(self, genes: Sequence[str]) -> pd.DataFrame:
        """``sample, gene, method, arm, fold, seed, truth, prediction, sd, x, y, z``; sample is the row of the file."""
        at = pd.Index(self.genes[self.columns]).get_indexer(list(genes))
        frames = []
        for head, rows, mean_mg, sd_mg in self.parts:
            m, k = len(rows), len(at)
            row_mk = np.repeat(rows, k)
            frames.append(pd.DataFrame({
                "sample": row_mk.astype(np.int32), "gene": np.tile(np.arange(k, dtype=np.int16), m),
                **{name: head[name] for name in ("method", "arm", "fold", "seed")},
                "truth": self.values_ng[rows][:, self.columns[at]].ravel().astype(np.float32),
                "prediction": mean_mg[:, at].ravel(),
                "sd": np.full(m * k, np.nan, np.float32) if sd_mg is None else sd_mg[:, at].ravel(),
                **{axis: self.places.xyz_n3[row_mk, i].astype(np.float32) for i, axis in enumerate("xyz")},
            }).astype({"method": "category", "arm": "category"}))  # fmt: skip
        found = pd.concat(frames, ignore_index=True)
        for name in ("method", "arm"):
            found[name] = found[name].astype(str).astype("category")
        found["gene"] = pd.Categorical.from_codes(found["gene"], categories=list(genes))
        return found


def spread(score_g: np.ndarray, k: int) -> np.ndarray:
    """Numbers of k genes evenly spread over the ranks of their scores, the best and the worst among them.

    Examples
    --------
    >>> spread(np.array([0.5, 0.1, 0.9, 0.3]), 3).tolist()
    [1, 0, 2]
    """
    order = np.argsort(score_g, kind="stable")
    return order[np.unique(np.round(np.linspace(0, len(order) - 1, min(k, len(order)))).astype(int))]


def near_r2(places: Places, values_ng: np.ndarray) -> np.ndarray:
    """(g,) R2 of the mean of the ten nearest other samples: a quick guess of how well a gene can be told."""
    k = min(NEAR, len(places) - 1)
    near_nk = cKDTree(places.folded()).query(places.folded(), k=k + 1)[1][:, 1:]
    told_ng = sum(values_ng[near_nk[:, i]] for i in range(k)) / k
    total_g = values_ng.var(0)
    return 1 - ((values_ng - told_ng) ** 2).mean(0) / np.where(total_g > 0, total_g, np.inf)
