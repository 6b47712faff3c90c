"""One imputation from the arguments to the layers: read, check, choose, fit, examine; then write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exval.errors import ExvalError, InputError, OutputError
from exval.methods.imputation.values import SPACES

if TYPE_CHECKING:
    from anndata import AnnData

    from exval.methods.imputation.base import Imputer

KEY, SD_KEY = "exval_imputed", "exval_sd"
LOOKED_AT = 500
"""Genes by which imputed and read depth are compared."""
NAMED = {"z": "z-scores", "log2": "log2 values of bulk samples"}
GOALS = ("plot", "clustering", "de", "markers", "trajectory", "recovery")


@dataclass(eq=False)
class Job:
    """One imputation from the arguments to the layers; ``run`` fits, the rest writes."""

    data: Any
    method: Any
    goal: str | None
    genes: Any
    out_genes: Any
    label: str | None
    settings: dict[str, Any] | None
    preset: str | None
    out_unit: str | None
    sd: bool
    check: bool
    key: str
    layer: str | None
    unit: str | None
    species: str
    orientation: str | None
    seed: int
    device: str
    threads: int | None
    why: str = ""
    depth: float = float("nan")
    advice: str = ""
    warnings: list[str] = field(default_factory=list)

    def run(self, folder: Path | None) -> None:
        """Read, check, choose and fit; ``folder`` is where the output goes, None for memory."""
        from threadpoolctl import threadpool_limits

        from exval.bench.cost import Cost
        from exval.data.source import open_source
        from exval.verbs.layers import columns_of, read_genes, refuse_too_large

        self._check_goal()
        fixed = None if self.method == "auto" else self._configured(self.method)
        self.source = source = open_source(
            self.data, layer=self.layer, unit=self.unit, species=self.species, orientation=self.orientation
        )
        if self.label is not None:
            from exval.data.labels import label_column

            label_column(source.obs, self.label)
        given = read_genes(self.genes, source, "--genes")
        asked = read_genes(self.out_genes, source, "--out-genes")
        if given is not None and asked is not None and set(asked) - set(given):
            lost = sorted(set(asked) - set(given))
            raise InputError(
                f"--out-genes asks for {len(lost)} genes that --genes does not give ({', '.join(lost[:5])}): a method "
                "can only answer for genes it sees"
            )
        self.columns = columns_of(source, given if asked is None else asked)
        sheets = 2 if self.sd and (fixed is None or fixed.has_sd) else 1
        self._refuse_foreign()
        copied = source.path.stat().st_size if source.path is not None and source.path.is_file() else 0.0
        refuse_too_large(source.n, len(self.columns.keep_p), sheets, folder, copied)
        self.out_unit = self._unit_out(source)
        with threadpool_limits(self.threads):
            self.adata = adata = source.to_adata(obsm=False)
            if given is not None:
                self.adata = adata = adata[:, given].copy()
            self.warnings = list(source.warnings)
            one = fixed or self._choose(adata)
            self.title = one.title
            with Cost() as cost:
                self.fitted = self._fit(one, adata)
            self.seconds, self.peak_mb = cost.seconds, cost.peak_mb
            self.warnings += self._cautions()
            self._examine(one)
        self.layers = (self.key, self._sd_key()) if self.sd and one.has_sd else (self.key,)

    def _check_goal(self) -> None:
        if self.method == "auto" and self.goal is None:
            raise InputError(f"--method auto needs to know what for: --goal {'|'.join(GOALS)}; or name a method")
        if self.goal is not None and self.goal not in GOALS:
            raise InputError(f"no goal is called {self.goal!r}; there are: {', '.join(GOALS)}")

    def _configured(self, spec: Any) -> Imputer:
        from exval.methods.imputation.pretrained import as_imputer

        one = as_imputer(spec)
        if self.preset not in (None, "cpu", "paper"):
            raise InputError(f"no preset is called {self.preset!r}; there are: cpu, paper")
        settings = {**one.presets.get(self.preset or "", {}), **(self.settings or {})}
        return as_imputer(spec, settings, seed=self.seed, device=self.device)

    def _choose(self, adata: AnnData) -> Imputer:
        from exval.tasks.imputing.choose import recommend
        from exval.verbs.recommend import with_untried

        found = recommend(adata, self.goal, label=self.label, seed=self.seed)
        found.table = with_untried(found.table)
        self.choice, self.why, self.preset = found, found.sentence, self.preset or "cpu"
        return self._configured(found.method)

    def _unit_out(self, source: Any) -> str:
        wanted = self.out_unit or source.unit
        if wanted not in SPACES and self.out_unit is not None:
            raise InputError(f"imputed values are given as {', '.join(SPACES)}, not {wanted}")
        if wanted not in SPACES:
            raise InputError(
                f"{source.name} holds {NAMED.get(source.unit, source.unit)}; imputation is of single cells, from raw "
                "counts or their log1p: give a file of those, or name their layer with --layer"
            )
        if wanted == "counts" and source.unit != "counts":
            raise InputError(f"{source.name} holds no counts: --out-unit cp10k or log1p")
        return wanted

    def _refuse_foreign(self) -> None:
        from exval.verbs.written import record_in

        record = record_in(self.data)[1]
        ours = {str(k) for k in np.atleast_1d(record.get("keys", []))} if hasattr(record, "get") else set()
        there = {place.removeprefix("layers/") for place in self.source._opened.matrices if place.startswith("layers/")}
        for name in (self.key, self._sd_key()):
            if name in there - ours:
                raise OutputError(f"layer {name!r} exists and is not exval's; choose another name with --key-added")

    def _sd_key(self) -> str:
        return SD_KEY if self.key == KEY else f"{self.key}_sd"

    def _fit(self, one: Imputer, adata: AnnData) -> Imputer:
        try:
            return one.fit(adata, self.label if one.labels == "required" else None)
        except (ValueError, TypeError, ZeroDivisionError, IndexError) as error:
            if isinstance(error, ExvalError) or not self.settings:
                raise
            told = ", ".join(f"{name}={value}" for name, value in self.settings.items())
            raise InputError(f"{self.title} cannot be fitted with {told}: {error}") from error

    def _cautions(self) -> list[str]:
        """What a user should know of the values before comparing them with those read."""
        lines, twice = [], int(self.source.merged.sum())
        if twice:
            lines.append(
                f"genes that stand in several columns: {twice}; their values were added up, and each of these columns "
                "holds the value of the whole gene"
            )
        rng = np.random.default_rng(self.seed)
        some = np.sort(rng.permutation(self.adata.n_vars)[:LOOKED_AT])
        read_n = np.expm1(self.adata.X[:, some].toarray()).sum(1, dtype=np.float64)
        told = self.fitted.impute(self.adata, list(self.adata.var_names[some])).to("cp10k").values_nq
        seen = read_n > 0
        if seen.any():
            self.depth = float(np.median(told.sum(1, dtype=np.float64)[seen] / read_n[seen]))
            if abs(np.log(max(self.depth, 1e-9))) > 0.1:
                lines.append(
                    f"imputed values of a cell add up to {self.depth:.2f} times what was read (median): compare them "
                    "with each other, not with the values read"
                )
        return lines

    def _examine(self, one: Imputer) -> None:
        groups = None
        if self.label is not None:
            from exval.data.labels import labels_of

            groups = labels_of(self.source.obs, self.label).to_numpy(object)
        shown = None if self.out_genes is None else list(dict.fromkeys(map(str, self.columns.gene_p)))
        n, g = self.adata.shape
        read = f"{self.source.unit} in {self.source.matrix}"
        head = f"{self.title} on {self.source.name} ({read}), {n:,} cells x {g:,} genes"
        self.found = None
        if not self.check:
            self.advice = "Not checked: whether the method invents differences was not looked at (--no-check)."
            self.verdict = f"{head}. {self.advice}"
            return
        from exval.tasks.imputing.invented import examine

        label = self.label if one.labels == "required" else None
        self.found = examine(one, self.fitted, self.adata, groups_n=groups, shown=shown, xy_n2=self._map(),
                             label=label, seed=self.seed)  # fmt: skip
        self.advice = self.found.advice
        self.verdict = f"{head}. " + " ".join(part for part in (self.advice, self.found.sentence) if part)
        if self.why:
            self.verdict += f" {self.why}"
        self.warnings += self.found.warnings

    def _map(self) -> np.ndarray | None:
        """The file's own map, where it has one."""
        for key in ("X_umap", "X_tsne"):
            if key in self.source.obsm and np.shape(self.source.obsm[key])[1:] == (2,):
                xy = np.asarray(self.source.obsm[key], dtype=float)
                return xy if np.isfinite(xy).all() else None
        return None

    def sheets(self) -> Callable[[list[str]], dict[str, np.ndarray]]:
        """Names of genes -> the layers' values in the unit and scale of the file."""
        scale = self.source._choice.scale  # a file of another total was brought to 10,000 when it was read

        def values(genes: list[str]) -> dict[str, np.ndarray]:
            told = self.fitted.impute(self.adata, genes, sd=len(self.layers) > 1)
            if scale != 1.0 and self.out_unit == self.source.unit:
                linear = told.to("cp10k")
                value, sd = linear.values_nq / scale, linear.sd_nq
                slope = np.float32(1 / scale)
                if self.out_unit == "log1p":
                    slope = slope / (value + 1)
                    value = np.log1p(value)
                return dict(zip(self.layers, (value, None if sd is None else sd * slope)))
            told = told.to(self.out_unit)
            return dict(zip(self.layers, (told.values_nq, told.sd_nq)))

        return values

    def _blocks(self):
        from exval.progress import track
        from exval.verbs.layers import blocks_of

        return track(blocks_of(self.sheets(), self.columns, self.source.n, len(self.layers)), "Writing values")

    def in_memory(self, width: int) -> dict[str, np.ndarray]:
        """The layers as arrays with a column for every column of the target."""
        whole = {name: np.zeros((self.source.n, width), np.float32) for name in self.layers}
        place = self.columns.keep_p if width != len(self.columns.keep_p) else np.arange(width)
        for at, values in self._blocks():
            for name, part in values.items():
                whole[name][:, place[at]] = part
        return whole

    def write(self, part: Path) -> None:
        """A copy of the file with the layers; the matrix of an h5ad that keeps all genes is never read."""
        from exval.verbs.layers import add_layers_to_file
        from exval.verbs.written import add_to_file, grouped, whole_of

        source, columns = self.source, self.columns
        table = pd.DataFrame(index=source.obs.index)
        if columns.whole and source.path is not None and source.path.suffix == ".h5ad" and grouped(source.path):
            import shutil

            shutil.copyfile(source.path, part)
        else:
            whole = (
                whole_of(source) if source.adata is not None or source.path.suffix != ".h5ad" else _read(source.path)
            )
            (whole if columns.whole else whole[:, columns.keep_p].copy()).write_h5ad(part)
        add_layers_to_file(part, (source.n, len(columns.keep_p)), self.layers, self._blocks())
        add_to_file(part, table, self._record(), None, {}, keys=self.layers)

    def _record(self) -> dict[str, Any]:
        from exval import __version__

        record = {
            "impute_method": self.title, "impute_unit": self.out_unit, "impute_advice": self.advice,
            "impute_verdict": self.verdict, "impute_seed": self.seed, "version": __version__,
            "impute_goal": self.goal or "", "impute_why": self.why, "impute_matrix": self.source.matrix,
            "impute_depth": self.depth,
            "impute_settings": "; ".join(f"{k}={v}" for k, v in self.fitted.get_params(deep=False).items()),
        }  # fmt: skip
        if self.found is not None:
            record |= self.found.figures
        return record

    def record(self, old: Any) -> dict[str, Any]:
        """``uns["exval"]``: what was there, updated."""
        from exval.verbs.written import merged_record

        return merged_record(old, self._record(), self.layers)

    def results(self) -> Any:
        """The tables of the report."""
        from dataclasses import asdict

        from exval.bench.results import Results, config_hash, make_rows

        config = {
            "task": "impute", "data": self.source.name, "method": [self.title], "goal": self.goal, "label": self.label,
            "settings": self.fitted.get_params(deep=False), "unit": self.source.unit, "out_unit": self.out_unit,
            "layers": list(self.layers), "seed": self.seed, "warnings": self.warnings, "advice": self.advice,
            "cards": {self.title: asdict(self.fitted.card)},
            "dataset": {"name": self.source.name, "n": self.source.n, "genes": self.adata.n_vars,
                        "unit": self.source.unit, "label": self.label},
        }  # fmt: skip
        rows = self.found.rows if self.found is not None else []
        common = {"task": "impute", "data": self.source.name, "method": self.title, "seed": self.seed,
                  "seconds": self.seconds, "peak_mb": self.peak_mb,
                  "config_hash": config_hash(config)}  # fmt: skip
        extras = dict(self.found.tables) if self.found is not None else {}
        extras["cost"] = pd.DataFrame(
            [{"method": self.title, "seconds": self.seconds, "peak_mb": self.peak_mb,
              "parameters": self.fitted.n_parameters()}]
        )  # fmt: skip
        if getattr(self, "choice", None) is not None:
            extras["candidates"] = self.choice.table
            config |= {"score": self.choice.score, "notes": self.choice.notes}
        return Results(make_rows(rows, **common), pd.DataFrame(), config, self.verdict, extras)


def _read(path: Path) -> AnnData:
    import warnings

    import anndata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = anndata.read_h5ad(path)
        adata.obs_names_make_unique()
    return adata
