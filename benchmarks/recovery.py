"""Hidden values of held-out cells: a pretrained run beside the gene mean and the low-rank Gaussian, both arms.

    python benchmarks/recovery.py

Baron pancreas: the model is pretrained on 80 % of the cells (preset tiny) and asked about the rest; so are the others,
which are fitted on the same 80 %. Results: benchmarks/results/recovery.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import torch

from exval.data.examples import baron
from exval.data.source import open_source
from exval.methods.base import METHODS
from exval.methods.run import RunMethod
from exval.tasks.recover import evaluate_recovery
from exval.tasks.splits import Fold, Splits
from exval.verbs.pretrain import pretrain

OUT = Path(__file__).parent / "results" / "recovery.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    torch.set_num_threads(1)
    adata = open_source(baron()).to_adata()
    order = np.random.default_rng(0).permutation(adata.n_obs)
    train, test = np.sort(order[: int(0.8 * len(order))]), np.sort(order[int(0.8 * len(order)) :])
    with tempfile.TemporaryDirectory() as room:
        run = pretrain(adata[train].copy(), out=f"{room}/xtrimogene", steps=args.steps)
        methods = [METHODS[name]() for name in ("noop", "gene-mean", "hidden-mean", "low-rank", "low-rank-hidden")]
        methods.append(RunMethod(str(run.folder)))
        found = evaluate_recovery(
            adata,
            methods,
            Splits("cells (optimistic)", [Fold(train, test, 0, 0)], None),
            data="baron",
            config={"seed": 0},
        )
        training = run.described["verdict"]
    rows = found.rows[found.rows.fold == -1]
    table = rows[["method", "slice", "metric", "value", "lo", "hi", "n", "seconds", "note"]]
    print(table.to_string())
    OUT.write_text(
        json.dumps(
            {
                "command": f"python benchmarks/recovery.py --steps {args.steps}",
                "verdict": found.verdict,
                "training": training,
                "rows": json.loads(table.to_json(orient="records")),
                "load": os.getloadavg()[0],
            },
            indent=1,
        )
        + "\n"
    )
    print(found.verdict)


if __name__ == "__main__":
    main()
