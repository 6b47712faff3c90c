"""The page: verdict, warnings, facts, then the sections in the order of :mod:`exval.report.sections`."""

from __future__ import annotations

from importlib import resources

from exval import __version__
from exval.report import numbers
from exval.report.folder import Folder
from exval.report.head import facts, kicker, title, verdict, warnings
from exval.report.html import Html, esc, join, tag
from exval.report.sections import sections
from exval.report.story import chapter_text, chapter_title, seconds_of

LONG_VERDICT = 220


def render(folder: Folder) -> str:
    """The whole page as text.

    Parameters
    ----------
    folder
        What :func:`exval.report.folder.open_folder` read.
    """
    body, contents = _story(folder) if folder.kind == "story" else _single(folder)
    style = Html(resources.files("exval.report").joinpath("style.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        Html('<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'),
        tag("title", f"{title(folder)} · exval"),
        Html(f"\n<style>\n{style}</style>\n"),
    )
    nav = tag("nav", tag("ol", contents), aria_label="Contents")
    footer = tag("footer", f"Written by exval {folder.config.get('version') or __version__}. Everything on this page "
                 "is in this one file; the tables behind it lie beside it.")  # fmt: skip
    page = tag("body", tag("div", nav, body, footer, cls="page"))
    return Html(f'<!DOCTYPE html>\n<html lang="en">\n{head}\n{page}\n</html>\n')


def _verdict(text: str) -> Html:
    return tag("p", text, cls="verdict long" if len(text) > LONG_VERDICT else "verdict")


def _entry(anchor: str, text: str, *below: object, cls: str | None = None) -> Html:
    return tag("li", tag("a", text, href=f"#{anchor}"), join(*below), cls=cls)


def _single(folder: Folder) -> tuple[Html, list[Html]]:
    parts = sections(folder)
    top = tag("header", tag("p", kicker(folder), cls="kicker"), tag("h1", title(folder)), _verdict(verdict(folder)),
              _warnings(folder), _facts(folder), cls="top")  # fmt: skip
    shown = [tag("section", tag("h2", part.title), part.body, id=part.name) for part in parts]
    return join(top, tag("main", shown)), [_entry(part.name, part.title) for part in parts]


def _story(folder: Folder) -> tuple[Html, list[Html]]:
    main = str(folder.config.get("verdict") or verdict(folder.chapters[0]))
    shown, contents, lines = [], [], []
    for number, chapter in enumerate(folder.chapters, 1):
        anchor = f"part{number}"
        name = chapter_title(folder, chapter)
        parts = sections(chapter)
        text = chapter_text(folder, chapter)
        inner = [tag("section", tag("h3", part.title), part.body, id=f"{anchor}-{part.name}") for part in parts]
        shown.append(
            tag("section", tag("h2", f"{number}. {name}"), tag("p", text, cls="story") if text else None,
                _verdict(verdict(chapter)), _warnings(chapter), _facts(chapter), inner, cls="chapter", id=anchor)
        )  # fmt: skip
        below = tag("ol", [_entry(f"{anchor}-{part.name}", part.title) for part in parts])
        contents.append(_entry(anchor, f"{number}. {name}", below, cls="chapter"))
        link = tag("a", f"{number}. {name}", href=f"#{anchor}")
        text = "as above" if verdict(chapter) == main else verdict(chapter)
        spent = seconds_of(folder, chapter)
        took = join(Html(" "), tag("small", f"({numbers.seconds(spent)})")) if numbers.known(spent) else None
        lines.append(tag("li", link, tag("span", text, took)))
    top = tag("header", tag("p", kicker(folder), cls="kicker"), tag("h1", title(folder)), _verdict(main),
              _warnings(folder), tag("ol", lines, cls="story-list"), cls="top")  # fmt: skip
    return join(top, tag("main", shown)), contents


def _warnings(folder: Folder) -> Html | None:
    found = warnings(folder)
    return tag("ul", [tag("li", line) for line in found], cls="warnings") if found else None


def _facts(folder: Folder) -> Html | None:
    found = facts(folder)
    return tag("dl", [tag("div", tag("dt", esc(k)), tag("dd", esc(v))) for k, v in found], cls="facts")
