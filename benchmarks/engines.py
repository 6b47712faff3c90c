"""Do the local pool and Ray give the same table on the imputation benchmark?

    pip install "exval[sweep]"
    python benchmarks/engines.py [--data DIR] [--methods nothing,mean,magic,alra,baynorm]

Runs `exval bench imputation` twice, with one seed, and compares every row and every unit but what was measured of time
and memory. Results: benchmarks/results/engines.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from exval.verbs.bench import run_benchmark

OUT = Path(__file__).parent / "results" / "engines.json"
MEASURED = ["seconds", "peak_mb"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--methods", default="nothing,mean,magic,alra,baynorm,dca")
    options = parser.parse_args()
    found, wall = {}, {}
    with tempfile.TemporaryDirectory() as name:
        for engine in ("local", "ray"):
            start = time.monotonic()
            found[engine] = run_benchmark(
                "imputation", out=f"{name}/{engine}", engine=engine, method=options.methods.split(","), seeds=1,
                data=options.data,
            )  # fmt: skip
            wall[engine] = round(time.monotonic() - start, 1)
    rows = {engine: one.rows.drop(columns=MEASURED) for engine, one in found.items()}
    same = rows["local"].equals(rows["ray"])
    gap = np.nanmax(np.abs(rows["local"].value.to_numpy() - rows["ray"].value.to_numpy())) if len(rows["local"]) == len(
        rows["ray"]
    ) else float("nan")  # fmt: skip
    units = found["local"].predictions.equals(found["ray"].predictions)
    content = {
        "jobs": found["local"].config["cells"], "rows": len(rows["local"]), "units": len(found["local"].predictions),
        "rows_identical": bool(same), "units_identical": bool(units), "largest_difference": float(gap),
        "wall_s": wall, "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    print(json.dumps(content, indent=1))
    OUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
