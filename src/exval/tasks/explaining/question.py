"""What of a run's answer is explained: one number for each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from exval.errors import InputError

if TYPE_CHECKING:
    from exval.run import Run

RISK = "risk"
ALL = "(all classes)"


@dataclass(frozen=True)
class Question:
    """Classes, or survival.

    Parameters
    ----------
    names
        The classes of the run, or ``("risk",)``.
    head
        ``"classes"``, ``"cox"`` or ``"discrete"``.

    Examples
    --------
    >>> Question(("a", "b"), "classes").of(torch.tensor([[3.0, 1.0]]), torch.tensor([0])).tolist()
    [1.0]
    >>> Question(("risk",), "discrete").of(torch.zeros(1, 2), torch.tensor([0])).tolist()
    [-0.75]
    """

    names: tuple[str, ...]
    head: str

    @classmethod
    def of_run(cls, run: Run) -> Question:
        """The question that a run answers.

        Raises
        ------
        InputError
            It was not fine-tuned; the line says which command teaches it.
        """
        if run.classes is not None:
            return cls(tuple(map(str, run.classes)), "classes")
        if run.outcome is not None:
            return cls((RISK,), str(run.outcome["head"]))
        raise InputError(
            f"{run.folder} was pretrained only and decides nothing; teach it first: exval finetune {run.folder} FILE "
            "--label COLUMN (or --time COLUMN --event COLUMN) -o RUN2, then explain RUN2"
        )

    @property
    def survival(self) -> bool:
        """Whether it is about survival."""
        return self.head != "classes"

    @property
    def words(self) -> str:
        """What is explained, in words."""
        if self.head == "classes":
            return "the logit of a sample's class less the mean of all logits (softmax ignores what they share)"
        return "the log hazard" if self.head == "cox" else "minus the expected number of intervals survived"

    def of(self, logits_nc: Tensor, code_n: Tensor) -> Tensor:
        """(n,) the number explained, differentiable.

        Classes: the logit of the class ``code_n`` less the mean of all logits of the sample. Cox: the log hazard.
        Discrete time: minus the expected number of intervals survived. Higher is always *more of it*.
        """
        logits_nc = logits_nc.float()
        if self.head == "classes":
            centred_nc = logits_nc - logits_nc.mean(1, keepdim=True)
            return centred_nc.gather(1, code_n[:, None])[:, 0]
        if self.head == "cox":
            return logits_nc[:, 0]
        return -torch.cumprod(torch.sigmoid(-logits_nc), dim=1).sum(1)
