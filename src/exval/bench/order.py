"""In which order cells are run, and how long the rest will take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from exval.bench.cell import Cell
from exval.progress import Progress

CASE = ("data", "task", "split", "slice")


def in_order(cells: Sequence[Cell]) -> list[Cell]:
    """The order of work: whole cases, so that what is there at any moment compares all methods on the same cases.

    First seeds come before second ones, then cases (data set, task) whose cells are expected to be quick, and within a
    case the quick methods. Where nothing is expected, the order of the plan stays.

    Examples
    --------
    >>> def cell(method, data, seed, expected):
    ...     labels = {"method": method, "data": data, "seed": seed}
    ...     return Cell("m:f", labels, labels, expected=expected)
    >>> plan = [cell(m, d, s, e) for d, e in (("big", 9), ("small", 1)) for m in "ab" for s in (0, 1)]
    >>> [cell.name for cell in in_order(plan)][:5]
    ['a, small, seed 0', 'b, small, seed 0', 'a, big, seed 0', 'b, big, seed 0', 'a, small, seed 1']
    """
    case = [tuple(cell.labels.get(name) for name in CASE) for cell in cells]
    seen: dict[tuple, set] = defaultdict(set)
    for cell, its in zip(cells, case):
        seen[its, cell.labels.get("method")].add(cell.labels.get("seed", 0))
    turn = {key: {seed: i for i, seed in enumerate(sorted(seeds, key=str))} for key, seeds in seen.items()}
    cost: dict[tuple, float] = defaultdict(float)
    for cell, its in zip(cells, case):
        cost[its] += cell.expected or 0.0
    place = {its: i for i, its in reversed(list(enumerate(case)))}

    def when(i: int) -> tuple:
        cell, its = cells[i], case[i]
        return turn[its, cell.labels.get("method")][cell.labels.get("seed", 0)], cost[its], place[its], \
            cell.expected or 0.0, i  # fmt: skip

    return [cells[i] for i in sorted(range(len(cells)), key=when)]


class Pace:
    """How long cells take, learned from those that are done: those of one method on one data set are alike.

    Parameters
    ----------
    workers
        How many cells run at a time.

    Examples
    --------
    >>> pace = Pace(workers=1)
    >>> quick, slow = (Cell("m:f", {"m": m, "s": s}, {"method": m}) for m, s in (("quick", 1), ("slow", 1)))
    >>> pace.learn(quick, 1.0); pace.learn(slow, 99.0)
    >>> pace.seconds_left([Cell("m:f", {"m": "slow", "s": 2}, {"method": "slow"})])
    99.0
    """

    def __init__(self, workers: int) -> None:
        self.workers = max(workers, 1)
        self._sums: dict[tuple, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._ratio = [0.0, 0.0]

    @staticmethod
    def _kinds(cell: Cell) -> list[tuple]:
        method, data, task = (cell.labels.get(name) for name in ("method", "data", "task"))
        return [("mdt", method, data, task), ("md", method, data), ("m", method), ("all",)]

    def learn(self, cell: Cell, wall: float) -> None:
        """A cell took so many seconds of the clock."""
        if not wall >= 0:
            return
        for kind in self._kinds(cell):
            self._sums[kind][0] += wall
            self._sums[kind][1] += 1
        if cell.expected:
            self._ratio[0] += wall
            self._ratio[1] += cell.expected

    def guess(self, cell: Cell) -> float | None:
        """Seconds that a cell will take; None before anything is known."""
        exact, near, method, every = (self._sums[k][0] / self._sums[k][1] if self._sums[k][1] else None
                                      for k in self._kinds(cell))  # fmt: skip
        scaled = None
        if cell.expected is not None:
            scaled = cell.expected * (self._ratio[0] / self._ratio[1] if self._ratio[1] else 1.0)
        return next((one for one in (exact, near, scaled, method, every) if one is not None), None)

    def seconds_left(self, waiting: Iterable[Cell], running: Iterable[tuple[Cell, float]] = ()) -> float | None:
        """Seconds until all are done: shared by the workers, but no less than the longest of them.

        Parameters
        ----------
        waiting
            Cells that have not begun.
        running
            Pairs of a cell and the seconds that it has run.
        """
        rest = []
        for cell, gone in [*((cell, 0.0) for cell in waiting), *running]:
            if (guess := self.guess(cell)) is None:
                return None
            rest.append(max(guess - gone, 0.0))
        return max(sum(rest) / self.workers, max(rest, default=0.0))


class GridProgress(Progress):
    """Progress of a grid: the time left is that of its pace, not of a mean over unlike cells."""

    def __init__(self, description: str, total: int, *, initial: int, pace: Pace, waiting: Sequence[Cell]) -> None:
        super().__init__(description, total, initial=initial)
        self.pace = pace
        self._waiting = {cell.key: cell for cell in waiting}
        self._running: dict[str, tuple[Cell, float]] = {}

    def begin(self, cell: Cell) -> None:
        """A cell has begun."""
        self._running[cell.key] = (cell, time.monotonic())
        self._waiting.pop(cell.key, None)

    def end(self, cell: Cell) -> None:
        """A cell has ended."""
        self._waiting.pop(cell.key, None)
        _, since = self._running.pop(cell.key, (cell, float("nan")))
        self.pace.learn(cell, time.monotonic() - since)
        self.advance(text=self._at())

    def _at(self) -> str:
        cells = [cell.name for cell, _ in list(self._running.values())]
        return f"at {cells[0]}" + (f" and {len(cells) - 1} more" if len(cells) > 1 else "") if cells else ""

    def seconds_left(self, now: float | None = None) -> float | None:
        """Estimated seconds to the end."""
        now = time.monotonic() if now is None else now
        return self.pace.seconds_left(
            list(self._waiting.values()), [(cell, now - since) for cell, since in list(self._running.values())]
        )
