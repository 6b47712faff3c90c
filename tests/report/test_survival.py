"""The page of a prognosis: verdict, tables and figures from the folder alone; what is missing is left out."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from exval.data.patients import simulated_patients
from exval.methods.survival.pca_cox import PCACox
from exval.report import write_report
from exval.report.folder import open_folder
from exval.report.head import facts
from exval.report.prose import paragraph
from exval.verbs.survival import survival


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "out"
    data = simulated_patients(150, 40, seed=2)
    data.obs = data.obs.rename(columns={"age": "<age> & more"})
    data.obs.iloc[0, data.obs.columns.get_loc("os_months")] = np.nan
    far = simulated_patients(80, 40, seed=3)
    far.obs_names = [f"far{i}" for i in range(80)]
    far.obs = far.obs.rename(columns={"age": "<age> & more"})
    survival(
        data,
        time="os_months",
        event="os_event",
        clinical="<age> & more",
        folds=2,
        null=30,
        method=PCACox((), None, 5, 1.0),
        genes=list(data.var_names[:8]),
        external=far[:, 4:].copy(),
        out=out,
    )
    return out


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def anchors(page: str) -> list[str]:
    return re.findall(r'<section id="([^"]+)"', page)


def test_sections_in_order(page):
    assert anchors(page) == ["methods", "groups", "time", "panel", "features", "left-out", "cost", "paragraph"]


def test_verdict_facts_and_escaping(folder, page):
    text = unescape(re.sub(r"<[^>]*>", " ", page))
    assert "clinical: C 0." in text and "random panels of equal size" in text
    assert "<age>" not in page and "&lt;age&gt; &amp; more" in page
    found = dict(facts(open_folder(folder)))
    assert found["patients"] == "149" and found["panel"] == "8" and found["time"] == "os_months"
    assert "cells" not in text.lower().split("methods, for a paper")[0].replace("cells of", "")


def test_figures_are_inside_and_told_in_words(page):
    labels = re.findall(r'role="img" aria-label="([^"]+)"', page)
    assert any("Harrell" in label for label in labels) and sum("Kaplan-Meier" in label for label in labels) >= 4
    assert "http" not in re.sub(r"https?://www\.w3\.org[^\"]*", "", page)


def test_paragraph_names_what_was_done(folder):
    text = paragraph(open_folder(folder))
    for words in ("holds 149 samples of 149 patients", "2 folds stratified by event", "Kaplan and Meier",
                  "30 random panels", "scored on AnnData", "Uno et al. 2011"):  # fmt: skip
        assert words in text
    assert "cells" not in text


def test_a_failed_method_and_missing_tables(folder, tmp_path):
    import shutil

    part = tmp_path / "part"
    shutil.copytree(folder, part)
    for name in (
        "km",
        "over_time",
        "null_panels",
        "features",
        "left_out",
        "external",
        "external_km",
        "external_left_out",
    ):
        (part / "extras" / f"{name}.parquet").unlink(missing_ok=True)
    table = pd.read_parquet(part / "extras" / "survival_table.parquet")
    table.loc[len(table)] = {"method": "<b>rsf</b>", "chosen": False, "status": "failed", "note": "no <memory>"}
    table.to_parquet(part / "extras" / "survival_table.parquet")
    page = write_report(part).read_text(encoding="utf-8")
    assert anchors(page) == ["methods", "cost", "paragraph"]
    assert "failed: no &lt;memory&gt;" in page and "<b>rsf" not in page
