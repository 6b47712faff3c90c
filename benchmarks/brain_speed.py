"""Time and memory of brain fields: fitting 100 genes at 3,702 samples, and 1 mm maps of all of them.

    python benchmarks/brain_speed.py                  # everything, on two threads
    python benchmarks/brain_speed.py --parts gp,sd

Parts, each in a process of its own, so that its peak of memory is its own
-----
gp          fit of the Gaussian process with its hyper-parameters: without error bars, and what the inner hold-out of
            donors costs on top
siren       the same of exval's network
map         ``exval brain map`` of the siren that was fitted: means at every voxel of grey and white matter at 1 mm, a
            NIfTI for each gene; that of told values alone beside it
published   the network of the published recipe (27 -> 512 x 12 -> 1, not trained, which changes nothing of its cost):
            a row of prediction and a row of a training step, and what a gene's map and 10,000 steps come to
sd          the Gaussian process's standard deviations of all genes for some voxels, by the fit of ``gp``: what is
            shared and computed once, and what is scaled gene by gene; extrapolated to 1 mm

Genes are simulated (exval.datasets.simulated_brain) at the real positions of the Allen Human Brain Atlas.
Wall seconds are those of a user, on as many threads as asked; CPU-seconds say what was computed. ``load`` of the
machine stands beside them: on a machine that does other things wall seconds mean little.
Results: benchmarks/results/brain_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OUT = Path(__file__).parent / "results" / "brain_speed.json"
PARTS = ("gp", "siren", "map", "published", "sd")
VOXELS = 1_730_000  # of grey and white matter at 1 mm, where the exact number was not counted in the same run


def clock() -> tuple[float, float]:
    """Wall and CPU seconds."""
    return time.perf_counter(), time.process_time()


def since(began: tuple[float, float]) -> dict[str, float]:
    """Seconds gone."""
    wall, cpu = clock()
    return {"seconds": round(wall - began[0], 3), "cpu_seconds": round(cpu - began[1], 3)}


def peak_mb(who: int = resource.RUSAGE_SELF) -> float:
    """Largest memory so far."""
    return resource.getrusage(who).ru_maxrss / 1024


def samples(genes: int):
    """Samples of six donors with known regions."""
    from exval.data.brain import read_samples
    from exval.datasets import simulated_brain

    adata, _ = simulated_brain(genes)
    return read_samples(adata)


def fit(name: str, genes: int, room: Path) -> dict:
    """Fit and keep; ``learn`` of the field itself is timed apart from the inner hold-out."""
    from exval.fields import FIELDS
    from exval.fields.saved import save_field

    told = samples(genes)
    field, learned = FIELDS[name](), {}
    learn = field.learn

    def timed(places, z_ng):
        began = clock()
        learn(places, z_ng)
        learned.update(since(began))

    field.learn = timed  # of this object: the copies of the inner hold-out have their own
    before, began = peak_mb(), clock()
    field.fit(told.places, told.values_ng, told.genes)
    whole = since(began)
    del field.learn
    (room / name).mkdir()
    save_field(room / name, field, told.places, told.values_ng,
               {"data": "simulated", "space": told.space, "unit": told.unit})  # fmt: skip
    return {
        "samples": len(told.places), "genes": genes, "without_error_bars": learned, "with_error_bars": whole,
        "inner_hold_out": {key: round(whole[key] - learned[key], 3) for key in whole},
        "parameters": field.n_parameters(), "peak_mb": peak_mb(), "peak_mb_before": before,
        "chosen": str(field.keep()[0])[:300],
    }  # fmt: skip


def maps(genes: int, room: Path, threads: int, resolution: int) -> dict:
    """``exval brain map`` as a user runs it, then what telling the values alone costs."""
    from exval.fields.places import Places
    from exval.fields.saved import open_field
    from exval.tasks.field.volumes import template_grid

    command = [sys.executable, "-m", "exval", "brain", "map", str(room / "siren"), "--resolution", str(resolution),
               "--no-sd", "--threads", str(threads), "-o", str(room / "maps")]  # fmt: skip
    began = time.perf_counter()
    subprocess.run(command, check=True)
    seconds, spent = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    files = list((room / "maps").glob("*.nii.gz"))
    found = {"resolution": resolution, "files": len(files), "megabytes": sum(f.stat().st_size for f in files) / 2**20,
             "seconds": seconds, "cpu_seconds": spent.ru_utime + spent.ru_stime,
             "peak_mb": peak_mb(resource.RUSAGE_CHILDREN)}  # fmt: skip
    began = clock()
    grid = template_grid(resolution)
    found["template"] = since(began)
    field, rows = open_field(room / "siren").field, min(len(grid), 200_000)
    places = Places.of(grid.xyz(slice(0, rows)))
    began = clock()
    field.predict(places)
    some = since(began)
    found |= {"voxels": len(grid), "microseconds_to_tell_a_voxel": {k: v / rows * 1e6 for k, v in some.items()}}
    found["telling_alone"] = {k: v / rows * len(grid) for k, v in some.items()}
    return found


def published(genes: int, rows: int = 8192) -> dict:
    """A row of the published network, both ways."""
    import numpy as np
    import torch

    from exval.fields.all_rows import Training
    from exval.models.gene_code_siren import GeneCodeSiren

    torch.manual_seed(0)
    model = GeneCodeSiren(27)
    training = Training(model, [(torch.randn(rows, 27), torch.rand(rows))], 1e-4)

    @torch.inference_mode()
    def tell() -> None:
        model(training.parts[0][0])

    found = {"parameters": sum(p.numel() for p in model.parameters()), "rows": rows}
    for what, work in (("predicted", tell), ("trained", training.advance)):
        work()
        made = []
        for _ in range(3):
            began = clock()
            work()
            made.append([value / rows * 1e6 for value in since(began).values()])
        wall, cpu = np.min(made, axis=0)
        found[f"microseconds_per_row_{what}"] = {"seconds": wall, "cpu_seconds": cpu}
    row = found["microseconds_per_row_predicted"]
    found["map_of_a_gene_1mm"] = {k: v * VOXELS / 1e6 for k, v in row.items()}
    found[f"maps_of_{genes}_genes_1mm_hours"] = {k: v * VOXELS * genes / 3.6e9 for k, v in row.items()}
    row = found["microseconds_per_row_trained"]
    found[f"hours_of_10000_steps_3702_samples_{genes}_genes"] = {
        k: v * 3702 * genes * 10_000 / 3.6e9 for k, v in row.items()
    }
    return found


def spread(room: Path, rows: int = 4096) -> dict:
    """sd of a block of voxels."""
    import numpy as np

    from exval.fields.places import Places
    from exval.fields.saved import open_field
    from exval.tasks.field.volumes import template_grid

    began = clock()
    field = open_field(room / "gp").field
    found = {"open": since(began)}
    grid = template_grid(1)
    places = Places.of(grid.xyz(np.linspace(0, len(grid) - 1, rows).astype(int)))
    for what, work in (("mean", field.tell), ("sd", field.spread)):
        work(places.take(slice(0, 8)))  # factors are made on first use
        began = clock()
        work(places)
        some = since(began)
        found[what] = {
            "voxels": rows,
            **some,
            "minutes_at_1mm": {k: v / rows * len(grid) / 60 for k, v in some.items()},
        }
    ratios = {f"process {i}": sorted(set(np.round(noise_g, 6).tolist())) for i, (_, noise_g) in
              enumerate(field.chosen_)}  # fmt: skip
    return found | {"voxels_at_1mm": len(grid), "noise_ratios": ratios, "peak_mb": peak_mb()}


def one(part: str, genes: int, room: Path, threads: int, resolution: int) -> dict:
    """A part, in this process."""
    import torch

    torch.set_num_threads(threads)
    if part in ("gp", "siren"):
        return fit(part, genes, room)
    if part == "map":
        return maps(genes, room, threads, resolution)
    return published(genes) if part == "published" else spread(room)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--genes", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resolution", type=int, default=1, help="of map, mm")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--room", type=Path, help="folder for fits and maps, kept; gone afterwards by default")
    parser.add_argument("--one", choices=PARTS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        found = one(asked.one, asked.genes, asked.room, asked.threads, asked.resolution)
        (asked.room / f"{asked.one}.json").write_text(json.dumps(found))
        return
    found = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    threads = {f"{name}_NUM_THREADS": str(asked.threads) for name in ("OMP", "OPENBLAS", "MKL")}
    with tempfile.TemporaryDirectory(prefix="exval-speed-") as made:
        room = asked.room or Path(made)
        room.mkdir(parents=True, exist_ok=True)
        for part in asked.parts.split(","):
            load, began = os.getloadavg()[0], time.time()
            command = [sys.executable, __file__, "--one", part, "--room", str(room), "--genes", str(asked.genes),
                       "--threads", str(asked.threads), "--resolution", str(asked.resolution)]  # fmt: skip
            subprocess.run(command, check=True, env={**os.environ, **threads})
            found[part] = json.loads((room / f"{part}.json").read_text())
            found[part]["load"] = {"before": load, "after": os.getloadavg()[0], "seconds": time.time() - began}
            found["threads"] = asked.threads
            print(part, json.dumps(found[part]), flush=True)
            asked.out.parent.mkdir(exist_ok=True)
            asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
