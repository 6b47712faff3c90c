"""Who is shown and who is asked: pure functions of a batch and a keyed draw. One way of dividing per file."""

from exval.visibility.base import Split, depth, log1p_cp10k, merge, to_log1p, to_model_unit, totals
from exval.visibility.everything import Everything
from exval.visibility.masking import Masking
from exval.visibility.nothing import Nothing
from exval.visibility.subset import Subset

#: Every visibility, by name. Contract tests run over it.
VISIBILITIES = {"masking": Masking, "subset": Subset, "everything": Everything, "nothing": Nothing}

__all__ = [
    "VISIBILITIES",
    "Everything",
    "Masking",
    "Nothing",
    "Split",
    "Subset",
    "depth",
    "log1p_cp10k",
    "merge",
    "to_log1p",
    "to_model_unit",
    "totals",
]
