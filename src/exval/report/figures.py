"""A matplotlib figure as part of a page: inline SVG in the page's type, or a picture where that would be too large."""

from __future__ import annotations

import base64
import io
import logging
import re
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from exval.pl import _canvas
from exval.report.html import Html, tag

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LARGEST_SVG = 220_000
DPI = 144
_TAG = re.compile(r"<[^>]+>")
_FONT = re.compile(r"font-family:[^;\"]*;? ?")
_ID = re.compile(r' id="([^"]+)"')
_LINK = re.compile(r'(href="#|url\(#)')
_UPRIGHT = re.compile(r' transform="rotate\(-?0 [^"]*"')
_ROUND = re.compile(r"(\d+\.\d\d)\d+")


@contextmanager
def _defaults():
    """Matplotlib as it comes, whatever the user's settings are; glyphs that its font lacks are drawn by the browser."""
    import matplotlib.style

    with matplotlib.style.context("default"), _canvas.detached(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        warnings.filterwarnings("ignore", message=".*constrained_layout not applied.*", category=UserWarning)
        loud = logging.getLogger("matplotlib.font_manager")
        level, loud.level = loud.level, logging.ERROR
        try:
            yield
        finally:
            loud.level = level


def figure(draw: Callable[[], Axes], alt: str, caption: object = None, *, cls: str = "", shades: bool = False) -> Html:
    """Draw, and put the drawing on a white card.

    Parameters
    ----------
    draw
        Makes the figure and returns its axes.
    alt
        What the figure shows, for those who cannot see it.
    caption
        Said below it.
    cls
        ``"wide"`` takes the whole width of the page.
    shades
        A picture of many colours, such as slices of a brain: embedded as one, with all of them.
    """
    with _defaults():
        drawing = draw().figure
        width = 72 * drawing.get_size_inches()[0]
        image, width = (picture(drawing, alt, shades), width) if shades else _image(drawing, alt)
    inner = tag("div", image, cls="plot", style=f"--w:{width:.0f}px")
    return tag("figure", inner, tag("figcaption", caption) if caption else None, cls=cls or None)


def _image(drawing, alt: str) -> tuple[Html, float]:
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "exval"}):
        buffer = io.StringIO()
        drawing.savefig(buffer, format="svg", dpi=DPI, bbox_inches="tight", pad_inches=0.06, metadata={"Date": None})
    svg, width = _inline(buffer.getvalue(), alt)
    if len(svg) <= LARGEST_SVG:
        return svg, width
    return picture(drawing, alt), width


def picture(drawing, alt: str, shades: bool = False) -> Html:
    """The figure as a compressed picture inside the page: 128 colours, or all of them (WebP)."""
    from PIL import Image

    buffer, small = io.BytesIO(), io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.06)
    buffer.seek(0)
    image = Image.open(buffer).convert("RGB")
    if shades:
        image.save(small, "WEBP", quality=88, method=4)
    else:
        image.quantize(128, method=Image.Quantize.MEDIANCUT).save(small, "PNG", optimize=True)
    data = base64.b64encode(small.getvalue()).decode()
    return tag("img", src=f"data:image/{'webp' if shades else 'png'};base64,{data}", alt=alt)


def _inline(svg: str, alt: str) -> tuple[Html, float]:
    """What a page needs of a stand-alone SVG: no prologue, names of its own, the fonts of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', svg).group(1)
    body = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"\n\s*", "\n", body)
    salt = sha256(body.encode(errors="replace")).hexdigest()[:8]
    used = set(re.findall(r'href="#([^"]+)"', body)) | set(re.findall(r"url\(#([^)]+)\)", body))
    body = _TAG.sub(lambda match: _tidy(match.group(0), used, salt), body)
    width = float(box.split()[2])
    opening = tag("svg", role="img", aria_label=alt, viewBox=box, cls="chart")[: -len("</svg>")]
    return Html(opening + body.strip() + "</svg>"), width


def _tidy(markup: str, used: set[str], salt: str) -> str:
    """One tag: rounded, in the page's fonts, with names that no other figure has. Text between tags stays as it is."""
    if "data:image" in markup:
        return markup
    markup = _FONT.sub("", _ROUND.sub(r"\1", markup))
    markup = _ID.sub(lambda match: f' id="{salt}{match.group(1)}"' if match.group(1) in used else "", markup)
    markup = _LINK.sub(rf"\g<1>{salt}", markup)
    return _UPRIGHT.sub("", markup)
