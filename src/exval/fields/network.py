"""Neural fields as fields: bandwidth chosen in space, one training for all genes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from exval.fields.base import Field
from exval.fields.fading import Fading
from exval.fields.holdout import apart, copies, inner_groups
from exval.fields.places import Places, codes
from exval.fields.tissue import known_matter, matter_at
from exval.methods.base import Card

BLOCK = 20_000
MATTER = 12.0  # mm that a step from none to all grey or white matter counts for
REGION_DROPOUT = 0.1


class Siren(Field):
    """Sine networks of low bandwidth from place and regions to all genes (:class:`exval.models.field.PlaceField`).

    There are two networks where regions are known: one that is told them, and one that answers where they are unknown,
    since what the names tell the second has to read from the position, which takes a higher bandwidth. The bandwidth
    ``omega`` of each is chosen by holding out two inner folds, donors or blocks in space, by half of the members; then
    it is trained on all samples. The probabilities of grey and white matter (:mod:`exval.fields.tissue`) are two
    further coordinates. Offsets of donors (:class:`~exval.fields.donors.DonorOffsets`) are taken off first and added
    where the donor is known. What the networks say is drawn towards the mean where samples are far
    (:class:`~exval.fields.fading.Fading`), as an inner hold-out says; the sd comes from the same hold-out, as that of
    the simple fields does.

    Parameters
    ----------
    omegas
        Bandwidths tried; one is taken as it is.
    width, layers, members, rank
        Shape.
    regions, tissue
        Use names of regions where they are known; use grey and white matter where nilearn is installed.
    steps, batch_size, lr, weight_decay
        Of the training.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    seed
        Of weights, batches and what is hidden.
    chosen
        Bandwidths that another fit chose, to choose nothing again.

    Attributes
    ----------
    chosen_
        The bandwidth without and, where regions are known, with regions.
    """

    name = "siren"
    sees = ("position", "tissue", "regions", "donor")
    first = "sine"
    presets = {"tiny": {"omegas": (4.0,), "width": 16, "members": 2, "steps": 30}}
    card = Card(
        category="pretrained",
        sees=("position", "tissue", "regions", "donor"),
        space_in="any unit",
        space_out="the unit of the input",
        cost="steps x samples x width^2",
        reference="Sitzmann et al. 2020, NeurIPS; bandwidth, low rank, regions and ensemble are exval's",
        summary="Ensemble of sine networks of low bandwidth from place and regions to the factors of all genes.",
    )

    def __init__(
        self,
        omegas: tuple[float, ...] = (1.0, 2.0, 4.0),
        width: int = 128,
        layers: int = 2,
        members: int = 4,
        rank: int = 24,
        regions: bool = True,
        tissue: bool = True,
        steps: int = 300,
        batch_size: int = 1024,
        lr: float = 3e-3,
        weight_decay: float = 0.01,
        device: str = "auto",
        seed: int = 0,
        chosen: tuple[float, ...] | None = None,
    ) -> None:
        self.omegas = omegas
        self.width = width
        self.layers = layers
        self.members = members
        self.rank = rank
        self.regions = regions
        self.tissue = tissue
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.device = device
        self.seed = seed
        self.chosen = chosen

    def frozen(self):
        return type(self)(**{**self.get_params(), "chosen": self.chosen_})

    def learn(self, places, z_ng):
        self._start(places, z_ng)
        z_ng = z_ng - self.offsets_.at(places)[0]
        self.chosen_ = self.chosen or tuple(self._choose(places, z_ng, names) for names in self._names)
        self._models = [self._trained(places, z_ng, names, omega, self.members)
                        for names, omega in zip(self._names, self.chosen_)]  # fmt: skip
        self._fading: dict[bool, Fading] = {}

    def inner(self, places, z_ng, folds, asked):
        """Errors of copies that fade, and by how much this field has to: what it tells, donors' offsets apart."""
        made = [(np.empty_like(z_ng), np.empty_like(z_ng)) for _ in asked]
        for fold, one in copies(self, places, z_ng, folds):
            for as_told, (net_ng, rest_ng) in zip(asked, made):
                here = as_told.take(fold.test)
                net_ng[fold.test], rest_ng[fold.test] = one.network(here), z_ng[fold.test] - one.offsets_.at(here)[0]
        apart_n, found = apart(folds), []
        for as_told, (net_ng, rest_ng) in zip(asked, made):
            told_n = as_told.told() & (len(self._models) > 1)
            slope_n1 = np.empty((len(places), 1))
            for told in (False, True):
                rows = told_n == told
                if rows.any() and told not in self._fading:
                    self._fading[told] = Fading().fit(places, rest_ng[rows], net_ng[rows], apart_n[rows])
                if rows.any():
                    slope_n1[rows] = self._fading[told].of(apart_n[rows])
            found.append((rest_ng - slope_n1 * net_ng, None))
        return found

    def taught(self, places, z_ng):
        one = super().taught(places, z_ng)
        one._fading = {told: Fading().regain(places, fading.distance_b, fading.slope_b)
                       for told, fading in self._fading.items()}  # fmt: skip
        return one

    def _start(self, places: Places, z_ng: np.ndarray) -> None:
        """Offsets of donors, whether matter is known, and the names of the regions of each network."""
        from exval.fields.donors import DonorOffsets

        self.offsets_, self.n_out_ = DonorOffsets().fit(places, z_ng), z_ng.shape[1]
        self.matter_ = self.tissue and matter_at(places.xyz_n3[:1]) is not None
        self._names: list[list[np.ndarray]] = [[]]
        if self.regions and places.told().any():
            levels = range(places.regions_nk.shape[1])
            self._names.append([codes(places.regions_nk[:, k], places.regions_nk[:0, k])[0] for k in levels])

    def _choose(self, places: Places, z_ng: np.ndarray, names: list[np.ndarray]) -> float:
        """The bandwidth of the smallest error about the first two inner folds."""
        if len(self.omegas) == 1:
            return float(self.omegas[0])
        fold_n, errors = inner_groups(places, self.seed), []
        for omega in self.omegas:
            left = 0.0
            for fold in np.unique(fold_n)[:2]:
                test = fold_n == fold
                model = self._trained(places.take(~test), z_ng[~test], names, omega, max(self.members // 2, 1))
                left += ((self._ask(model, names, places.take(test)) - z_ng[test]) ** 2).sum()
            errors.append(left)
        return float(self.omegas[int(np.argmin(errors))])

    def keep(self):
        arrays = {f"{i}.{name}": tensor.detach().cpu().numpy() for i, model in enumerate(self._models)
                  for name, tensor in model.state_dict().items()}  # fmt: skip
        for told, fading in self._fading.items():
            start = f"fading.{int(told)}."
            arrays |= {start + "distance_b": fading.distance_b, start + "slope_b": fading.slope_b}
        return {"omegas": list(self.chosen_), "matter": self.matter_}, arrays

    def regain(self, places, z_ng, told, arrays):
        import torch

        from exval.run import pick_device

        self._start(places, z_ng)
        self.chosen_, self.matter_ = tuple(told["omegas"]), told["matter"]
        self._models = []
        for i, (names, omega) in enumerate(zip(self._names, self.chosen_)):
            model, start = self._made(names, omega, self.members), f"{i}."
            model.load_state_dict({name.removeprefix(start): torch.as_tensor(array) for name, array in arrays.items()
                                   if name.startswith(start)})  # fmt: skip
            self._models.append(model.to(pick_device(self.device)).eval())
        self._fading = {}
        for told in (False, True):
            start = f"fading.{int(told)}."
            if start + "distance_b" in arrays:
                self._fading[told] = Fading().regain(places, arrays[start + "distance_b"], arrays[start + "slope_b"])

    def _made(self, names: list[np.ndarray], omega: float, members: int):
        import torch

        from exval.models.field import FieldConfig, PlaceField

        shape = FieldConfig(
            first=self.first, inputs=5 if self.matter_ else 3, omega=omega, width=self.width, layers=self.layers,
            members=members, rank=self.rank, regions=tuple(map(len, names)), region_dropout=REGION_DROPOUT,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            return PlaceField(shape, self.n_out_)

    def _trained(self, places: Places, z_ng: np.ndarray, names: list[np.ndarray], omega: float, members: int):
        from scipy import sparse

        from exval.data.store import Store
        from exval.objectives.values import HiddenValues
        from exval.run import pick_device
        from exval.train.config import TrainConfig
        from exval.train.loop import Feed, fit
        from exval.visibility import Nothing

        n, g = z_ng.shape
        packed = sparse.csr_matrix(
            (z_ng.astype(np.float32).ravel(), np.tile(np.arange(g), n), np.arange(n + 1) * g), shape=(n, g)
        )
        store = Store.from_csr(packed, [f"gene {i}" for i in range(g)], unit="z")
        place_nc, regions_nk = self._inputs(places, names)
        store = store.with_labels(place=place_nc, regions=regions_nk)
        model = self._made(names, omega, members)
        config = TrainConfig(
            steps=self.steps, batch_size=min(self.batch_size, n), micro_batch=min(self.batch_size, n), lr=self.lr,
            weight_decay=self.weight_decay, warmup=0.07, valid_share=0.0, valid_every=self.steps, save_every=self.steps,
            seed=self.seed, precision="fp32",
        )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="exval-") as room:
            fit(model, HiddenValues(), Nothing(), Nothing(), Feed(store, np.arange(n), np.arange(0)), config,
                Path(room), description="Field", device=pick_device(self.device))  # fmt: skip
        return model.eval()

    def _inputs(self, places: Places, names: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """(n, 3 or 5) float32 mm, and (n, k) numbers of regions, -1 where unknown."""
        place_nc = places.folded()
        if self.matter_:
            place_nc = np.column_stack([place_nc, MATTER * known_matter(place_nc)])
        told = places.regions_nk.shape[1] >= len(names)
        numbers = [codes(known, places.regions_nk[:, k])[2] if told else np.full(len(places), -1)
                   for k, known in enumerate(names)]  # fmt: skip
        regions_nk = np.column_stack(numbers) if numbers else np.empty((len(places), 0))
        return place_nc.astype(np.float32), regions_nk.astype(np.int64)

    def _ask(self, model, names: list[np.ndarray], places: Places) -> np.ndarray:
        import torch

        device = next(model.parameters()).device
        place_nc, regions_nk = (torch.as_tensor(x) for x in self._inputs(places, names))
        out = np.empty((len(places), self.n_out_), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(out), BLOCK):
                here = slice(start, start + BLOCK)
                out[here] = model.mean_values(place_nc[here].to(device), regions_nk[here].to(device)).cpu().numpy()
        return out

    def network(self, places: Places) -> np.ndarray:
        """(m, g) what the networks say of the places: that with regions of those whose regions are known."""
        out = np.empty((len(places), self.n_out_), dtype=np.float32)
        for rows, told in self._divided(places):
            out[rows] = self._ask(self._models[-told], self._names[-told], places.take(rows))
        return out

    def _divided(self, places: Places):
        """Rows that each network answers, and whether it is the one with regions."""
        told_m = places.told() & (len(self._models) > 1)
        for told in (False, True):
            if (told_m == told).any():
                yield np.flatnonzero(told_m == told), told

    def tell(self, places):
        out = self.network(places)
        for rows, told in self._divided(places):
            if told in self._fading:
                out[rows] *= self._fading[told].at(places.take(rows))
        return out + self.offsets_.at(places)[0]

    def n_parameters(self) -> int:
        """Weights of all members of both networks."""
        return sum(p.numel() for model in self._models for p in model.parameters())


class FourierNetwork(Siren):
    """The same with Fourier features that stay as they were drawn, and SiLU layers above them."""

    name = "fourier-network"
    first = "fourier"
    card = Card(
        category="pretrained",
        sees=("position", "tissue", "regions", "donor"),
        space_in="any unit",
        space_out="the unit of the input",
        cost="steps x samples x width^2",
        reference="Tancik et al. 2020, NeurIPS; bandwidth, low rank, regions and ensemble are exval's",
        summary="Ensemble of networks on Fourier features of low bandwidth, from place and regions to all genes.",
    )
