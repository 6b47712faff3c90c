"""RNA-seq of the atlas (two donors): how well a probe follows its gene's RNA-seq over structures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exval.data.ahba.layout import RNASEQ_FILES, SAMPLES, DonorFiles
from exval.data.ahba.probes import Profile, rnaseq_agreement, structure_means
from exval.data.genes import map_genes
from exval.errors import InputError

TPM = RNASEQ_FILES[0]


def agreement(
    sequenced: dict[str, DonorFiles],
    x_pn: np.ndarray,
    gene_p: np.ndarray,
    columns: dict[str, slice],
    structure_n: np.ndarray,
    deciding: set[str],
) -> np.ndarray:
    """(p,) scores of ``probe_selection="rnaseq"``, see :func:`exval.data.ahba.probes.rnaseq_agreement`.

    Parameters
    ----------
    sequenced
        Donor -> RNA-seq files.
    x_pn, gene_p
        Microarray values and genes of the probes.
    columns, structure_n
        Columns of each donor, and the structures of the samples.
    deciding
        Donors that may have a say.

    Raises
    ------
    InputError
        No donor has both, or no probe's gene was sequenced.
    """
    both = [name for name in columns if name in sequenced and name in deciding]
    if not both:
        raise InputError(
            f"no donor has microarrays and RNA-seq (RNA-seq: {', '.join(sequenced)}); choose another --probe-selection"
        )
    pairs = []
    for name in both:
        profile, genes = read_profile(sequenced[name])
        pairs.append((structure_means(x_pn[:, columns[name]], structure_n[columns[name]]), profile, genes))
    score_p = rnaseq_agreement(gene_p, pairs)
    if np.isnan(score_p).all():
        raise InputError("no gene of the array is in the RNA-seq files; choose another --probe-selection")
    return score_p


def read_profile(files: DonorFiles) -> tuple[Profile, np.ndarray]:
    """TPM averaged over structures, and the canonical names of its genes (a gene named twice: its first row).

    RNAseqTPM.csv has no header, gene symbols in its first column, then one column for each row of SampleAnnot.csv.
    """
    with files.open(SAMPLES) as file:
        samples = pd.read_csv(file)
    structure = next((one for one in ("ontology_structure_id", "structure_id") if one in samples), None)
    if structure is None:
        raise InputError(f"{files.say(SAMPLES)} has no column ontology_structure_id; is it the RNA-seq download?")
    with files.open(TPM) as file:
        table = pd.read_csv(file, header=None, index_col=0, keep_default_na=False)
    if table.shape[1] != len(samples):
        raise InputError(
            f"{files.say(TPM)} has {table.shape[1]:,} columns of values, but {SAMPLES} has {len(samples):,} rows"
        )
    try:
        x_gn = table.to_numpy(dtype=np.float64)
    except ValueError:
        raise InputError(f"{files.say(TPM)} holds values that are no numbers; download it again") from None
    genes = map_genes(table.index, species="human", threshold=0.0).canonical
    first = np.sort(np.unique(genes.astype(str), return_index=True)[1])
    return structure_means(x_gn[first], samples[structure].to_numpy()), genes[first]
