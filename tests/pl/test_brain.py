"""Pictures of brains draw what they were given, where it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval import pl
from exval.errors import InputError
from exval.pl import _brain


@pytest.fixture(scope="module")
def kept():
    rng = np.random.default_rng(0)
    xyz = rng.normal(0, 1, (200, 3)) * [25, 35, 20] + [0, -15, 5]
    frame = pd.DataFrame(xyz, columns=list("xyz")).assign(
        sample=range(200), gene="GFAP", method="knn", arm="told", seed=0
    )
    return frame.assign(truth=xyz[:, 1], prediction=xyz[:, 1] + np.where(xyz[:, 2] > 0, 5.0, -5.0))


def samples_of(panel):
    """What is coloured by values: neither outlines nor contours."""
    return next(one for one in panel.collections if one.get_array() is not None and len(one.get_offsets()) > 1)


def test_measured_and_predicted_have_one_scale_and_errors_are_about_zero(kept):
    pytest.importorskip("nilearn")
    ax = pl.brain_samples(kept, "GFAP", method="knn", unit="log2")
    rows = [ax.child_axes[i * 6 : i * 6 + 5] for i in range(3)]
    dots = [[samples_of(panel) for panel in row] for row in rows]
    limits = [[(one.norm.vmin, one.norm.vmax) for one in row] for row in dots]
    assert len(set(limits[0] + limits[1])) == 1 and limits[2][0] == pytest.approx((-5, 5))
    assert len(dots[0][3].get_offsets()) == 200 > len(dots[0][0].get_offsets()) > 10
    at = dots[0][3].get_offsets()
    np.testing.assert_allclose(np.sort(at[:, 0]), np.sort(kept.y))  # along x one sees y and z
    title = {text.get_text() for panel in rows[0] for text in panel.texts}
    x = next(float(one.split()[2].replace("\N{MINUS SIGN}", "-")) for one in title if one.startswith("x ="))
    shown = dots[0][0].get_offsets()
    assert len(shown) == (np.abs(kept.x - x) <= 5).sum()


def test_the_second_repeat_and_other_arms_are_not_drawn(kept):
    pytest.importorskip("nilearn")
    more = pd.concat([kept, kept.assign(seed=1), kept.assign(arm="alone")])
    ax = pl.brain_samples(more, "GFAP", method="knn")
    assert len(samples_of(ax.child_axes[3]).get_offsets()) == 200
    with pytest.raises(InputError, match="empty"):
        pl.brain_samples(kept, "MBP", method="knn")


def test_without_nilearn_a_page_says_so_in_one_line(kept, monkeypatch, tmp_path):
    from exval.report.folder import Folder
    from exval.report.sections import field_brain

    def absent():
        raise InputError(_brain.NEEDED)

    monkeypatch.setattr(_brain, "template", absent)
    genes = pd.DataFrame({"method": "knn", "arm": "told", "gene": ["GFAP"], "r2": [0.5]})
    folder = Folder(tmp_path, "field", {"shown": "knn"}, predictions=kept, tables={"field_genes": genes})
    body = field_brain.section(folder).body
    assert body.count("pip install") == 1 and "<img" not in body


def test_a_fitted_variogram_passes_through_its_points():
    from exval.fields.kernels import matern

    d = np.linspace(2, 60, 12)
    gamma = 0.2 + 0.8 * (1 - matern(d, 12.0, 0.5))
    table = pd.DataFrame(
        {"what": "errors of knn", "distance": d, "gamma": gamma, "nugget": 0.2, "sill": 0.8, "length": 12.0}
    )
    ax = pl.field_variogram(table, palette={"knn": "#123456"})
    line = ax.lines[0]
    np.testing.assert_allclose(np.interp(d, line.get_xdata(), line.get_ydata()), gamma, atol=2e-3)
    assert line.get_color() == "#123456"


def test_many_parcels_are_cut_to_both_ends():
    table = pd.DataFrame(
        {"gene": "GFAP", "parcel": [f"p{i}" for i in range(60)], "mean": np.arange(60.0), "sd": np.nan}
    )
    names = [text.get_text() for text in pl.parcels(table, "GFAP", most=3).get_yticklabels()]
    assert names == ["p59", "p58", "p57", "54 between", "p2", "p1", "p0"]
