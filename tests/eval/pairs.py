"""Small videos of a portrait that moves, and copies of them that are worse."""

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.data.faces import scene
from viseme_data.write import VideoWriter
from viseme_eval.run.config import RunConfig

SIDE = 192
ZOOM = 0.6


def frames(count: int = 30, *, late: int = 0) -> list[np.ndarray]:
    """Frames of the portrait swaying by some pixels, begun `late` frames later."""
    times = (np.arange(count) - late) / 25
    return [
        scene(
            width=SIDE,
            height=SIDE,
            zoom=ZOOM,
            at=(float(4 + 6 * np.sin(7 * t)), float(2 + 4 * np.cos(5 * t))),
            turn=float(0.06 * np.sin(6 * t)),
        )
        for t in times
    ]


def blurred(pictures: list[np.ndarray], deviation: float = 2.0) -> list[np.ndarray]:
    """The same, blurred."""
    return [cv2.GaussianBlur(picture, (0, 0), deviation) for picture in pictures]


def voice(count: int) -> np.ndarray:
    """Sound for so many frames: a burst four times a second."""
    times = np.arange(count * 640) / 16_000
    return (0.5 * np.sin(2 * np.pi * 220 * times) * (times % 0.25 < 0.1)).astype(np.float32)


def film(
    path: Path, pictures: list[np.ndarray], *, sound: np.ndarray | None = None, fps: float = 25
) -> Path:
    """Write a video; lossless but for the colours' resolution."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pictures[0].shape[:2]
    audio = None if sound is None else 16_000
    with VideoWriter(
        path, (width, height), fps=fps, crf=4, preset="ultrafast", threads=1, audio=audio
    ) as writer:
        for picture in pictures:
            writer.write(picture)
        if sound is not None:
            writer.write_audio(sound)
    return path


def make_folders(path: Path) -> Path:
    """Make the folders `made` and `real`: copies of one video, and what can be wrong with one."""
    real = frames()
    for name in ("same", "blurred", "shifted", "short", "small", "wide", "cut", "broken"):
        film(path / f"real/{name}.mp4", real, sound=voice(30))
    film(path / "real/lost.mp4", real[:5])
    shutil.copytree(path / "real", path / "made")
    (path / "made/lost.mp4").unlink()
    film(path / "made/blurred.mp4", blurred(real), sound=voice(30))
    film(path / "made/shifted.mp4", frames(late=3))
    film(path / "made/short.mp4", real[:20])
    film(path / "made/small.mp4", [frame[::2, ::2] for frame in real])
    film(path / "made/wide.mp4", [frame[:96] for frame in real])
    whole = (path / "made/cut.mp4").read_bytes()
    # Its index stands first: what is there of it can be read.
    (path / "made/cut.mp4").write_bytes(whole[: len(whole) // 2])
    (path / "made/broken.mp4").write_bytes(whole[:500])
    return path


def config_of(folders: Path, out: str, **settings: Any) -> RunConfig:
    """Settings of a run over these folders into one beside them."""
    return RunConfig(
        generated=str(folders / "made"),
        reference=str(folders / "real"),
        out=str(folders / out),
        device="cpu",
        **{"size": 128, **settings},
    )
