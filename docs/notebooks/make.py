"""Write and execute the notebooks, one per journey: ``make notebooks``.

Each is a list of texts and code cells below, run in an empty temporary folder: what is
committed is what came out.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


class Text(str):
    """A piece of Markdown; a plain string is code."""


ANNOTATE = [
    Text("# Name the cells of a new file\n\nA reference with labels, a file without: which method is to be trusted?"),
    """import exval

reference, cells = exval.datasets.second_lab()
reference, cells""",
    Text(
        "The cells come from a *simulated* second lab: held-out cells of the reference donor with a quarter of the "
        "depth, 40 % of the genes dropped, Ensembl ids, and one type that the reference lacks. What is in the file?"
    ),
    """print("\\n".join(exval.check(cells).lines()))""",
    Text("Annotate in place. The methods are compared on held-out cells of the reference; `truth` is only scored."),
    """exval.annotate(cells, reference, label="cell_type", truth="truth")
print(cells.uns["exval"]["verdict"])""",
    Text("What was added, and whether the type that the reference lacks is among the cells marked unsure:"),
    """columns = ["exval_cell_type", "exval_cell_type_score", "exval_cell_type_unsure"]
cells.obs[columns].head()""",
    """cells.obs.groupby("truth", observed=True)["exval_cell_type_unsure"].agg(["mean", "size"])""",
]

EVALUATE = [
    Text(
        "# Is the embedding in my file better than PCA?\n\n"
        "Any embedding that is already in `obsm` is scored beside the baselines, on the same splits."
    ),
    """import numpy as np
import exval

cells = exval.datasets.baron()
cells = cells[cells.obs["cell_type"].isin(cells.obs["cell_type"].value_counts().index[:6])].copy()""",
    Text(
        "As a stand-in for a downloaded embedding: a random projection of the expression values, which a fancy "
        "embedding has to beat by far."
    ),
    """rng = np.random.default_rng(0)
logged = np.log1p(cells.X / cells.X.sum(1) * 1e4)
cells.obsm["X_random"] = np.asarray(logged @ rng.normal(size=(cells.n_vars, 32)), dtype="float32")""",
    """result = exval.evaluate(cells, label="cell_type", method=("majority", "depth", "pca", "obsm:X_random"), folds=3)
print(result.verdict)""",
    """rows = result.rows.query("slice == 'all' and metric == 'macro_f1' and fold == -1")
rows[["method", "value", "n", "seconds"]]""",
]

PRETRAIN = [
    Text(
        "# Pretrain, fine-tune, embed\n\nA small model trained from scratch, for as many steps as fit into a notebook: "
        "enough to see the parts, too little to expect it to win."
    ),
    """import exval

reference, cells = exval.datasets.second_lab()
run = exval.pretrain(reference, recipe="xtrimogene", preset="tiny", steps=40, out="run")""",
    """import pandas as pd

log = pd.read_json("run/log.jsonl", lines=True)
log[["step", "loss", "samples", "seconds"]].dropna().tail(3)""",
    Text("Teach it the labels. The result is a method like any other: `exval.annotate(..., method='run2')`."),
    """exval.finetune("run", reference, label="cell_type", steps=40, out="run2")
exval.annotate(cells, reference, label="cell_type", method="run2", truth="truth")
(cells.obs["exval_cell_type"].astype(str) == cells.obs["truth"].astype(str)).mean()""",
    Text("And the embedding of every cell:"),
    """exval.embed("run", cells)
cells.obsm["X_exval"].shape""",
]

JOURNEYS = {"annotate": ANNOTATE, "evaluate_an_embedding": EVALUATE, "pretrain_finetune_embed": PRETRAIN}


def build(pieces: list[str]) -> nbformat.NotebookNode:
    """A notebook of these pieces."""
    cells = []
    for i, piece in enumerate(pieces):
        new = nbformat.v4.new_markdown_cell if isinstance(piece, Text) else nbformat.v4.new_code_cell
        cells.append(new(str(piece), id=f"cell-{i}"))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def is_blank(output: nbformat.NotebookNode) -> bool:
    """Whether nothing would be seen of an output."""
    return output.output_type == "display_data" and not "".join(output.data.values()).strip()


def main(names: list[str]) -> None:
    """Execute the named journeys, all if none is named."""
    for name in names or JOURNEYS:
        notebook = build(JOURNEYS[name])
        with tempfile.TemporaryDirectory() as folder:
            client = NotebookClient(
                notebook, timeout=900, record_timing=False, resources={"metadata": {"path": folder}}
            )
            client.execute()
        notebook.metadata.pop("language_info", None)
        for cell in notebook.cells:  # a progress line that was emptied at the end
            cell["outputs"] = [out for out in cell.get("outputs", ()) if not is_blank(out)]
            if cell.cell_type == "markdown":
                del cell["outputs"]
        nbformat.write(notebook, HERE / f"{name}.ipynb")
        print(f"docs/notebooks/{name}.ipynb")


if __name__ == "__main__":
    main(sys.argv[1:])
