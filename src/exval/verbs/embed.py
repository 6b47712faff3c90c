"""``exval embed``: every cell as a vector."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from exval.errors import InputError, OutputError
from exval.logs import warn


@dataclass
class Embedding:
    """What ``embed`` did: ``z_nd`` (n, d) float32, where it was written, and what a user should know."""

    z_nd: np.ndarray
    out: Path | None
    key: str
    shared: int
    of: int
    warnings: list[str]

    def lines(self) -> list[str]:
        """For people."""
        n, d = self.z_nd.shape
        where = f"columns {self.key}_0 to {self.key}_{d - 1}" if self._is_table() else f'obsm["{self.key}"]'
        line = f"{n:,} cells as vectors of {d} numbers in {where}, from {self.shared:,} of the run's {self.of:,} genes"
        return [line] + ([f"Cells:  {self.out}"] if self.out else [])

    def _is_table(self) -> bool:
        return self.out is not None and not self.out.name.endswith(".h5ad")


def embed(
    run: Any,
    data: Any,
    *,
    out: str | PathLike | None = None,
    key_added: str = "X_exval",
    force: bool = False,
    layer: str | None = None,
    unit: str | None = None,
    species: str = "auto",
    orientation: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: str = "auto",
) -> Embedding:
    """Embed the cells of a file or an AnnData with a run.

    Parameters
    ----------
    run
        Folder of ``exval pretrain`` or ``exval finetune``.
    data
        A path (streamed, needs ``out``), or an AnnData (``obsm[key_added]`` is set in place).
    out
        ``*.h5ad``: a copy of the file with the embedding; ``*.csv``: the embedding alone.
    seed
        Accepted for uniformity: an embedding has no randomness.

    Returns
    -------
    Embedding

    Raises
    ------
    InputError, GeneError, OutputError
        Among them: a file of another species, a key that another tool wrote.

    Examples
    --------
    >>> import exval
    >>> cells = exval.datasets.baron()
    >>> exval.embed("run", cells)  # doctest: +SKIP
    """
    import pandas as pd
    import torch

    from exval import __version__
    from exval.data.source import open_source
    from exval.progress import Progress
    from exval.run import Run
    from exval.verbs.written import check_out, write_into, write_output

    opened = run if isinstance(run, Run) else Run(run, device)
    in_place = hasattr(data, "obsm") and hasattr(data, "var_names")
    if not in_place and out is None:
        raise InputError("say where to write: -o OUT.h5ad (a copy of the file with the embedding) or OUT.csv")
    target = None if out is None else check_out(out, (data,), force)
    if threads:
        torch.set_num_threads(threads)
    source = open_source(
        data, layer=layer, unit=unit, species=species, orientation=orientation, missing=opened.config.dense
    )
    if source.genes.species != opened.species:
        raise InputError(
            f"{source.name} is {source.genes.species}, the run {opened.folder} was trained on {opened.species}"
        )
    _refuse_foreign_key(source, data, key_added)
    shared = int(pd.Index(opened.genes).isin(source.var_names).sum())
    z_nd = np.empty((source.n, opened.model.sample_width), np.float32)
    with Progress("Embedding", source.n) as progress:
        for rows, piece in source.iter_adata(2048, obsm=False, measured=opened.config.dense):
            z_nd[rows] = opened.embed(piece)
            progress.advance(piece.n_obs)
    if not np.isfinite(z_nd).all():
        bad = source.obs.index[~np.isfinite(z_nd).all(1)][0]
        raise InputError(f"the embedding of {bad} has NaN or inf; look at its values with exval check")
    empty = pd.DataFrame(index=source.obs.index)
    record = {"embed_run": opened.folder.name, "embed_genes": shared, "version": __version__}
    if in_place:
        write_into(data, empty, record, None, {key_added: z_nd})
    if target is not None:
        table = pd.DataFrame(z_nd, index=source.obs.index, columns=[f"{key_added}_{i}" for i in range(z_nd.shape[1])])
        csv = not target.name.endswith(".h5ad")
        write_output(source, target, table if csv else empty, record, None, {key_added: z_nd})
    notes = list(source.warnings)
    if shared < 0.9 * len(opened.genes):
        notes.append(
            f"only {shared:,} of the run's {len(opened.genes):,} genes are in the file; the rest counts as not "
            "measured. Vectors of files with other genes do not compare with these: cut the files to the genes they "
            "share first (annotate does)"
        )
    warn(notes)
    return Embedding(z_nd, target, key_added, shared, len(opened.genes), notes)


def _refuse_foreign_key(source: Any, data: Any, key: str) -> None:
    """An ``OutputError`` if the key is taken by an array that exval did not write."""
    from exval.verbs.written import record_in

    record = record_in(data)[1]
    ours = {str(k) for k in np.atleast_1d(record.get("keys", []))} if hasattr(record, "get") else set()
    if key in source.obsm and key not in ours:
        raise OutputError(f"obsm {key!r} exists and is not exval's; choose another name with --key-added")
