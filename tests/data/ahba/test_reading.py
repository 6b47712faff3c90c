"""Contents of the files: what is read, whatever its order, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exval.data.ahba import reading
from exval.data.ahba.layout import MATRIX, ONTOLOGY, PRESENT, PROBES, SAMPLES, find_donors
from exval.data.ahba.pipeline import import_ahba
from exval.errors import InputError

DONOR = "normalized_microarray_donor9861"


def test_rows_by_id_over_many_blocks(first, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 2000)
    known = reading.read_probes(first)["probe_id"].to_numpy()
    n = len(reading.read_samples(first))
    wanted = known[[7, 2, 11]]
    table = pd.read_csv(first.place / MATRIX, header=None, index_col=0)
    assert len(list(reading.blocks(first, MATRIX, known, n))) > 3
    np.testing.assert_array_equal(
        reading.read_rows(first, MATRIX, known, wanted, n), table.loc[wanted].to_numpy(np.float32)
    )
    calls = pd.read_csv(first.place / PRESENT, header=None, index_col=0)
    keep = np.arange(n) % 3 > 0
    np.testing.assert_array_equal(
        reading.count_present(first, known, keep), calls.loc[known].to_numpy()[:, keep].sum(1)
    )


def spoil(name):
    """A decorator's work: (file, how its text changes, message)."""
    return lambda change, message: pytest.param(name, change, message, id=message[:40])


def without_column(text):
    return "\n".join(line.rpartition(",")[0] for line in text.splitlines()) + "\n"


def drop_line(text):
    return "\n".join(text.splitlines()[1:]) + "\n"


def double_line(text):
    lines = text.splitlines()
    return "\n".join([*lines, lines[-1]]) + "\n"


def other_id(text):
    return "77" + text[text.index(",") :]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        spoil(MATRIX)(without_column, "has 29 columns of values, but SampleAnnot.csv has 30 rows"),
        spoil(PRESENT)(without_column, "PACall.csv has 29 columns"),
        spoil(MATRIX)(drop_line, "of Probes.csv is missing"),
        spoil(MATRIX)(double_line, "stands twice"),
        spoil(MATRIX)(other_id, "probe 77 is not in Probes.csv"),
        spoil(MATRIX)(lambda text: "probe" + text, "expected are probe ids, without a header"),
        spoil(MATRIX)(lambda text: text.replace(",", ",x", 1), "cannot be read as numbers"),
        spoil(MATRIX)(lambda text: text[: text.index(",") + 1] + text[text.index(",", 9) :], "missing or infinite"),
        spoil(MATRIX)(lambda text: text[: len(text) // 2], "cannot be read as numbers|is missing|missing or infinite"),
        spoil(MATRIX)(lambda text: "", "expected are probe ids"),
        spoil(PRESENT)(lambda text: text.replace(",1", ",7", 1), "holds other values than 0 and 1"),
        spoil(PROBES)(lambda text: text.replace("probe_name", "probe"), "has no column probe_name"),
        spoil(PROBES)(double_line, "probe_id .* stands twice"),
        spoil(SAMPLES)(double_line, "well_id .* stands twice"),
        spoil(SAMPLES)(lambda text: text.splitlines()[0] + "\n", "has no row"),
        spoil(SAMPLES)(lambda text: text.replace("well_id", "well"), "has no column well_id"),
        spoil(ONTOLOGY)(lambda text: text.replace(",L,", ",X,"), "hemisphere 'X' is neither L, R nor empty"),
        spoil(ONTOLOGY)(lambda text: text.replace("9001", "7001"), "is not in Ontology.csv"),
    ],
)
def test_spoilt_files_get_one_line(pair, name, change, message):
    path = pair / DONOR / name
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message) as caught:
        import_ahba(pair)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("mni_x", lambda x: x.where(x.index != 4), r"1 samples without MNI coordinates \(row 5 first\)"),
        ("mni_y", lambda x: x + 500, "give millimetres"),
    ],
)
def test_positions_that_are_none(pair, column, change, message):
    path = pair / DONOR / SAMPLES
    table = pd.read_csv(path)
    table.assign(**{column: change(table[column])}).to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        import_ahba(pair)


def test_voxel_indices_are_told(pair):
    path = pair / DONOR / SAMPLES
    table = pd.read_csv(path)
    for axis in "xyz":
        table[f"mni_{axis}"] = table[f"mri_voxel_{axis}"]
    table.to_csv(path, index=False)
    with pytest.raises(InputError, match="voxel indices"):
        import_ahba(pair, coordinates="original")


def test_donors_with_other_probes_are_refused(pair):
    other = find_donors(pair)[1].place
    for name, at in ((PROBES, 1), (MATRIX, 0), (PRESENT, 0)):
        lines = (other / name).read_text().splitlines()
        row = next(i for i in range(at, len(lines)) if i >= at)
        lines[row] = "55" + lines[row][lines[row].index(",") :]
        (other / name).write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="lists other probes than .* one release"):
        import_ahba(pair)
