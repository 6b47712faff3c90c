"""Which measured values are hidden: at random, whole genes, or low ones rather than high ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from exval.errors import GeneError, InputError

SLOPE = 1.5
"""Logits by which one sd more makes a value less likely to be hidden in the arm ``low``."""
KINDS = {
    "random": "values hidden completely at random",
    "genes": "a random set of genes hidden for everybody",
    "panel": "everything but the given panel hidden for everybody",
    "low": "low values hidden more often",
}


@dataclass(frozen=True)
class Arm:
    """One way of hiding.

    Parameters
    ----------
    kind
        ``random``: every value by the same chance. ``genes``: a random set of genes for all samples of a fold.
        ``panel``: all genes but those given. ``low``: by a chance that falls with the z value, logistic, slope
        :data:`SLOPE` per sd; the training values stay complete.
    share
        Hidden share of what was measured, 0 to 1; not used by ``panel``.

    Examples
    --------
    >>> Arm("genes", 0.9).name, Arm.of("random 50 %")
    ('genes 90 %', Arm(kind='random', share=0.5))
    """

    kind: str
    share: float = 0.0

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.kind if self.kind == "panel" else f"{self.kind} {100 * self.share:g} %"

    @classmethod
    def of(cls, text: str) -> Arm:
        """An arm from its name.

        Raises
        ------
        InputError
            No such kind, or a share that is not between 0 and 1.
        """
        kind, _, rest = text.strip().partition(" ")
        try:
            arm = cls(kind, float(rest.replace("%", "")) / 100 if rest else 0.0)
        except ValueError:
            arm = cls("", 0.0)
        if arm.kind not in KINDS or (arm.kind != "panel" and not 0 < arm.share < 1):
            raise InputError(f"no arm is called {text!r}; give e.g. 'random 50 %', 'genes 90 %', 'low 30 %' or 'panel'")
        return arm

    def hide(self, z_ng: np.ndarray, seed: Sequence[int], panel_g: np.ndarray | None = None) -> np.ndarray:
        """(n, g) bool: which of the measured values are hidden.

        Parameters
        ----------
        z_ng
            (n, g) values on the scale of the training fold, NaN where not measured: never hidden.
        seed
            Numbers that name the draw (repeat, fold); every arm draws on its own.
        panel_g
            (g,) bool, the genes that stay (``panel``).

        Examples
        --------
        >>> z = np.zeros((100, 50))
        >>> round(float(Arm("random", 0.3).hide(z, [0, 1]).mean()), 1)
        0.3
        >>> Arm("genes", 0.5).hide(z, [0, 1])[0].sum()
        np.int64(25)
        """
        measured_ng = ~np.isnan(z_ng)
        g = z_ng.shape[1]
        rng = np.random.default_rng([*seed, crc32(self.name.encode())])
        if self.kind == "panel":
            gone_g = ~panel_g
        elif self.kind == "genes":
            gone_g = np.zeros(g, bool)
            gone_g[rng.permutation(g)[: min(max(round(self.share * g), 1), g - 1)]] = True
        elif self.kind == "low":
            return measured_ng & (rng.random(z_ng.shape) < self._chance(z_ng, measured_ng))
        else:
            return measured_ng & (rng.random(z_ng.shape) < self.share)
        return measured_ng & gone_g

    def _chance(self, z_ng: np.ndarray, measured_ng: np.ndarray) -> np.ndarray:
        """Logistic in z, with the intercept that makes the mean over the measured values the share."""
        from scipy.optimize import brentq
        from scipy.special import expit

        z_t = np.clip(z_ng[measured_ng], -10, 10)
        if not len(z_t):
            return np.zeros(z_ng.shape)
        shift = brentq(lambda a: expit(a - SLOPE * z_t).mean() - self.share, -40, 40)
        return expit(shift - SLOPE * np.clip(np.nan_to_num(z_ng), -10, 10))


ARMS = (
    *(Arm("random", share) for share in (0.1, 0.3, 0.5, 0.7, 0.9)),
    *(Arm("genes", share) for share in (0.5, 0.9)),
    *(Arm("low", share) for share in (0.3, 0.5)),
)
"""What is scored by default; with a panel, the arm ``panel`` stands in place of the random sets of genes."""


def as_arms(arms: Iterable[Arm | str] | None, panel: bool) -> tuple[Arm, ...]:
    """Arms from names or defaults.

    Parameters
    ----------
    arms
        Arms or their names; None for the defaults.
    panel
        Whether a panel is given: by default it then replaces the random sets of genes.

    Raises
    ------
    InputError
        An unknown arm, an arm given twice, or the arm ``panel`` without a panel.

    Examples
    --------
    >>> [arm.name for arm in as_arms(None, panel=True)][5:]
    ['panel', 'low 30 %', 'low 50 %']
    """
    if arms is None:
        if not panel:
            return ARMS
        return (*(a for a in ARMS if a.kind == "random"), Arm("panel"), *(a for a in ARMS if a.kind == "low"))
    found = tuple(arm if isinstance(arm, Arm) else Arm.of(arm) for arm in arms)
    names = [arm.name for arm in found]
    if not found or len(set(names)) < len(names):
        raise InputError("name at least one way of hiding, and each of them once")
    if "panel" in names and not panel:
        raise InputError("the arm 'panel' needs the genes that stay visible (panel=..., --genes LIST)")
    return found


def panel_mask(genes: np.ndarray, panel: Sequence[str] | None) -> np.ndarray | None:
    """(g,) bool, which genes are in the panel; None without one.

    Raises
    ------
    GeneError
        None of the panel is in the file, or all of the file is in the panel: nothing would be hidden.

    Examples
    --------
    >>> panel_mask(np.array(["INS", "GCG", "SST"]), ["SST", "XYZ"]).tolist()
    [False, False, True]
    """
    if panel is None:
        return None
    there_g = np.isin(np.asarray(genes, dtype=str), [str(gene) for gene in panel])
    if not there_g.any():
        raise GeneError(f"none of the {len(panel)} genes of the panel is in the file; check the gene names")
    if there_g.all():
        raise GeneError("the panel holds every gene of the file: nothing is left to be restored")
    return there_g
