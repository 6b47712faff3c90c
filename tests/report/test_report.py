"""Every kind of folder gives a whole, safe, self-contained page; what is missing leaves its section out."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser

import fabricate
import numpy as np
import pandas as pd
import pytest

from exval.bench.results import make_rows
from exval.errors import InputError, OutputError
from exval.report import write_report
from exval.report.folder import Folder
from exval.report.sections import methods
from exval.verbs.report import report

KINDS = {
    "evaluate": fabricate.annotate,
    "annotate": lambda folder: fabricate.annotate(folder, selection=True, failed=False),
    "donors": lambda folder: fabricate.annotate(folder, units=4),
    "nasty": lambda folder: fabricate.annotate(folder, fabricate.NASTY),
    "one-class": lambda folder: fabricate.annotate(folder, {"beta": 500}),
    "many": lambda folder: fabricate.annotate(folder, fabricate.many(120)),
    "recover": fabricate.recover,
    "run": fabricate.run,
    "demo": fabricate.demo,
}
VOID = {"meta", "br", "img"}


class Page(HTMLParser):
    """Checks nesting and collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.stack, f"never closed: {self.stack}"

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes), tuple(self.stack)))
        if name not in VOID:
            self.stack.append(name)

    def handle_startendtag(self, name, attributes):
        self.elements.append((name, dict(attributes), tuple(self.stack)))

    def handle_endtag(self, name):
        assert self.stack and self.stack[-1] == name, f"</{name}> closes {self.stack[-3:]}"
        self.stack.pop()

    def handle_data(self, data):
        if "style" not in self.stack:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, name: str):
        return [attributes for found, attributes, _ in self.elements if found == name]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    root, made = tmp_path_factory.mktemp("pages"), {}

    def make(kind: str) -> str:
        if kind not in made:
            made[kind] = write_report(KINDS[kind](root / kind)).read_text(encoding="utf-8")
        return made[kind]

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_page_is_well_formed_self_contained_and_small(pages, kind):
    text = pages(kind)
    page = Page(text)
    assert len(text.encode()) < 3_000_000
    for _, attributes, _ in page.elements:
        for key in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(key) or ""
            assert value.startswith(("#", "data:image/")) or not value, (key, value[:60])
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", text.split("</style>")[0])
    assert {"script", "link", "iframe", "object"}.isdisjoint(name for name, _, _ in page.elements)
    assert not [key for _, attributes, _ in page.elements for key in attributes if key.startswith("on")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_has_words_and_headings_descend(pages, kind):
    page = Page(pages(kind))
    for name, attributes, stack in page.elements:
        if name == "svg":
            assert attributes.get("role") == "img" and attributes.get("aria-label", "").strip()
        if name == "img":
            assert attributes.get("alt", "").strip()
        if name == "figure":
            assert "figure" not in stack
    levels = [int(name[1]) for name, _, _ in page.elements if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))


@pytest.mark.parametrize("kind", KINDS)
def test_anchors_lead_somewhere_and_are_unique(pages, kind):
    page = Page(pages(kind))
    names = [attributes["id"] for _, attributes, stack in page.elements if "id" in attributes and "svg" not in stack]
    anchors = [a["href"][1:] for a in page.all("a")]
    assert sorted(names) == sorted(set(anchors))


@pytest.mark.parametrize("kind", KINDS)
def test_verdict_stands_before_any_figure(pages, kind):
    text = pages(kind)
    first = min(text.index(mark) for mark in ("<svg", "<figure") if mark in text)
    assert text.index('class="verdict') < first


def test_warnings_follow_the_verdict_and_name_the_optimistic_split(pages):
    text = pages("evaluate")
    warnings = text.index('class="warnings"')
    assert text.index('class="verdict') < warnings < text.index('class="facts"')
    assert "Optimistic split" in text[warnings : warnings + 300]
    assert "Optimistic split" not in pages("donors")


def test_failed_methods_are_shown_as_failed(pages):
    page = Page(pages("evaluate"))
    assert "failed: obsm has no X_scGPT; there is X_pca" in page.text
    assert [attributes for attributes in page.all("tr") if attributes.get("class") == "failed"]


def test_few_units_are_dots_without_interval(pages):
    text = pages("donors")
    table = text[text.index('id="methods"') : text.index('id="classes"')]
    assert "fewer than six donors" in table and "[0." not in table
    strips = re.findall(r'<svg class="strip".*?</svg>', table)
    assert len([s for s in strips if s.count("<circle") == 5]) == 4  # four contenders: their value and four donors


def test_intervals_are_written_beside_the_value(pages):
    assert "[0.953, 0.963]" in Page(pages("evaluate")).text


def test_nasty_labels_are_shown_as_text(pages):
    text = pages("nasty")
    page = Page(text)
    assert "<script>" not in text and "<!--" not in text
    for label in ("<script>alert(1)</script>", "price $x_1$ and $$", "line break and control", "(empty)",
                  'score 1.23456789 id="x" url(#a)'):  # fmt: skip
        assert label in page.text
    assert "\x00" not in text


def test_many_classes_are_capped_and_the_page_says_so(pages):
    text = Page(pages("many")).text
    assert "The 40 most frequent of 120 classes." in text
    assert "cell type number 119" in text


def test_demo_tells_its_parts_in_order_with_one_colour_for_a_method(pages):
    text = pages("demo")
    order = [text.index(f'id="part{number}"') for number in range(1, 6)]
    assert order == sorted(order)
    colours = re.findall(r'style="background:(#\w+)"></span><span class="name" title="runs/tiny"', text)
    assert len(colours) >= 4 and len(set(colours)) == 1


