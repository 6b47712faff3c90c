"""Anonymous resident memory of a pretraining run over a synthetic store bigger than what it should need.

    python benchmarks/pretrain_memory.py --steps 200 --cells 200000

Anonymous memory (RssAnon) is what a process has allocated; the mapped pages of the store (RssFile) belong to the page
cache, which the kernel drops when it needs the room. Linux only. Exits with 1 above --limit.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from store import synthetic_store


def memory(pid: int) -> dict[str, int]:
    """Bytes of anonymous and file-backed resident memory of a process and its children, 0 once it is gone."""
    found = {"RssAnon": 0, "RssFile": 0}
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return found
    for name in found:
        match = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        found[name] = 1024 * int(match.group(1)) if match else 0
    for child in children:
        for name, value in memory(int(child)).items():
            found[name] += value
    return found


def main() -> int:
    """Make the store, train over it in another process, watch that."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--cells", type=int, default=200_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--set", action="append", default=[], help="passed on to exval pretrain")
    parser.add_argument("--limit", type=float, default=2.0, help="GB")
    parser.add_argument("--dir", default=None, help="where the scratch files go (default: the temporary folder)")
    parser.add_argument("--out", default=Path(__file__).parent / "results" / "pretrain_memory.json")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="exval-memory-", dir=options.dir))
    try:
        store = synthetic_store(folder / "store", options.cells, options.genes)
        pairs, size = store.manifest["nnz"] / store.n, sum(file.stat().st_size for file in store.path.iterdir())
        del store
        words = ["pretrain", str(folder / "store"), "--preset", options.preset, "--steps", str(options.steps)]
        words += ["--out", str(folder / "run"), "--threads", "1", "--device", "cpu", "--quiet"]
        for change in options.set:
            words += ["--set", change]
        began, peak, largest_file = time.monotonic(), 0, 0
        child = subprocess.Popen([sys.executable, "-m", "exval", *words])
        try:
            while child.poll() is None:
                now = memory(child.pid)
                peak, largest_file = max(peak, now["RssAnon"]), max(largest_file, now["RssFile"])
                time.sleep(0.05)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        seconds = time.monotonic() - began
        if child.returncode:
            print(f"exval pretrain failed with {child.returncode}", file=sys.stderr)
            return 1
        lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
        steps = [line for line in lines if "loss" in line]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = {
        "cells": options.cells,
        "genes": options.genes,
        "pairs_per_cell": round(pairs, 1),
        "store_bytes": size,
        "preset": options.preset,
        "settings": options.set,
        "steps": len(steps),
        "peak_anonymous_gb": round(peak / 1e9, 3),
        "peak_file_backed_gb": round(largest_file / 1e9, 3),
        "limit_gb": options.limit,
        "samples": steps[-1]["samples"] if steps else 0,
        "wall_seconds": round(seconds, 1),
        "load_average": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in ("exval", "numpy", "torch")},
    }
    Path(options.out).write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"{options.cells:,} cells x {options.genes:,} genes, {len(steps)} steps: at most {peak / 1e9:.2f} GB anonymous "
        f"(limit {options.limit:g}), {largest_file / 1e9:.2f} GB of mapped files; {seconds:.0f} s"
    )
    return int(peak > options.limit * 1e9)


if __name__ == "__main__":
    sys.exit(main())
