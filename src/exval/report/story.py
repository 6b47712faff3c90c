"""What the parts of a demo are called, where its ``config.json`` does not say."""

from __future__ import annotations

from collections.abc import Mapping

from exval.report.folder import Folder

TITLES = {
    "annotate": "Name the cells",
    "evaluate": "Is the fancy method better?",
    "recover": "Recover hidden values",
    "survival": "Foretell survival",
    "pretrain": "Pretrain a model",
    "finetune": "Teach it the labels",
}
TEXTS = {
    "annotate": "Cells of a new file get the names of a reference; the method is chosen on held-out reference cells.",
    "recover": "Values are hidden, then recovered; a model has to beat the mean of each gene to have learned anything.",
    "pretrain": "The model learns to fill in hidden values; no label is used.",
    "survival": "Risks of patients whom no method was fitted on, beside what age and chance foretell.",
    "finetune": "The pretrained model learns the names of the reference.",
}


def _named(story: Folder, chapter: Folder) -> Mapping:
    for item in story.config.get("chapters") or []:
        if isinstance(item, Mapping) and item.get("folder") == chapter.path.name:
            return item
    return {}


def chapter_title(story: Folder, chapter: Folder) -> str:
    """The heading of a chapter: from the story's configuration, else by what the folder is.

    Examples
    --------
    >>> from pathlib import Path
    >>> chapter_title(Folder(Path("demo"), "story", {}), Folder(Path("demo/evaluate"), "annotate", {}))
    'Is the fancy method better?'
    """
    given = _named(story, chapter).get("title")
    key = "evaluate" if "evaluate" in chapter.path.name.lower() else chapter.kind
    return str(given or TITLES.get(key) or chapter.path.name)


def chapter_text(story: Folder, chapter: Folder) -> str:
    """One sentence on what the chapter does."""
    given = _named(story, chapter).get("text")
    key = "evaluate" if "evaluate" in chapter.path.name.lower() else chapter.kind
    return str(given or TEXTS.get(key, ""))


def seconds_of(story: Folder, chapter: Folder) -> object:
    """How long the stage took, where the story's configuration says so; else None."""
    stages = story.config.get("stages")
    stage = stages.get(chapter.path.name) if isinstance(stages, Mapping) else None
    return stage.get("seconds") if isinstance(stage, Mapping) else None