def test_run_compares_itself_with_the_gene_mean(pages):
    assert "against 0.602 for the gene mean" in Page(pages("run")).text


def test_run_above_the_gene_mean_is_reported_as_losing(tmp_path):
    folder = fabricate.run(tmp_path / "run", steps=100)
    lines = (folder / "log.jsonl").read_text().replace('"gene_mean": 0.602', '"gene_mean": 0.1')
    (folder / "log.jsonl").write_text(lines)
    assert "not below the 0.100 of the gene mean" in Page(write_report(folder).read_text()).text


@pytest.mark.parametrize("missing", (
    "per_class", "confusion", "reliability", "unknown_types", "map2d", "gene_mapping", "cost", "units", "selection",
    "scores", "splits",
))  # fmt: skip
def test_a_missing_empty_or_foreign_table_leaves_its_section_out(tmp_path, missing, monkeypatch):
    drawn = []
    monkeypatch.setattr("exval.report.figures._image", lambda drawing, alt: (drawn.append(alt), 400.0))
    folder = fabricate.annotate(tmp_path / "one", {"a": 30, "b": 20}, selection=True, units=4)
    file = folder / "extras" / f"{missing}.parquet"
    whole = pd.read_parquet(file)
    for table in (None, whole.iloc[:0], pd.DataFrame({"other": [1]})):
        file.unlink(missing_ok=True)
        if table is not None:
            table.to_parquet(file)
        Page(write_report(folder).read_text())


def test_results_alone_or_only_a_config_are_a_page(tmp_path):
    folder = fabricate.annotate(tmp_path / "one")
    shutil.rmtree(folder / "extras")
    assert "0.958" in Page(write_report(folder).read_text()).text
    for name in ("results.parquet", "predictions.parquet"):
        (folder / name).unlink()
    assert "logreg against pca" in Page(write_report(folder).read_text()).text


def test_a_damaged_table_is_named_and_the_rest_is_drawn(tmp_path):
    folder = fabricate.annotate(tmp_path / "one")
    (folder / "extras" / "map2d.parquet").write_bytes(b"PAR1 cut off")
    text = Page(write_report(folder).read_text()).text
    assert "map2d.parquet cannot be read" in text and "A map of the cells" not in text


def test_missing_numbers_break_nothing(tmp_path):
    folder = fabricate.annotate(tmp_path / "one")
    for file in [folder / "results.parquet", *(folder / "extras").glob("*.parquet")]:
        table = pd.read_parquet(file)
        for column in table.select_dtypes("float").columns:
            table[column] = np.nan
        table.to_parquet(file)
    Page(write_report(folder).read_text())


def test_everything_failed(tmp_path):
    folder = fabricate.annotate(tmp_path / "one")
    shutil.rmtree(folder / "extras")
    rows = pd.read_parquet(folder / "results.parquet").assign(status="failed", note="no memory", value=np.nan)
    rows.to_parquet(folder / "results.parquet")
    assert Page(write_report(folder).read_text()).text.count("failed: no memory") == 7


def test_the_same_folder_gives_the_same_bytes(tmp_path):
    folder = fabricate.annotate(tmp_path / "one", {"a": 30, "b": 20})
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


def test_drawing_leaves_no_trace_in_pyplot(tmp_path):
    import matplotlib.pyplot as plt

    with plt.rc_context({"svg.fonttype": "path", "axes.facecolor": "red"}):
        text = write_report(fabricate.run(tmp_path / "run", steps=20)).read_text()
        assert plt.rcParams["svg.fonttype"] == "path"
    assert plt.get_fignums() == [] and "#ff0000" not in text


def test_folders_that_are_not_ours_are_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "absent", fabricate.__file__):
        with pytest.raises(InputError, match="folder") as caught:
            report(folder)
        assert "\n" not in str(caught.value)
    (tmp_path / "config.json").write_text("{ cut off")
    with pytest.raises(InputError, match="damaged"):
        report(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"name": "some other program"}))
    with pytest.raises(InputError, match="no exval folder"):
        report(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_an_old_page_is_replaced_only_if_wanted(tmp_path):
    folder = fabricate.run(tmp_path / "run", steps=20)
    page = report(folder)
    page.write_text("old")
    with pytest.raises(OutputError, match="exists already"):
        report(folder, force=False)
    assert page.read_text() == "old"
    assert report(folder).read_text().startswith("<!DOCTYPE html>")


def test_differences_are_from_one_method_and_it_is_named(tmp_path):
    """Three differences of one method: the page shows the one that the verdict is about, never their mean."""
    head = {"slice": "arm=entries", "split": "cells (optimistic)", "unit": "cell", "n": 90}
    figures = {"run": 0.66, "gene-mean": 1.09, "low-rank-hidden": 0.55}
    rows = [{**head, "method": name, "metric": "rmse", "value": value} for name, value in figures.items()]
    for name in ("gene-mean", "low-rank-hidden"):
        gap = dict.fromkeys(("value", "lo", "hi"), 0.66 - figures[name])
        rows.append({**head, "method": "run", "metric": "difference:rmse", **gap, "note": f"against {name}"})
    folder = Folder(tmp_path, "recover", {"task": "recover"}, rows=make_rows(rows, task="recover"))
    body = str(methods.section(folder).body)
    assert "from low-rank-hidden" in body and "+0.110" in body and "−0.430" not in body and "−0.160" not in body
