"""Escaping, numbers, the scale of a row, and the prose, each on its own."""

from __future__ import annotations

import json
import re
from html import unescape

import fabricate
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exval import pl
from exval.pl._text import clean, columns, shorten
from exval.report.figures import LARGEST_SVG, figure
from exval.report.folder import open_folder
from exval.report.html import Html, esc, name, table, tag
from exval.report.prose import paragraph
from exval.report.strip import WIDTH, Strip

LABELS = st.text(st.characters(exclude_categories=[]), max_size=60)


@given(LABELS)
def test_escaped_text_holds_no_markup_and_reads_the_same(label):
    made = esc(label)
    assert not set("<>\"'") & set(made) and "\n" not in made
    assert unescape(made) == clean(label)
    made.encode("utf-8")


@given(LABELS)
def test_attributes_cannot_be_left(label):
    made = tag("span", label, title=label)
    assert re.fullmatch(r'<span title="[^"<>]*">[^<>]*</span>', made)
    assert made.count("<") == 2


@given(LABELS, st.integers(4, 40))
def test_shortened_labels_fit(label, width):
    assert columns(shorten(label, width)) <= width


@given(st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_cells_of_a_table_are_escaped(labels):
    made = table(["label"], [[name(label)] for label in labels])
    assert made.count("<tr>") == len(labels) + 1


def test_markup_is_not_escaped_twice():
    assert tag("p", Html("<b>x</b>"), "<i>") == "<p><b>x</b>&lt;i&gt;</p>"


def test_text_of_a_figure_is_neither_rounded_nor_read_as_mathematics():
    label = 'id="a" 1.23456 $x$ url(#b)'
    bins = pd.DataFrame({"method": "m", "label": [label], "f1": [0.5], "support": [3]})
    made = figure(lambda: pl.per_class_f1(bins), "alt")
    assert label in unescape(re.sub(r"<[^>]*>", "", made))


def test_a_figure_too_large_for_svg_becomes_a_picture(monkeypatch):
    monkeypatch.setattr("exval.report.figures.LARGEST_SVG", 10)
    made = figure(lambda: pl.gene_mapping(fabricate.genes()), 'the "alt"')
    assert '<img src="data:image/png;base64,' in made and 'alt="the &quot;alt&quot;"' in made
    assert len(made) < LARGEST_SVG


def test_names_inside_a_figure_are_its_own():
    made = figure(lambda: pl.curves(pd.DataFrame({"step": [1, 2], "split": "train", "loss": [1.0, 0.5]})), "a")
    other = figure(lambda: pl.gene_mapping(fabricate.genes()), "b")
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (made, other)]
    assert not ids[0] & ids[1]
    for text, own in zip((made, other), ids):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= own


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8))
def test_a_scale_holds_its_values_and_has_few_ticks(values):
    scale = Strip.over(pd.DataFrame({"method": "a", "value": values, "lo": None, "hi": None}), {})
    assert all(0 <= scale.at(value) <= WIDTH for value in values)
    assert 2 <= len(scale.ticks()) <= 5
    assert all(-0.2 <= scale.at(tick) <= WIDTH + 0.2 for tick in scale.ticks())


def test_controls_do_not_set_the_scale_and_get_an_arrow():
    main = pd.DataFrame({"method": ["pca", "logreg", "majority"], "value": [0.9, 0.95, 0.05], "lo": None, "hi": None})
    scale = Strip.over(main, {})
    assert scale.low > 0.8
    assert "<path" in scale.row(0.05, float("nan"), float("nan"), [], "#000")
    assert "<path" not in scale.row(0.9, 0.89, 0.91, [], "#000")


def test_the_paragraph_says_what_was_done(tmp_path):
    text = paragraph(open_folder(fabricate.annotate(tmp_path / "one", units=8)))
    for words in ("baron.h5ad", "1,937 cells", "20,125 genes", "5 folds", "by held-out donor", "macro-F1", "seed 0",
                  "multinomial logistic regression", "bootstraps over donors"):  # fmt: skip
        assert words in text
    assert "X_scGPT" not in text  # it failed
    assert "optimistic" not in text
    assert "optimistic" in paragraph(open_folder(fabricate.annotate(tmp_path / "two")))


@pytest.mark.parametrize(
    ("config", "words"), [({"colors": {"a": "#123456"}}, "#123456"), ({"colors": {"a": "no colour"}}, None)]
)
def test_colours_of_the_reference_are_used(tmp_path, config, words):
    folder = fabricate.annotate(tmp_path / "one", {"a": 30, "b": 20})
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | config))
    colours = open_folder(folder).label_colours
    assert set(colours) == {"a", "b"} and colours["a"] != colours["b"]
    if words:
        assert colours["a"] == words


@pytest.mark.parametrize(("unit", "said", "unsaid"), [("z", "samples", "cells"), ("counts", "cells", "samples")])
def test_a_page_on_bulk_samples_does_not_speak_of_cells(tmp_path, unit, said, unsaid):
    from exval.report import write_report

    folder = fabricate.annotate(tmp_path / "one", {"a": 60, "b": 50}, selection=True)
    file = folder / "config.json"
    config = json.loads(file.read_text()) | {"verdict": "", "command": ""}
    config["dataset"]["unit"] = unit
    config["warnings"] = []
    file.write_text(json.dumps(config))
    rows = pd.read_parquet(folder / "results.parquet")
    rows["unit"], rows["split"] = said[:-1], f"{said} (optimistic)"
    rows.to_parquet(folder / "results.parquet")
    page = unescape(re.sub(r"<(style|svg|script).*?</\1>|<[^>]*>", " ", write_report(folder).read_text(), flags=re.S))
    assert f"naming {said}" in page
    said_of_it = ("reference cells);", "fewer than ten cells")  # by a method's description and a warning of this folder
    page = page.replace(said_of_it[0], "").replace(said_of_it[1], "")
    assert not re.findall(rf".{{30}}\b{unsaid}\b.{{30}}", page)
