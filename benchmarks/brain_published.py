"""The published recipe of brain-wide expression beside exval's fields, one donor held out; on a GPU to its end.

    python benchmarks/brain_published.py --samples FILE.parquet --steps 10000 --device cuda
    python benchmarks/brain_published.py --samples FILE.parquet --steps 3 --device cpu     # the cost of a step

FILE holds 3,702 samples of six donors with 14 summaries of their expression (PennLINC/Vogel_PLS_Tx-Space, file
MAIN_gcx_wholebrain_info_W_BRAIN_DIVISIONS.csv, as parquet). Donor 9861 is held out. After some numbers of steps the
network with the weights that the recipe would keep by then is asked about the held-out and about the training samples;
mean over the 14 of Pearson's r and of R2 (against the training mean). Beside it, fitted to the same samples in the same
run: mean, knn, gp and siren, asked with the names of regions and by position alone; without their error bars, which
need further fits.

Products of matrices are computed in full float32, as the recipe's authors do; ``--tf32`` allows TF32 on a GPU.
Where nilearn is missing the tissue of the samples comes from ``--tissue``, which ``--write-tissue`` writes where it is;
gp and siren then do without grey and white matter.
Results: benchmarks/results/brain_published.json, or ``--out``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree

from exval.fields import FIELDS
from exval.fields.places import Places
from exval.fields.published import PublishedField
from exval.tasks.field.score import gene_scores

OUT = Path(__file__).parent / "results" / "brain_published.json"
DONOR, LOOKS = "9861", (10, 50, 200, 500, 1000, 2000, 3000, 5000, 10_000, 20_000, 50_000)
FULL = 10_000  # steps, of which the cost is extrapolated


def read(path: str) -> tuple[Places, np.ndarray, list[str]]:
    """Places with donors and regions, values, names of the summaries."""
    table = pd.read_parquet(path)
    names = [c for c in table if c.endswith(("_gene_expression", "_Expresion")) or "_gxp_signature_" in c]
    xyz = table[["mni_nlin_x", "mni_nlin_y", "mni_nlin_z"]].to_numpy(float)
    regions = table[["brain_divison", "bilateral_structure_name"]].to_numpy(object)
    donor = np.array([str(one) for one in table["donor"]], dtype=object)
    return Places.of(xyz, donor, regions), table[names].to_numpy(float), names


class Told(PublishedField):
    """The recipe with tissue from a table of samples where nilearn is not installed."""

    table: tuple[cKDTree, np.ndarray] | None = None

    def tissue(self, xyz_n3):
        code_n = super().tissue(xyz_n3)
        if code_n is not None or self.table is None:
            return code_n
        away, row = self.table[0].query(xyz_n3)
        if len(away) and away.max() > 1e-3:
            raise ValueError("--tissue is of other samples")
        return self.table[1][row]


def figures(truth: np.ndarray, told: np.ndarray, level_g: np.ndarray) -> dict[str, float]:
    """Mean over genes."""
    found = gene_scores(truth, told, None, None, level_g)
    return {name: float(np.nanmean(found[name])) for name in ("pearson", "r2")}


def beside(name: str, given: dict, train: Places, x: np.ndarray, test: Places, truth: np.ndarray, genes: list[str]):
    """Figures of a field of exval, its error bars left out."""
    field = FIELDS[name]()
    field.set_params(**{key: value for key, value in given.items() if key in field.get_params()})
    began, cpu = time.perf_counter(), time.process_time()
    field.take_up(train, x, genes)
    field.learn(train, field.standardised(x))
    row = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu,
           "parameters": field.n_parameters(), "sees": field.sees, "chosen": str(field.keep()[0])[:200]}  # fmt: skip
    row["train"] = figures(x, field.predict(train).mean_mg, field.mean_g_)
    row["held_out_regions_told"] = figures(truth, field.predict(test).mean_mg, field.mean_g_)
    row["held_out"] = figures(truth, field.predict(test.without_regions()).mean_mg, field.mean_g_)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", required=True)
    parser.add_argument("--steps", type=int, default=FULL)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--beside", default="mean,knn,gp,siren", help="fields of exval, with commas; or none")
    parser.add_argument("--tissue")
    parser.add_argument("--write-tissue")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--omega", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    torch.set_float32_matmul_precision("high" if asked.tf32 else "highest")
    places, x_ng, genes = read(asked.samples)
    if asked.write_tissue:
        from exval.fields.tissue import tissue_at

        np.savez_compressed(asked.write_tissue, xyz=places.folded(), code=tissue_at(places.folded()))
        return
    held = places.donor_n == DONOR
    train, test = places.take(~held), places.take(held).without_donor()
    x, truth = x_ng[~held], x_ng[held]
    field = Told(width=asked.width, layers=asked.layers, omega=asked.omega, steps=asked.steps, device=asked.device,
                 seed=asked.seed)  # fmt: skip
    if asked.tissue:
        with np.load(asked.tissue) as table:
            field.table = (cKDTree(table["xyz"]), table["code"])
    found: dict = {
        "samples": {"train": len(x), "held_out": len(truth), "genes": len(genes), "donor": DONOR},
        "beside": {},
        "machine": {
            "torch": torch.__version__,
            "numpy": np.__version__,
            "pandas": pd.__version__,
            "nilearn": find_spec("nilearn") is not None,
            "threads": torch.get_num_threads(),
            "load": os.getloadavg()[0],
        },
    }

    def save() -> None:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(found, indent=1) + "\n")

    for name in asked.beside.split(",") if asked.beside != "none" else []:
        given = {"seed": asked.seed, "device": asked.device}
        found["beside"][name] = beside(name, given, train, x, test, truth, genes)
        print(name, json.dumps(found["beside"][name]), flush=True)
        save()

    looks, spent = [], {"wall": 0.0, "cpu": 0.0, "began": 0.0, "began_cpu": 0.0, "last": []}

    def start() -> None:
        spent.update(began=time.perf_counter(), began_cpu=time.process_time())

    def watch(training) -> None:
        wall, cpu = time.perf_counter() - spent["began"], time.process_time() - spent["began_cpu"]
        spent["wall"], spent["cpu"] = spent["wall"] + wall, spent["cpu"] + cpu
        spent["last"].append((wall, cpu))
        if training.step in LOOKS or training.step == asked.steps:
            with training.kept():
                row = {"steps": training.step, "kept_step": training.best_step, "train_mse": training.best_loss,
                       "seconds": spent["wall"], "cpu_seconds": spent["cpu"]}  # fmt: skip
                row["train"] = figures(x, told(train), field.mean_g_)
                began = time.perf_counter()
                row["held_out"] = figures(truth, told(test), field.mean_g_)
                row["microseconds_per_predicted_row"] = (time.perf_counter() - began) / truth.size * 1e6
            looks.append(row)
            print("published", json.dumps(row), flush=True)
            found["published"] = about() | {"looks": looks}
            save()
        start()

    def told(at: Places) -> np.ndarray:
        return field.tell(at) * field.sd_g_ + field.mean_g_

    def about() -> dict:
        device = next(field.model_.parameters()).device
        wall, cpu = np.median(spent["last"][1:] or spent["last"], axis=0)
        return {
            "parameters": field.n_parameters(), "rows": int(x.size), "inputs": field.model_.sines[0].in_features,
            "params": {k: v for k, v in field.get_params().items() if k != "device"}, "tissue": field.kept_["tissue"],
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "float32_products": "tf32" if asked.tf32 and device.type == "cuda" else "float32",
            "codes": field.code_g_.round(4).tolist(),
            "seconds_per_step": float(wall), "cpu_seconds_per_step": float(cpu),
            f"hours_of_{FULL}_steps": float(wall) * FULL / 3600, f"cpu_hours_of_{FULL}_steps": float(cpu) * FULL / 3600,
        }  # fmt: skip

    field.watch = watch
    field.take_up(train, x, genes)
    start()
    field.learn(train, field.standardised(x))
    found["machine"]["load_after"] = os.getloadavg()[0]
    save()


if __name__ == "__main__":
    main()
