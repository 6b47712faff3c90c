"""How often a map that knows nothing of genes is said to go along with them: `exval brain correlate` under the null.

    python benchmarks/brain_null.py --data ../shared/data/brain

Unrelated smooth maps (Gaussian random fields of length 10, 20 and 40 mm, squared-exponential, by random Fourier
features) are held against genes at the 1,759 cortical of the 3,702 real sample positions, and at the parcels of the
Desikan-Killiany atlas. Counted is the share of p < 0.05, which should be 5 %: of the naive test, of spatial surrogates
and of random lists. At the samples, genes are 14 real summaries of expression, and 150 made-up ones (fields of 15 to 40
mm, half of the variance noise, donors with an offset); at the parcels 1,645 real genes. Lists are drawn at random, or
are a gene and those that go along with it most. Settings of the library were chosen beforehand, on other maps, by how
well surrogates match the variogram; that is shown too. With 60 surrogates p < 0.05 has a chance of 3 / 61 (0.049).
Results: benchmarks/results/brain_null.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from exval.fields.knn import KNearest
from exval.fields.places import Places
from exval.tasks.correlating.cortex import cortical
from exval.tasks.correlating.predictable import held_out_r2
from exval.tasks.correlating.randomlists import matched_lists
from exval.tasks.correlating.relate import correlations, naive_p, share_beyond, without_donors
from exval.tasks.correlating.surrogates import FITTED, _maker, neighbourhoods, surrogate_maps

OUT = Path(__file__).parent / "results" / "brain_null.json"
LENGTHS = (10.0, 20.0, 40.0)
FEATURES = 600
LEVEL = 0.05


def smooth_map(xyz: np.ndarray, length: float, seed: int, noise: float = 0.0) -> np.ndarray:
    """One Gaussian random field at these places; ``noise`` is the share of its variance that is white."""
    rng = np.random.default_rng([seed, int(length), int(100 * noise)])
    waves, phase = rng.normal(size=(3, FEATURES)) / length, rng.uniform(0, 2 * np.pi, FEATURES)
    smooth = np.sqrt(2 / FEATURES) * np.cos(xyz @ waves + phase).sum(1)
    return np.sqrt(1 - noise) * smooth + np.sqrt(noise) * rng.normal(size=len(xyz))


def variogram_of(maps_nk: np.ndarray, distance_nn: np.ndarray) -> np.ndarray:
    """(15, k) smoothed variograms up to the median distance, the same for every choice."""
    first, second = np.triu_indices(len(distance_nn), 1)
    apart = distance_nn[first, second]
    at = np.linspace(np.quantile(apart, 0.01), np.quantile(apart, 0.5), 15)
    weight = np.exp(-0.5 * ((apart - at[:, None]) / (at[1] - at[0])) ** 2)
    return weight @ (0.5 * (maps_nk[first] - maps_nk[second]) ** 2) / weight.sum(1, keepdims=True)


def choice(where: str, xyz: np.ndarray, maps: int) -> list[dict]:
    """How far the mean variogram of surrogates is from that of the map, for settings of the library."""
    distance, found = cdist(xyz, xyz), []
    for noise in (0.0, 0.3):
        for length in LENGTHS:
            for least, pv in ((10, 25), (2, 25), (10, FITTED), (2, FITTED)):
                deltas = np.linspace(0.1, 0.9, 9) if least == 10 else neighbourhoods(len(xyz))
                off = []
                for i in range(maps):
                    value = smooth_map(xyz, length, 900_000 + i, noise)
                    value = (value - value.mean()) / value.std()
                    drawn = _maker()(value, distance, deltas=deltas, pv=pv, seed=i)(n=50, batch_size=50)
                    both = np.vstack([value, drawn / drawn.std(1, keepdims=True)]).T
                    curve = variogram_of(both, distance)
                    off.append(np.sqrt(((curve[:, 1:].mean(1) - curve[:, 0]) ** 2).mean()))
                found.append({"where": where, "noise": noise, "length": length, "neighbours_from_percent": least,
                              "fitted_to_percent_of_distances": pv, "misfit": float(np.mean(off))})  # fmt: skip
                print(found[-1], flush=True)
    return found


def share(under: list[np.ndarray]) -> dict:
    """Share of p < 0.05 over maps and what each was held against; interval over maps."""
    by_map = np.array([np.mean(p < LEVEL) for p in under])
    rng = np.random.default_rng(0)
    drawn = by_map[rng.integers(0, len(by_map), (2000, len(by_map)))].mean(1)
    return {"share": float(by_map.mean()), "lo": float(np.quantile(drawn, 0.025)),
            "hi": float(np.quantile(drawn, 0.975)), "maps": len(by_map)}  # fmt: skip


def under_null(where: str, xyz, values_ng, r2_g, groups: dict[str, slice], maps: int, surrogates: int, lists: list,
               noises=(0.0,)) -> list[dict]:  # fmt: skip
    """Rates of one place, length by length. ``groups``: columns told apart; ``lists``: (kind, listed_g) pairs."""
    z_ng = (values_ng - values_ng.mean(0)) / values_ng.std(0)
    drawn = [matched_lists(r2_g, listed, 500, i)[0] for i, (_, listed) in enumerate(lists)]
    others = [np.column_stack([z_ng[:, one].mean(1) for one in many]) for many in drawn]
    means_nl = np.column_stack([z_ng[:, listed].mean(1) for _, listed in lists])
    kinds, found = np.array([kind for kind, _ in lists]), []
    for noise in noises:
        for length in LENGTHS:
            kept: dict[tuple[str, str], list] = {}
            for i in range(maps):
                value = smooth_map(xyz, length, i, noise)
                smooth = surrogate_maps(value, xyz, surrogates, seed=i).T
                r_g = correlations(value[:, None], z_ng)[0]
                p = {"naive": naive_p(r_g, len(xyz)), "surrogates": share_beyond(r_g, correlations(smooth, z_ng))}
                for test, p_g in p.items():
                    for name, columns in groups.items():
                        kept.setdefault((name, test), []).append(p_g[columns])
                r_l = correlations(value[:, None], means_nl)[0]
                p = {
                    "naive": naive_p(r_l, len(xyz)),
                    "surrogates": share_beyond(r_l, correlations(smooth, means_nl)),
                    "random lists": np.array([
                        share_beyond(r_l[j : j + 1], correlations(value[:, None], other).T)[0]
                        for j, other in enumerate(others)
                    ]),
                }  # fmt: skip
                p["surrogates and random lists"] = np.maximum(p["surrogates"], p["random lists"])
                for kind in np.unique(kinds):
                    for test, p_l in p.items():
                        kept.setdefault((str(kind), test), []).append(p_l[kinds == kind])
            for (what, test), under in kept.items():
                row = {"where": where, "places": len(xyz), "length": length, "noise": noise, "what": what, "test": test,
                       **share(under)}  # fmt: skip
                found.append(row)
                print(where, f"{length:.0f} mm, noise {noise}, {what}, {test}: {row['share']:.3f} "
                      f"[{row['lo']:.3f}, {row['hi']:.3f}]", flush=True)  # fmt: skip
    return found


def make_lists(values_ng: np.ndarray, r2_g: np.ndarray, size: int, many: int) -> list[tuple[str, np.ndarray]]:
    """Random lists, and lists of a gene and those most alike to it, of genes that are told."""
    rng, told = np.random.default_rng(5), np.flatnonzero(r2_g > 0)
    alike = correlations(values_ng[:, told], values_ng[:, told])
    out = []
    for kind in ("random list", "co-expressed list"):
        for one in rng.choice(len(told), many, replace=False):
            rows = rng.choice(len(told), size, replace=False) if kind[0] == "r" else np.argsort(-alike[one])[:size]
            out.append((kind, np.isin(np.arange(len(r2_g)), told[rows])))
    return out


def at_samples(folder: Path):
    """Cortical positions, donors, and the 14 summaries less the means of donors."""
    table = pd.read_parquet(folder / "ahba_3702samples_14summaries.parquet")
    obs = table.rename(columns={"brain_divison": "division"})
    found = cortical(obs, ("division", "bilateral_structure_name"))
    rows = table[found.row_n]
    names = [c for c in table if "Expresion" in c or "avg_gene_expression" in c or "similarity" in c]
    print(found.text, len(rows), len(names), flush=True)
    donor = rows.donor.astype(str).to_numpy(object)
    xyz = rows[["mni_nlin_x", "mni_nlin_y", "mni_nlin_z"]].to_numpy()
    return xyz, donor, without_donors(rows[names].to_numpy(float), donor)


def at_parcels(folder: Path):
    """Centroids of cortical DK parcels and their 1,645 genes."""
    table = pd.read_parquet(folder / "ahba_dk82_regions_1645genes_enigma.parquet").dropna(how="all")
    where = pd.read_csv(folder / "dk_region_centroids_mni.csv")
    where = where[where.structure == "cortex"]
    where.index = where.hemisphere + "_" + where.label
    table = table[table.index.isin(where.index)].dropna(axis=1)
    return where.loc[table.index, ["mni_x", "mni_y", "mni_z"]].to_numpy(), table.to_numpy(float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sample-maps", type=int, default=35)
    parser.add_argument("--parcel-maps", type=int, default=120)
    parser.add_argument("--surrogates", type=int, default=60, help="at samples; four times as many at parcels")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    began, rates = time.process_time(), []
    xyz, donor, summaries = at_samples(args.data)
    parcels, genes = at_parcels(args.data)
    chosen = choice("DK parcels", parcels, 20)
    chosen += choice("600 samples", xyz[np.sort(np.random.default_rng(99).permutation(len(xyz))[:600])], 4)

    r2, by = held_out_r2(Places.of(parcels), genes, KNearest(), "block")
    print(f"{len(parcels)} parcels, {genes.shape[1]} genes, {np.mean(r2 > 0):.2f} told (held out by {by})", flush=True)
    share_told = float(np.mean(r2 > 0))
    lists = make_lists(genes, r2, 30, 40)
    print(f"{time.process_time() - began:.0f} CPU-seconds until here", flush=True)
    rates += under_null("DK parcels", parcels, genes[:, r2 > 0], r2[r2 > 0], {"real genes": slice(None)},
                        args.parcel_maps, 4 * args.surrogates, [(kind, listed[r2 > 0]) for kind, listed in lists],
                        (0.0, 0.3))  # fmt: skip
    print(f"{time.process_time() - began:.0f} CPU-seconds until here", flush=True)

    rng = np.random.default_rng(11)
    offset = {name: rng.normal(size=150) for name in sorted(set(donor))}
    made = np.column_stack([smooth_map(xyz, rng.uniform(15, 40), 10_000 + g, 0.5) for g in range(150)])
    made = without_donors(made + np.array([offset[name] for name in donor]), donor)
    every = np.column_stack([summaries, made])
    r2, by = held_out_r2(Places.of(xyz, donor), every, KNearest())
    print(f"summaries: R2 {np.round(r2[:14], 2)}; made up: {r2[14:].mean():.2f} (held out by {by})", flush=True)
    told = np.flatnonzero(r2 > 0)
    real, other = told[told < 14], told[told >= 14]
    lists = make_lists(every[:, other], r2[other], 15, 15)
    both = [(kind, np.r_[np.zeros(len(real), bool), listed]) for kind, listed in lists]
    columns = np.r_[real, other]
    groups = {"real summaries": slice(0, len(real)), "made-up genes": slice(len(real), None)}
    drawn_from = np.r_[np.full(len(real), np.nan), r2[other]]  # random lists are of made-up genes only
    rates += under_null("cortical samples", xyz, every[:, columns], drawn_from, groups, args.sample_maps,
                        args.surrogates, both)  # fmt: skip
    spent = time.process_time() - began
    args.out.write_text(
        json.dumps(
            {
                "command": f"python benchmarks/brain_null.py --data DATA --sample-maps {args.sample_maps} "
                f"--parcel-maps {args.parcel_maps} --surrogates {args.surrogates}",
                "level": LEVEL,
                "cpu_seconds": round(spent, 1),
                "load": os.getloadavg()[0],
                "choice": chosen,
                "real_summaries_told": len(real),
                "real_genes_told": share_told,
                "rates": rates,
            },
            indent=1,
        )
        + "\n"
    )
    print(f"{spent:.0f} CPU-seconds")


if __name__ == "__main__":
    main()
