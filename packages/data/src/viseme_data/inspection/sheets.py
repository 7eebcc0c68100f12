"""Pictures of prepared clips: landmarks and the fitted mesh over crops, the crop in its source."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from viseme_core.types import CropBox
from viseme_data.clips import PreparedClip
from viseme_data.coefficients import fitted_points
from viseme_data.media import read_frames
from viseme_face import MorphableModel
from viseme_face.layouts import BROWS, CONTOUR, LEFT_EYE, LIP_INNER, LIP_OUTER, RIGHT_EYE

_MESH = (90, 190, 255)
_SEEN, _GUESSED = (60, 255, 90), (255, 90, 60)
_CROP = (255, 220, 60)
_RINGS = (LIP_OUTER, LIP_INNER, RIGHT_EYE, LEFT_EYE)
_LINES = (CONTOUR, BROWS[:5], BROWS[5:10], BROWS[10:15], BROWS[15:])


def contact_sheet(
    clip: PreparedClip,
    video: Path,
    *,
    model: MorphableModel | None = None,
    source: tuple[Path, int] | None = None,
    num_frames: int = 6,
    side: int = 224,
) -> Image.Image:
    """Return a row of pictures of a clip, spread over its length.

    Landmarks are green where the face was found and red where they were interpolated, drawn as the
    contours of lips, eyes, brows and face; the fitted mesh lies below in blue.

    Args:
        clip: What was prepared.
        video: Its crop video.
        model: Face model of its motion; without one there is no mesh.
        source: Source file and the frame that the clip starts at there; gives a first picture of
            the whole frame with the crop.
        num_frames: Pictures of crops.
        side: Side of each in pixels.
    """
    times = np.unique(np.linspace(0, clip.num_frames - 1, num_frames).round().astype(int)).tolist()
    mesh_TK2 = None if model is None else fitted_points(model, clip.motion)
    tiles = [] if source is None else _source_tile(source, clip.crop, side)
    for time, frame_HW3 in zip(times, _frames_at(video, times), strict=False):
        tile = Image.fromarray(frame_HW3).resize((side, side), Image.Resampling.LANCZOS)
        draw = ImageDraw.Draw(tile)
        if model is not None and mesh_TK2 is not None:
            _draw_mesh(draw, mesh_TK2[time], model, side)
        color = _SEEN if bool(clip.seen_T[time]) else _GUESSED
        _draw_face(draw, clip.landmarks_TK3[time, :, :2], side, color)
        tiles.append(tile)
    sheet = Image.new("RGB", (sum(t.width for t in tiles), side))
    left = 0
    for tile in tiles:
        sheet.paste(tile, (left, 0))
        left += tile.width
    return sheet


def _frames_at(path: Path, times: list[int]) -> Iterable[np.ndarray]:
    wanted = set(times)
    for time, frame_HW3 in enumerate(read_frames(path)):
        if time in wanted:
            yield frame_HW3
        if time >= times[-1]:
            return


def _source_tile(source: tuple[Path, int], crop: CropBox, side: int) -> list[Image.Image]:
    path, start = source
    frames = list(_frames_at(path, [start]))
    if not frames:
        return []
    picture = Image.fromarray(frames[0])
    scale = side / picture.height
    picture = picture.resize((max(1, round(picture.width * scale)), side))
    corners = Tensor([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    points = (crop.to_source(corners) * scale).tolist()
    ImageDraw.Draw(picture).line([tuple(p) for p in points], fill=_CROP, width=2)
    return [picture]


def _draw_mesh(draw: ImageDraw.ImageDraw, points_K2: Tensor, model: MorphableModel, side: int):
    points = (points_K2 * side).tolist()
    for a, b in _edges(model):
        draw.line([tuple(points[a]), tuple(points[b])], fill=_MESH)


def _edges(model: MorphableModel) -> set[tuple[int, int]]:
    corners = model.triangles_P3.tolist()
    return {
        (min(a, b), max(a, b)) for face in corners for a, b in pairwise((*face, face[0])) if a != b
    }


def _draw_face(
    draw: ImageDraw.ImageDraw, points_K2: Tensor, side: int, color: tuple[int, int, int]
) -> None:
    points = (points_K2 * side).tolist()
    for ring in (*((*ring, ring[0]) for ring in _RINGS), *_LINES):
        draw.line([tuple(points[i]) for i in ring], fill=color)
