"""One picture per landmark layout, on the built-in mean face.

    python -m viseme_face.figures docs/figures

needs matplotlib, which the `train` extra of viseme-core brings.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from viseme_face import layouts
from viseme_face.parts import read_builtin
from viseme_face.pose import project

LIP_COLOUR, JAW_COLOUR, UPPER_COLOUR = "#d1495b", "#edae49", "#00798c"
_MESH_COLOUR = "#d8d8d8"


def draw_mp478(axes: Any, points: Any) -> None:
    """All 478 points, every tenth numbered, irises apart."""
    _dots(axes, points, range(468), UPPER_COLOUR, size=4)
    _dots(axes, points, (*layouts.RIGHT_IRIS, *layouts.LEFT_IRIS), LIP_COLOUR, size=5)
    for i in range(0, 468, 10):
        axes.annotate(str(i), points[i], fontsize=5)


def draw_talk131(axes: Any, points: Any) -> None:
    """Lip, jaw and upper face, numbered in the layout's own order."""
    for name, part, colour in (
        ("lip 0-40", layouts.LIP_SLICE, LIP_COLOUR),
        ("jaw 41-56", layouts.JAW_SLICE, JAW_COLOUR),
        ("upper face 57-130", layouts.POSE_SLICE, UPPER_COLOUR),
    ):
        _dots(axes, points, layouts.TALK131[part], colour, size=14, label=name)
    for row, i in enumerate(layouts.TALK131):
        axes.annotate(str(row), points[i], fontsize=4.5)
    axes.legend(loc="lower right", fontsize=7, frameon=False)


def draw_dlib68(axes: Any, points: Any) -> None:
    """The 68 points, numbered from 0."""
    _dots(axes, points, layouts.DLIB68, LIP_COLOUR, size=14)
    for row, i in enumerate(layouts.DLIB68):
        axes.annotate(str(row), points[i], fontsize=6)


def draw_mouth(axes: Any, points: Any) -> None:
    """The 100 mouth vertices, a line per ring."""
    for ring in layouts.LIP_RINGS:
        _ring(axes, points, ring, LIP_COLOUR)
    _ring(axes, points, layouts.AROUND_LIPS, JAW_COLOUR)
    _zoom(axes, points, layouts.MOUTH)


def draw_pairs(axes: Any, points: Any) -> None:
    """Lip and lid pairs, joined; corners and irises."""
    for pairs, colour in (
        (layouts.LIP_PAIRS, LIP_COLOUR),
        (layouts.OUTER_LIP_PAIRS, JAW_COLOUR),
        (layouts.RIGHT_LID_PAIRS, UPPER_COLOUR),
        (layouts.LEFT_LID_PAIRS, UPPER_COLOUR),
    ):
        for pair in pairs:
            axes.plot(*points[list(pair)].T, color=colour, marker=".", markersize=4, lw=1)
    corners = (*layouts.LIP_CORNERS, *layouts.RIGHT_EYE_CORNERS, *layouts.LEFT_EYE_CORNERS)
    _dots(axes, points, corners, "black", size=10)
    _dots(axes, points, (*layouts.RIGHT_IRIS, *layouts.LEFT_IRIS), "black", size=3)


FIGURES: dict[str, Callable[[Any, Any], None]] = {
    "mp478": draw_mp478,
    "talk131": draw_talk131,
    "dlib68": draw_dlib68,
    "mouth": draw_mouth,
    "pairs": draw_pairs,
}
"""What each picture shows."""


def write_figures(folder: Path) -> list[Path]:
    """Return the paths of the pictures, written as `layouts_NAME.png`."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("drawing needs matplotlib: pip install 'viseme-core[train]'") from error
    parts = read_builtin()
    points = _parted(project(parts.mean_V3).numpy())
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, draw in FIGURES.items():
        figure = Figure(figsize=(6, 6.6), layout="constrained")
        axes = figure.subplots()
        axes.triplot(*points.T, parts.triangles_P3.numpy(), color=_MESH_COLOUR, lw=0.3)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.axis("off")
        draw(axes, points)
        axes.set_title(f"{name}: {(draw.__doc__ or '').strip()}", fontsize=9)
        paths.append(folder / f"layouts_{name}.png")
        figure.savefig(paths[-1], dpi=120, metadata={"Software": None})
    return paths


def _parted(points: Any) -> Any:
    """Lower everything under the mouth's line a little, so that pairs of lip points show."""
    right, left = points[list(layouts.LIP_CORNERS)]
    lower = [i for ring in layouts.LIP_RINGS for i in ring[11:]]
    below = points[:, 1] > max(right[1], left[1])
    below[[i for ring in layouts.LIP_RINGS for i in ring[:11]]] = False
    below[lower] = True
    across = ((points[:, 0] - right[0]) / (left[0] - right[0])).clip(0, 1)
    parted = points.copy()
    parted[below, 1] += 0.03 * np.sin(np.pi * across[below])
    return parted


def _dots(
    axes: Any, points: Any, ids: Iterable[int], colour: str, *, size: float, label: str = ""
) -> None:
    chosen = points[list(ids)]
    axes.scatter(*chosen.T, s=size, color=colour, label=label, zorder=3, linewidths=0)


def _ring(axes: Any, points: Any, ids: Sequence[int], colour: str) -> None:
    closed = points[[*ids, ids[0]]]
    axes.plot(*closed.T, color=colour, marker=".", markersize=5, lw=1)
    for i in ids:
        axes.annotate(str(i), points[i], fontsize=5)


def _zoom(axes: Any, points: Any, ids: Sequence[int]) -> None:
    chosen = points[list(ids)]
    low, high = chosen.min(0), chosen.max(0)
    margin = 0.1 * (high - low).max()
    axes.set_xlim(low[0] - margin, high[0] + margin)
    axes.set_ylim(high[1] + margin, low[1] - margin)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pictures into a folder."""
    parser = argparse.ArgumentParser(prog="python -m viseme_face.figures")
    parser.add_argument("folder", type=Path, help="where to put layouts_*.png")
    write_figures(parser.parse_args(arguments).folder)


if __name__ == "__main__":
    main()
