"""A made-up atlas in the true layout of the downloads, with known truth: for tests, and to try commands on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from exval.data.ahba.coordinates import AXES, corrected_table
from exval.data.ahba.layout import MATRIX, ONTOLOGY, PRESENT, PROBES, SAMPLES
from exval.data.ahba.reannotate import _shipped
from exval.data.files import atomic_path, write_json

#: Acronym, name, head of the class in the ontology, and a position (|x|, y, z) in mm.
STRUCTURES = (
    ("FP", "frontal pole", 4008, (22, 60, 5)),
    ("PrG", "precentral gyrus", 4008, (42, -8, 48)),
    ("PoG", "postcentral gyrus", 4008, (45, -25, 50)),
    ("SPL", "superior parietal lobule", 4008, (25, -60, 58)),
    ("Cun", "cuneus", 4008, (9, -85, 20)),
    ("STG", "superior temporal gyrus", 4008, (56, -18, 2)),
    ("ITG", "inferior temporal gyrus", 4008, (50, -40, -20)),
    ("CgG", "cingulate gyrus", 4008, (6, 20, 30)),
    ("CA1", "CA1 field", 4249, (28, -22, -14)),
    ("Pu", "putamen", 4275, (26, 4, 0)),
    ("Th", "thalamus", 4391, (10, -18, 8)),
    ("Pn", "pontine nuclei", 9131, (6, -28, -35)),
    ("CbCx", "cerebellar cortex", 4696, (26, -62, -40)),
    ("cc", "corpus callosum", 9218, (8, 2, 24)),
)
_HEADS = {
    4008: ("Cx", "cerebral cortex", "/4005/4006/4007/4008/"),
    4249: ("HiF", "hippocampal formation", "/4005/4006/4007/4008/4219/4249/"),
    4275: ("CxN", "cerebral nuclei", "/4005/4006/4007/4275/"),
    4391: ("DiE", "diencephalon", "/4005/4006/4391/"),
    4696: ("Cb", "cerebellum", "/4005/4006/4833/4695/4696/"),
    9131: ("Pons", "pons", "/4005/4006/4833/9131/"),
    9218: ("WM", "white matter", "/4005/9218/"),
}
MIDLINE_ID = 90003
DONORS = (("9861", 80, True), ("10021", 70, True), ("12876", 50, False), ("14380", 50, False))
NOISE = 0.15


@dataclass
class Miniature:
    """What is true of the atlas written.

    Parameters
    ----------
    folder
        Where it lies.
    good
        Gene -> id of the probe that follows the gene's field in every donor.
    absent
        Ids of probes below background: presence call 1 in about a tenth of the samples.
    unknown
        Ids of probes that the re-annotation does not know.
    mislabelled
        Wells whose hemisphere contradicts their position.
    midline
        Wells of a structure without a side, off the midline by corrected coordinates.
    waves
        Parameters of the fields, see :meth:`field`.
    """

    folder: Path
    good: dict[str, int] = field(default_factory=dict)
    absent: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    mislabelled: list[int] = field(default_factory=list)
    midline: list[int] = field(default_factory=list)
    waves: dict[str, np.ndarray] = field(default_factory=dict)

    def field(self, gene: str, position_n3: np.ndarray) -> np.ndarray:
        """(n,) true log2 value of a gene at positions in mm, without donor and noise; even in x.

        Examples
        --------
        >>> Miniature(Path("."), waves={"A": np.array([[0, 0, 0, 0, 0.0]])}).field("A", np.zeros((1, 3))).tolist()
        [7.0]
        """
        place_n3 = np.column_stack([np.abs(position_n3[:, 0]), position_n3[:, 1:]]) / 60.0
        return 7.0 + sum(w[0] * np.sin(place_n3 @ w[1:4] + w[4]) for w in self.waves[gene])


def write_miniature(
    folder: str | os.PathLike,
    *,
    genes: int = 40,
    donors: tuple[tuple[str, int, bool], ...] = DONORS,
    seed: int = 0,
    shuffle: int | None = None,
) -> Miniature:
    """Write donors of made-up values at real positions.

    Positions are drawn from those of the 3,702 real samples, structures by the nearest of fourteen; genes have a smooth
    field, each with one good probe, one or two bad ones (noise) and sometimes one below background.

    Parameters
    ----------
    folder
        New folder; gets one ``normalized_microarray_donor*`` for each donor.
    genes
        g, number of genes.
    donors
        Name, number of samples, and whether there are samples on the right.
    seed
        Of everything.
    shuffle
        Another order of the probes in every file and of the samples of every donor; the content stays the same.

    Examples
    --------
    >>> import tempfile
    >>> truth = write_miniature(Path(tempfile.mkdtemp()) / "ahba", genes=3, donors=(("9861", 20, True),))
    >>> sorted(path.name for path in (truth.folder / "normalized_microarray_donor9861").iterdir())
    ['MicroarrayExpression.csv', 'Ontology.csv', 'PACall.csv', 'Probes.csv', 'SampleAnnot.csv']
    """
    rng = np.random.default_rng(seed)
    truth = Miniature(Path(folder))
    probes = _make_probes(truth, genes, rng)
    order = None if shuffle is None else np.random.default_rng(shuffle)
    wells = corrected_table().sort_index()
    free = set(wells.index[(wells["mni_x"].abs() > 3)])
    with atomic_path(folder) as part:
        part.mkdir()
        for donor, n, both in donors:
            samples = _make_samples(truth, wells, free, n, both, rng)
            x_pn, present_pn = _make_values(truth, probes, samples, rng)
            _write(part / f"normalized_microarray_donor{donor}", probes, samples, x_pn, present_pn, order)
        write_json(part / "config.json", {"version": 1, "kind": "miniature of the Allen Human Brain Atlas"})
    return truth


def small_ontology() -> pd.DataFrame:
    """Ontology.csv of the miniature: heads of the classes, fourteen structures on both sides, one on neither."""
    rows = [(4005, "Br", "brain", "", "/4005/")]
    rows += [(one, acronym, name, "", path) for one, (acronym, name, path) in _HEADS.items()]
    for i, (acronym, name, head, _) in enumerate(STRUCTURES):
        for side, hemisphere in enumerate(("L", "R")):
            one = 90011 + 10 * i + side
            word = "left" if hemisphere == "L" else "right"
            rows.append((one, acronym, f"{name}, {word}", hemisphere, f"{_HEADS[head][2]}{one}/"))
    rows.append((MIDLINE_ID, "Ra", "raphe nuclei", "", f"{_HEADS[9131][2]}{MIDLINE_ID}/"))
    table = pd.DataFrame(rows, columns=["id", "acronym", "name", "hemisphere", "structure_id_path"])
    return table.assign(
        parent_structure_id=[path.strip("/").split("/")[-2:][0] for path in table["structure_id_path"]],
        graph_order=range(len(table)),
        color_hex_triplet="A0A0A0",
    )


def write_miniature_atlas(path: str | os.PathLike, resolution: int = 4) -> pd.DataFrame:
    """Write an atlas (NIfTI, MNI152) with a parcel for each structure of the miniature and side.

    Voxels of nilearn's MNI152 brain mask belong to the nearest structure; labels are 1 to 28, left before right.

    Returns
    -------
    pandas.DataFrame
        ``id``, ``label``, ``hemisphere`` and ``structure``: what ``--atlas-info`` takes.
    """
    import nibabel
    from nilearn.datasets import load_mni152_brain_mask

    mask = load_mni152_brain_mask(resolution=resolution)
    inside = np.asarray(mask.dataobj) > 0
    position_n3 = nibabel.affines.apply_affine(mask.affine, np.argwhere(inside))
    labels = np.zeros(inside.shape, np.int16)
    labels[inside] = _nearest(position_n3) + 1 + len(STRUCTURES) * (position_n3[:, 0] > 0)
    with atomic_path(path) as part:
        nibabel.save(nibabel.Nifti1Image(labels, mask.affine), part)
    kind = {4008: "cortex", 4696: "cerebellum", 9218: "white matter"}
    rows = [
        (1 + i + side * len(STRUCTURES), acronym, hemisphere, kind.get(head, "subcortex/brainstem"))
        for side, hemisphere in enumerate("LR")
        for i, (acronym, _, head, _) in enumerate(STRUCTURES)
    ]
    return pd.DataFrame(rows, columns=["id", "label", "hemisphere", "structure"])


def _nearest(position_n3: np.ndarray) -> np.ndarray:
    centre_s3 = np.array([position for *_, position in STRUCTURES], float)
    folded_n3 = np.column_stack([np.abs(position_n3[:, 0]), position_n3[:, 1:]])
    return ((folded_n3[:, None] - centre_s3) ** 2).sum(-1).argmin(1)


def _make_probes(truth: Miniature, g: int, rng: np.random.Generator) -> pd.DataFrame:
    """Probes.csv with two columns more: the gene meant and the kind of probe."""
    from exval.data.ahba.reannotate import annotate_probes

    table = _shipped()
    table = table[table["entrez_id"] != ""]
    count = table["entrez_id"].map(table["entrez_id"].value_counts())
    table = table[count >= 4]
    chosen = rng.choice(np.sort(table["entrez_id"].unique()), g, replace=False)
    rows = []
    for one in chosen:
        names = table[table["entrez_id"] == one]
        kinds = ["good", "bad", "absent", "bad"][: 2 + int(rng.integers(0, 3))]
        rows += [(name, names["gene_symbol"].iloc[0], one, kind) for name, kind in zip(names["probe_name"], kinds)]
    rows += [(f"A_99_P{i:06d}", "", "", "unknown") for i in range(5)]
    probes = pd.DataFrame(rows, columns=["probe_name", "gene_symbol", "entrez_id", "kind"])
    probes.insert(0, "probe_id", 1058000 + rng.permutation(len(probes)))
    found = annotate_probes(probes.assign(entrez_id=-1))
    probes["gene"] = probes["probe_id"].map(dict(zip(found["probe_id"], found["gene"]))).fillna("")
    ids = dict(iter(probes.groupby("kind")))
    truth.good = dict(zip(ids["good"]["gene"], ids["good"]["probe_id"].astype(int)))
    truth.absent = set(ids.get("absent", probes[:0])["probe_id"].astype(int))
    truth.unknown = set(ids["unknown"]["probe_id"].astype(int))
    for gene in truth.good:
        truth.waves[gene] = np.column_stack(
            [rng.uniform(0.6, 1.2, 3), rng.normal(0, 1.2, (3, 3)), rng.uniform(0, 6, 3)]
        )
    return probes


def _make_samples(
    truth: Miniature, wells: pd.DataFrame, free: set[int], n: int, both: bool, rng: np.random.Generator
) -> pd.DataFrame:
    here = wells.loc[sorted(free)]
    here = here if both else here[here["mni_x"] < 0]
    chosen = rng.choice(here.index.to_numpy(), n, replace=False)
    free -= set(chosen.tolist())
    position_n3 = wells.loc[chosen, AXES].to_numpy()
    kind_n, right_n = _nearest(position_n3), (position_n3[:, 0] > 0).astype(int)
    wrong = rng.choice(n, 3, replace=False)
    right_n[wrong[:2]] = 1 - right_n[wrong[:2]]
    structure_n = 90011 + 10 * kind_n + right_n
    structure_n[wrong[2]] = MIDLINE_ID
    truth.mislabelled += chosen[wrong[:2]].tolist()
    truth.midline.append(int(chosen[wrong[2]]))
    known = small_ontology().set_index("id")
    linear_n3 = position_n3 + rng.normal(0, 2.0, position_n3.shape)
    linear_n3[:, 0] = np.where(
        np.sign(linear_n3[:, 0]) == np.sign(position_n3[:, 0]), linear_n3[:, 0], position_n3[:, 0]
    )
    linear_n3[wrong[2], 0] = 0.0
    return pd.DataFrame(
        {
            "structure_id": structure_n,
            "slab_num": rng.integers(1, 20, n),
            "well_id": chosen,
            "slab_type": np.where(structure_n % 10 == 3, "BS", np.where(kind_n == 12, "CB", "CX")),
            "structure_acronym": known.loc[structure_n, "acronym"].to_numpy(),
            "structure_name": known.loc[structure_n, "name"].to_numpy(),
            "polygon_id": rng.integers(10**6, 10**7, n),
            **{f"mri_voxel_{axis}": rng.integers(20, 180, n) for axis in "xyz"},
            **{name: linear_n3[:, i].round(1) for i, name in enumerate(AXES)},
        }
    )


def _make_values(
    truth: Miniature, probes: pd.DataFrame, samples: pd.DataFrame, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    n = len(samples)
    position_n3 = corrected_table().loc[samples["well_id"], AXES].to_numpy()
    x_pn, present_pn = np.empty((len(probes), n)), np.empty((len(probes), n), int)
    for row, (gene, kind) in enumerate(zip(probes["gene"], probes["kind"])):
        if kind == "good":
            x_pn[row] = truth.field(gene, position_n3) + rng.normal(0, 0.3) + rng.normal(0, NOISE, n)
        elif kind == "absent":
            x_pn[row] = 2.0 + rng.normal(0, 0.3, n)
        else:
            x_pn[row] = rng.uniform(5, 9) + rng.normal(0, 0.8, n)
        present_pn[row] = rng.random(n) < {"good": 0.95, "bad": 0.85, "absent": 0.1, "unknown": 0.9}[kind]
    return x_pn, present_pn


def _write(
    folder: Path,
    probes: pd.DataFrame,
    samples: pd.DataFrame,
    x_pn: np.ndarray,
    present_pn: np.ndarray,
    order: np.random.Generator | None,
) -> None:
    folder.mkdir()
    mix = (lambda n: np.arange(n)) if order is None else order.permutation
    columns = mix(len(samples))
    shown = probes.assign(gene_id=range(1, len(probes) + 1), gene_name="", chromosome="1")
    names = ["probe_id", "probe_name", "gene_id", "gene_symbol", "gene_name", "entrez_id", "chromosome"]
    shown[names].iloc[mix(len(probes))].to_csv(folder / PROBES, index=False)
    samples.iloc[columns].to_csv(folder / SAMPLES, index=False)
    small_ontology().to_csv(folder / ONTOLOGY, index=False)
    for name, matrix, form in ((MATRIX, x_pn, "%.5f"), (PRESENT, present_pn, "%d")):
        rows = mix(len(probes))
        table = pd.DataFrame(matrix[rows][:, columns], index=probes["probe_id"].to_numpy()[rows])
        table.to_csv(folder / name, header=False, float_format=form)
