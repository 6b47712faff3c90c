"""Pretraining and fine-tuning as one method, so that cross-validation can train it anew on every fold."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from exval.methods.base import Card, Method


class Trained(Method):
    """Pretrain on the training cells, fine-tune on their labels, predict.

    Nothing of a test cell is seen: components, gene means and weights come from the training cells alone. It carries no
    registry name, since minutes of training are never wanted by default.

    Parameters
    ----------
    recipe, preset
        Which model.
    steps, tune_steps
        Optimiser steps of pretraining and of fine-tuning.
    overrides, tune_overrides
        Settings to change, by dotted path.
    seed
        Of everything.
    label_as
        Name in tables.
    """

    card = Card(
        category="pretrained",
        sees=("expression", "labels"),
        space_in="log1p(CP10k)",
        space_out="probabilities",
        cost="training anew on every fold: minutes",
        reference="Gong et al. 2023, NeurIPS",
        summary="Pretrains and fine-tunes on the training cells of each fold.",
    )

    def __init__(
        self,
        recipe: str = "xtrimogene",
        preset: str = "tiny",
        steps: int = 150,
        tune_steps: int = 120,
        overrides: dict | None = None,
        tune_overrides: dict | None = None,
        seed: int = 0,
        label_as: str = "xtrimogene",
    ) -> None:
        self.recipe = recipe
        self.preset = preset
        self.steps = steps
        self.tune_steps = tune_steps
        self.overrides = overrides
        self.tune_overrides = tune_overrides
        self.seed = seed
        self.label_as = label_as

    @property
    def title(self) -> str:
        return self.label_as

    def fit(self, adata, label=None) -> Trained:
        from exval.run import Run
        from exval.verbs.finetune import finetune
        from exval.verbs.pretrain import pretrain

        with tempfile.TemporaryDirectory() as room:
            base = pretrain(
                adata,
                recipe=self.recipe,
                preset=self.preset,
                out=Path(room) / "run",
                steps=self.steps,
                overrides=self.overrides,
                seed=self.seed,
            )
            tuned = finetune(
                base,
                adata,
                label=label,
                out=Path(room) / "tuned",
                steps=self.tune_steps,
                overrides=self.tune_overrides,
                seed=self.seed,
            )
            self.run_: Run = tuned
            self.run_.model  # noqa: B018  (read the weights before the folder goes)
        self.classes_ = np.array(tuned.classes, dtype=object)
        return self

    def predict_proba(self, adata) -> pd.DataFrame:
        """(n, classes) probabilities."""
        return pd.DataFrame(self.run_.predict_proba(adata), index=adata.obs_names, columns=self.run_.classes)

    def embed(self, adata) -> np.ndarray:
        """(n, d) float32."""
        return self.run_.embed(adata)

    def n_parameters(self) -> int:
        """Trained numbers."""
        return sum(p.numel() for p in self.run_.model.parameters())
