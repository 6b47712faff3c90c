"""Positions that are not what they say are refused; those of real samples, and of any part of them, are not."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest

from exval.data import brain_checks
from exval.data.ahba.coordinates import corrected_table
from exval.data.brain_checks import INDICES, check_positions, check_sides, check_space, check_structures
from exval.errors import InputError


@pytest.fixture(scope="module")
def xyz():
    """Real positions of the 3,702 samples of the Allen Human Brain Atlas, which exval ships."""
    pytest.importorskip("nilearn")
    return corrected_table().to_numpy()


def test_real_positions_pass_and_so_does_every_part_of_them(xyz):
    assert check_positions(xyz, "samples") == []
    rng = np.random.default_rng(0)
    for centre in xyz[rng.choice(len(xyz), 40, replace=False)]:
        near = xyz[np.argsort(((xyz - centre) ** 2).sum(1))[:120]]  # one corner of the brain
        assert all("outside of the template" in line for line in check_positions(near, "samples"))
    for axis, sign in product(range(3), (-1, 1)):
        check_positions(xyz[sign * xyz[:, axis] > 0], "samples")


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1)])
def test_every_other_order_of_axes_is_told(xyz, order, signs):
    turned = xyz[:, order] * np.array(signs)
    if order == (0, 1, 2) and signs == (1, 1, 1):
        assert check_positions(turned, "samples") == []
        return
    with pytest.raises(InputError, match="axes are swapped or turned round") as fault:
        check_positions(turned, "samples")
    axes = str(fault.value).split("if x, y, z were ")[1].split(":")[0].split(", ")
    back = np.column_stack([(-1 if "-" in one else 1) * turned[:, "xyz".index(one[-1])] for one in axes])
    assert np.abs(np.abs(back) - np.abs(xyz)).max() < 1e-9  # what is offered puts the axes right
    assert np.allclose(back[:, 1:], xyz[:, 1:])


@pytest.mark.parametrize("what", list(INDICES))
def test_voxel_indices_are_told(xyz, what):
    scale, origin = INDICES[what]
    with pytest.raises(InputError, match="voxel indices of the . mm template of"):
        check_positions((xyz - origin) / scale, "samples")


def test_positions_of_nothing_in_particular_are_refused(xyz):
    with pytest.raises(InputError, match="in the brain of the MNI152 template; give mm"):
        check_positions(np.random.default_rng(0).uniform(-120, 120, (500, 3)), "samples")
    assert check_positions(xyz[:20] * 3, "samples") == []  # too few to tell


def test_without_nilearn_nothing_is_checked(xyz, monkeypatch):
    monkeypatch.setattr(brain_checks, "_template", lambda: None)
    assert check_positions(xyz[:, ::-1], "samples") == []


def test_left_is_below_zero():
    x, names = np.array([-30.0, 30.0] * 10), np.array(["pons, left", "pons, right"] * 10, dtype=object)
    assert check_sides(x, names, "samples") == []
    with pytest.raises(InputError, match="100 % of the samples lie on the other side"):
        check_sides(-x, names, "samples")
    assert check_sides(-x, np.array(["pons"] * 20, dtype=object), "samples") == []  # names tell no side
    assert check_sides(-x / 30, names, "samples") == []  # at the midline
    with pytest.raises(InputError):
        check_sides(-x, np.array(["L", "R"] * 10, dtype=object), "samples")


@pytest.mark.parametrize("space", ["talairach", "native", "mri_voxel", "fsaverage"])
def test_other_spaces_are_refused(space):
    with pytest.raises(InputError, match="not of MNI152"):
        check_space(space, "samples")


def test_structures_that_are_none_are_told():
    obs = pd.DataFrame({"structure_id": ["4005", "4006", "4006", "x"], "structure_name": ["a", "b", "c", "d"]})
    lines = check_structures(obs, ())
    assert lines == ["1 of 4 samples have no structure_id that is one",
                     "1 structure_ids stand for several structure_names (first: 4006)"]  # fmt: skip


def test_real_files_are_not_warned_of_without_reason(shared_data):
    import anndata

    from exval.data.brain import read_samples

    pytest.importorskip("nilearn")
    table = pd.read_parquet(shared_data / "brain" / "ahba_3702samples_14summaries.parquet")
    values = table[["Component1_Expresion"]].to_numpy(float)
    obs = table.drop(columns=["Component1_Expresion"]).astype({"donor": str}).set_axis(table.index.astype(str))
    for space in ("mni", "mni_nlin"):
        found = read_samples(anndata.AnnData(values, obs, pd.DataFrame(index=["C1"])), space=space)
        assert found.warnings == []
    found = read_samples(shared_data / "brain" / "ahba_donor2001_946samples_100probes_log2.h5ad")
    assert found.warnings[0].startswith("all samples are of one donor") and len(found.warnings) == 2


def test_centimetres_are_warned_of():
    import anndata
    import pandas as pd

    from exval.data.ahba.coordinates import corrected_table
    from exval.data.brain import read_samples

    xyz = corrected_table().to_numpy(float)[:40]
    var = pd.DataFrame(index=["GFAP"])

    def made(scale: float) -> list[str]:
        return read_samples(anndata.AnnData(np.ones((40, 1)), obsm={"mni": xyz * scale}, var=var), unit="log2").warnings

    assert any("centimetres" in line for line in made(0.1)) and not any("centimetres" in line for line in made(1.0))
