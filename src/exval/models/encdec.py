"""The asymmetric encoder-decoder: encode the few visible values, answer the many queried genes.

- The encoder sees visible non-zeros only, packed: no padding, no zeros, no masks.
- The *queried* decoder (default) answers queried genes only, by cross-attention to the encoded values and by linear
  attention to all observed zeros of the sample at the cost of its non-zeros.
- The *linear* decoder is the published one: every gene of the vocabulary, Performer attention.
- Two depth tokens (T: total of the target, S: total of what is shown) are always visible.
- With ``readout``, the sample embedding itself also answers: its product with the gene's vector is added (ours).
- With ``factors``, scores on the training samples' principal components stand beside them (ours; 0 turns it off).
- For dense values of which any subset is shown (patients), every gene is standardised (``scale``), the factors are a
  Gaussian's posterior (``posterior``), the head corrects what that Gaussian expects (``prior``), and the label head
  what the Gaussians of the classes say (``class_prior``).
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from exval.data.batch import ExpressionBatch, offsets_of
from exval.encoders import ENCODERS
from exval.encoders.base import State
from exval.errors import InputError
from exval.heads import HEADS
from exval.heads.base import Prior
from exval.models.config import ModelConfig, Part
from exval.nn.blocks import CrossAttention, EncoderBlock, FeedForward, LabelHead, segment_max, segment_mean
from exval.nn.class_gaussians import ClassGaussians
from exval.nn.factors import Factors
from exval.nn.linear_attention import PerformerBlock, ZeroAttention
from exval.nn.posterior import Posterior
from exval.nn.scale import GeneScale
from exval.registry import Registry
from exval.visibility import Split

N_CONTEXT = 3  # the T, S and factor tokens stand behind the genes in the gene table


@dataclass(frozen=True)
class Encoded:
    """(t, d) encoded tokens: for each sample the context tokens, then its visible pairs; ``gene_t`` says which.

    ``gene_gd`` are the gene vectors they were made with, ``scores_nr`` the samples' factor scores and ``cov_nrr``
    their covariances (or None).
    """

    h_td: Tensor
    offsets_n1: Tensor
    gene_t: Tensor
    gene_gd: Tensor
    scores_nr: Tensor | None
    cov_nrr: Tensor | None = None

    @property
    def n(self) -> int:
        return len(self.offsets_n1) - 1

    @property
    def sample_t(self) -> Tensor:
        return torch.repeat_interleave(
            torch.arange(self.n, device=self.h_td.device), self.offsets_n1.diff(), output_size=len(self.h_td)
        )


@dataclass(frozen=True)
class Output:
    """What a model returns: vectors of queries and samples, the head's parameters for each query, and class logits."""

    h_query: Tensor | None
    h_sample: Tensor
    prediction: Any
    logits_nc: Tensor | None


