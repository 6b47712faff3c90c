"""A run folder: what a training leaves behind, and what can be asked of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from exval.data.batch import ExpressionBatch, offsets_of
from exval.data.packing import all_stored
from exval.data.units import family
from exval.errors import DivergedError, GeneError, InputError, UnitError
from exval.models.encdec import EncoderDecoder
from exval.objectives.survival import risk_of, survival_from_hazards
from exval.recipes.config import RunConfig
from exval.rng import Draw
from exval.train.checkpoint import check_version, load_weights
from exval.train.folds import load_folds
from exval.visibility import Everything, Split, depth, to_model_unit, totals

SHARED_LEAST = (
    0.05  # of a run's genes that a file must have: below, an embedding says more of the panel than of the cell
)


class Run:
    """A trained model with its genes.

    Parameters
    ----------
    folder
        With config.json, genes.tsv, model.safetensors and, after fine-tuning, classes.json.
    device
        "auto", "cpu" or "cuda".

    Raises
    ------
    InputError
        If the folder is no finished run, damaged, or written by a newer exval.
    """

    def __init__(self, folder: str | Path, device: str = "auto") -> None:
        self.folder = Path(folder)
        described = self.read(self.folder)
        for name in ("genes.tsv", "model.safetensors"):
            if not (self.folder / name).exists():
                raise InputError(f"{self.folder} has no {name}: the run is not finished; go on with --resume")
        try:
            self.config = RunConfig.model_validate(described.get("config"))
        except ValidationError as fault:
            wrong = ".".join(map(str, fault.errors()[0]["loc"])) or "config"
            raise InputError(
                f"{self.folder / 'config.json'} is damaged: {wrong} does not fit; copy the run again"
            ) from None
        self.described = described
        self.genes = [
            line.split("\t")[1] for line in (self.folder / "genes.tsv").read_text(encoding="utf-8").splitlines()[1:]
        ]
        self.classes: list[str] | None = described.get("classes")
        self.species: str = described.get("species", "human")
        self.device = pick_device(device)

    @staticmethod
    def read(folder: Path) -> dict:
        """config.json of a run folder."""
        path = Path(folder) / "config.json"
        if not path.is_file():
            raise InputError(f"{folder} is no run folder: it has no config.json")
        try:
            described = json.loads(path.read_text())
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise InputError(f"{path} is damaged: it is not JSON; copy the run again") from None
        if isinstance(described, dict) and described.get("format_version") is not None:
            check_version(described, path)
        if not isinstance(described, dict) or described.get("kind") not in ("pretrain", "finetune"):
            raise InputError(f"{folder} is no run of exval pretrain or finetune")
        check_version(described, path)
        return described

    @cached_property
    def model(self) -> EncoderDecoder:
        """The model, in evaluation mode, on the run's device."""
        with torch.inference_mode(False):  # whoever asks first: weights made in that mode could never take a gradient
            model = EncoderDecoder(self.config.model, len(self.genes))
            load_weights(model, self.folder / "model.safetensors")
            return model.eval().to(self.device)

    @property
    def outcome(self) -> dict | None:
        """Of a run that was taught survival: its head, columns and intervals."""
        return self.described.get("outcome")

    @property
    def taught_something(self) -> bool:
        """Whether it was fine-tuned on classes or survival."""
        return self.classes is not None or self.outcome is not None

    @property
    def unit(self) -> str:
        """What its values are on the scale that it reads: log1p (of CP10k), log2 or z."""
        return family(self.described.get("unit", "log1p"))

    @property
    def summary(self) -> str:
        """One sentence on how the training went."""
        return self.described.get("verdict", "")

    @property
    def training_seconds(self) -> float:
        """CPU-seconds of its training and of that of the run it came from; NaN where they were not noted."""
        own = self.described.get("training", {}).get("cpu_seconds", float("nan"))
        return own + (self.described.get("parent_seconds", 0.0) or 0.0)

    def lines(self) -> list[str]:
        """A few lines for a person."""
        return [self.summary, f"Run: {self.folder} (report: {self.folder / 'report.html'})"]

    @cached_property
    def seen_hashes(self) -> np.ndarray:
        """Sorted content hashes of the samples it was trained on, with or without labels."""
        return self._hashes("seen.npy")

    @cached_property
    def taught_hashes(self) -> np.ndarray:
        """Sorted content hashes of the samples whose labels it was taught."""
        return self._hashes("taught.npy")

    def _hashes(self, name: str) -> np.ndarray:
        path = self.folder / name
        return np.load(path, allow_pickle=False) if path.exists() else np.zeros(0, np.uint64)

    # from samples to batches

    def batch(self, adata) -> ExpressionBatch:
        """Prepared AnnData over the run's genes; the panel is what the file has of them.

        Raises
        ------
        GeneError
            If the file shares fewer than 5 % of the run's genes (none of them, for a run that takes any subset).
        UnitError
            If the run was trained on another unit.
        """
        columns = self._columns(tuple(adata.var_names))
        found = adata.uns.get("exval_unit", "log1p")
        if found != self.unit:
            raise UnitError(
                f"{self.folder.name} was trained on {self.unit} values and the file has {found}; give values in "
                f"{self.unit} (--unit if the file was misread)"
            )
        if "exval_unit" in adata.uns:
            return ExpressionBatch.from_csr(
                all_stored(np.asarray(adata.X)), n_genes=len(self.genes), unit=found, columns=columns,
                implicit="missing",
            )  # fmt: skip
        counts = "counts" in adata.layers
        known = adata.obs["exval_total"].to_numpy(np.float32) if counts and "exval_total" in adata.obs else None
        return ExpressionBatch.from_csr(
            adata.layers["counts"] if counts else adata.X,
            n_genes=len(self.genes),
            unit="counts" if counts else "log1p",
            columns=columns,
            total_n=None if known is None else torch.as_tensor(known),
        )

    def _columns(self, names: tuple[str, ...]) -> np.ndarray:
        if getattr(self, "_mapped", (None,))[0] != names:
            import pandas as pd

            columns = pd.Index(self.genes).get_indexer(list(names))
            shared = int((columns >= 0).sum())
            if shared < max((0 if self.config.dense else SHARED_LEAST) * len(self.genes), 1):
                raise GeneError(
                    f"the file has {shared} of the {len(self.genes):,} genes that {self.folder.name} was trained on; "
                    "check the species and the gene names"
                )
            self._mapped = (names, columns)
        return self._mapped[1]

    def _pieces(self, adata, size: int) -> Iterator[tuple[slice, ExpressionBatch]]:
        batch = self.batch(adata)
        for start in range(0, batch.n, size):
            rows = slice(start, min(start + size, batch.n))
            yield rows, batch.select(np.arange(rows.start, rows.stop))

    # what can be asked

    @torch.inference_mode()
    def embed(self, adata, size: int = 64, identity_n: np.ndarray | None = None) -> np.ndarray:
        """(n, d) float32 sample embeddings of a prepared AnnData.

        Parameters
        ----------
        identity_n
            (n,) who the samples are (:func:`exval.data.hashing.hashes_of`). Those of the training are then read by
            factors fitted without them, as new samples will be: for whoever is to learn something from the embedding.
        """
        fold_n = None
        if identity_n is not None and self.config.model.posterior:
            fold_n = torch.as_tensor(load_folds(self.model.factors, self.folder, identity_n))
        out = np.empty((adata.n_obs, self.model.sample_width), np.float32)
        show = self.config.show
        for rows, batch in self._pieces(adata, size):
            if fold_n is not None:
                batch = replace(batch, obs={"fold": fold_n[rows]})
            split = show.split(fixed_ids(batch), Draw(0)).to(self.device)
            out[rows] = self.model.pool(self.model.encode(split)).float().cpu().numpy()
        return self._finite(out, "embedding", adata)

    def predict_proba(self, adata, size: int = 64) -> np.ndarray:
        """(n, classes) probabilities of a fine-tuned run."""
        if self.classes is None:
            raise InputError(f"{self.folder} was not fine-tuned on labels; run exval finetune {self.folder} FILE first")
        logits_nc = torch.from_numpy(self._logits(adata, size))
        return self._finite(torch.softmax(logits_nc, 1).numpy(), "probabilities", adata)

    def risk(self, adata, size: int = 64) -> np.ndarray:
        """(n,) risk of a run that was taught survival (:func:`exval.objectives.survival.risk_of`)."""
        return risk_of(self._survival_logits(adata, size), self.outcome["head"])

    def survival(self, adata, times_t, size: int = 64) -> np.ndarray:
        """(n, t) probability of surviving beyond each time."""
        logits_nk = self._survival_logits(adata, size).astype(np.float64)
        times_t = np.asarray(times_t, dtype=np.float64)
        if self.outcome["head"] == "discrete":
            return survival_from_hazards(logits_nk, np.asarray(self.outcome["edges"]), times_t)
        from exval.methods.survival.cox import survival_at

        known = self.described["baseline"]
        return survival_at(logits_nk[:, 0], np.asarray(known["times"]), np.asarray(known["hazard"]), times_t)

    def _survival_logits(self, adata, size: int) -> np.ndarray:
        if self.outcome is None:
            raise InputError(
                f"{self.folder} was not taught survival; run exval finetune {self.folder} FILE --time COLUMN first"
            )
        return self._finite(self._logits(adata, size), "risks", adata)

    @torch.inference_mode()
    def _logits(self, adata, size: int) -> np.ndarray:
        out = np.empty((adata.n_obs, self.config.model.n_classes), np.float32)
        for rows, batch in self._pieces(adata, size):
            logits = self.model(self.config.show.split(fixed_ids(batch), Draw(0)).to(self.device)).logits_nc
            out[rows] = logits.float().cpu().numpy()
        return out

    @torch.inference_mode()
    def recover(self, adata, hidden, size: int = 32) -> np.ndarray:
        """(m,) log1p(CP10k) at the stored entries of ``hidden``, in its order of storage.

        ``adata`` is scaled by visible totals. True entries were hidden; False entries are visible and asked all the
        same. A gene outside the run's vocabulary gets 0.
        """
        columns = self._columns(tuple(adata.var_names))
        hidden = hidden.tocsr()
        answer = np.zeros(hidden.nnz, np.float32)
        for rows, batch in self._pieces(adata, size):
            start, stop = hidden.indptr[rows.start], hidden.indptr[rows.stop]
            gene = columns[hidden.indices[start:stop]]
            sample = np.repeat(np.arange(batch.n), np.diff(hidden.indptr[rows.start : rows.stop + 1]))
            order = np.lexsort((gene, sample))
            order = order[gene[order] >= 0]
            asked = _genes_of(batch, gene[order], sample[order])
            flags = torch.as_tensor(hidden.data[start:stop][order].astype(bool))
            split = ask(batch, asked, asked.keep(flags), self.config.show).to(self.device)
            out = self.model(split)
            part = np.zeros(stop - start, np.float32)
            if out.prediction is not None:
                part[order] = self.model.answers(out.prediction, split.queries)[0].cpu().numpy()
            answer[start:stop] = part
        if not np.isfinite(answer).all():
            raise DivergedError(f"{self.folder} recovers NaN or inf: its weights are broken; train again")
        return answer

    @torch.inference_mode()
    def restore(self, adata, genes=None, asked_nq=None, size: int = 16) -> tuple[np.ndarray, np.ndarray | None]:
        """(n, q) expected values, and their sds where the head has them, of any genes of the run.

        Parameters
        ----------
        adata
            Prepared; whatever it has of the run's genes is shown, measured values are not asked to stay.
        genes
            (q,) names among the run's genes; default: all of them, in their order.
        asked_nq
            (n, q) bool, which of them are asked of each sample: the others stay NaN and cost nothing. Default: all.

        Returns
        -------
        values_nq, sd_nq
            float32, in the unit that the run was trained on.
        """
        import pandas as pd

        ask = np.arange(len(self.genes)) if genes is None else pd.Index(self.genes).get_indexer(list(genes))
        if (ask < 0).any():
            raise GeneError(f"{int((ask < 0).sum())} of the genes asked for are not among those of {self.folder.name}")
        order = np.argsort(ask, kind="stable")
        asked_nq = np.ones((adata.n_obs, len(ask)), bool) if asked_nq is None else np.asarray(asked_nq, bool)
        values = np.full((adata.n_obs, len(ask)), np.nan, np.float32)
        sd = None
        for rows, batch in self._pieces(adata, size):
            sample, place = np.nonzero(asked_nq[rows][:, order])
            if not len(sample):
                continue
            split = self.config.show.split(fixed_ids(batch), Draw(0))
            split = replace(split, queries=_genes_of(batch, ask[order][place], sample)).to(self.device)
            mean_q, sd_q = self.model.answers(self.model(split).prediction, split.queries)
            values[rows.start + sample, order[place]] = mean_q.float().cpu().numpy()
            if sd_q is not None:
                sd = np.full_like(values, np.nan) if sd is None else sd
                sd[rows.start + sample, order[place]] = sd_q.float().cpu().numpy()
        self._finite(np.where(asked_nq, values, 0.0), "restored values", adata)
        return values, sd

    def _finite(self, out_nd: np.ndarray, what: str, adata) -> np.ndarray:
        broken = np.flatnonzero(~np.isfinite(out_nd).all(1))
        if len(broken):
            raise DivergedError(
                f"{self.folder}: the {what} of {adata.obs_names[broken[0]]} and {len(broken) - 1} more are NaN or inf; "
                "its weights are broken or the values are extreme"
            )
        return out_nd


