"""One colour for one name, in every figure of a page, told apart by colour-blind readers as far as that goes.

The first eight are those of Okabe and Ito (2008; yellow and black left out), the next from Paul Tol's "muted" scheme
(2021). Beyond twelve names no set of colours stays distinguishable: hues go round by the golden angle, and figures
write the names beside the points.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping

BASE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#882255",
    "#999933",
    "#332288",
    "#44AA99",
    "#AA4499",
    "#8C564B",
)
CONTROLS = {"majority": "#8A8F98", "depth": "#5E646E", "noop": "#8A8F98", "null-survival": "#8A8F98"}
GREY = "#B4B7BC"
INK = "#1F2328"
SOFT = "#5E646E"
LINE = "#E3E5E8"
ALARM = "#C4421A"


def contenders(names: Iterable[object]) -> list[str]:
    """The names without the controls, if at least two others are left: a control that loses by far hides the rest.

    Examples
    --------
    >>> contenders(["majority", "pca", "logreg"]), contenders(["majority", "pca"])
    (['pca', 'logreg'], ['majority', 'pca'])
    """
    every = list(dict.fromkeys(map(str, names)))
    kept = [name for name in every if name not in CONTROLS]
    return kept if len(kept) > 1 else every


def colour(index: int) -> str:
    """The colour of the ``index``-th name.

    Examples
    --------
    >>> colour(0), len({colour(i) for i in range(200)})
    ('#0072B2', 200)
    """
    if index < len(BASE):
        return BASE[index]
    hue = (index * 0.61803398875) % 1.0
    light = (0.38, 0.52, 0.66)[index % 3]
    return "#" + "".join(f"{round(255 * part):02X}" for part in colorsys.hls_to_rgb(hue, light, 0.55))


def assign(names: Iterable[object], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Name -> colour, in the order of the names; colours that are given (and are colours) win.

    Examples
    --------
    >>> assign(["pca", "majority", "logreg"])
    {'pca': '#0072B2', 'majority': '#8A8F98', 'logreg': '#D55E00'}
    >>> assign(["a", "b"], {"b": "red"})
    {'a': '#0072B2', 'b': '#ff0000'}
    """
    from matplotlib.colors import is_color_like, to_hex

    given = given or {}
    found: dict[str, str] = {}
    free = 0
    for name in dict.fromkeys(map(str, names)):
        if name in given and is_color_like(given[name]):
            found[name] = to_hex(given[name])
        elif name in CONTROLS:
            found[name] = CONTROLS[name]
        else:
            found[name] = colour(free)
            free += 1
    return found
