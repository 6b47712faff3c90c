"""Every visibility divides each sample on its own, keeps pairs together and shows nothing that it hides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exval.data.batch import ExpressionBatch
from exval.errors import UnitError
from exval.rng import Draw
from exval.visibility import VISIBILITIES, to_log1p
from packs import batches, packed, pairs

SETTINGS = {
    "masking": [
        {},
        {"nonzeros": 0.5, "zeros": 0.3},
        {"nonzeros": 0.6, "zeros": 0.4, "hide": 0.4, "swap": 0.4},
        {"nonzeros": 0.4, "zeros": 0.2, "max_visible": 3, "max_queries": 2},
        {"nonzeros": 0.4, "zeros": 0.2, "hide": 0.8, "swap": 0.1, "thinning": 1.0, "thin_above": 0.0},
    ],
    "subset": [
        {},
        {"min_shown": 2, "max_shown": 5, "max_visible": 3, "max_queries": 3},
        {"min_shown": 3, "max_shown": 3, "max_queries": 0},
    ],
    "everything": [{}, {"max_visible": 3}, {"dense": True}, {"dense": True, "max_visible": 3}],
}
CASES = [(name, changes) for name in VISIBILITIES for changes in SETTINGS.get(name, [{}])]
FIELDS = ("shown", "hidden", "queries", "visible", "unknown")

cases = pytest.mark.parametrize(("name", "changes"), CASES, ids=lambda x: str(x))
few = settings(max_examples=25, deadline=None)


def same(a, b) -> bool:
    depth = torch.equal(a.depth_n2.nan_to_num(-1), b.depth_n2.nan_to_num(-1))
    return depth and all(pairs(getattr(a, f)) == pairs(getattr(b, f)) for f in FIELDS)


@cases
@few
@given(batch=batches(), step=st.integers(0, 50))
def test_parts_of_a_split(name, changes, batch, step):
    visibility = VISIBILITIES[name](**changes)
    split = visibility.split(batch, Draw(0, step))
    values = to_log1p(batch).dense()
    shown, hidden, queries, visible, unknown = (pairs(getattr(split, f)) for f in FIELDS)
    for i in range(batch.n):
        panel = set(batch.panels[int(batch.panel_n[i])].tolist())
        assert (shown[i].keys() | hidden[i].keys() | queries[i].keys()) <= panel
        assert not shown[i].keys() & hidden[i].keys()
        assert visible[i].items() <= shown[i].items()
        assert unknown[i].keys() == hidden[i].keys() | (shown[i].keys() - visible[i].keys())
        zeros = visibility.target(batch).implicit == "missing"  # of patients a zero is a value like any other
        assert zeros or all(value != 0 for value in shown[i].values())
        for gene, value in queries[i].items():  # the target is the whole, unthinned, unswapped value
            assert value == pytest.approx(values[i, gene].item(), rel=1e-6)
        assert hidden[i].keys() <= queries[i].keys() or getattr(visibility, "max_queries", None) is not None
        for cap, part in (("max_visible", visible[i]), ("max_queries", queries[i])):
            if (most := getattr(visibility, cap, None)) is not None:
                assert len(part) <= most
    for field in FIELDS:
        part = getattr(split, field)
        assert part.n == batch.n and part.unit == "log1p"
        for own in np.split(part.genes_t.numpy(), part.offsets_n1[1:-1].numpy()):
            assert (np.diff(own) > 0).all()


@cases
@few
@given(batch=batches(), seed=st.integers(0, 50))
def test_a_sample_is_divided_the_same_alone_in_any_company_and_order(name, changes, batch, seed):
    visibility, draw = VISIBILITIES[name](**changes), Draw(seed, 2)
    whole = visibility.split(batch, draw)
    order = np.random.default_rng(seed).permutation(batch.n)
    shuffled = visibility.split(batch.select(order), draw)
    alone = [visibility.split(batch.select([i]), draw) for i in range(batch.n)]
    for field in FIELDS:
        known = pairs(getattr(whole, field))
        assert pairs(getattr(shuffled, field)) == [known[i] for i in order]
        assert [pairs(getattr(one, field))[0] for one in alone] == known
    company = visibility.split(ExpressionBatch.cat([packed(3, batch.n_genes, seed=seed + 1), batch]), draw)
    for field in FIELDS:
        assert pairs(getattr(company, field))[3:] == pairs(getattr(whole, field))


@cases
def test_repeats_for_a_seed_and_a_step_and_changes_with_them(name, changes):
    visibility, batch = VISIBILITIES[name](**changes), packed(6, 60)
    first = visibility.split(batch, Draw(0, 1))
    assert same(first, visibility.split(batch, Draw(0, 1)))
    if name == "masking" or "max_visible" in changes:
        assert not same(first, visibility.split(batch, Draw(0, 2)))
        assert not same(first, visibility.split(batch, Draw(1, 1)))


@cases
def test_units(name, changes):
    visibility = VISIBILITIES[name](**changes)
    for unit in ("log2", "z"):
        batch = packed(unit="log1p").with_values(packed().values_t, unit)
        if unit in visibility.units and name != "everything":
            assert visibility.split(batch, Draw(0)).visible.unit == unit
            continue
        if changes.get("dense"):
            continue
        with pytest.raises(UnitError, match=f"not {unit}"):
            visibility.split(batch, Draw(0))
    log = packed(unit="log1p")
    assert visibility.split(log, Draw(0)).depth_n2.isnan().all()


@cases
def test_no_samples_and_samples_without_values(name, changes):
    visibility = VISIBILITIES[name](**changes)
    assert visibility.split(packed(3).select([]), Draw(0)).visible.n == 0
    split = visibility.split(packed(3, empty=(0, 1, 2)), Draw(0))
    assert split.depth_n2.isnan().all()
    if name == "nothing":
        assert len(split.visible.genes_t) == 0 and len(split.queries.genes_t) > 0
    elif visibility.target(packed()).implicit == "zero":
        assert len(split.visible.genes_t) == 0
    else:
        assert (split.visible.values_t == 0).all() and len(split.visible.genes_t) > 0
