"""Against the known types of the file that was named."""

from __future__ import annotations

from exval.report.folder import Folder
from exval.report.section import Section
from exval.report.sections.classes import listed
from exval.report.sections.confusion import matrix

LACKING = (
    "Some types are not in the reference and cannot be named: their F1 is 0, and what is of them counts as wrongly "
    "named with the others. The macro-F1 of the verdict leaves them out."
)


def section(folder: Folder) -> Section | None:
    """What is taken for what on the file itself, and its types in numbers."""
    found = folder.table("truth_confusion", "method", "truth", "prediction", "n")
    classes = folder.table("truth_per_class", "label", "precision", "recall", "f1", "support")
    if found is None or classes is None:
        return None
    found = found.astype({"method": str, "truth": str, "prediction": str})
    lacking = not set(found.truth) <= set(folder.dataset.get("classes") or found.truth)
    caption = f"{found.method.iloc[0]} on the {folder.thing}s of the file whose type is known and that are not in the "
    caption += "reference too. Per cent of each row."
    rows = listed(classes[classes.support > 0], LACKING if lacking else "", folder.thing)
    return Section.of(
        "truth", "On this file: against its known types", matrix(found, caption, rows, thing=folder.thing)
    )
