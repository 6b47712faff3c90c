"""The whole way over the brain: invented genes at real positions, fields compared, a map, and the truth beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from exval.verbs.demo import Demo, write_h5ad
from exval.verbs.stages import Stages

CHAPTERS = (
    {"folder": "truth", "title": "Is the map right?",
     "text": "The map of the fitted field at every voxel, beside the truth, which is known because the genes are "
             "invented."},
    {"folder": "evaluate", "title": "Which field tells unseen donors best?",
     "text": "What one can know without a truth: every donor held out in turn, every field asked about its samples."},
    {"folder": "maps", "title": "Maps", "text": "Volumes of a few genes, for any viewer."},
)  # fmt: skip
FILES = ("samples.h5ad", "run", "maps")
TITLE = "exval over the brain"
SAMPLES, GENES, RESOLUTION, MAPPED = 500, 24, 4, 3
METHODS = ("mean", "structure-mean", "knn", "gp", "siren")
SMALL = {"siren": {"omegas": (4.0,), "width": 32, "members": 2, "steps": 60}}  # what fits into the time
METHOD = "gp"
HARD = (
    "Simulated: invented genes at the real positions of the Allen Human Brain Atlas. Donors differ by offsets alone, "
    "positions are exact, and regions are cells of rough centres: a real brain is harder."
)


def demo_brain(
    out: str | Path = "exval-demo-brain",
    *,
    seed: int = 0,
    samples: int = SAMPLES,
    genes: int = GENES,
    threads: int | None = None,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> Demo:
    """Compare fields on held-out donors, fit one, draw its map, and hold it against the known truth.

    Samples are those of :func:`exval.datasets.simulated_brain`. Voxels are those of the MNI template where nilearn is
    installed; without it no volumes are written, and the truth is looked at on a grid of places near samples.

    Parameters
    ----------
    out
        Folder to write. A demo that was interrupted goes on with the first unfinished stage.
    samples, genes
        How many.
    seed, threads, force, say
        As in :func:`exval.verbs.demo.demo`.

    Examples
    --------
    >>> result = demo_brain("exval-demo-brain")  # doctest: +SKIP
    >>> result.verdicts["truth"]  # doctest: +SKIP
    """
    from exval.data.brain_regions import which_tissue

    folder = Path(out)
    settings = {"seed": seed, "what": "brain", "samples": samples, "genes": genes, "tissue": which_tissue()}
    stages = Stages(folder, settings, force, say, CHAPTERS, FILES, TITLE)
    file, run, maps = (folder / name for name in ("samples.h5ad", "run", "maps"))
    shown = ",".join(f"sim{i + 1:03d}" for i in range(min(MAPPED, genes)))
    commands = {
        "evaluate": f"exval brain evaluate {file} -m {','.join(METHODS)} -o {folder / 'evaluate'}",
        "run": f"exval brain fit {file} -m {METHOD} -o {run}",
        "maps": f"exval brain map {run} --resolution {RESOLUTION} --genes {shown} -o {maps}",
    }

    def make_samples() -> str:
        from exval.datasets import simulated_brain

        found, truth = simulated_brain(genes, seed, n=samples)
        write_h5ad(found, file)
        return f"{found.n_obs:,} samples of {found.obs.donor.nunique()} donors, {len(truth.genes)} invented genes"

    def evaluate() -> str:
        verdict = compare_fields(file, folder / "evaluate", seed=seed, threads=threads or 1,
                                 command=commands["evaluate"])  # fmt: skip
        return f"{verdict} $ {commands['evaluate']}"

    def fit() -> str:
        from exval.verbs.brain_fit import brain_fit

        found = brain_fit(file, method=METHOD, out=run, seed=seed, threads=threads or 1, force=True)
        return f"{found['method']} fitted to {found['n']:,} samples. $ {commands['run']}"

    def draw() -> str:
        from importlib.util import find_spec

        from exval.verbs.brain_map import brain_map

        if find_spec("nilearn") is None:
            return "left out: volumes need nilearn. pip install 'exval[brain]'"
        found = brain_map(run, resolution=RESOLUTION, genes=shown, out=maps, threads=threads or 1, force=True)
        return f"{found.verdict} $ {commands['maps']}"

    def compare() -> str:
        return against_truth(file, run, folder / "truth", threads or 1, list(commands.values()))

    stages.run("samples", "Samples", make_samples)
    stages.run("evaluate", "Fields compared at held-out donors", evaluate)
    stages.run("run", f"Fitting {METHOD} to all samples", fit)
    stages.run("maps", "Maps of a few genes", draw)
    stages.run("truth", "The map beside the truth", compare)
    page = stages.finish("truth")
    say(f"Report: {page}")
    if maps.is_dir():
        say(f"Maps:   {maps}")
    return Demo(folder, stages.verdicts, stages.seconds)


def compare_fields(file: Path, out: Path, *, seed: int, threads: int, command: str) -> str:
    """``brain evaluate`` with a small network: the verdict."""
    from threadpoolctl import threadpool_limits

    from exval.data.brain import read_samples
    from exval.data.files import atomic_path
    from exval.fields import FIELDS
    from exval.tasks.field.evaluation import evaluate_fields
    from exval.tasks.field.splits import field_splits

    read = read_samples(file)
    fields = [FIELDS[name]().set_params(**SMALL.get(name, {})) for name in METHODS]
    methods = [one.set_params(seed=seed) if "seed" in one.get_params() else one for one in fields]
    notes = [f"{name} is a small one here, to save time: width {small['width']}, {small['steps']} steps"
             for name, small in SMALL.items() if name in METHODS]  # fmt: skip
    config = {"data": read.name, "space": read.space, "regions": list(read.regions), "buffer": None, "seed": seed,
              "command": command, "notes": [*read.notes, *notes],
              "warnings": [HARD, *read.warnings, *notes]}  # fmt: skip
    with threadpool_limits(threads):
        found = evaluate_fields(read.places, read.values_ng, read.genes, methods, field_splits(read.places, "donor"),
                                data=read.name, unit=read.unit, config=config)  # fmt: skip
    with atomic_path(out) as part:
        found.save(part)
    return found.verdict


def against_truth(file: Path, run: Path, out: Path, threads: int, commands: list[str]) -> str:
    """The fitted field beside the truth of the simulated samples: the verdict."""
    import anndata
    from threadpoolctl import threadpool_limits

    from exval.data.brain_truth import BrainTruth
    from exval.data.files import atomic_path
    from exval.fields.saved import open_field
    from exval.tasks.field.against_truth import compare_with_truth, grid_here

    saved, truth = open_field(run), BrainTruth.of(anndata.read_h5ad(file))
    grid, where = grid_here(RESOLUTION, saved.places.xyz_n3)
    with threadpool_limits(threads):
        found = compare_with_truth(saved.field, truth, grid, where=where, samples=len(saved.places), data=file.name,
                                   config={"warnings": [HARD], "commands": commands})  # fmt: skip
    with atomic_path(out) as part:
        found.save(part)
    return found.verdict