class EncoderDecoder(nn.Module):
    """Encoder over visible values, decoder over queried genes.

    Source: xTrimoGene (Gong et al. 2023, NeurIPS), sections 3.2-3.5; depth tokens and pooling from scFoundation (Hao et
    al. 2024, Nature Methods). The queried decoder and the attention to zeros are exval's own.

    Examples
    --------
    >>> import scipy.sparse as sp, torch
    >>> from exval.data.batch import ExpressionBatch
    >>> from exval.rng import Draw
    >>> from exval.visibility import Masking
    >>> batch = ExpressionBatch.from_csr(sp.random(3, 50, 0.4, random_state=0, format="csr"), n_genes=50, unit="log1p")
    >>> split = Masking(zeros=0.1).split(batch, Draw(seed=0))
    >>> from exval.models.config import ModelConfig
    >>> out = EncoderDecoder(ModelConfig(width=8, decoder_width=8), n_genes=50)(split)
    >>> tuple(out.h_sample.shape), len(out.prediction) == len(split.queries.genes_t)
    ((3, 32), True)
    """

    undecayed = ("genes",)  # vectors of genes: weight decay would pull rare ones to zero

    def __init__(self, config: ModelConfig, n_genes: int) -> None:
        super().__init__()
        self.config, self.n_genes = config, n_genes
        d, e = config.width, config.decoder_width
        self.genes = nn.Embedding(n_genes + N_CONTEXT, d)
        nn.init.normal_(self.genes.weight, std=0.02)
        self.values = _made(ENCODERS, config.values, "model.values", d, n_genes)
        self.scale = GeneScale(n_genes) if config.scale else None
        self.factors = None
        if config.factors:
            self.factors = (Posterior if config.posterior else Factors)(n_genes, config.factors)
            self.gene_factors = nn.Linear(config.factors + 1, d, bias=False)
            self.sample_factors = nn.Linear(config.factors, d)
            self.answer_factors = nn.Linear(config.factors + 1, e)
            nn.init.normal_(self.gene_factors.weight, std=0.02)
            if config.prior:
                self.query_prior = nn.Linear(config.factors + 3, e)
        self.encoder = nn.ModuleList(EncoderBlock(d, config.heads, config.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(d)
        self.to_decoder = nn.Linear(d, e)
        make = QueriedDecoder if config.decoder == "queried" else LinearDecoder
        self.decoder = make(config)
        if config.readout:
            self.readout = SampleReadout(self.sample_width, d, e)
        self.head = _made(HEADS, config.head, "model.head", e, n_genes)
        self.labels = self.class_prior = None
        if config.n_classes:
            self.labels = LabelHead(self.part_widths, config.n_classes, corrects=config.class_prior)
        if config.class_prior:
            self.class_prior = ClassGaussians(config.n_classes, config.factors)

    @property
    def part_widths(self) -> dict[str, int]:
        """Width of each part of the sample embedding, in order."""
        return {p: self.config.factors if p == "factors" else self.config.width for p in self.config.pooling}

    @property
    def sample_width(self) -> int:
        """Width of the sample embedding."""
        return sum(self.part_widths.values())

    def gene_vectors(self) -> Tensor:
        """(G + context, d) one vector per gene, and one per context token."""
        if self.factors is None:
            return self.genes.weight
        fitted_gd = self.gene_factors(self.factors.genes())
        return self.genes.weight + nn.functional.pad(fitted_gd, (0, 0, 0, N_CONTEXT))

    def encode(self, split: Split, path: str | None = None) -> Encoded:
        """Encode the visible pairs of each sample, the context tokens in front."""
        visible, shown, device = split.visible, self.shown(split), split.visible.genes_t.device
        if self.scale is not None:
            visible = self.scale.batch(visible)
        n, n_context = visible.n, N_CONTEXT if self.factors is not None else N_CONTEXT - 1
        at_t = torch.arange(len(visible.genes_t), device=device) + n_context * (visible.sample_t + 1)
        offsets_n1 = visible.offsets_n1 + n_context * torch.arange(n + 1, device=device)
        at_context = offsets_n1[:-1, None] + torch.arange(n_context, device=device)
        gene_t = torch.empty(len(visible.genes_t) + n_context * n, dtype=torch.long, device=device)
        gene_t[at_t] = visible.genes_t.long()
        gene_t[at_context] = self.n_genes + torch.arange(n_context, device=device)
        value_t = torch.zeros(len(gene_t), device=device)
        value_t[at_t] = visible.values_t
        value_t[at_context[:, :2]] = split.depth_n2.nan_to_num(0.0)
        state_t = torch.full((len(gene_t),), int(State.OBSERVED), device=device)
        state_t[at_context[:, :2]] = torch.where(split.depth_n2.isnan(), int(State.NOT_MEASURED), int(State.OBSERVED))
        gene_gd = self.gene_vectors()
        scores_nr = cov_nrr = None
        if self.factors is not None:
            state_t[at_context[:, 2]] = int(State.NOT_MEASURED)
            if self.config.posterior:
                scores_nr, cov_nrr = self.factors.distribution(shown)
            else:
                scores_nr = self.factors.scores(shown, split.hidden)
        x_td = self.values(value_t, state_t, gene_t) + gene_gd.index_select(0, gene_t)
        if scores_nr is not None:
            x_td = x_td.index_add(0, at_context[:, 2], self.sample_factors(scores_nr).to(x_td.dtype))
        for block in self.encoder:
            x_td = block(x_td, offsets_n1, path)
        return Encoded(self.norm(x_td), offsets_n1, gene_t, gene_gd, scores_nr, cov_nrr)

    def shown(self, split: Split) -> ExpressionBatch:
        """What may be read of the samples, on the scale that the model reads."""
        return split.shown if self.scale is None else self.scale.batch(split.shown)

    def pool(self, encoded: Encoded) -> Tensor:
        """(n, width of the parts joined) sample embedding. The mean and the maximum run over the genes, not T and S."""
        is_gene_t = encoded.gene_t < self.n_genes
        h_td, sample_t = encoded.h_td[is_gene_t], encoded.sample_t[is_gene_t]
        parts = {
            "T": lambda: encoded.h_td[encoded.offsets_n1[:-1]],
            "S": lambda: encoded.h_td[encoded.offsets_n1[:-1] + 1],
            "max": lambda: segment_max(h_td, sample_t, encoded.n),
            "mean": lambda: segment_mean(h_td, sample_t, encoded.n),
            "factors": lambda: encoded.scores_nr,
        }
        return torch.cat([parts[name]() for name in self.config.pooling], dim=1)

    def forward(self, split: Split, path: str | None = None) -> Output:
        """Encode what is visible and answer what is asked."""
        encoded = self.encode(split, path)
        h_sample = self.pool(encoded)
        logits_nc = None if self.labels is None else self.labels(h_sample)
        if self.class_prior is not None:
            logits_nc = logits_nc + self.class_prior(self.factors, self.shown(split))
        if len(split.queries.genes_t) == 0:
            return Output(None, h_sample, None, logits_nc)
        prior = None
        if self.config.prior:
            prior = self.factors.prior(encoded.scores_nr, encoded.cov_nrr, split.queries)
        h_qe = self.decoder(encoded, split, self, path, prior)
        if self.factors is not None:
            h_qe = h_qe + self.answer_factors(self.factors.products(encoded.scores_nr, split.queries))
        if self.config.readout:
            h_qe = h_qe + self.readout(h_sample, encoded.gene_gd, split.queries)
        return Output(h_qe, h_sample, self.head(h_qe, split.queries.genes_t.long(), prior), logits_nc)

    def targets(self, queries: ExpressionBatch) -> Tensor:
        """(q,) the values asked, on the scale on which the head answers."""
        return queries.values_t if self.scale is None else self.scale.into(queries.values_t, queries.genes_t)

    def answers(self, prediction: Any, queries: ExpressionBatch) -> tuple[Tensor, Tensor | None]:
        """(q,) expected values and their sds (None where the head has none), in the unit of the values."""
        mean_q, sd_q = self.head.mean(prediction).float(), self.head.sd(prediction)
        return (mean_q, sd_q) if self.scale is None else self.scale.out_of(mean_q, queries.genes_t, sd_q)


class SampleReadout(nn.Module):
    """Answers by the product of sample embedding and gene vector: a factor model whose factors are learned.

    Shapes: (n, sample width), (G, d), queries -> (q, e).
    """

    def __init__(self, sample_width: int, gene_width: int, width: int) -> None:
        super().__init__()
        self.norm, self.sample = nn.LayerNorm(sample_width), nn.Linear(sample_width, width)
        self.gene = nn.Linear(gene_width, width)
        # Gene vectors start at a size of 0.02; the first products are of a fifth of the size of one.
        nn.init.normal_(self.gene.weight, std=0.2 / 0.02 / gene_width**0.5)

    def forward(self, h_nd: Tensor, gene_gd: Tensor, queries: ExpressionBatch) -> Tensor:
        sample_ne = self.sample(self.norm(h_nd))
        gene_qe = self.gene(gene_gd.index_select(0, queries.genes_t.long()))
        return gene_qe * sample_ne.index_select(0, queries.sample_t)


class QueriedBlock(nn.Module):
    """Pre-norm: attention to encoded values, attention to observed zeros, feed-forward. Queries do not see each other,
    so a gene is answered the same alone or among others."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        e, heads = config.decoder_width, config.decoder_heads
        self.norm1, self.norm3 = nn.LayerNorm(e), nn.LayerNorm(e)
        self.cross = CrossAttention(e, config.width, heads)
        self.norm2 = nn.LayerNorm(e) if config.zeros else None
        self.zeros = ZeroAttention(e, config.width, config.zero_width, config.zero_heads) if config.zeros else None
        self.feed = FeedForward(e, config.dropout)

    def forward(self, x_qe, q_n1, encoded: Encoded, zeros: tuple, path: str | None) -> Tensor:
        x_qe = x_qe + self.cross(self.norm1(x_qe), q_n1, encoded.h_td, encoded.offsets_n1, path)
        if self.zeros is not None:
            x_qe = x_qe + self.zeros(self.norm2(x_qe), q_n1, *zeros)
        return x_qe + self.feed(self.norm3(x_qe))


class QueriedDecoder(nn.Module):
    """Answers the queried genes only."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(QueriedBlock(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.decoder_width)

    def forward(
        self, encoded: Encoded, split: Split, model: EncoderDecoder, path: str | None, prior: Prior | None = None
    ) -> Tensor:
        queries = split.queries
        gene_qd = encoded.gene_gd.index_select(0, queries.genes_t.long())
        x_qe = model.to_decoder(gene_qd + model.values.constant(State.HIDDEN))
        if prior is not None:  # what the Gaussian expects is a fact about the query, like its gene
            facts = [model.factors.products(encoded.scores_nr, queries), prior.mean_q[:, None], prior.sd_q[:, None]]
            x_qe = x_qe + model.query_prior(torch.cat(facts, 1))
        zeros = ()
        if model.config.zeros:
            zero_gd = encoded.gene_gd[: model.n_genes] + model.values.constant(State.ZERO)
            absent_t, absent_n1 = absent_genes(split)
            zeros = (zero_gd, split.visible.panels, split.visible.panel_n, absent_t, absent_n1)
        for block in self.blocks:
            x_qe = block(x_qe, queries.offsets_n1, encoded, zeros, path)
        return self.norm(x_qe)


class LinearDecoder(nn.Module):
    """Runs over every gene of the vocabulary, as published: encoded values where they are visible, the mask vector
    where they are hidden, the zero vector elsewhere. Genes outside the panel take no part in the attention.

    The linear map to the decoder's width is applied to the parts before they are put together, which is the same and
    spares a product over 20,000 mostly equal rows.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            PerformerBlock(config.decoder_width, config.decoder_heads, seed=i) for i in range(config.decoder_layers)
        )
        self.norm = nn.LayerNorm(config.decoder_width)

    def forward(
        self, encoded: Encoded, split: Split, model: EncoderDecoder, path: str | None, prior: Prior | None = None
    ) -> Tensor:
        n, length = encoded.n, model.n_genes + N_CONTEXT
        weight = model.to_decoder.weight
        gene_le = model.to_decoder(encoded.gene_gd)
        zero_e, hidden_e = (weight @ model.values.constant(s) for s in (State.ZERO, State.HIDDEN))
        x = (gene_le + zero_e).expand(n, length, -1).reshape(n * length, -1)
        unknown = split.unknown
        hidden_at = unknown.sample_t * length + unknown.genes_t.long()
        shown_at = encoded.sample_t * length + encoded.gene_t
        x = x.index_add(0, hidden_at, (hidden_e - zero_e).to(x.dtype).expand(len(hidden_at), -1))
        x = x.index_add(0, shown_at, encoded.h_td @ weight.T - zero_e)
        x_nle = x.view(n, length, -1)
        measured = torch.zeros(len(split.visible.panels), length, dtype=torch.bool, device=x.device)
        measured[:, model.n_genes : length if model.factors is not None else length - 1] = True
        for i, panel in enumerate(split.visible.panels):
            measured[i, panel] = True
        valid_nl = measured[split.visible.panel_n]
        for block in self.blocks:
            x_nle = block(x_nle, valid_nl)
        at = split.queries.sample_t * length + split.queries.genes_t.long()
        return self.norm(x_nle.reshape(n * length, -1)[at])


def _made(registry: Registry, part: Part, where: str, width: int, n_genes: int) -> Any:
    """The part that a configuration names; options that it does not take are refused."""
    make = registry[part.name]
    known = list(inspect.signature(make).parameters)[1:]
    sizes = [width]
    if known[:1] == ["n_genes"]:
        sizes, known = [width, n_genes], known[1:]
    for option in part.options:
        if option not in known:
            close = get_close_matches(option, known, n=1, cutoff=0.4)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
            raise InputError(f"{where} = {part.name} has no option {option!r}; {hint}")
    try:
        return make(*sizes, **part.options)
    except (TypeError, ValueError, RuntimeError) as fault:
        raise InputError(f"{where}.options {part.options} do not fit {part.name}: {fault}") from None


def absent_genes(split: Split) -> tuple[Tensor, Tensor]:
    """Genes of each sample that are not observed zeros: visible or unknown, packed, and their offsets."""
    both = (split.visible, split.unknown)
    sample = torch.cat([b.sample_t for b in both])
    genes = torch.cat([b.genes_t.long() for b in both])
    order = torch.argsort(sample, stable=True)
    return genes[order], offsets_of(split.visible.lengths_n + split.unknown.lengths_n)
