"""The published recipe of implicit neural representations of brain-wide gene expression, as a field."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exval.errors import InputError
from exval.fields.all_rows import Training
from exval.fields.base import Field
from exval.fields.places import Places
from exval.logs import warn
from exval.methods.base import Card
from exval.progress import Progress


class PublishedField(Field):
    r"""One large SIREN of place, tissue and a number for the gene, trained to reproduce every sample.

    A row is a sample and a gene. Its 27 inputs are x, y and z (one common minimum and maximum over the axes, to
    [-1, 1]), the tissue (:func:`exval.fields.tissue.tissue_at`), the gene's code e and sines and cosines of it
    (:func:`exval.models.gene_code_siren.encoded`); its target is the value, brought to 0 to 1 gene by gene. Adam
    minimises the mean squared error over *all* rows in every step, its rate falls by a tenth every 1,000 steps, and
    the weights of the lowest training loss are kept. There is no regularisation, no hold-out and no standard deviation:
    ``predict`` gives ``sd_mg = None``.

    The code e is the first spectral embedding of the genes by their values in the training samples
    (:func:`exval.models.gene_code_siren.gene_codes`).

    It has a loop of its own: the shared one draws batches, has a cosine for the learning rate and keeps weights by a
    validation, and here every step sees all rows, the rate falls in stairs, and the training loss decides.

    Source: arXiv 2506.11158 and what its authors' code does where the text is silent.

    Parameters
    ----------
    width, layers, omega
        Of :class:`~exval.models.gene_code_siren.GeneCodeSiren`.
    octaves
        Frequencies of the gene's code.
    steps
        The authors take 3,000 to 10,000, and up to 200,000.
    lr
        Of Adam, at the start.
    batch_rows
        Rows held at once: gradients are added up over them, so that the step is that of all rows. None: all.
    fold
        Lay both hemispheres onto one.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    seed
        Of the weights.

    Attributes
    ----------
    model_
        The trained network.
    code_g_
        (g,) codes of the genes, 0 to 1.
    kept_
        ``step`` and training ``loss`` of the weights that were kept, and whether ``tissue`` was known: without nilearn
        it is 0 everywhere.
    watch
        Called with the :class:`~exval.fields.all_rows.Training` after every step, for whoever follows it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> xyz = rng.uniform(-40, 40, (60, 3))
    >>> field = PublishedField(**PublishedField.presets["tiny"]).fit(Places.of(xyz), np.sin(xyz / 20))
    >>> told = field.predict(Places.of(xyz[:2]), sd=True)
    >>> told.mean_mg.shape, told.sd_mg
    ((2, 3), None)
    """

    name = "inr-published"
    sees = ("position",)
    bars = False
    presets = {"tiny": {"width": 32, "layers": 1, "omega": 4.0, "lr": 3e-3, "steps": 150, "device": "cpu"}}
    watch: Callable[[Training], None] | None = None
    card = Card(
        category="pretrained",
        sees=("position",),
        space_in="any unit",
        space_out="the unit of the input",
        cost="steps x samples x genes x width^2; places x genes x width^2 to predict",
        reference="arXiv 2506.11158; Sitzmann et al. 2020, NeurIPS",
        summary="The published network of place, tissue and one number for the gene, trained to reproduce all samples.",
        departures="Donors are fitted together, not one by one and averaged. Hemispheres are laid onto one instead of "
        "copying samples to the other. Targets are brought to 0 to 1 by minimum and maximum of the training samples, "
        "and back. Tissue is looked up where a value is asked for, instead of grey everywhere. With few genes the "
        "spectral embedding takes more neighbours than a tenth of them.",
    )

    def __init__(
        self,
        width: int = 512,
        layers: int = 12,
        omega: float = 30.0,
        octaves: int = 11,
        steps: int = 10_000,
        lr: float = 1e-4,
        batch_rows: int | None = 16_384,
        fold: bool = True,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        self.width = width
        self.layers = layers
        self.omega = omega
        self.octaves = octaves
        self.steps = steps
        self.lr = lr
        self.batch_rows = batch_rows
        self.fold = fold
        self.device = device
        self.seed = seed

    def learn(self, places, z_ng):
        from exval.models.gene_code_siren import gene_codes

        self._low_g, self._range_g = z_ng.min(0), np.ptp(z_ng, axis=0)
        scaled_ng = (z_ng - self._low_g) / np.where(self._range_g > 0, self._range_g, 1.0)
        self.code_g_ = gene_codes(scaled_ng, self.seed)
        xyz = self._at(places)
        self._span = np.array([xyz.min(), xyz.max()])
        tissue_n = self.tissue(xyz)
        if tissue_n is None:
            warn([f"{self.title}: nilearn is not installed, so that the tissue is unknown and 0 everywhere"])
        self.kept_ = {"tissue": tissue_n is not None}
        self._make()
        training = self._training(places, scaled_ng)
        with Progress("Training", self.steps) as progress:
            for _ in range(self.steps):
                training.advance()
                progress.advance(text=f"loss {training.loss:.2e}")
                if self.watch is not None:
                    self.watch(training)
        training.finish()
        self.kept_.update(step=training.best_step, loss=training.best_loss)

    def tissue(self, xyz_n3: np.ndarray) -> np.ndarray | None:
        """(n,) codes, or None where there is nothing to look them up in."""
        from exval.fields.tissue import tissue_at

        return tissue_at(xyz_n3)

    def _at(self, places: Places) -> np.ndarray:
        return places.folded() if self.fold else places.xyz_n3

    def _make(self) -> None:
        import torch

        from exval.models.gene_code_siren import GeneCodeSiren
        from exval.run import pick_device

        device = pick_device(self.device)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            model = GeneCodeSiren(3 + 1 + 1 + 2 * self.octaves, self.width, self.layers, self.omega)
        self.model_ = model.to(device)

    def _inputs(self, places: Places):
        """(n, 4) of the places and (g, 1 + 2 octaves) of the genes, where the network is."""
        import torch

        from exval.models.gene_code_siren import encoded

        xyz, (low, high) = self._at(places), self._span
        tissue_n = self.tissue(xyz) if self.kept_["tissue"] else np.zeros(len(xyz))
        if tissue_n is None:
            raise InputError(f"this {self.title} was fitted with the tissue of each place; install nilearn to ask it")
        place_n4 = np.column_stack([2 * (xyz - low) / max(high - low, 1e-9) - 1, tissue_n])
        device = next(self.model_.parameters()).device
        return tuple(torch.as_tensor(x, dtype=torch.float32, device=device)
                     for x in (place_n4, encoded(self.code_g_, self.octaves)))  # fmt: skip

    def _rows(self, inputs, first: int, last: int):
        """(r, 27) inputs of some rows; a row's place is its number over the genes, its gene what is left."""
        import torch

        place_n4, code_gc = inputs
        row_r = torch.arange(first, last, device=place_n4.device)
        return torch.cat([place_n4[row_r // len(code_gc)], code_gc[row_r % len(code_gc)]], dim=1)

    def _parts(self, n: int) -> list[tuple[int, int]]:
        size = self.batch_rows or max(n, 1)
        return [(start, min(start + size, n)) for start in range(0, n, size)]

    def _training(self, places: Places, scaled_ng: np.ndarray) -> Training:
        import torch

        inputs = self._inputs(places)
        target_r = torch.as_tensor(scaled_ng.ravel(), dtype=torch.float32, device=inputs[0].device)
        parts = [(self._rows(inputs, *part), target_r[slice(*part)]) for part in self._parts(len(target_r))]
        return Training(self.model_, parts, self.lr)

    def tell(self, places):
        import torch

        inputs, g = self._inputs(places), len(self.code_g_)
        out = np.empty(len(places) * g)
        self.model_.eval()
        with torch.inference_mode():
            for first, last in self._parts(len(out)):
                out[first:last] = self.model_(self._rows(inputs, first, last)).cpu().numpy()
        return out.reshape(len(places), g) * self._range_g + self._low_g

    def keep(self):
        arrays = {f"model.{name}": value.cpu().numpy() for name, value in self.model_.state_dict().items()}
        return self.kept_, {**arrays, "code_g": self.code_g_, "span": self._span}

    def regain(self, places, z_ng, told, arrays):
        import torch

        self._low_g, self._range_g = z_ng.min(0), np.ptp(z_ng, axis=0)
        self.kept_, self.code_g_, self._span = told, arrays["code_g"], arrays["span"]
        self._make()
        start = "model."
        self.model_.load_state_dict({name.removeprefix(start): torch.as_tensor(value)
                                     for name, value in arrays.items() if name.startswith(start)})  # fmt: skip

    def n_parameters(self) -> int:
        """Weights of the network."""
        return sum(p.numel() for p in self.model_.parameters())
