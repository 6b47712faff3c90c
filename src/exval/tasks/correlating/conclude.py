"""What may be said of a list of genes and a contrast: the verdict in words, and rows for the table of results."""

from __future__ import annotations

from collections.abc import Sequence

from exval.tasks.correlating.relate import Related

LEVEL = 0.05
SHOWN = ("r", "spearman", "p_surrogates", "p_surrogates_spearman", "p_lists", "p_lists_spearman", "p_naive")
OF_GENES = ("r", "spearman", "p_surrogates", "q_surrogates", "p_surrogates_spearman", "p_naive", "q_naive", "r2")
METRIC = {"r": "pearson"}


def verdict(found: Related, n: int, unit: str) -> str:
    """The first sentences of the report.

    Parameters
    ----------
    found
        Of :func:`exval.tasks.correlating.relate.relate`.
    n, unit
        How many places of which kind: ``cortical samples``.
    """
    whole, genes = found.whole, found.genes
    smooth, other = whole["p_surrogates"] < LEVEL, whole["p_lists"] < LEVEL
    drawn = found.null[found.null.kind == "surrogate"].r
    said = {
        (True, True): "The list goes along with the contrast more than smooth maps and other genes do",
        (True, False): "The list goes along with the contrast more than smooth maps do, but no more than other genes",
        (False, True): "The list goes along with the contrast no more than unrelated smooth maps do, though more than "
        "other genes",
        (False, False): "The list goes along with the contrast no more than unrelated smooth maps and other genes do",
    }[smooth, other]
    if found.why:
        said = f"The list goes along with the contrast {'more' if smooth else 'no more'} than unrelated smooth maps do"
    lists = f"no random lists ({found.why})" if found.why else f"p {p_text(whole['p_lists'])} by random lists"
    k = len(genes)
    passed, naive = int((genes.q_surrogates < LEVEL).sum()), int((genes.q_naive < LEVEL).sum())
    return (
        f"{said}: r {minus(whole['r'])} over {n:,} {unit} (95 % of the surrogates between "
        f"{minus(drawn.quantile(0.025))} and {minus(drawn.quantile(0.975))}), p {p_text(whole['p_surrogates'])} by "
        f"spatial surrogates, {lists}. {passed} of {k} gene{'s' if k != 1 else ''} pass{'es' if k == 1 else ''} "
        f"FDR 5 % by surrogates; {naive} would by the naive test."
    )


def rows(found: Related, n: int, unit: str, split: str) -> list[dict]:
    """Rows for :func:`exval.bench.results.make_rows`: the mean of the list (slice ``all``) and every gene."""
    head = {"n": n, "unit": unit, "split": split}
    out = [
        {**head, "method": "list mean", "metric": METRIC.get(key, key), "value": found.whole[key],
         "note": found.why if key.startswith("p_lists") else ""}
        for key in SHOWN
    ]  # fmt: skip
    for one in found.genes.to_dict("records"):
        out += [
            {**head, "method": "gene", "slice": f"gene={one['gene']}", "metric": METRIC.get(key, key),
             "value": one[key]}
            for key in OF_GENES
        ]  # fmt: skip
    out += [
        {**head, "method": "gene", "slice": f"gene={one.gene}", "metric": "r2", "value": one.r2, "note": "dropped"}
        for one in found.dropped.itertuples()
    ]
    return out


def cautions(
    found: Related, absent: Sequence[str], surrogates: int, *, whole_brain: bool, donors: Sequence[object]
) -> list[str]:
    """What a reader should know before believing a figure, a line each.

    Parameters
    ----------
    found
        Of :func:`exval.tasks.correlating.relate.relate`.
    absent
        Genes of the list that the file lacks.
    surrogates
        How many there were.
    whole_brain
        Whether more than the cortex was looked at.
    donors
        Of the samples; None where not named.
    """
    said, k = [], len(found.genes)
    if absent:
        said.append(f"of the list, {len(absent)} not in the file: {', '.join(absent[:10])}")
    if len(found.dropped):
        names = ", ".join(found.dropped.gene[:10]) + (", ..." if len(found.dropped) > 10 else "")
        said.append(f"of the list, {len(found.dropped)} not told at held-out samples and dropped: {names}")
    if found.why:
        said.append(f"no p by random lists: {found.why}")
    elif found.bins < 3:
        said.append(f"random lists are matched in {found.bins} bins of R2 only: too few other genes are told as well")
    if whole_brain:
        said.append("over the whole brain, the contrast between cortex and the rest may be all that a correlation sees")
    if any(one is None for one in donors):
        said.append("samples name no donor: differences between donors are not taken off")
    elif len(set(donors)) == 1:
        said.append("all samples are of one donor: genes may go along with the contrast in this brain only")
    if 1 / (1 + surrogates) > LEVEL / k:
        said.append(
            f"with {surrogates:,} surrogates p is {1 / (1 + surrogates):.2g} or more: one of {k} genes alone cannot "
            f"pass FDR 5 %; give --surrogates {int(k / LEVEL):,} or more"
        )
    return said


def p_text(value: float) -> str:
    """A p as a person writes it.

    Examples
    --------
    >>> p_text(0.0312), p_text(0.3), p_text(1e-9)
    ('0.031', '0.30', '< 0.001')
    """
    if value < 0.001:
        return "< 0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def minus(value: float) -> str:
    """A correlation with a true minus.

    Examples
    --------
    >>> minus(-0.123)
    '−0.12'
    """
    return f"{value:.2f}".replace("-", "−")
