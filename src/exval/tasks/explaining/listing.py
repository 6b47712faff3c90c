"""All rankings of the genes of a run, on the samples that genes are ranked on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from exval.errors import InputError
from exval.tasks.explaining import univariate
from exval.tasks.explaining.attention import gene_attention
from exval.tasks.explaining.gradients import MOST_GAP, Attributions, attribute, enough_steps
from exval.tasks.explaining.occlusion import occlude, passes_gradient
from exval.tasks.explaining.question import ALL
from exval.tasks.explaining.ranking import class_means, over_classes
from exval.tasks.explaining.reading import baseline_of

if TYPE_CHECKING:
    from anndata import AnnData
    from torch import Tensor

    from exval.models.encdec import EncoderDecoder
    from exval.run import Run
    from exval.tasks.explaining.material import Material
    from exval.tasks.explaining.question import Question

GRADIENTS, OCCLUSION = "integrated gradients", "occlusion"


@dataclass(eq=False)
class Attributor:
    """One way of attributing, for the run's model and for models with other weights.

    Parameters
    ----------
    run, model, adata, code_n, question
        The run and its model, the samples, the class of each, what is explained.
    baseline_g, baseline
        Values that integrated gradients start from, and in words.
    steps
        Gradients along each path; half as many blocks as occlusion takes away.
    smooth
        Whether gradients pass through the value encoder; otherwise genes are hidden.
    seed
        Of the blocks.
    """

    run: Run
    model: EncoderDecoder
    adata: AnnData
    code_n: np.ndarray
    question: Question
    baseline_g: Tensor
    baseline: str
    steps: int
    smooth: bool
    seed: int

    @classmethod
    def of(cls, run: Run, material: Material, question: Question, steps: int, seed: int) -> Attributor:
        """For the samples of ``material`` that genes are ranked on."""
        adata = material.adata[material.rank_rows].copy()
        code_n = material.code_n[material.rank_rows]
        baseline_g, baseline = baseline_of(run, adata)
        model = run.model
        smooth = passes_gradient(model.values)
        return cls(run, model, adata, code_n, question, baseline_g, baseline, steps, smooth, seed)

    @property
    def method(self) -> str:
        """``integrated gradients`` or ``occlusion``."""
        return GRADIENTS if self.smooth else OCCLUSION

    def refine(self) -> bool:
        """Take more steps where attributions do not add up; whether any were added."""
        before = self.steps
        if self.smooth:
            given = (self.run, self.model, self.adata, self.code_n, self.question)
            self.steps = enough_steps(*given, self.baseline_g, before)
        return self.steps > before

    def __call__(self, model: EncoderDecoder, words: str, most_steps: int | None = None) -> Attributions:
        """Attributions by a model; ``words`` stand at the progress bar."""
        steps = min(self.steps, most_steps or self.steps)
        given = (self.run, model, self.adata, self.code_n, self.question)
        if self.smooth:
            return attribute(*given, self.baseline_g, steps=steps, description=words)
        return occlude(*given, passes=2 * steps, seed=self.seed, description=words)


@dataclass(eq=False)
class Listed:
    """Rankings of the genes that the file and the run share; p genes, k classes that have samples.

    Parameters
    ----------
    names, genes_p
        Classes and genes.
    columns_p
        Their places among the run's genes.
    classes_k
        Numbers of the classes in the run.
    signed_kp, absolute_kp
        Means of signed and of absolute attributions.
    attention_kp, statistic_kp
        Mean attention, and the statistic of each gene alone.
    n_kp
        Samples of the class in which a gene had a say.
    x_np
        Values, NaN where not measured.
    gap
        Median completeness gap, NaN for occlusion.
    notes
        Sentences for the user.
    """

    names: tuple[str, ...]
    genes_p: np.ndarray
    columns_p: np.ndarray
    classes_k: list[int]
    signed_kp: np.ndarray
    absolute_kp: np.ndarray
    attention_kp: np.ndarray
    statistic_kp: np.ndarray
    n_kp: np.ndarray
    x_np: np.ndarray
    gap: float
    notes: list[str] = field(default_factory=list)

    def lists(self, values_kp: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Name of each list -> (p,) scores, ``(all classes)`` first; genes without a score get -1.

        ``values_kp`` are absolute importances of another model; default: the run's.
        """
        values_kp = self.absolute_kp if values_kp is None else values_kp
        found = {ALL: over_classes(values_kp)} if len(self.names) > 1 else {}
        found |= dict(zip(self.names, values_kp))
        return {name: np.nan_to_num(score_p, nan=-1.0) for name, score_p in found.items()}

    def by_class(self, one: Attributions, code_n: np.ndarray) -> np.ndarray:
        """(k, p) mean absolute attributions of another model."""
        values, there = np.abs(one.values_ng[:, self.columns_p]), one.weighed_ng[:, self.columns_p]
        return class_means(values, there, code_n, max(self.classes_k) + 1)[self.classes_k]