def ask(batch: ExpressionBatch, queries: ExpressionBatch, hidden: ExpressionBatch, show: Everything) -> Split:
    """Show all of ``batch`` and ask ``queries``, of which ``hidden`` must not be read as zero."""
    from exval.visibility import merge

    shown = show.split(fixed_ids(batch), Draw(0))
    total_n = totals(batch)
    return Split(
        shown=shown.shown,
        hidden=hidden,
        queries=queries,
        visible=shown.visible,
        unknown=merge(shown.unknown, hidden),
        depth_n2=depth(batch.n, total_n, total_n),
    )


def fixed_ids(batch: ExpressionBatch) -> ExpressionBatch:
    """The batch with ids made of its contents, so that a cap draws the same genes wherever a sample stands."""
    from exval.rng import mix

    log = to_model_unit(batch)
    bits = mix(log.genes_t.long() * 1_000_003 + (log.values_t * 1024).round().long())
    return replace(batch, id_n=torch.zeros(batch.n, dtype=torch.long).index_add_(0, batch.sample_t, bits))


def _genes_of(batch: ExpressionBatch, gene: np.ndarray, sample: np.ndarray) -> ExpressionBatch:
    lengths: Tensor = torch.as_tensor(np.bincount(sample, minlength=batch.n))
    return replace(
        batch,
        genes_t=torch.as_tensor(gene, dtype=torch.long),
        values_t=torch.zeros(len(gene)),
        offsets_n1=offsets_of(lengths),
        unit="log1p",
    )


def pick_device(device: str) -> torch.device:
    """The device named, or the GPU if there is one.

    Raises
    ------
    InputError
        "cuda" where there is none.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("no GPU is available to torch here; use --device cpu, or see exval doctor")
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device is auto, cpu or cuda, not {device!r}")
    return torch.device(device)
