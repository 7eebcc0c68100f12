"""Drawn films for the tests of marks: a head that moves before a wall, and noise."""

from pathlib import Path

import cv2
import numpy as np

from viseme_data.media import read_frames
from viseme_data.write import VideoWriter


def draw_film(num_frames: int, size: tuple[int, int] = (256, 256), seed: int = 0) -> np.ndarray:
    """Return a head that sways and talks before a papered wall, uint8 (T, H, W, 3)."""
    width, height = size
    generator = np.random.default_rng(seed)
    paper = cv2.GaussianBlur(generator.standard_normal((height, width, 3)), (0, 0), width / 24)
    wall = np.clip(130 + 60 * paper / paper.std(), 0, 255).astype(np.uint8)
    frames = []
    for number in range(num_frames):
        frame = wall.copy()
        x = round(width * (0.5 + 0.03 * np.sin(number / 7)))
        y = round(height * (0.5 + 0.01 * np.sin(number / 5)))
        cv2.ellipse(frame, (x, y), (width // 5, height // 4), 0, 0, 360, (205, 160, 135), -1)
        lips = round(height * (0.01 + 0.03 * abs(np.sin(number * 1.3))))
        cv2.ellipse(frame, (x, y + height // 8), (width // 14, lips), 0, 0, 360, (90, 40, 45), -1)
        for side in (-1, 1):
            eye = (x + side * width // 12, y - height // 12)
            cv2.circle(frame, eye, max(1, width // 40), (40, 40, 50), -1)
        frames.append(frame)
    return np.stack(frames)


def draw_noise(num_frames: int, side: int, seed: int) -> np.ndarray:
    """Return smooth noise that wanders, uint8 (T, side, side, 3), without anything drawn in it."""
    generator = np.random.default_rng(seed)
    steps = generator.standard_normal((num_frames, side, side))
    steps = np.stack([cv2.GaussianBlur(step, (0, 0), side / 32) for step in steps])
    walk = np.cumsum(steps / steps.std(), axis=0)
    grey = np.clip(128 + 6 * walk, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3)


def write_film(path: Path, frames_THW3: np.ndarray, *, crf: float = 18, scale: float = 1.0) -> Path:
    """Write frames, scaled, with the project's own encoder at a quality."""
    height, width = frames_THW3.shape[1:3]
    size = (int(width * scale) // 2 * 2, int(height * scale) // 2 * 2)
    with VideoWriter(path, size, crf=crf, preset="medium") as writer:
        for frame_HW3 in frames_THW3:
            writer.write(cv2.resize(frame_HW3, size, interpolation=cv2.INTER_AREA))
    return path


def read_film(path: Path) -> np.ndarray:
    """Return all frames of a short film."""
    return np.stack([np.ascontiguousarray(frame) for frame in read_frames(path)])
