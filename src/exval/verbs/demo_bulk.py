"""The whole way on bulk samples: classes, missing values, survival, new patients, one report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exval.verbs.demo import Demo, write_h5ad
from exval.verbs.stages import Stages

if TYPE_CHECKING:
    from anndata import AnnData

CHAPTERS = (
    {"folder": "survival", "title": "Who lives longer?",
     "text": "Patients simulated with a known hazard; every method is scored on patients that it was not fitted on."},
    {"folder": "classes", "title": "Told by expression?",
     "text": "Cell lines with and without a mutation of TP53; simple methods, cross-validated."},
    {"folder": "imputed.h5ad.report", "title": "What was not measured",
     "text": "A fifth of the values of the cell lines was removed and filled again."},
)  # fmt: skip
FILES = ("lines.h5ad", "gaps.h5ad", "imputed.h5ad", "patients.h5ad", "new_patients.h5ad", "risk.csv")
CLINICAL = ("age", "is_female")
GAPS, NEW = 0.2, 60
TITLE = "exval on bulk samples"


def demo_bulk(
    out: str | Path = "exval-demo-bulk",
    *,
    seed: int = 0,
    threads: int | None = None,
    device: str = "auto",
    force: bool = False,
    say: Callable[[str], None] = print,
) -> Demo:
    """Real cell lines and simulated patients: name a mutation, fill what was not measured, foresee survival.

    The cell lines are those of :func:`exval.datasets.p53_lines`. The patients are simulated with a known hazard
    (:func:`exval.datasets.simulated_patients`), so that the C of the true risk stands beside that of the methods; new
    patients lack a third of the genes.

    Parameters
    ----------
    out
        Folder to write. A demo that was interrupted goes on with the first unfinished stage.
    seed, threads, device, force, say
        As in :func:`exval.verbs.demo.demo`.

    Examples
    --------
    >>> result = demo_bulk("exval-demo-bulk")  # doctest: +SKIP
    >>> result.verdicts["survival"]  # doctest: +SKIP
    """
    from exval.datasets import p53_lines, simulated_patients

    folder = Path(out)
    stages = Stages(folder, {"seed": seed, "what": "bulk"}, force, say, CHAPTERS, FILES, TITLE)
    common = {"seed": seed, "threads": threads or 1, "device": device, "force": True}
    lines, gaps, cohort, new = (folder / f"{name}.h5ad" for name in ("lines", "gaps", "patients", "new_patients"))

    def make_samples() -> str:
        cells = p53_lines()
        write_h5ad(cells, lines)
        write_h5ad(with_gaps(cells, GAPS, seed), gaps)
        everyone = simulated_patients(n=300 + NEW, g=400, seed=seed)
        write_h5ad(everyone[:300].copy(), cohort)
        write_h5ad(everyone[300:, ::3].copy(), new)
        return (
            f"{cells.n_obs} cell lines with {cells.n_vars:,} genes; 300 simulated patients, and {NEW} new ones of whom "
            "a third of the genes was measured"
        )

    def classes() -> str:
        from exval.verbs.evaluate import evaluate

        methods = ("logreg", "pca")
        return evaluate(str(lines), label="p53", method=methods, out=folder / "classes", **common).verdict

    def impute() -> str:
        from exval.verbs.impute import impute_file

        return impute_file(gaps, "ppca", out=folder / "imputed.h5ad", **common).verdict

    def survival() -> str:
        from exval.verbs.survival import survival

        found = survival(
            str(cohort), time="os_months", event="os_event", clinical=CLINICAL, method=methods_here(),
            out=folder / "survival", **common,
        )  # fmt: skip
        return f"{found.verdict} {_true_risk(cohort)}"

    def predict() -> str:
        from exval.verbs.predict import predict

        table = predict(folder / "survival", str(new), out=folder / "risk.csv", force=True)
        high = int((table.group.astype(str) == "high").sum())
        return f"{len(table)} new patients in risk.csv, {high} of them at high risk"

    stages.run("samples", "Samples", make_samples)
    stages.run("classes", "Cell lines with a mutated p53: told by expression?", classes)
    stages.run("impute", f"Filling {GAPS:.0%} of the values, which were not measured", impute)
    stages.run("survival", "Survival of simulated patients", survival)
    stages.run("predict", "New patients", predict)
    page = stages.finish("survival")
    say(f"Report: {page}\nRisks:  {folder / 'risk.csv'}")
    return Demo(folder, stages.verdicts, stages.seconds)


def methods_here() -> tuple[str, ...]:
    """The default methods of ``survival``, without those that need scikit-survival where it is not installed."""
    from importlib.util import find_spec

    return ("clinical", "cox", "coxnet", "rsf") if find_spec("sksurv") else ("clinical", "cox")


def with_gaps(adata: AnnData, share: float, seed: int) -> AnnData:
    """A copy in which a share of the values, drawn at random, was not measured (NaN)."""
    out = adata.copy()
    out.X[np.random.default_rng(seed).random(out.shape) < share] = np.nan
    return out


def _true_risk(path: Path) -> str:
    import anndata

    from exval.metrics.survival import harrell_c

    obs = anndata.read_h5ad(path).obs
    c = harrell_c(obs.os_months.to_numpy(), obs.os_event.to_numpy() > 0, obs.true_risk.to_numpy())
    return f"The true risk, which nobody knows outside a simulation, has C {c:.3f}."
