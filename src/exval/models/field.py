"""A neural field: from a place to the values of all genes, by a few factors."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from exval.models.encdec import Output
from exval.visibility import Split

SCALE = 70.0  # mm: half the length of a brain, so that coordinates lie in about [-1, 1]


class FieldConfig(BaseModel):
    """Shape of a :class:`PlaceField`.

    Parameters
    ----------
    first
        ``"sine"``: frequencies of the first layer are learned (SIREN); ``"fourier"``: they stay as drawn (Tancik et al.
        2020), and the layers above are SiLU.
    inputs
        Coordinates of a place: x, y, z in mm, and what else is known of it, brought to mm.
    omega
        Standard deviation of the first frequencies, in radians over 70 mm: the bandwidth. 2 to 6 is smooth, 30 is
        SIREN's own and reproduces noise.
    width, layers
        Of the hidden layers.
    members
        Networks of different starts, trained side by side.
    rank
        Factors between a place and its genes.
    regions
        Number of names of each level of regions, coarse to fine; empty for none.
    region_dropout
        How often a level, and those below it, are hidden in training, so that a place without names is answered too.
    """

    model_config = ConfigDict(extra="forbid")
    first: Literal["sine", "fourier"] = "sine"
    inputs: int = Field(3, ge=1)
    omega: float = Field(4.0, gt=0)
    width: int = Field(128, ge=1)
    layers: int = Field(2, ge=0)
    members: int = Field(4, ge=1)
    rank: int = Field(24, ge=1)
    regions: tuple[int, ...] = ()
    region_dropout: float = Field(0.1, ge=0, le=1)


class PlaceField(nn.Module):
    r"""Several small networks that map a place to K factors, and loadings that map factors to genes.

    A member computes :math:`h_0 = \phi(\Omega p + b) + \sum_k r_k`, where r are learned vectors of the regions that p
    lies in, :math:`h_{l+1} = \phi(W_l h_l + c_l) + h_l / 2`, and answers gene g by :math:`v_g^\top V h_L`. All genes
    come from one pass, at the cost of one more row of v each. Members see the same batches; their mean is the answer,
    their spread says where they were not told.

    Source: sine layers Sitzmann et al. 2020 (NeurIPS), section 3; Fourier features Tancik et al. 2020 (NeurIPS);
    ensembles Lakshminarayanan et al. 2017 (NeurIPS); low rank, regions and bandwidth are exval's own.

    Batches carry ``obs["place"]`` (n, inputs) in mm with the hemispheres folded, and ``obs["regions"]`` (n, k)
    numbers, -1 where unknown.

    Examples
    --------
    >>> model = PlaceField(FieldConfig(width=8, members=2, rank=3), n_genes=5)
    >>> model.factors(torch.zeros(4, 3), torch.zeros(4, 0, dtype=torch.long)).shape
    torch.Size([2, 4, 3])
    """

    undecayed = ("frequencies", "phases", "shifts")
    labels = None

    def __init__(self, config: FieldConfig, n_genes: int) -> None:
        super().__init__()
        e, d, k = config.members, config.width, min(config.rank, n_genes)
        self.config, self.n_genes = config, n_genes
        self.frequencies = nn.Parameter(
            config.omega * torch.randn(e, config.inputs, d), requires_grad=config.first == "sine"
        )
        self.phases = nn.Parameter(2 * math.pi * torch.rand(e, 1, d), requires_grad=config.first == "sine")
        self.hidden = nn.ParameterList([nn.Parameter(torch.randn(e, d, d) / d**0.5) for _ in range(config.layers)])
        self.shifts = nn.ParameterList([nn.Parameter(torch.zeros(e, 1, d)) for _ in range(config.layers)])
        self.to_factors = nn.Parameter(torch.randn(e, d, k) / d**0.5)
        self.loadings = nn.Parameter(torch.randn(e, n_genes, k) / k**0.5)
        # Row 0 of each table is that of an unknown region.
        self.regions = nn.ParameterList([nn.Parameter(torch.zeros(size + 1, e, d)) for size in config.regions])
        self.head = MeanOfMembers()

    def factors(self, place_nc: Tensor, regions_nk: Tensor) -> Tensor:
        """(members, n, K) factors at places."""
        h = torch.sin(place_nc / SCALE @ self.frequencies + self.phases)
        for level, table in enumerate(self.regions):
            h = h + table[regions_nk[:, level] + 1].transpose(0, 1)
        bend = torch.sin if self.config.first == "sine" else nn.functional.silu
        for weight, shift in zip(self.hidden, self.shifts):
            h = bend(h @ weight + shift) + 0.5 * h
        return h @ self.to_factors

    def values(self, place_nc: Tensor, regions_nk: Tensor) -> Tensor:
        """(members, n, G) values of all genes."""
        return self.factors(place_nc, regions_nk) @ self.loadings.transpose(1, 2)

    def mean_values(self, place_nc: Tensor, regions_nk: Tensor) -> Tensor:
        """(n, G) mean of the members, by one product over all factors of all of them."""
        factors_nk = self.factors(place_nc, regions_nk).transpose(0, 1).flatten(1)
        return factors_nk @ self.loadings.transpose(1, 2).flatten(0, 1) / self.config.members

    def forward(self, split: Split) -> Output:
        """Answer the queries of a batch: (members, q)."""
        queries = split.queries
        place_nc, regions_nk = queries.obs["place"], self._some(queries.obs["regions"])
        factors = self.factors(place_nc, regions_nk)
        genes_q = queries.genes_t.long()
        if len(genes_q) == len(place_nc) * self.n_genes:  # every sample has every gene, in their order
            told = (factors @ self.loadings.transpose(1, 2)).flatten(1)
        else:
            told = (factors[:, queries.sample_t] * self.loadings[:, genes_q]).sum(2)
        return Output(None, factors[0], told, None)

    def _some(self, regions_nk: Tensor) -> Tensor:
        """In training some names are hidden: a level, and every level below it."""
        if not self.training or not self.config.region_dropout or not regions_nk.shape[1]:
            return regions_nk
        hidden = torch.rand(regions_nk.shape, device=regions_nk.device) < self.config.region_dropout
        return regions_nk.masked_fill(hidden.cumsum(1) > 0, -1)

    def targets(self, queries) -> Tensor:
        """(q,) the values asked."""
        return queries.values_t


class MeanOfMembers(nn.Module):
    """Every member answers for itself: the loss is the mean of their squared errors, the answer their mean.

    Examples
    --------
    >>> told = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    >>> MeanOfMembers().mean(told).tolist(), MeanOfMembers().nll(told, torch.tensor([2.0, 0.0])).tolist()
    ([2.0, 0.0], [1.0, 0.0])
    """

    def nll(self, told_eq: Tensor, target_q: Tensor) -> Tensor:
        """(q,) squared error, mean over members."""
        return (told_eq - target_q).square().mean(0)

    def mean(self, told_eq: Tensor) -> Tensor:
        """(q,) the answer."""
        return told_eq.mean(0)
