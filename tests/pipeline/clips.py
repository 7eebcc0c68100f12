"""Clips of the demo's portrait, whose pictures can be told apart."""

from pathlib import Path

import numpy as np

from tests.pipeline.faces import portrait
from viseme_data.write import VideoWriter

SIDE = 192
STRIPES = 12


def picture(number: int) -> np.ndarray:
    """A portrait with stripes above it, both moved aside by as many pixels as its number."""
    still = portrait(SIDE).copy()
    columns = np.arange(SIDE)[:, None]
    still[:STRIPES] = 40 + 170 * (columns // 24 % 2)
    return np.roll(still, number, 1)


def clip(path: Path, num_frames: int) -> Path:
    """The pictures from 0 on as a video."""
    with VideoWriter(path, (SIDE, SIDE), crf=8) as writer:
        for number in range(num_frames):
            writer.write(picture(number))
    return path


def number_of(frame: np.ndarray) -> int:
    """Which picture of the clip a frame was made of."""
    stripes = frame[:STRIPES].astype(int)
    return int(np.argmin([np.abs(stripes - picture(n)[:STRIPES]).mean() for n in range(12)]))


def grey_clip(path: Path) -> Path:
    """A video without anybody."""
    with VideoWriter(path, (64, 64)) as writer:
        for _ in range(8):
            writer.write(np.full((64, 64, 3), 128, np.uint8))
    return path