def list_genes(attributor: Attributor, material: Material) -> Listed:
    """Attributions, attention and the statistics of single genes, averaged class by class.

    Raises
    ------
    InputError
        Fewer than two genes shared.
    """
    run, question, code_n = attributor.run, attributor.question, attributor.code_n
    steps, notes = attributor.steps, []
    if attributor.refine():
        notes.append(f"attributions did not add up with {steps} steps; {attributor.steps} were taken")
    own = attributor(attributor.model, attributor.method.capitalize())
    attention_ng, read_ng = gene_attention(run, attributor.adata)
    columns = np.flatnonzero(own.weighed_ng.any(0) | read_ng.any(0))
    if len(columns) < 2:
        raise InputError(f"the file shares {len(columns)} measured genes with {run.folder.name}; give two at least")
    genes_p = np.asarray(run.genes, dtype=object)[columns]
    k = len(question.names)
    present = [c for c in range(k) if (code_n == c).any()]
    values, there = own.values_ng[:, columns], own.weighed_ng[:, columns]

    def means(values_np: np.ndarray, there_np: np.ndarray) -> np.ndarray:
        return class_means(values_np, there_np, code_n, k)[present]

    x_np, statistic_kp = _alone(attributor, material, genes_p)
    found = Listed(
        names=tuple(question.names[c] for c in present),
        genes_p=genes_p,
        columns_p=columns,
        classes_k=present,
        signed_kp=means(values, there),
        absolute_kp=means(np.abs(values), there),
        attention_kp=means(attention_ng[:, columns], read_ng[:, columns]),
        statistic_kp=statistic_kp[present],
        n_kp=np.stack([there[code_n == c].sum(0) for c in present]),
        x_np=x_np,
        gap=own.gap,
        notes=notes,
    )
    notes += _cautions(attributor, found, k)
    return found


def _cautions(attributor: Attributor, found: Listed, k: int) -> list[str]:
    notes = []
    gone = [attributor.question.names[c] for c in range(k) if c not in found.classes_k]
    if gone:
        more = f" and {len(gone) - 5} more" if len(gone) > 5 else ""
        notes.append(
            f"no sample of {', '.join(gone[:5])}{more}: nothing is said of {'it' if len(gone) == 1 else 'them'}"
        )
    if not attributor.smooth:
        notes.append(
            f"the value encoder {attributor.run.config.model.values.name!r} puts values into hard bins, through "
            "which no gradient passes: genes were hidden instead (occlusion), and attributions promise no sum"
        )
    elif found.gap > MOST_GAP:
        notes.append(
            f"attributions do not add up: the median gap is {100 * found.gap:.0f} % of the answer with "
            f"{attributor.steps} steps; do not read them as shares of it"
        )
    return notes


def _alone(attributor: Attributor, material: Material, genes_p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, p) values, and (k, p) the statistic of each gene alone."""
    from exval.methods.matrix import dense_values

    run, at = attributor.run, material.rank_rows
    x_np = dense_values(attributor.adata, genes_p)
    if run.model.scale is not None:  # single values far out would decide here, and do not for the run
        x_np = univariate.cut(x_np)
    if not attributor.question.survival:
        return x_np, univariate.class_statistics(x_np, attributor.code_n, len(attributor.question.names))
    if material.time_n is not None and material.event_n[at].any():
        return x_np, univariate.survival_statistic(x_np, material.time_n[at], material.event_n[at])[None]
    return x_np, univariate.correlation_t(x_np, run.risk(attributor.adata))[None]
