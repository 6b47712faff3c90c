"""From a run and a file to ranked genes, their checks and what may be said of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.bench.results import Results, config_hash, make_rows
from exval.tasks.explaining.conclude import conclude
from exval.tasks.explaining.deletion import Deleted, delete_genes
from exval.tasks.explaining.listing import Attributor, Listed, list_genes
from exval.tasks.explaining.overlap import enrichment, strata
from exval.tasks.explaining.ranking import importance_table, over_classes, ranks, shares
from exval.tasks.explaining.untrained import KINDS, alike, untrained

if TYPE_CHECKING:
    from exval.data.genesets import GeneSets
    from exval.run import Run
    from exval.tasks.explaining.material import Material
    from exval.tasks.explaining.question import Question

ATTENTION, UNIVARIATE, UNTRAINED = "attention", "univariate", "untrained network"
FEWER_STEPS = 16  # for untrained networks: their lists are compared by ranks


@dataclass(eq=False)
class Found:
    """Everything that was computed, before words are made of it.

    Parameters
    ----------
    question, material, method
        What was asked of whom, and how it was attributed.
    importance
        See :func:`exval.tasks.explaining.ranking.importance_table`.
    sanity
        ``class, kind`` and the columns of :func:`exval.tasks.explaining.untrained.alike`.
    agreement
        ``class, other, spearman, overlap, chance``: the list beside attention and single genes.
    deleted
        What is left of the answers as genes go.
    sets
        ``class, test, set, size, sum, expected, z, p, p_family``; None without gene sets.
    top
        Genes at the top of a list.
    """

    question: Question
    material: Material
    method: str
    importance: pd.DataFrame
    sanity: pd.DataFrame
    agreement: pd.DataFrame
    deleted: Deleted
    sets: pd.DataFrame | None
    top: int
    notes: list[str] = field(default_factory=list)

    @property
    def lists(self) -> list[str]:
        """Names of the lists of genes: ``(all classes)`` first, then each class."""
        return list(dict.fromkeys(self.importance["class"]))

    def network(self, name: str) -> pd.Series:
        """How a list compares with those of networks of random weights."""
        return self.sanity[(self.sanity["class"] == name) & (self.sanity.kind == "network")].iloc[0]


def evaluate_explanation(
    run: Run,
    material: Material,
    question: Question,
    *,
    gene_sets: GeneSets | None = None,
    top: int = 50,
    steps: int = 32,
    networks: int = 3,
    permutations: int = 1000,
    seed: int = 0,
    config: dict[str, Any] | None = None,
) -> Results:
    """Rank the genes that a run decides by, and hold the ranking against what would give one for nothing.

    Parameters
    ----------
    run, material, question
        The run, the samples, what is explained.
    gene_sets
        Sets that the top genes are held against; None leaves that out.
    top
        Genes at the top of each list; fewer where the file has not five times as many.
    steps
        Of the integrated gradients; doubled until attributions add up to 5 %, at most 256.
    networks
        Untrained networks of each kind.
    permutations
        Of the gene sets.
    seed
        Of every draw.
    config
        What else was asked for.

    Returns
    -------
    Results
        ``rows``: deletion areas and their differences, Spearman correlations and overlaps. ``predictions``: answers as
        genes go. ``extras``: ``importance``, ``sanity``, ``agreement``, ``deletion``, ``lists``, ``gene_sets``.

    Raises
    ------
    InputError
        Fewer than two genes shared; no gene set shares five genes (GeneError).
    """
    attributor = Attributor.of(run, material, question, steps, seed)
    listed = list_genes(attributor, material)
    top, notes = _fitting(top, len(listed.genes_p))
    sets = None if gene_sets is None else _sets(listed, gene_sets, top, permutations, seed)
    others = {kind: _untrained(attributor, listed, kind, networks, seed) for kind in KINDS}
    importance = importance_table(listed, over_networks(others["network"]))
    scores = {
        attributor.method: over_classes(listed.absolute_kp),
        ATTENTION: over_classes(listed.attention_kp),
        UNIVARIATE: over_classes(np.abs(listed.statistic_kp)),
        UNTRAINED: over_classes(others["network"][0]),
    }
    deleted = delete_genes(run, material, listed.genes_p, scores, seed=seed)
    found = Found(
        question, material, attributor.method, importance, _sanity(listed, others, top), _agreement(importance, top),
        deleted, sets, top, [*listed.notes, *notes],
    )  # fmt: skip
    said = conclude(found, run.folder.name)
    config = _config(config or {}, attributor, listed, found, said.standing)
    config |= {"gene_sets": None if gene_sets is None else gene_sets.name, "permutations": permutations,
               "networks": networks, "seed": seed}  # fmt: skip
    rows = make_rows(said.rows, task="explain", data=config.get("data", "AnnData"), seed=seed, unit=material.unit,
                     config_hash=config_hash(config))  # fmt: skip
    extras = {"importance": importance, "sanity": found.sanity, "agreement": found.agreement,
              "deletion": deleted.curve, "lists": said.lists, "gene_sets": sets}  # fmt: skip
    predictions = deleted.predictions.assign(fold=-1, seed=seed)
    return Results(rows, predictions, config, said.verdict, {k: v for k, v in extras.items() if v is not None})


def _fitting(top: int, g: int) -> tuple[int, list[str]]:
    if top > g // 5:
        fitting = max(1, g // 5)
        return fitting, [f"of {g} genes the first {fitting} are called the top, not {top}"]
    return top, []


def _untrained(attributor: Attributor, listed: Listed, kind: str, networks: int, seed: int) -> np.ndarray:
    """(m, k, p) absolute importances by networks that learned nothing."""
    found = []
    for i in range(networks):
        model = untrained(attributor.run, kind, seed=1000 * seed + i)
        one = attributor(model, f"Random {kind} {i + 1} of {networks}", FEWER_STEPS)
        found.append(listed.by_class(one, attributor.code_n))
    return np.stack(found)


def over_networks(found_mkp: np.ndarray) -> np.ndarray:
    """(k, p) mean over networks, each class of each network scaled to a sum of one.

    Examples
    --------
    >>> over_networks(np.array([[[1.0, 3.0]], [[30.0, 10.0]]])).tolist()
    [[0.5, 0.5]]
    """
    return np.mean([shares(found_kp) for found_kp in found_mkp], axis=0)


def _sanity(listed: Listed, others: dict[str, np.ndarray], top: int) -> pd.DataFrame:
    lists = listed.lists()
    rows = []
    for kind, found_mkp in others.items():
        theirs = [listed.lists(found_kp) for found_kp in found_mkp]
        for name, score_p in lists.items():
            pair = alike(score_p, np.stack([one[name] for one in theirs]), top)
            rows.append({"class": name, "kind": kind, **pair})
    return pd.DataFrame(rows)


def _agreement(importance: pd.DataFrame, top: int) -> pd.DataFrame:
    """Each list beside attention and single genes."""
    rows = []
    for name, part in importance.groupby("class", sort=False):
        for other in (ATTENTION, UNIVARIATE):
            pair = alike(-part["rank"].to_numpy(float), -part[f"{other}_rank"].to_numpy(float)[None], top)
            kept = {key: pair[key] for key in ("spearman", "overlap", "chance")}
            rows.append({"class": name, "other": other, **kept})
    return pd.DataFrame(rows)


def _sets(listed: Listed, gene_sets: GeneSets, top: int, permutations: int, seed: int) -> pd.DataFrame:
    names, member_ps = gene_sets.within(listed.genes_p)
    stratum_p = strata(listed.x_np)
    tables = []
    for name, score_p in listed.lists().items():
        rank_p = ranks(np.maximum(score_p, 0))
        tests = {"top": (rank_p <= top).astype(float), "ranks": 1 - (rank_p - 1) / max(len(rank_p) - 1, 1)}
        for test, test_p in tests.items():
            table = enrichment(test_p, member_ps, stratum_p, permutations=permutations, seed=seed)
            table.insert(0, "set", names)
            table.insert(0, "test", test)
            table.insert(0, "class", name)
            tables.append(table.sort_values(["p_family", "z"], ascending=[True, False], kind="stable"))
    return pd.concat(tables, ignore_index=True)


def _config(
    given: dict[str, Any], attributor: Attributor, listed: Listed, found: Found, standing: str
) -> dict[str, Any]:
    run, material = attributor.run, found.material
    return {
        **given, "task": "explain", "method": attributor.method, "baseline": attributor.baseline,
        "steps": attributor.steps, "answer": found.question.words, "head": found.question.head, "top": found.top,
        "label": material.label if material.labelled else None, "names": list(found.question.names),
        "infer_visible": run.config.infer_visible, "dense": run.config.dense,
        "factors": run.model.factors is not None, "completeness_gap": listed.gap,
        "ranked_on": len(material.rank_rows), "deleted_from": len(material.delete_rows), "apart": material.apart,
        "met": material.met, "unit_of_intervals": material.unit, "measure": found.deleted.measure,
        "genes_shared": len(listed.genes_p), "standing": standing,
        "warnings": [*given.get("warnings", []), *material.notes, *found.notes],
    }  # fmt: skip
