"""Curves of a clip as SVG text, for a page that needs no script and no other file."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 470, 150, 54, 24, 8, 18
_MOST_POINTS = 1000
_COLORS = {"generated": "#d2542d", "pair": "#d2542d", "reference": "#3b7dd8"}


def curves_chart(title: str, curves: Mapping[str, Sequence[float]], *, fps: float = 25) -> str:
    """Return values over time, the generated video's over the reference's.

    Args:
        title: Heading.
        curves: Values per frame by `generated`, `reference` or `pair`; NaN leaves a gap.
        fps: Frames per second.
    """
    thinned = {side: _thinned(values) for side, values in curves.items()}
    known = np.concatenate([values for values in thinned.values()] or [np.empty(0)])
    known = known[np.isfinite(known)]
    shapes = [_text(_LEFT, 14, title, "b")]
    if not len(known):
        return _svg(*shapes, _text(_LEFT, 40, "not measured"))
    low, high = float(known.min()), float(known.max())
    if high <= low:
        low, high = low - 0.5, high + 0.5
    seconds = max(len(values) for values in curves.values()) / fps
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for share in (0, 0.5, 1):
        y = bottom - share * (bottom - _TOP)
        shapes.append(
            f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#888" '
            f'stroke-opacity="0.3"/>'
        )
        label = round((low + share * (high - low)) / (high - low), 3) * (high - low)
        shapes.append(_text(_LEFT - 4, y + 4, f"{label:.3g}", "e"))
    shapes.append(_text(_LEFT, _HEIGHT - 3, "0 s"))
    shapes.append(_text(right, _HEIGHT - 3, f"{seconds:.3g} s", "e"))
    # The reference first, so that the generated curve lies on top.
    for side in ("reference", "generated", "pair"):
        if side in thinned:
            heights = bottom - (thinned[side] - low) / (high - low) * (bottom - _TOP)
            steps = np.linspace(_LEFT, right, max(2, len(heights)))
            shapes += _lines(steps, heights, side)
    return _svg(*shapes)


def _thinned(values: Sequence[float]) -> np.ndarray:
    """Return at most `_MOST_POINTS` of a curve: of each part its largest departure."""
    curve = np.asarray(values, float)
    if len(curve) <= _MOST_POINTS:
        return curve
    middle = np.nanmedian(curve) if np.isfinite(curve).any() else 0.0
    parts = np.array_split(curve, _MOST_POINTS)
    # A blink lasts three frames: means would flatten it.
    return np.array([_farthest(part, float(middle)) for part in parts])


def _farthest(part: np.ndarray, middle: float) -> float:
    known = part[np.isfinite(part)]
    return float(known[np.abs(known - middle).argmax()]) if len(known) else math.nan


def _lines(x: np.ndarray, y: np.ndarray, side: str) -> list[str]:
    """Return a polyline for each stretch without gaps."""
    known = np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.view(np.int8), [0]])))
    return [
        f'<polyline fill="none" stroke="{_COLORS[side]}" stroke-width="1.3" points="'
        + " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[i:j], y[i:j], strict=True))
        + '"/>'
        for i, j in zip(edges[::2], edges[1::2], strict=True)
    ]


def _svg(*shapes: str) -> str:
    inside = "".join(shapes)
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{inside}</svg>'


def _text(x: float, y: float, text: str, kind: str = "s") -> str:
    style = {"s": "", "e": 'text-anchor="end"', "b": 'font-weight="600"'}
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="11" fill="currentColor"'
    return f"<text {place} {style[kind]}>{escape(text)}</text>"
