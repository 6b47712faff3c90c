"""Memory and speed of ``annotate`` and ``embed`` on a file of 200,000 cells.

    python benchmarks/stream.py                 # 200,000 x 20,000 at 5 %; 2 GB of scratch space
    python benchmarks/stream.py --cells 20000

Each verb runs in a process of its own; its resident memory is sampled every 50 ms.
Results: benchmarks/results/stream.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from exval.data.examples import baron
from exval.data.synthetic import write_random_h5ad

OUT = Path(__file__).parent / "results" / "stream.json"


def watched(command: list[str]) -> dict:
    """Run ``exval ...`` alone and watch it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, "-m", "exval", *command, "--threads", "1"], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    peak = anonymous = 0
    while process.poll() is None:
        try:
            lines = dict(x.split(":", 1) for x in Path(f"/proc/{process.pid}/status").read_text().splitlines())
            peak = max(peak, int(lines.get("VmHWM", "0 kB").split()[0]))
            anonymous = max(anonymous, int(lines.get("RssAnon", "0 kB").split()[0]))
        except (FileNotFoundError, ProcessLookupError):
            break
        time.sleep(0.05)
    code = process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"exit": code, "cpu_seconds": round(cpu, 1), "peak_gb": peak / 1e6, "peak_anonymous_gb": anonymous / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=200_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--dir", type=Path, default=None)
    parser.add_argument("--verbs", default="annotate,embed")
    args = parser.parse_args()
    from exval.verbs.pretrain import pretrain

    found = {
        "cells": args.cells,
        "genes": args.genes,
        "command": "python benchmarks/stream.py",
        "load": os.getloadavg()[0],
    }
    with tempfile.TemporaryDirectory(dir=args.dir) as room:
        room = Path(room)
        cells = baron()
        cells.write_h5ad(room / "ref.h5ad")
        write_random_h5ad(room / "big.h5ad", args.cells, args.genes, 0.05, 0)
        verbs = args.verbs.split(",")
        if "annotate" in verbs:
            found["annotate"] = watched(
                ["annotate", str(room / "big.h5ad"), "--ref", str(room / "ref.h5ad"), "-o", str(room / "named.csv")]
            )
        if "embed" in verbs:
            pretrain(cells[np.arange(0, 1937, 10)].copy(), out=room / "run", steps=5)
            found["embed"] = watched(["embed", str(room / "run"), str(room / "big.h5ad"), "-o", str(room / "out.h5ad")])
        for verb in verbs:
            found[verb]["cells"] = args.cells
            found[verb]["cells_per_cpu_second"] = round(args.cells / found[verb]["cpu_seconds"], 1)
    if OUT.exists():
        found = {**json.loads(OUT.read_text()), **found}
    print(json.dumps(found, indent=1))
    OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
