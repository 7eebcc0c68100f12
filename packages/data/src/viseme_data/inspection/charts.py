"""Small charts as SVG text, for a page that needs no script and no other file."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT, _LEFT = 300, 90, 4
_BAR = 18
_LABEL = 150


def histogram(values: Sequence[float], title: str, *, num_bins: int = 30) -> str:
    """Return a histogram of the finite values, with median and range below it.

    The outermost hundredths are gathered in the first and the last bar, so that one odd clip does
    not press the others into a line.
    """
    known = np.asarray([value for value in values if np.isfinite(value)], float)
    if not len(known):
        return _svg(_HEIGHT + 40, _text(_LEFT, 14, f"{title}: not measured"))
    low, high = np.quantile(known, [0.01, 0.99])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(known.clip(low, high), num_bins, (low, high))
    step = (_WIDTH - 2 * _LEFT) / num_bins
    shapes = [_text(_LEFT, 14, title, "b")]
    for i, count in enumerate(counts):
        height = _HEIGHT * count / counts.max()
        shapes.append(_rect(_LEFT + i * step, 20 + _HEIGHT - height, step - 1, height, str(count)))
    shapes.append(_text(_LEFT, _HEIGHT + 34, f"{low:.3g}"))
    shapes.append(_text(_WIDTH - _LEFT, _HEIGHT + 34, f"{high:.3g}", "e"))
    shapes.append(_text(_WIDTH / 2, _HEIGHT + 34, f"median {np.median(known):.3g}", "m"))
    return _svg(_HEIGHT + 40, *shapes)


def bars(counts: Mapping[str, float], title: str, *, most: int = 20) -> str:
    """Return a bar for each name, the largest first; what is left over is summed up in one."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) > most:
        rest = ordered[most - 1 :]
        ordered = [*ordered[: most - 1], (f"{len(rest)} others", sum(n for _, n in rest))]
    shapes = [_text(_LEFT, 14, title, "b")]
    room = _WIDTH - _LABEL - 60
    largest = max((count for _, count in ordered), default=0) or 1
    for row, (name, count) in enumerate(ordered):
        y = 22 + row * _BAR
        width = room * count / largest
        shapes.append(_text(_LABEL, y + 12, name or "not known", "e"))
        shapes.append(_rect(_LABEL + 6, y, width, _BAR - 4, f"{count:g}"))
        shapes.append(_text(_LABEL + 12 + width, y + 12, f"{count:.4g}"))
    return _svg(26 + max(1, len(ordered)) * _BAR, *shapes)


def _svg(height: float, *shapes: str) -> str:
    inside = "".join(shapes)
    return f'<svg width="{_WIDTH}" height="{height:.0f}" role="img">{inside}</svg>'


def _rect(x: float, y: float, width: float, height: float, title: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(0, width):.1f}" height="{max(0, height):.1f}"'
    return f"<rect {place}><title>{escape(title)}</title></rect>"


def _text(x: float, y: float, text: str, kind: str = "s") -> str:
    style = {"s": "", "e": 'text-anchor="end"', "m": 'text-anchor="middle"', "b": 'class="title"'}
    return f'<text x="{x:.1f}" y="{y:.1f}" {style[kind]}>{escape(text)}</text>'
