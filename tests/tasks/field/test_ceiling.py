"""The ceiling by hand, and that somebody who knows the regions reaches it."""

from __future__ import annotations

import numpy as np
import pytest

from exval.fields.places import Places
from exval.tasks.field.ceiling import ceiling


def places(donor_n, structure_n) -> Places:
    xyz = np.random.default_rng(0).uniform(-50, 50, (len(donor_n), 3))
    return Places.of(xyz, donor_n, np.array(structure_n, dtype=object)[:, None])


def test_by_hand():
    """Structure A: donors d 0 and 2, e 4. B: d 10, e 12. C: d only, which tells nothing of between donors."""
    x = np.array([[0.0], [2.0], [4.0], [10.0], [12.0], [99.0]])
    found = ceiling(places(list("ddeded"), list("AAABBC")), x, ["GFAP"], least=2).iloc[0]
    # Half squared differences between donors: of 0: 8; of 2: 2; of 4: (8 + 2) / 2; of 10 and of 12: 2.
    within, kept = (8 + 2 + 5 + 2 + 2) / 5, x[:5, 0]
    assert found.r2 == pytest.approx(1 - within / kept.var())
    assert (found.structures, found.samples, found.pairs) == (2, 5, 1)
    assert found.stability == pytest.approx(1.0)  # two structures: both donors say that B is higher


def test_stability_is_the_mean_over_pairs_of_donors_of_the_correlation_of_structure_means():
    rng = np.random.default_rng(1)
    mean_ds = rng.normal(size=(3, 12))
    donor_n, structure_n = np.repeat(list("abc"), 24), np.tile(np.repeat([f"s{i}" for i in range(12)], 2), 3)
    wobble = np.tile([0.5, -0.5], 36)  # two samples in each, about the mean
    x = (np.repeat(mean_ds, 2, axis=1).ravel() + wobble)[:, None]
    found = ceiling(places(list(donor_n), list(structure_n)), x, ["GFAP"]).iloc[0]
    pairs = [np.corrcoef(mean_ds[a], mean_ds[b])[0, 1] for a, b in ((0, 1), (0, 2), (1, 2))]
    assert found.stability == pytest.approx(np.mean(pairs)) and found.pairs == 3


def test_who_knows_the_regions_reaches_the_ceiling_and_what_a_donor_shares_does_not_raise_it():
    """Variances: structures 1, donors within structures 0.3, samples 0.2. So the ceiling is 1 / 1.5."""
    rng = np.random.default_rng(2)
    donors, structures, each, genes = 6, 150, 3, 20
    a = rng.normal(size=(1, structures, 1, genes))
    b = np.sqrt(0.3) * rng.normal(size=(donors, structures, 1, genes))
    x = a + b + np.sqrt(0.2) * rng.normal(size=(donors, structures, each, genes))
    donor_n = np.repeat([f"d{i}" for i in range(donors)], structures * each)
    structure_n = np.tile(np.repeat([f"s{i}" for i in range(structures)], each), donors)
    flat = x.reshape(-1, genes)
    found = ceiling(places(list(donor_n), list(structure_n)), flat, [f"G{i}" for i in range(genes)])
    told = np.broadcast_to(a, x.shape).reshape(-1, genes)
    reached = 1 - ((flat - told) ** 2).sum(0) / ((flat - flat.mean(0)) ** 2).sum(0)
    assert found.r2.mean() == pytest.approx(1 / 1.5, abs=0.02)
    assert found.r2.mean() == pytest.approx(reached.mean(), abs=0.005)
    # Within structures of one donor samples agree better: a ceiling from those pairs would be 1 / 1.2 of what is there.
    assert found.r2.max() < 0.75


@pytest.mark.parametrize(
    ("donor_n", "regions"),
    [
        (["d"] * 40, [f"s{i % 12}" for i in range(40)]),  # one donor
        (list("de") * 20, [f"s{i // 2 % 5}" for i in range(40)]),  # five structures
        (list("de") * 20, None),  # no regions
        (list("de") * 20, [None] * 40),
    ],
)
def test_where_it_cannot_be_told_there_is_none(donor_n, regions):
    xyz = np.random.default_rng(0).uniform(-50, 50, (40, 3))
    here = Places.of(xyz, donor_n, None if regions is None else np.array(regions, dtype=object)[:, None])
    assert ceiling(here, xyz, ["A", "B", "C"]) is None
