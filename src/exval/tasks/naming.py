"""Name the cells of a file after a reference: prepare both sides, choose, ask, mark the unsure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from exval.data.hashing import content_hash, hashes_of, identity_hash, told_by_genes
from exval.data.packing import all_stored
from exval.data.units import family, row_name
from exval.errors import InputError, UnitError
from exval.methods.base import Method
from exval.methods.obsm import ObsmEmbedding
from exval.methods.probe import as_classifier
from exval.methods.resolve import configured, split_specs
from exval.progress import track
from exval.tasks.crossval import blind_spots
from exval.tasks.labelmap import apply_map
from exval.tasks.map2d import spread_rows
from exval.tasks.scaled import check_scaling
from exval.tasks.select import Choice, choose
from exval.tasks.sharing import Shared, Thinner, share_genes, thinner
from exval.tasks.splits import groups_of, make_splits

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.data.source import Source

CHEAP = ("logreg", "pca-knn", "rda")
"""The last one is tried where values were measured (log2, z): there panels are small and differ."""
MOST_REFERENCE = 50_000
MIN_SAME = 20
"""Counts that a cell needs to be recognised by them alone: on a handful of genes two cells are the same by chance."""
MIN_VALUES = 4
"""The same for measured values in log2 or z, which have many digits."""


@dataclass
class Setting:
    """Reference and query made ready for each other.

    Parameters
    ----------
    reference
        Labelled reference cells, prepared, on the shared genes.
    query_sample
        A few thousand cells of the query, likewise, and their rows.
    shared
        The genes of both.
    thin
        Shows held-out reference cells at the query's depth.
    notes
        Lines that the user should see.
    """

    reference: AnnData
    query_sample: AnnData
    query_rows: np.ndarray
    shared: Shared
    thin: Thinner
    notes: list[str] = field(default_factory=list)


def prepare(
    query: Source, ref: Source, label: str, mapping: dict[str, str], split_by: str | None, seed: int, obsm: bool,
    methods: tuple[Method, ...] = (), genes: list[str] | None = None,
) -> Setting:  # fmt: skip
    """Bring both files onto their shared genes (those of a panel, if one is given); drop cells without a label.

    Raises
    ------
    InputError, GeneError, UnitError
        No such column, one class only, fewer than four shared genes, units that cannot be compared, or classes that
        were z-scored each on its own.
    """
    from exval.data.labels import label_column, labels_of

    notes: list[str] = []
    if family(ref.unit) != family(query.unit):
        raise UnitError(
            f"the reference is in {ref.unit} and the file in {query.unit}, which cannot be compared; bring both to one "
            "unit (--unit or --ref-unit if one was misread)"
        )
    labels_n = apply_map(labels_of(ref.obs, label).to_numpy(object), mapping)
    if split_by is not None:
        label_column(ref.obs, split_by)
    rows = np.flatnonzero(~pd.isna(labels_n))
    if len(rows) < ref.n:
        notes.append(f"{ref.n - len(rows)} reference cells have no {label} and were left out")
    if len(rows) > MOST_REFERENCE:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST_REFERENCE])
        notes.append(f"a random {MOST_REFERENCE:,} of the reference cells were used")
    if len(set(labels_n[rows].astype(str))) < 2:
        raise InputError(f"the reference has one class only in {label!r}; two or more are needed to tell cells apart")
    panel = query.var_names if genes is None else [gene for gene in query.var_names if gene in set(genes)]
    shared = share_genes(ref.var_names, panel, ref.unit == "counts" and query.unit == "counts")
    whole = ref.to_adata(rows, obsm=obsm, measured=True)
    if ref.unit == "z":
        notes += check_scaling(whole.X, labels_n[rows].astype(str), label, whole.obs)
    whole.obs["exval_hash"] = hashes_of(whole)  # of all genes: on the shared ones a cell is not recognised any more
    notes += blind_spots(methods, whole, {})
    reference = shared.view(whole)
    reference.obs[label] = labels_n[rows].astype(str)
    picked = spread_rows(query.n)
    sample = shared.view(query.to_adata(picked, obsm=obsm, measured=True))
    thin = thinner(reference, sample, seed)
    if thin.ratio < 1:
        notes.append(
            f"the file has {thin.ratio:.2f} of the reference's depth: methods were chosen and the threshold was set on "
            "held-out reference cells thinned to that depth, and methods learned from the cells at both depths"
        )
    if (ref.unit == "counts") != (query.unit == "counts"):
        notes.append(f"the reference holds {ref.unit} and the file {query.unit}: depth could not be matched")
    return Setting(reference, sample, picked, shared, thin, notes)


def candidates(method: Any, seed: int, device: str, measured: bool = False) -> list[Method]:
    """The methods that compete: those named; with ``auto`` the cheap ones, which a run or an embedding must beat;
    ``measured`` says that the file is in log2 or z.

    Examples
    --------
    >>> [m.title for m in candidates("auto", 0, "cpu")], [m.title for m in candidates("pca-knn", 0, "cpu")]
    (['logreg', 'pca-knn'], ['pca-knn'])
    """
    from exval.methods.base import METHODS

    specs = split_specs(method)
    # A run or an embedding competes with the cheap methods, whether it is named or handed over.
    simple = all(
        not (isinstance(spec, ObsmEmbedding) or hasattr(spec, "taught"))
        if isinstance(spec, Method)
        else spec in METHODS
        for spec in specs
    )
    named = [spec for spec in specs if spec != "auto"]
    names = named if simple else [*(CHEAP if measured else CHEAP[:2]), *named]
    found = [configured(spec, seed=seed, device=device) for spec in dict.fromkeys(names)]
    titles = [m.title for m in found]
    if len(set(titles)) < len(titles):
        raise InputError("two methods have one name; rename a run folder, or give it once")
    for one in found:
        as_classifier(one)
    return found


def only_named(method: Any) -> str | None:
    """Title of the method if the user named exactly one and not ``auto``.

    Examples
    --------
    >>> only_named("logreg"), only_named("auto,logreg")
    ('logreg', None)
    """
    specs = split_specs(method)
    return configured(specs[0]).title if len(specs) == 1 and specs != ["auto"] else None


@dataclass
class Named:
    """Names, scores and marks of all cells of the query, in the order of the file.

    ``n_empty`` cells have no value on the genes asked: their name is a guess from nothing, and they are unsure.
    ``known_n`` marks the cells that are also in the reference, by the shared genes that are not zero; ``n_untold``
    cells have too few values there to tell.
    """

    labels: pd.Categorical
    score_n: np.ndarray
    unsure_n: np.ndarray
    n_empty: int
    known_n: np.ndarray
    n_untold: int


def name_cells(
    query: Source, fitted: Method, setting: Setting, threshold: float, obsm: bool, size: int = 4096
) -> Named:
    """Ask a fitted method about every cell of the query, ``size`` cells at a time."""
    shared, known = setting.shared, np.unique(_marks(setting.reference, setting)[0])
    classes = np.asarray(fitted.classes_, dtype=object)
    code_n, score_n = np.empty(query.n, np.int32), np.empty(query.n, np.float32)
    empty_n, known_n, n_untold = np.zeros(query.n, bool), np.zeros(query.n, bool), 0
    blocks = query.iter_adata(size, obsm=obsm, measured=True)
    for rows, adata in track(blocks, "Naming cells", total=-(-query.n // size)):
        seen = shared.view(adata)
        if not obsm:  # an embedding may know of a cell what its values here do not
            dense = not sp.issparse(seen.X)
            empty_n[rows] = np.isnan(seen.X).all(1) if dense else np.asarray(abs(seen.X).sum(1)).ravel() == 0
        marks_n, told_n = _marks(seen, setting)
        known_n[rows] = np.isin(marks_n, known) & told_n
        n_untold += int((~told_n).sum())
        proba = fitted.predict_proba(seen).to_numpy()
        if not np.isfinite(proba).all():
            raise ArithmeticError(f"{fitted.title} returned NaN or inf for cells {rows.start} to {rows.stop}")
        code_n[rows], score_n[rows] = proba.argmax(1), proba.max(1)
    labels = pd.Categorical.from_codes(code_n, [str(c) for c in classes])
    return Named(labels, score_n, (score_n < np.float32(threshold)) | empty_n, int(empty_n.sum()), known_n, n_untold)


def _marks(adata: AnnData, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Identity hashes on the shared genes, and which cells have values enough to be known by them.

    Genes that a file has in several columns are left out: how these became one depends on its unit.
    """
    plain = ~np.any([a.var["merged"].to_numpy(bool) for a in (setting.reference, setting.query_sample)], axis=0)
    if not sp.issparse(adata.X):  # measured values know a sample by themselves
        values = all_stored(np.asarray(adata.X)[:, plain])
        return content_hash(values, setting.shared.genes[plain], zeros=True), np.diff(values.indptr) >= MIN_VALUES
    counts = setting.shared.rescale
    x = sp.csr_matrix(adata.layers["counts"] if counts else adata.X)[:, plain]
    told_n = told_by_genes(x)
    if counts:
        told_n |= np.asarray((x != 0).sum(1)).ravel() >= MIN_SAME
    return identity_hash(x, setting.shared.genes[plain]), told_n


