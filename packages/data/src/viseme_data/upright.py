"""Decoded frames to pictures as they are meant to be seen: RGB, upright, with square pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.reformatter import ColorRange, VideoReformatter

from viseme_data.container import MAX_SIDE_PX, MediaError, seconds_of

Matrix = Literal["bt601", "bt709"]

# PyAV's stubs leave its argument out.
_side_data_of: Any = SideDataContainer

# What H.264 numbers the matrices of BT.601, in both of its names, and of BT.709; 2 is unknown.
_MATRICES: dict[int, Matrix] = {2: "bt601", 5: "bt601", 6: "bt601", 1: "bt709"}


@dataclass(frozen=True, kw_only=True)
class Planes:
    """A picture as video codes it: luma, and both chromas at half its size, limited range."""

    y_HW: np.ndarray
    u_hw: np.ndarray
    v_hw: np.ndarray
    matrix: Matrix
    """How RGB was turned into these."""


class Upright:
    """Converts frames of one stream, all to the size and orientation of the first.

    Args:
        stream: PyAV's video stream; says how wide a pixel is.
        first: Its first frame; says size and orientation. Later ones of another size are scaled.
        path: The file, for errors.

    Raises:
        MediaError: If the picture would be larger than MAX_SIDE_PX.
    """

    def __init__(self, stream: Any, first: Any, path: str | Path) -> None:
        ratio = stream.sample_aspect_ratio
        self._width = max(1, round(first.width * (ratio or 1)))
        self._height = first.height
        if max(self._width, self._height) > MAX_SIDE_PX:
            raise MediaError(
                "unsupported",
                f"the pictures of {str(path)!r} are {self._width} x {self._height} "
                f"(limit {MAX_SIDE_PX}); scale the video down",
            )
        self.stated_sec = seconds_of(stream)
        """How long the video is, as the file says; 0 if it does not."""
        self._matrix = _display_matrix(first)
        # One for all frames: each keeps tables that take longer to make than a small picture.
        self._reformatter = VideoReformatter()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as shown."""
        a, b, _, _ = self._matrix
        turned = abs(b) > abs(a)
        return (self._height, self._width) if turned else (self._width, self._height)

    def planes(self, frame: Any) -> Planes | None:
        """Return a picture's planes without a copy, or None where they are not what is shown.

        So it is where pictures are turned, scaled or transparent, have other planes than 8-bit
        4:2:0, full range, or colours beyond BT.709.
        """
        matrix = _MATRICES.get(int(frame.colorspace))
        if (
            frame.format.name != "yuv420p"
            or frame.color_range == ColorRange.JPEG
            or matrix is None
            or self._matrix[0] <= 0
            or self._matrix[3] <= 0
            or self._matrix[1]
            or (frame.width, frame.height) != (self._width, self._height)
            or frame.width % 2
            or frame.height % 2
        ):
            return None
        y_HW, u_hw, v_hw = (_plane(plane) for plane in frame.planes)
        return Planes(y_HW=y_HW, u_hw=u_hw, v_hw=v_hw, matrix=matrix)

    def __call__(self, frame: Any) -> np.ndarray:
        """Return the picture, uint8 RGB of shape (H, W, 3); transparent parts are white.

        Rows may have padding between them: a copy of every picture would cost more than the rest.
        """
        has_alpha = any(component.is_alpha for component in frame.format.components)
        # One thread: the work is so short that waking more costs more than it saves.
        picture = self._reformatter.reformat(
            frame, self._width, self._height, "rgba" if has_alpha else "rgb24", threads=1
        ).to_ndarray()
        if has_alpha:
            picture = over_white(picture)
        return _oriented(picture, self._matrix)


@dataclass(frozen=True)
class Picture:
    """One picture of a video, decoded but not yet converted."""

    frame: Any
    """PyAV's frame."""
    upright: Upright
    """What converts it."""

    def rgb(self) -> np.ndarray:
        """Return it as it is shown, uint8 RGB (H, W, 3); each call converts anew."""
        return self.upright(self.frame)

    def planes(self) -> Planes | None:
        """Return it as it is coded, if that is how it is shown: see `Upright.planes`."""
        return self.upright.planes(self.frame)


def over_white(picture_HW4: np.ndarray) -> np.ndarray:
    """Return RGBA laid over white, uint8 of shape (H, W, 3)."""
    alpha = picture_HW4[..., 3:].astype(np.uint16)
    blended = picture_HW4[..., :3] * alpha + 255 * (255 - alpha)
    return ((blended + 127) // 255).astype(np.uint8)


def _plane(plane: Any) -> np.ndarray:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _display_matrix(frame: Any) -> tuple[int, int, int, int]:
    """Return a, b, c, d of x' = a x + c y, y' = b x + d y; x to the right, y down."""
    # Not `frame.side_data`: a frame keeps that, and it the frame. Until such a circle is collected,
    # the frame's buffer keeps the decoder's whole pool, every picture that was held at a time.
    data = _side_data_of(frame).get(Type.DISPLAYMATRIX)
    if data is None:
        return (1, 0, 0, 1)
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    return (a, b, c, d)


def _oriented(picture: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Return the picture turned and mirrored by quarter turns; other angles to the nearest."""
    a, b, c, d = matrix
    if abs(b) > abs(a):
        picture, a, d = picture.swapaxes(0, 1), c, b
    elif a > 0 and d > 0:
        return picture
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
