"""What a page says of a benchmark as a whole: names, order, facts, warnings, and the methods paragraph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exval import __version__
from exval.pl.comparison import NAMES
from exval.report.folder import Folder
from exval.report.numbers import count, known, seconds

FAILED = ("failed", "timeout", "out of memory", "crashed")


def about(folder: Folder) -> Mapping[str, Any]:
    """``config["bench"]``."""
    found = folder.config.get("bench")
    return found if isinstance(found, Mapping) else {}


def primary(folder: Folder, task: str) -> Mapping[str, Any]:
    """The figure that ranks a task: ``metric, higher_is_better, title``."""
    found = about(folder).get("primary", {}).get(task)
    return found if isinstance(found, Mapping) else {}


def task_title(folder: Folder, task: str) -> str:
    """What a task is called on the page."""
    return str(primary(folder, task).get("title") or task)


def metric_title(metric: str) -> str:
    """What a metric is called on the page.

    Examples
    --------
    >>> metric_title("macro_f1"), metric_title("precision_at_k")
    ('macro-F1', 'precision at k')
    """
    return NAMES.get(metric, metric.replace("_", " "))


def p_value(p: float) -> str:
    """A p-value as a sentence has it.

    Examples
    --------
    >>> p_value(0.0123), p_value(1e-9)
    ('p = 0.012', 'p < 0.0001')
    """
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"


def friedman(test: Any) -> str:
    """The test of Friedman in the form of Iman and Davenport, as it stands in brackets.

    Examples
    --------
    >>> from exval.bench.ranks import Friedman
    >>> friedman(Friedman(9.28, 0.026, 3.69, 0.0197)), friedman(Friedman(24.0, 2e-5, float("inf"), 0.0))
    ('F = 3.69, p = 0.02', 'F = ∞, p < 0.0001')
    """
    return f"F = {test.f:.2f}, {p_value(test.f_p)}".replace("= inf", "= ∞")


def in_order(folder: Folder) -> list[str]:
    """Methods by mean rank; those that are not ranked behind them."""
    ranked = folder.table("ranks", "scope", "method", "mean_rank")
    first = [] if ranked is None else list(ranked[ranked.scope == "all"].sort_values("mean_rank", kind="stable").method)
    board = folder.table("leaderboard", "method")
    every = list(dict.fromkeys(folder.rows.method if board is None else board.method))
    return [str(name) for name in [*first, *(name for name in every if name not in first)]]


def _cells(folder: Folder) -> Mapping[str, int]:
    found = folder.config.get("cells")
    return found if isinstance(found, Mapping) else {}


def facts(folder: Folder) -> list[tuple[str, str]]:
    """A few figures below the verdict."""
    cells, data = _cells(folder), about(folder)
    numbers = {"methods": data.get("methods"), "data sets": data.get("data"), "tasks": len(data.get("primary", {})),
               "jobs": cells.get("planned")}  # fmt: skip
    found = [(name, count(number)) for name, number in numbers.items() if number]
    found += [(status, count(cells[status])) for status in (*FAILED, "not run") if cells.get(status)]
    found += [("preset", str(folder.config["preset"]))] if folder.config.get("preset") else []
    found += [("limits of a job", _limits(folder))] if _limits(folder) else []
    return found


def _limits(folder: Folder) -> str:
    limits = folder.config.get("limits")
    if not isinstance(limits, Mapping):
        return ""
    parts = [seconds(limits["seconds"])] if known(limits.get("seconds")) else []
    parts += [f"{limits['memory_gb']:g} GB"] if known(limits.get("memory_gb")) else []
    threads = limits.get("threads", 1)
    return ", ".join([*parts, f"{threads} thread{'s' if threads > 1 else ''}"])


def warnings(folder: Folder) -> list[str]:
    """What is missing from a benchmark."""
    cells = _cells(folder)
    lines = []
    if cells.get("not run"):
        lines.append(f"Incomplete: {count(cells['not run'])} of {count(cells.get('planned'))} jobs have not been run.")
    found = folder.table("failures", "method", "status")
    if found is not None:
        worst = found.method.value_counts()
        names = ", ".join(f"{name} {n}" for name, n in worst.head(8).items())
        more = f" and {len(worst) - 8} more methods" if len(worst) > 8 else ""
        lines.append(f"Cells that failed: {names}{more}. They rank last in their cases; the reasons stand below.")
    return lines


def paragraph(folder: Folder, compared: list[str]) -> str:
    """The methods paragraph.

    Parameters
    ----------
    folder
        Of a benchmark.
    compared
        The sentence that names the methods.
    """
    config, data, cells = folder.config, about(folder), _cells(folder)
    name = config.get("title") or config.get("name")
    preset = f" (preset {config['preset']})" if config.get("preset") else ""
    own = f"exval {config.get('version') or __version__}"
    size = f"{count(data.get('methods'))} methods on {count(data.get('data'))} data sets"
    text = [f"{name}{preset} was run with {own}: {size}, {count(cells.get('planned'))} jobs, each in its own process"]
    text[0] += f" limited to {_limits(folder)}" if _limits(folder) else ""
    machine = config.get("machine")
    if isinstance(machine, Mapping) and machine.get("processor"):
        text[0] += f", on {machine['processor']} ({count(machine.get('cores'))} cores)"
    text[0] += "."
    text += [str(data["about"])] if data.get("about") else []
    tasks = [f"{task_title(folder, task)} by {metric_title(str(one.get('metric')))}"
             for task, one in data.get("primary", {}).items()]  # fmt: skip
    text += [f"Methods were ranked in {'; '.join(tasks)}."] if tasks else []
    text += [_tested(folder), *compared]
    return " ".join(part for part in text if part)


def _tested(folder: Folder) -> str:
    tests = folder.table("rank_tests", "scope", "n_blocks", "f", "f_p", "cd")
    test = None if tests is None else next(iter(tests[tests.scope == "all"].itertuples()), None)
    if test is None:
        return ""
    text = "Ranks were taken within each task and data set, a failure last, seeds averaged before"
    if not known(test.cd):
        return f"{text}; {int(test.n_blocks)} data sets are too few for a test."
    return (
        f"{text}, and averaged over tasks within a data set. Mean ranks over {int(test.n_blocks)} data sets were "
        f"compared by Friedman's test in the form of Iman and Davenport ({friedman(test)}), the "
        f"critical difference of Nemenyi at 5 % ({test.cd:.2f}), and Wilcoxon's signed rank test with Holm's "
        "correction (Demšar 2006, JMLR 7, 1-30); intervals are 95 % bootstraps over data sets."
    )
