"""What was done, and what was left out at each step: a line each, for the user and for a methods section."""

from __future__ import annotations

from typing import Any

import pandas as pd


def steps(settings: dict[str, Any], counts: dict[str, int], obs: pd.DataFrame, var: pd.DataFrame) -> list[str]:
    """Lines in the order of the steps.

    Parameters
    ----------
    settings, counts
        As in ``uns["exval_ahba"]``.
    obs, var
        Of the result.
    """
    s, c = settings, counts
    names = s["donors"].replace(",", ", ")
    lost = c["probes"] - c["probes_with_gene"]
    sideless = f" ({c['samples_sideless']:,} have no side: see --midline)" if c["samples_sideless"] else ""
    lines = [
        f"donors: {c['donors']} ({names}), {c['samples_read']:,} samples",
        f"genes of probes ({s['reannotation']}): {c['probes_with_gene']:,} of {c['probes']:,} probes have one, "
        f"{lost:,} left out",
        f"positions ({s['coordinates']}): {c['samples_contradicting']:,} samples left out, hemisphere contradicts x"
        f"{sideless}",
    ]
    if "samples_unlike" in c:
        lines.append(f"similarity ({s['similarity']:g} sd): {c['samples_unlike']:,} samples left out")
    faint = c["probes_with_gene"] - c["probes_above"]
    lines.append(f"background (ibf {s['ibf']:g}): {faint:,} probes left out, {c['probes_above']:,} remain")
    told = "" if s["probe_donors"] == s["donors"] else f", by donors {s['probe_donors']}"
    each = "" if s["donor_probes"] == "aggregate" else f", {s['donor_probes']}"
    lines.append(
        f"one probe a gene ({s['probe_selection']}{each}{told}): {c['genes']:,} genes, "
        f"median differential stability {_median(var['diff_stability'])}"
    )
    if s["mirror"] != "none":
        lines.append(f"mirror images ({s['mirror']}): {c['mirror_images']:,} added")
    if "samples_in_parcels" in c:
        lines.append(f"atlas {s['atlas']} (tolerance {s['tolerance']:g} mm): {c['samples_in_parcels']:,} of "
                     f"{len(obs):,} samples have a parcel")  # fmt: skip
    if s["normalise"] == s["normalise_samples"] == "none":
        lines.append("values: log2 as measured; a scale is to be fitted on training donors")
    else:
        within = " and class of structure" if s["within_structures"] else ""
        lines.append(f"values: {s['normalise_samples']} of each sample, then {s['normalise']} of each gene within a "
                     f"donor{within}")  # fmt: skip
    lines.append(f"result: {len(obs):,} samples x {len(var):,} genes")
    return lines


def _median(column: pd.Series) -> str:
    return "unknown" if column.isna().all() else f"{column.median():.2f}"
