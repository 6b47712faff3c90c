"""Figures of patients and time show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from exval import pl
from exval.errors import InputError

KM = pd.DataFrame({
    "method": "cox", "group": ["low", "low", "low", "high", "high"], "time": [0.0, 5.0, 20.0, 0.0, 10.0],
    "survival": [1.0, 0.8, 0.6, 1.0, 0.5], "lo": [1.0, 0.5, 0.3, 1.0, 0.2], "hi": [1.0, 0.95, 0.8, 1.0, 0.8],
    "at_risk": [5, 5, 3, 4, 4],
})  # fmt: skip
TABLES = {
    "survival_table": pd.DataFrame({"method": ["cox", "clinical", "broken"], "c": [0.6, 0.65, np.nan],
                                    "lo": [0.55, np.nan, np.nan], "hi": [0.65, np.nan, np.nan],
                                    "standing": ["cannot tell", "reference", None]}),
    "km": KM,
    "over_time": pd.DataFrame({"method": ["cox", "cox", "null-survival", "null-survival"], "time": [1.0, 2.0, 1.0, 2.0],
                               "auc": [0.6, 0.7, 0.5, 0.5], "brier": [0.1, 0.2, 0.11, 0.21]}),
    "null_panels": pd.DataFrame({"kind": ["panel"] + ["random"] * 50, "c": [0.7, *np.linspace(0.4, 0.6, 50)]}),
    "features": pd.DataFrame({"method": "cox", "name": ["age", "TP53", "KRAS"], "kind": ["clinical", "gene", "gene"],
                              "hazard_ratio": [1.5, 0.9, 1.1], "lo": [1.1, np.nan, np.nan],
                              "hi": [2.0, np.nan, np.nan]}),
}  # fmt: skip
DRAW = {"survival_table": pl.concordance, "km": pl.kaplan_meier, "over_time": pl.over_time,
        "null_panels": pl.null_panels, "features": pl.hazard_ratios}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_from_tables_and_onto_given_axes(name):
    given = Figure().subplots()
    assert DRAW[name](TABLES, ax=given) is given and given.has_data()
    DRAW[name](TABLES[name]).figure.canvas.draw()
    with pytest.raises(InputError):
        DRAW[name](TABLES[name].iloc[:0])
    with pytest.raises(InputError):
        DRAW[name]({})


def test_concordance_best_on_top_and_failures_left_out():
    ax = pl.concordance(TABLES["survival_table"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["clinical", "cox"]
    assert {"0.650", "0.600"} == {text.get_text() for text in ax.texts}
    points = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert points == [0.65, 0.6]


def test_kaplan_meier_steps_bands_and_numbers_at_risk():
    ax = pl.kaplan_meier(KM, p=0.03, unit="months")
    steps = {line.get_label(): line for line in ax.lines}
    assert list(steps) == ["low risk", "high risk"]
    assert steps["low risk"].get_ydata().tolist() == [1.0, 0.8, 0.6] and len(ax.collections) == 2
    words = [text.get_text() for text in ax.texts]
    assert "log-rank p = 0.03" in words and "at risk" in words
    first = [int(word) for word in words if word.isdigit()]
    assert first[0] == 5 and first[len(first) // 2] == 4  # each group at time 0
    assert ax.get_xlabel() == "months"


def test_numbers_at_risk_count_who_is_followed_to_that_time():
    ax = pl.kaplan_meier(KM[KM.group == "low"])
    at = {round(text.xy[0]): int(text.get_text()) for text in ax.texts if text.get_text().isdigit()}
    assert at[0] == 5 and at[10] == 3 and at[20] == 3


def test_unknown_method_or_quantity_is_refused():
    with pytest.raises(InputError, match="no curves of 'rsf'"):
        pl.kaplan_meier(KM, method="rsf")
    with pytest.raises(InputError, match="auc and brier"):
        pl.over_time(TABLES["over_time"], what="c")


def test_over_time_control_only_where_it_says_something():
    brier, auc = pl.over_time(TABLES, what="brier"), pl.over_time(TABLES, what="auc")
    assert {line.get_label() for line in brier.lines} == {"cox", "null-survival"}
    assert [line.get_label() for line in auc.lines if not line.get_label().startswith("_")] == ["cox"]


def test_null_panels_marks_the_panel():
    ax = pl.null_panels(TABLES)
    assert "this panel 0.700" in [text.get_text() for text in ax.texts]
    assert sum(patch.get_height() for patch in ax.patches) == 50
    edge = np.quantile(np.linspace(0.4, 0.6, 50), 0.95)
    assert any(line.get_xdata()[0] == pytest.approx(edge) for line in ax.lines)


def test_hazard_ratios_squares_and_dots():
    ax = pl.hazard_ratios(TABLES, n=2)
    assert [line.get_marker() for line in ax.lines if line.get_marker() in "so"] == ["s", "o"]
    assert ax.get_xscale() == "log" and len(ax.get_xticks()) >= 3
    narrow = TABLES["features"].assign(hazard_ratio=[1.5, 0.996, 1.004])
    ax = pl.hazard_ratios(narrow, kind="gene")
    assert len(ax.get_xticks()) >= 3 and [label.get_text() for label in ax.get_yticklabels()] == ["TP53", "KRAS"]


def test_names_of_users_are_no_mathematics():
    odd = TABLES["survival_table"].assign(method=["$x_1$", "b", "c"])
    pl.concordance(odd).figure.canvas.draw()
    pl.kaplan_meier(KM.assign(method="$m$"), unit="$t$").figure.canvas.draw()
