"""The shape of a model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Part(BaseModel):
    """A registry name and its options, e.g. ``{"name": "auto-bins", "options": {"n_bins": 100}}``."""

    model_config = ConfigDict(extra="forbid")
    name: str
    options: dict[str, Any] = {}


class ModelConfig(BaseModel):
    """Shape of an :class:`exval.models.encdec.EncoderDecoder`.

    Parameters
    ----------
    width, layers, heads
        Of the encoder.
    decoder
        "queried" or "linear".
    decoder_width, decoder_layers, decoder_heads
        Of the decoder.
    zeros
        Whether the queried decoder attends to observed zeros.
    zero_width, zero_heads
        Of that attention.
    values, head
        Value encoder and value head.
    pooling
        Parts of the sample embedding, in order: "S", "T", "max", "mean" (scFoundation's four), "factors".
    factors
        Number of principal components handed to the model; 0 for the model as published.
    posterior
        Factors are read from the shown genes alone, all others being unknown: for values of which any subset may be
        shown. Otherwise the genes that are not shown or hidden are zeros.
    prior
        The head corrects the conditional mean and sd that the factors give (needs ``posterior``).
    class_prior
        The label head corrects how likely each class is by its Gaussian over the factors (needs ``posterior``).
    scale
        Every gene is standardised by its training mean and sd before the model reads it.
    readout
        Whether the sample embedding takes part in every answer. Without it the loss reaches the pooled vectors only by
        way of single tokens, and they learn little of the sample.
    n_classes
        Number of classes of the label head; 0 for none.
    """

    model_config = ConfigDict(extra="forbid")
    width: int = Field(64, ge=4)
    layers: int = Field(2, ge=1)
    heads: int = Field(2, ge=1)
    decoder: Literal["queried", "linear"] = "queried"
    decoder_width: int = Field(64, ge=4)
    decoder_layers: int = Field(1, ge=1)
    decoder_heads: int = Field(2, ge=1)
    zeros: bool = True
    zero_width: int = Field(16, ge=2)
    zero_heads: int = Field(2, ge=1)
    values: Part = Part(name="auto-bins")
    head: Part = Part(name="scalar")
    pooling: tuple[Literal["S", "T", "max", "mean", "factors"], ...] = ("S", "T", "max", "mean")
    factors: int = Field(0, ge=0)
    posterior: bool = False
    prior: bool = False
    class_prior: bool = False
    scale: bool = False
    readout: bool = False
    dropout: float = Field(0.0, ge=0, lt=1)
    n_classes: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> ModelConfig:
        for width, heads in (("width", "heads"), ("decoder_width", "decoder_heads"), ("zero_width", "zero_heads")):
            if getattr(self, width) % getattr(self, heads):
                raise ValueError(
                    f"model.{width} {getattr(self, width)} does not divide by model.{heads} {getattr(self, heads)}"
                )
        if "factors" in self.pooling and not self.factors:
            raise ValueError("model.pooling names factors but model.factors is 0; set model.pooling=S,T,max,mean too")
        if self.posterior and not self.factors:
            raise ValueError("model.posterior needs factors; set model.factors, or model.posterior=false too")
        if self.prior and not self.posterior:
            raise ValueError("model.prior needs model.posterior=true: it is what the factors expect")
        if self.class_prior and not (self.posterior and self.n_classes):
            raise ValueError("model.class_prior needs model.posterior=true and classes to tell apart")
        if not self.pooling:
            raise ValueError("model.pooling is empty; name at least one of S, T, max, mean, factors")
        return self
