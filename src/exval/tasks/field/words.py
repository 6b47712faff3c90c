"""What a fitted field chose, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from exval.fields.base import Field
from exval.fields.holdout import by_donor, empties
from exval.fields.network import Siren
from exval.fields.newgene import Extended
from exval.fields.places import Places
from exval.tasks.field.evaluation import ARMS

EMPTIED = " (each with an area of the brain)"
LEAST_R2 = 0.05  # R2 below which a gene is not told


def in_words(field: Field, regions: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What was chosen on the samples, a name and a sentence each.

    Parameters
    ----------
    field
        Fitted.
    regions
        What the levels of regions are called.

    Examples
    --------
    >>> from exval.fields.kriging import OrdinaryKriging
    >>> xyz = np.random.default_rng(0).uniform(-40, 40, (60, 3))
    >>> in_words(OrdinaryKriging().fit(Places.of(xyz), np.sin(xyz[:, 1:] / 20)))[0][0]
    'variogram'
    """
    found: list[tuple[str, str]] = []
    chosen = getattr(field, "chosen_", None) or ()
    for i, omega in enumerate(chosen if isinstance(field, Siren) else ()):
        tried = ", ".join(f"{one:g}" for one in field.omegas)
        found.append((f"bandwidth, {ARMS[0] if i else ARMS[1]}", f"omega {omega:g}, of {tried}, by inner hold-out"))
        if (fading := field._fading.get(bool(i))) is not None:
            far = " and ".join(f"{100 * slope:.0f} % at {mm:.0f} mm" for mm, slope in
                               zip(fading.distance_b[[0, -1]], fading.slope_b[[0, -1]]))  # fmt: skip
            found.append((f"fading, {ARMS[0] if i else ARMS[1]}", f"{far} from the nearest sample are left of what the "
                          "network says, by inner hold-out"))  # fmt: skip
    for kernel, noise_g in () if isinstance(field, Siren) else chosen:
        names = [*regions, *(f"level {k + 1}" for k in range(len(regions), len(kernel.regions)))]
        parts = [f"same {name} {variance:.2g}" for name, variance in zip(names, kernel.regions)]
        parts += [f"same donor {kernel.donor:.2g}"] if kernel.donor else []
        text = f"Matern-{2 * kernel.smoothness:.0f}/2 of the distance, length {kernel.length:.0f} mm"
        text += f", {kernel.tissue:.0f} mm from no to all grey or white matter" if kernel.tissue else ""
        text += f"; beside its variance of 1: {', '.join(parts)}" if parts else ""
        text += f"; noise {np.median(noise_g):.2g} (median gene; {noise_g.min():.2g} to {noise_g.max():.2g})"
        found.append((f"covariance, {ARMS[0] if kernel.regions else ARMS[1]}", text))
    if isinstance(getattr(field, "variogram_", None), tuple):
        nugget, sill, length = field.variogram_
        text = f"nugget {nugget:.2f} and sill {sill:.2f} variances of the gene, length {length:.0f} mm"
        found.append(
            ("variogram", text + f"; the {field.get_params().get('k', '')} nearest samples are weighted by it")
        )
    if isinstance(getattr(field, "length_", None), int | float):
        found.append(("length", f"{field.length_:g} mm, by inner hold-out"))
    return found