def choose_method(
    setting: Setting,
    label: str,
    methods: list[Method],
    *,
    split_by: str | None,
    folds: int,
    seed: int,
    insist: str | None = None,
) -> Choice:
    """Cross-validate the candidates on the reference, held-out cells at the query's depth."""
    adata = setting.reference
    groups_n, name = groups_of(adata.obs, split_by)
    splits = make_splits(
        adata.n_obs, labels_n=adata.obs[label].to_numpy(object), groups_n=groups_n, name=name or "group",
        folds=folds, seed=seed, min_cells=folds, row_name=row_name(str(adata.uns.get("exval_unit"))),
    )  # fmt: skip
    barred = {}
    if setting.thin.ratio < 1:
        why = f"the file has {setting.thin.ratio:.2f} of the reference's depth, to which an embedding cannot be thinned"
        barred = {m.title: why for m in methods if isinstance(m, ObsmEmbedding)}
    return choose(adata, label, methods, splits, setting.thin, insist, barred)


def check_embeddings(setting: Setting, methods: list[Method]) -> None:
    """An ``InputError`` if an embedding that was asked for is not in both files with one width."""
    for method in methods:
        if isinstance(method, ObsmEmbedding):
            known, new = (
                _width(method, adata, which)
                for adata, which in ((setting.reference, "the reference"), (setting.query_sample, "the file"))
            )
            if known != new:
                raise InputError(f"{method.title} has {known} columns in the reference and {new} in the file")


def _width(method: ObsmEmbedding, adata: AnnData, which: str) -> int:
    try:
        return method.embed(adata).shape[1]
    except InputError as error:
        raise InputError(f"{which}: {error}; an embedding has to be in both files") from error


def needs_obsm(methods: list[Method]) -> bool:
    """Whether one of the methods reads an embedding of the file."""
    return any(isinstance(method, ObsmEmbedding) for method in methods)
