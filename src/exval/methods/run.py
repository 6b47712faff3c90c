"""A pretrained or fine-tuned run as a method among the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from exval.data.hashing import SUPPORT, hashes_of, panel_mark
from exval.errors import InputError
from exval.methods.base import Card, Method, labels_of


class RunMethod(Method):
    """The folder of ``exval pretrain`` (embed, recover) or ``exval finetune`` (also predict).

    It is not fitted again: ``fit`` checks only that a fine-tuned run knows the classes asked for. It carries no
    registry name: it is named by its folder.

    Parameters
    ----------
    folder
        The run.
    device
        "auto", "cpu" or "cuda".
    """

    def __init__(self, folder: str, device: str = "auto") -> None:
        self.folder = folder
        self.device = device

    @property
    def card(self) -> Card:
        """What a person must know of the run: unit and publication are those of its recipe."""
        from exval.recipes import REFERENCES

        unit = {"log1p": "log1p(CP10k)"}.get(self.run.unit, self.run.unit)
        return Card(
            category="pretrained",
            sees=("expression", "other samples"),
            space_in=unit,
            space_out=unit,
            cost="a forward pass per sample; training before",
            reference=REFERENCES[self.run.config.recipe],
            summary="A run of exval pretrain or exval finetune.",
        )

    @property
    def run(self):
        """The opened run."""
        if getattr(self, "_run", None) is None:
            from exval.run import Run

            self._run = Run(self.folder, self.device)
        return self._run

    def __getstate__(self):
        return {k: v for k, v in super().__getstate__().items() if k != "_run"}

    @property
    def title(self) -> str:
        return Path(self.folder).name or str(self.folder)

    @property
    def provides(self) -> tuple[str, ...]:
        if self.run.outcome is not None:
            return ("embed", "survival")
        if self.run.classes is not None:
            return ("embed", "predict")
        return ("embed",) if self.run.config.dense else ("embed", "recover")

    @property
    def spent_seconds(self) -> float:
        return self.run.training_seconds

    def fit(self, adata, label=None) -> RunMethod:
        """Check the classes of a fine-tuned run.

        Raises
        ------
        InputError
            If labels are given that the run was not taught.
        """
        if self.run.classes is not None and label is not None:
            unknown = sorted(set(labels_of(adata, label)) - set(self.run.classes))
            if unknown:
                raise InputError(
                    f"{self.title} was fine-tuned on other classes; it does not know "
                    f"{', '.join(map(repr, unknown[:5]))}: "
                    "rename labels with --label-map or fine-tune again"
                )
            self.classes_ = np.array(self.run.classes, dtype=object)
        return self

    def embed(self, adata) -> np.ndarray:
        """(n, d) float32."""
        return self.run.embed(adata)

    def embed_to_learn(self, adata, identity_n) -> np.ndarray:
        """(n, d) float32, samples of its training as if it had not seen them (:meth:`exval.run.Run.embed`)."""
        return self.run.embed(adata, identity_n=identity_n)

    def predict_proba(self, adata) -> pd.DataFrame:
        """(n, classes) of a fine-tuned run."""
        return pd.DataFrame(self.run.predict_proba(adata), index=adata.obs_names, columns=self.run.classes)

    def risk(self, adata) -> np.ndarray:
        """(n,) risk of a run that was taught survival; higher is worse."""
        return self.run.risk(adata)

    def survival(self, adata, times_t) -> np.ndarray:
        """(n, t) probability of surviving beyond each time."""
        return self.run.survival(adata, times_t)

    def recover(self, adata, hidden):
        """CSR of ``hidden``'s sparsity, log1p(CP10k)."""
        from exval.methods.gene_mean import fill

        return fill(hidden, self.run.recover(adata, hidden))

    def seen(self, adata) -> np.ndarray:
        """(n,) true for samples that the run was trained on, by content."""
        return np.isin(hashes_of(adata), self.run.seen_hashes)

    def recognises(self, adata) -> bool:
        """Whether samples seen in training would be found: over other genes they would not, nor over few genes in
        another unit, nor where values are missing."""
        if not issparse(adata.X) and np.isnan(np.asarray(adata.X, dtype=np.float32)).any():
            return False
        unit = "counts" if "counts" in adata.layers else "log1p"
        known = adata.var_names[adata.var["recognised"]] if "recognised" in adata.var else adata.var_names
        same_unit = (self.run.described.get("unit") == "counts") == (unit == "counts")
        return (same_unit or len(known) >= 4 * SUPPORT) and panel_mark(known) in self.run.described.get("panels", [])

    def taught(self, adata) -> np.ndarray:
        """(n,) true for samples whose labels the run was taught: it cannot be scored on them."""
        return np.isin(hashes_of(adata), self.run.taught_hashes)

    def n_parameters(self) -> int:
        """Trained numbers."""
        return sum(p.numel() for p in self.run.model.parameters())
