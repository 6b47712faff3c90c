"""A field that was kept says the same when it is read again, and a damaged or foreign folder is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from exval.errors import InputError
from exval.fields import FIELDS
from exval.fields.places import Places
from exval.fields.saved import open_field, save_field


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-40, 40, (120, 3))
    regions = np.where(rng.random((120, 1)) < 0.2, None, np.where(xyz[:, :1] > 0, "a", "b")).astype(object)
    return Places.of(xyz, list("pqr") * 40, regions), 7 + np.sin(xyz / 20) + 0.1 * rng.normal(size=(120, 3))


@pytest.mark.parametrize("name", list(FIELDS))
def test_it_says_the_same_again(name, samples, tmp_path):
    places, values = samples
    kind = FIELDS[name]
    field = kind(**kind.presets.get("tiny", {})).fit(places, values, ["A", "B", "C"])
    save_field(tmp_path, field, places, values, {"data": "made", "space": "mni", "unit": "log2"})
    again = open_field(tmp_path)
    assert again.genes.tolist() == ["A", "B", "C"] and again.config["method"] == name
    out_m3 = places.xyz_n3 * np.where(np.arange(120) % 2, 1.5, 2.5)[:, None]  # far from samples too
    far = Places(out_m3, places.donor_n, places.regions_nk)
    for asked in (places, places.without_regions().without_donor(), far):
        a, b = field.predict(asked, sd=True), again.field.predict(asked, sd=True)
        np.testing.assert_allclose(b.mean_mg, a.mean_mg, rtol=1e-5, atol=1e-5)
        if field.bars:
            np.testing.assert_allclose(b.sd_mg, a.sd_mg, rtol=1e-5, atol=1e-5)


def test_what_cannot_be_read_is_refused(samples, tmp_path):
    places, values = samples
    with pytest.raises(InputError, match="is no run"):
        open_field(tmp_path / "nowhere")
    field = FIELDS["knn"]().fit(places, values, ["A", "B", "C"])
    save_field(tmp_path, field, places, values, {})
    config = json.loads((tmp_path / "config.json").read_text())
    for change, words in (({"kind": "pretrain"}, "not a fitted field"), ({"format_version": 99}, "newer exval"),
                          ({"format_version": 1}, "older exval")):  # fmt: skip
        (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(InputError, match=words):
            open_field(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "samples.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        open_field(tmp_path)


def test_the_order_in_memory_does_not_matter(samples, tmp_path):
    """Positions that were columns of a table lie in memory axis by axis."""
    places, values = samples
    turned = Places(np.asfortranarray(places.xyz_n3), places.donor_n, places.regions_nk)
    field = FIELDS["nearest"]().fit(turned, values, ["A", "B", "C"])
    save_field(tmp_path, field, turned, np.asfortranarray(values), {})
    again = open_field(tmp_path)
    np.testing.assert_array_equal(again.places.xyz_n3, places.xyz_n3)
    np.testing.assert_allclose(again.field.predict(places).mean_mg, values, rtol=1e-5)
