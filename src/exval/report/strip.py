"""Dot and whisker inside a table row, all rows on one scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from exval.pl._palette import contenders
from exval.report.html import Html, tag
from exval.report.numbers import known

WIDTH, HEIGHT = 190.0, 24.0


@dataclass(frozen=True)
class Strip:
    """A horizontal scale.

    Parameters
    ----------
    low, high
        Values at its ends.

    Examples
    --------
    >>> Strip(0.0, 1.0).at(0.5)
    95.0
    """

    low: float
    high: float

    @classmethod
    def over(cls, main: pd.DataFrame, dots: dict[str, list[float]]) -> Strip:
        """A scale that holds all values, intervals and dots; those of controls only where nothing else is there."""
        main = main[main.method.astype(str).isin(contenders(main.method))]
        seen = [float(v) for column in ("value", "lo", "hi") for v in main[column] if known(v)]
        seen += [v for name in main.method.astype(str) for v in dots.get(name, []) if known(v)]
        if not seen:
            return cls(0.0, 1.0)
        least = 1e-6 * max(1.0, abs(max(seen)), abs(min(seen)))
        pad = 0.04 * (max(seen) - min(seen)) if max(seen) - min(seen) > least else 0.05 * max(1.0, abs(max(seen)))
        return cls(min(seen) - pad, max(seen) + pad)

    def at(self, value: float) -> float:
        """Where a value stands, in the units of the drawing."""
        return round(WIDTH * (float(value) - self.low) / (self.high - self.low), 1)

    def ticks(self) -> list[float]:
        """Two to five round values.

        Examples
        --------
        >>> Strip(0.31, 0.97).ticks()
        [0.4, 0.6, 0.8]
        """
        power = 10.0 ** math.floor(math.log10(self.high - self.low))
        for step in (power, power / 2, power / 5, power / 10):
            first = math.ceil(self.low / step)
            inside = [round(i * step, 12) for i in range(first, math.floor(self.high / step) + 1)]
            if len(inside) >= 3:
                return inside if len(inside) <= 5 else inside[len(inside) % 2 :: 2]
        return [self.low, self.high]

    def axis(self) -> Html:
        """The scale, for the head of the column."""
        marks = []
        for value in self.ticks():
            x = self.at(value)
            anchor = "start" if x < 8 else "end" if x > WIDTH - 8 else "middle"
            marks.append(tag("text", f"{value:g}", x=x, y=12, text_anchor=anchor))
        return self._svg(marks, 16, "scale")

    def row(self, value: float, lo: float, hi: float, dots: list[float], color: str) -> Html:
        """One method: whisker, dot, and a mark for each unit."""
        middle = HEIGHT / 2
        marks = [tag("line", x1=self.at(tick), x2=self.at(tick), y1=-4, y2=28, cls="rule") for tick in self.ticks()]
        for dot in dots:
            if known(dot) and self.low <= dot <= self.high:
                marks.append(tag("circle", cx=self.at(dot), cy=middle, r=2.2, fill=color, fill_opacity=0.45))
        if known(value) and not self.low <= value <= self.high:
            x, way = (1.0, 7) if value < self.low else (WIDTH - 1, -7)
            marks.append(
                tag("path", d=f"M{x + way} 7 L{x} 12 L{x + way} 17", fill="none", stroke=color, stroke_width=2)
            )
        elif known(lo) and known(hi):
            marks.append(tag("line", x1=self.at(lo), x2=self.at(hi), y1=middle, y2=middle, stroke=color,
                             stroke_width=2.4, stroke_opacity=0.6, stroke_linecap="round"))  # fmt: skip
        if known(value) and self.low <= value <= self.high:
            marks.append(tag("circle", cx=self.at(value), cy=middle, r=4.6, fill=color))
        between = f", interval {lo:.3f} to {hi:.3f}" if known(lo) and known(hi) else ""
        return self._svg(marks, HEIGHT, f"{value:.3f}{between}" if known(value) else "no value")

    def _svg(self, marks: list[Html], height: float, alt: str) -> Html:
        return tag("svg", marks, cls="strip", viewBox=f"0 0 {WIDTH:g} {height:g}", role="img", aria_label=alt)