def inner_table(field: Field, genes: Sequence[str]) -> pd.DataFrame:
    """What the inner hold-out found, gene by gene.

    Returns
    -------
    pandas.DataFrame
        ``gene, arm, half, mm, r2, times``. ``half``: ``near`` or ``far``, by the distance to the nearest sample that
        taught, and ``mm``, the median distance there. ``r2``: against the training mean at the same samples. ``times``:
        by how much the field's own sds are multiplied at that distance; NaN for fields without. No rows for a field
        without error bars, nor for a gene that is the same in all samples.
    """
    frames = []
    for told, bars in getattr(field, "_errors", {}).items():
        names, varies_g = np.asarray(genes, dtype=str), field.sd_g_ > 0
        for word, mm, r2_g, times_g in zip(("near", "far"), bars.halves_2, bars.r2_2g, bars.times(bars.halves_2)):
            frames.append(pd.DataFrame({
                "gene": names, "arm": ARMS[0] if told else ARMS[1], "half": word, "mm": mm, "r2": r2_g,
                "times": times_g if field.own_sd else np.nan,
            })[varies_g])  # fmt: skip
    columns = ["gene", "arm", "half", "mm", "r2", "times"]
    found = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    return found.sort_values(["arm", "half"], kind="stable", ascending=False, ignore_index=True)


def borne_out(field: Field | Extended, genes: Sequence[str]) -> pd.DataFrame:
    """How well each gene was told by position alone where samples were held out of the fit.

    Returns
    -------
    pandas.DataFrame
        ``gene, r2_near, mm_near, r2_far, mm_far``: R2 against the training mean, and the median distance to the nearest
        sample that taught. Of genes that were added: R2 of each of their samples told by the others, no distances. NaN
        for genes that are the same in all samples, or told without error bars.

    Examples
    --------
    >>> from exval.fields.knn import KNearest
    >>> xyz = np.random.default_rng(0).uniform(-40, 40, (400, 3))
    >>> told = borne_out(KNearest().fit(Places.of(xyz), np.sin(xyz[:, 1:] / 20)), ["A", "B"])
    >>> told.gene.tolist(), bool((told.r2_near > 0.5).all())
    (['A', 'B'], True)
    """
    own = field.field if isinstance(field, Extended) else field
    found = inner_table(own, list(genes)[: len(own.sd_g_)])
    wide = found[found.arm == ARMS[1]].pivot(index="gene", columns="half", values=["r2", "mm"])
    wide.columns = [f"{what}_{half}" for what, half in wide.columns]
    columns = ["r2_near", "mm_near", "r2_far", "mm_far"]
    table = wide.reindex(index=list(map(str, genes)), columns=columns).astype(float)
    if isinstance(field, Extended):
        table.loc[list(map(str, field.added)), "r2_near"] = [one.r2 for one in field.loadings]
    return table.rename_axis("gene").reset_index()


def held_inside(places: Places) -> str:
    """What :func:`exval.fields.holdout.hold_outs` holds out of these samples.

    >>> held_inside(Places.of(np.arange(9.0).reshape(3, 3)))
    'parts of the samples'
    """
    return ("donors" if by_donor(places) else "parts of the samples") + EMPTIED * empties(places)


def verdict(field: Field, config: dict[str, Any], inner: pd.DataFrame) -> str:
    """The first sentence of a run's page."""
    text = f"{field.title} fitted to {config['n']:,} samples x {config['n_genes']:,} genes of {config['data']}."
    if not len(inner):
        return text + " It tells no sd."
    told, alone = (inner[inner.arm == arm] for arm in ARMS)
    near, far = (alone[alone.half == half] for half in ("near", "far"))
    if (flat := config["n_genes"] - len(near)) > 0:
        text += f" Of the genes, {flat} are the same in all samples and count for nothing in what follows."
    text += (
        f" With {config['held_inside']} held out of the fit, one after the other, it reached R2 {near.r2.mean():.2f} "
        f"by position alone where the nearest sample was {near.mm.iloc[0]:.0f} mm away (median), {far.r2.mean():.2f} "
        f"where it was {far.mm.iloc[0]:.0f} mm away (mean over genes)"
    )
    if len(told):
        with_regions = [f"{told.r2[told.half == half].mean():.2f}" for half in ("near", "far")]
        text += f"; {' and '.join(with_regions)} told the regions"
    if alone.times.notna().any():
        text += (
            f". Its own sds are multiplied by {near.times.median():.2f} near to samples and "
            f"{far.times.median():.2f} far"
        )
    return text + "."
