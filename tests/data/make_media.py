"""Builders of media files for tests: pictures that carry their number, sounds with a click."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

CLOCK = 90_000
"""Ticks per second of the files made here."""
NUM_BITS = 8
WIDTH, HEIGHT = 64, 48


def coded(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A picture (H, W, 3) of eight upright bars that are the bits of a number, lowest first."""
    bits = (number >> np.arange(NUM_BITS)) & 1
    row = np.where(bits, 220, 30).astype(np.uint8).repeat(-(-width // NUM_BITS))[:width]
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def number_of(picture: np.ndarray) -> int:
    """The number that `coded` drew, read from the middle of each bar."""
    width = picture.shape[1]
    columns = ((np.arange(NUM_BITS) + 0.5) * width / NUM_BITS).astype(int)
    levels = picture[picture.shape[0] // 2, columns].mean(-1)
    return int(((levels > 125) << np.arange(NUM_BITS)).sum())


def corners() -> np.ndarray:
    """A picture whose quarters are red, green (top) and blue, white (bottom)."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    top, left = HEIGHT // 2, WIDTH // 2
    picture[:top, :left, 0] = picture[:top, left:, 1] = picture[top:, :left, 2] = 255
    picture[top:, left:] = 255
    return picture


def corner_names(picture: np.ndarray) -> str:
    """The colours of the quarters, top left, top right, bottom left, bottom right: `rgbw`."""
    height, width = picture.shape[:2]
    names = ""
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            names += {4: "r", 2: "g", 1: "b", 7: "w"}[int((picture[y, x] > 127) @ [4, 2, 1])]
    return names


def click(seconds: float, at: float, rate_hz: int, level: float = 0.8) -> np.ndarray:
    """Silence with two milliseconds of a loud tone, shape (S,)."""
    samples = np.zeros(round(seconds * rate_hz), np.float32)
    length = rate_hz // 500
    start = round(at * rate_hz)
    samples[start : start + length] = level * np.sin(2 * np.pi * 0.1 * np.arange(1, length + 1))
    return samples


def tone(seconds: float, rate_hz: int, level: float = 0.5, hz: float = 200) -> np.ndarray:
    """A sine, shape (S,)."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(
        np.float32
    )


@dataclass(kw_only=True)
class Pictures:
    """One video stream."""

    number: int = 50
    fps: Fraction = Fraction(25)
    times: Sequence[float] | None = None
    """Seconds of each frame, in place of `number` and `fps`; the last one lasts 1 / `fps`."""
    start: float = 0
    draw: Callable[[int], np.ndarray] = coded
    codec: str = "libx264"
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    rotation: tuple[float, bool] | None = None
    """Degrees counter-clockwise to be shown, and whether mirrored after that."""
    pixel_aspect: Fraction | None = None
    is_cover: bool = False

    def packets(self, container: Any) -> Callable[[], list[Any]]:
        first = self.draw(0)
        stream = container.add_stream(self.codec, rate=self.fps, options=dict(self.options))
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = self.pixels
        # The bytes must not depend on the machine: tests cut them.
        stream.thread_count = 1
        # MPEG's own codecs and AVI count in frames.
        in_frames = self.codec.startswith("mpeg") or container.format.name == "avi"
        ticks = self.fps if in_frames else Fraction(CLOCK)
        stream.codec_context.time_base = 1 / ticks
        if self.pixel_aspect:
            stream.codec_context.sample_aspect_ratio = self.pixel_aspect
        if self.rotation:
            stream.set_display_rotation(self.rotation[0], hflip=self.rotation[1])
        if self.is_cover:
            stream.disposition = Disposition.attached_pic
        times = self.times or [float(k / self.fps) for k in range(self.number)]

        def encode() -> list[Any]:
            packets = []
            for k, sec in enumerate(times):
                picture = self.draw(k)
                kind = "rgba" if picture.shape[2] == 4 else "rgb24"
                frame = av.VideoFrame.from_ndarray(picture, format=kind)
                frame = frame.reformat(format=self.pixels)
                frame.time_base = 1 / ticks
                frame.pts = round((sec + self.start) * ticks)
                frame.duration = round(ticks / self.fps)
                packets += stream.encode(frame)
            return packets + stream.encode(None)

        return encode


@dataclass(kw_only=True)
class Sound:
    """One audio stream."""

    samples: np.ndarray
    """(S,) or (channels, S), float32."""
    rate_hz: int = 16_000
    start: float = 0
    gaps: dict[float, float] = field(default_factory=dict)
    """Seconds of sound after which the clock jumps, and by how much."""
    codec: str = "pcm_s16le"
    layout: str = "mono"
    kind: str = "s16"

    def packets(self, container: Any) -> Callable[[], list[Any]]:
        stream = container.add_stream(self.codec, rate=self.rate_hz, layout=self.layout)
        samples_CS = np.atleast_2d(self.samples)

        def encode() -> list[Any]:
            packets = []
            for first in range(0, samples_CS.shape[1], 1024):
                piece = samples_CS[:, first : first + 1024]
                frame = av.AudioFrame.from_ndarray(
                    _packed(piece, self.kind), format=self.kind, layout=self.layout
                )
                jump = sum(by for sec, by in self.gaps.items() if first >= sec * self.rate_hz)
                frame.sample_rate = self.rate_hz
                frame.time_base = Fraction(1, self.rate_hz)
                frame.pts = first + round((self.start + jump) * self.rate_hz)
                packets += stream.encode(frame)
            return packets + stream.encode(None)

        return encode


def write_media(
    path: Path,
    *streams: Pictures | Sound,
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write the streams into a file and return its path."""
    with av.open(str(path), "w", format=container, options=options or {}) as output:
        jobs = [stream.packets(output) for stream in streams]
        output.start_encoding()
        for job in jobs:
            output.mux(job())
    return path


def _packed(samples_CS: np.ndarray, kind: str) -> np.ndarray:
    scale, dtype = {
        "u8": (128, np.uint8),
        "s16": (32_767, np.int16),
        "s32": (2**31 - 128, np.int32),
        "flt": (1, np.float32),
        "fltp": (1, np.float32),
    }[kind]
    values = samples_CS.astype(np.float64) * scale
    if dtype is np.uint8:
        values += 128
    if dtype is not np.float32:
        values = values.round()
    typed = values.astype(dtype)
    return typed if kind.endswith("p") else typed.T.reshape(1, -1)
