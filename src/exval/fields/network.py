"""Neural fields as fields: bandwidth chosen in space, one training for all genes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from exval.fields.base import Field
from exval.fields.errorbars import inner_folds
from exval.fields.places import Places, codes
from exval.methods.base import Card

BLOCK = 20_000


class Siren(Field):
    """A sine network of low bandwidth from place and regions to all genes (:class:`exval.models.field.PlaceField`).

    The bandwidth ``omega`` is chosen by holding out two inner folds, donors or blocks in space, with a third of the
    steps; then the network is trained on all samples. Its sd comes from inner folds as that of the simple fields does.

    Parameters
    ----------
    omegas
        Bandwidths tried; one is taken as it is.
    width, layers, members, rank
        Shape.
    regions
        Use names of regions where they are known.
    steps, batch_size, lr, weight_decay
        Of the training.
    seed
        Of weights, batches and what is hidden.

    Attributes
    ----------
    omega_
        What was chosen.
    model_
        The trained :class:`~exval.models.field.PlaceField`.
    """

    name = "siren"
    sees = ("position", "regions")
    first = "sine"
    presets = {"tiny": {"omegas": (4.0,), "width": 16, "members": 2, "steps": 30}}
    card = Card(
        category="pretrained",
        sees=("position", "regions"),
        space_in="any unit",
        space_out="the unit of the input",
        cost="steps x samples x width^2",
        reference="Sitzmann et al. 2020, NeurIPS; bandwidth, low rank, regions and ensemble are exval's",
        summary="Ensemble of sine networks of low bandwidth from place and regions to the factors of all genes.",
    )

    def __init__(
        self,
        omegas: tuple[float, ...] = (2.0, 4.0, 8.0),
        width: int = 128,
        layers: int = 2,
        members: int = 4,
        rank: int = 24,
        regions: bool = True,
        steps: int = 300,
        batch_size: int = 1024,
        lr: float = 3e-3,
        weight_decay: float = 0.01,
        seed: int = 0,
    ) -> None:
        self.omegas = omegas
        self.width = width
        self.layers = layers
        self.members = members
        self.rank = rank
        self.regions = regions
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.seed = seed

    def frozen(self):
        return type(self)(**{**self.get_params(), "omegas": (self.omega_,)})

    def learn(self, places, z_ng):
        omegas = tuple(self.omegas)
        self.omega_ = omegas[0]
        if len(omegas) > 1:
            fold_n = inner_folds(places, self.seed)
            errors = []
            for omega in omegas:
                left = 0.0
                for fold in np.unique(fold_n)[:2]:
                    test = fold_n == fold
                    self._train(places.take(~test), z_ng[~test], omega, max(self.steps // 3, 1))
                    left += ((self.tell(places.take(test)) - z_ng[test]) ** 2).sum()
                errors.append(left)
            self.omega_ = omegas[int(np.argmin(errors))]
        self._train(places, z_ng, self.omega_, self.steps)

    def keep(self):
        arrays = {name: tensor.numpy() for name, tensor in self.model_.state_dict().items()}
        return {"omega": self.omega_, "names": [list(names) for names in self._names]}, arrays

    def regain(self, places, z_ng, told, arrays):
        import torch

        self.omega_ = told["omega"]
        self._names = [np.array(names, dtype=object) for names in told["names"]]
        self._make(z_ng.shape[1], self.omega_)
        self.model_.load_state_dict({name: torch.as_tensor(array) for name, array in arrays.items()})
        self.model_.eval()

    def _make(self, n_genes: int, omega: float) -> None:
        import torch

        from exval.models.field import FieldConfig, PlaceField

        torch.manual_seed(self.seed)
        shape = FieldConfig(
            first=self.first, omega=omega, width=self.width, layers=self.layers, members=self.members, rank=self.rank,
            regions=tuple(len(names) for names in self._names),
        )  # fmt: skip
        self.model_ = PlaceField(shape, n_genes)

    def _train(self, places: Places, z_ng: np.ndarray, omega: float, steps: int) -> None:
        from scipy import sparse

        from exval.data.store import Store
        from exval.objectives.values import HiddenValues
        from exval.train.config import TrainConfig
        from exval.train.loop import Feed, fit
        from exval.visibility import Nothing

        n, g = z_ng.shape
        levels = range(places.regions_nk.shape[1] if self.regions else 0)
        self._names = [codes(places.regions_nk[:, k], places.regions_nk[:0, k])[0] for k in levels]
        packed = sparse.csr_matrix(
            (z_ng.astype(np.float32).ravel(), np.tile(np.arange(g), n), np.arange(n + 1) * g), shape=(n, g)
        )
        store = Store.from_csr(packed, [f"gene {i}" for i in range(g)], unit="z")
        place_n3, regions_nk = self._inputs(places)
        store = store.with_labels(place=place_n3, regions=regions_nk)
        self._make(g, omega)
        config = TrainConfig(
            steps=steps, batch_size=min(self.batch_size, n), micro_batch=min(self.batch_size, n), lr=self.lr,
            weight_decay=self.weight_decay, warmup=0.07, valid_share=0.0, valid_every=steps, save_every=steps,
            seed=self.seed,
        )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="exval-") as room:
            fit(self.model_, HiddenValues(), Nothing(), Nothing(), Feed(store, np.arange(n), np.arange(0)), config,
                Path(room), description="Field")  # fmt: skip

    def _inputs(self, places: Places) -> tuple[np.ndarray, np.ndarray]:
        told = places.regions_nk.shape[1] >= len(self._names)
        numbers = [codes(names, places.regions_nk[:, k])[2] if told else np.full(len(places), -1)
                   for k, names in enumerate(self._names)]  # fmt: skip
        regions_nk = np.column_stack(numbers) if numbers else np.empty((len(places), 0))
        return places.folded().astype(np.float32), regions_nk.astype(np.int64)

    def tell(self, places):
        import torch

        place_n3, regions_nk = (torch.as_tensor(x) for x in self._inputs(places))
        out = np.empty((len(places), self.model_.n_genes))
        with torch.inference_mode():
            for start in range(0, len(out), BLOCK):
                here = slice(start, start + BLOCK)
                out[here] = self.model_.values(place_n3[here], regions_nk[here]).mean(0).numpy()
        return out

    def n_parameters(self) -> int:
        """Weights of all members."""
        return sum(p.numel() for p in self.model_.parameters())


class FourierNetwork(Siren):
    """The same with Fourier features that stay as they were drawn, and SiLU layers above them."""

    name = "fourier-network"
    first = "fourier"
    card = Card(
        category="pretrained",
        sees=("position", "regions"),
        space_in="any unit",
        space_out="the unit of the input",
        cost="steps x samples x width^2",
        reference="Tancik et al. 2020, NeurIPS; bandwidth, low rank, regions and ensemble are exval's",
        summary="Ensemble of networks on Fourier features of low bandwidth, from place and regions to all genes.",
    )
