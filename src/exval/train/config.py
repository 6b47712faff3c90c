"""How a run trains."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TrainConfig(BaseModel):
    """Settings of the training loop.

    Parameters
    ----------
    steps
        Optimiser steps.
    batch_size, micro_batch
        Samples per step over all processes; samples per forward pass (default: the whole step on a CPU, 64 on a GPU).
    lr, warmup, floor
        Peak learning rate of AdamW; share of the steps that rises linearly to it; share of it left at the end of the
        cosine.
    backbone_lr
        Share of the learning rate for what was pretrained, when a label head is taught.
    clip
        Largest norm of the gradient.
    valid_share, valid_most
        Share of the samples held out for validation, and how many at most are scored each time.
    valid_passes
        How often each of them is scored, each time with other genes hidden; more for few samples.
    valid_every, patience
        Steps between validations; validations without improvement after which training stops (0: never).
    save_every
        Steps between checkpoints for resume.
    precision
        "auto" is bfloat16 on a GPU and float32 elsewhere.
    compile
        ``torch.compile`` the model (GPU).
    block
        Rows that lie together on disk and are drawn together: 1 is fully random, 64 suits a store larger than memory.
    workers
        Threads that read ahead.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    steps: int = Field(300, ge=1)
    batch_size: int = Field(32, ge=1)
    micro_batch: int | None = Field(None, ge=1)
    lr: float = Field(1e-3, gt=0)
    backbone_lr: float = Field(1.0, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    beta2: float = Field(0.98, gt=0, lt=1)
    warmup: float = Field(0.05, ge=0, le=1)
    floor: float = Field(0.05, ge=0, le=1)
    clip: float = Field(1.0, gt=0)
    valid_share: float = Field(0.05, ge=0, lt=1)
    valid_most: int = Field(256, ge=1)
    valid_passes: int = Field(1, ge=1)
    valid_every: int = Field(50, ge=1)
    patience: int = Field(0, ge=0)
    save_every: int = Field(50, ge=1)
    seed: int = Field(0, ge=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    block: int = Field(1, ge=1)
    workers: int = Field(0, ge=0)

    def lr_at(self, step: int) -> float:
        """Learning rate of a step (counted from 1): linear warm-up, then a cosine to the floor.

        Examples
        --------
        >>> config = TrainConfig(steps=100, lr=1.0, warmup=0.1, floor=0.0)
        >>> [round(config.lr_at(s), 2) for s in (1, 10, 55, 100)]
        [0.1, 1.0, 0.5, 0.0]
        """
        warm = max(round(self.warmup * self.steps), 1)
        if step <= warm:
            return self.lr * step / warm
        done = (step - warm) / max(self.steps - warm, 1)
        return self.lr * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2)
