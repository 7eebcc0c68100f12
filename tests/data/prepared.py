"""A small prepared folder: random tensors, and videos of pictures that show their number."""

import json
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import torch

from viseme_core.audio import LogMelConfig
from viseme_core.config import to_plain
from viseme_core.types import SAMPLES_PER_FRAME, CropBox, Motion
from viseme_data.clips import PreparedClip, write_clip
from viseme_data.manifest import ClipRow, Split, write_manifest
from viseme_data.segments import SegmentPlan

SIZE = 32
PLAN = SegmentPlan(length=40, window=8)
FACE_MODEL = "builtin@01234567"


def draw_number(number: int) -> np.ndarray:
    """A picture (H, W, 3) whose halves are greys that say tens and ones."""
    picture = np.empty((SIZE, SIZE, 3), np.uint8)
    picture[: SIZE // 2], picture[SIZE // 2 :] = (20 + 20 * digit for digit in divmod(number, 10))
    return picture


def number_in(picture_3HW: torch.Tensor) -> int:
    """The number that `draw_number` drew, from a picture in [-1, 1]."""
    halves = picture_3HW.unflatten(1, (2, -1)).mean((0, 2, 3))
    tens, ones = ((halves + 1) * 127.5 / 20 - 1).round().int().tolist()
    return 10 * tens + ones


def make_clip(number: int, num_frames: int, speaker: str) -> PreparedClip:
    generator = torch.Generator().manual_seed(number)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return PreparedClip(
        motion=Motion(
            expression=draw(num_frames, 64),
            pose=draw(num_frames, 6),
            identity=draw(80),
            face_model=FACE_MODEL,
        ),
        landmarks_TK3=draw(num_frames, 478, 3),
        seen_T=torch.ones(num_frames, dtype=torch.bool),
        audio_S=draw(num_frames * SAMPLES_PER_FRAME).clamp(-3, 3) / 4,
        features={"logmel": draw(num_frames, 320)},
        extras={"phoneme_T": torch.arange(num_frames, dtype=torch.int16)},
        crop=CropBox(100.0 + number, 80.0, 64.0 + number),
        size=SIZE,
        clip_id=f"{number:016x}",
        speaker=speaker,
        has_audio=True,
    )


def write_video(path: Path, number: int, num_frames: int) -> None:
    """Pictures of their numbers, a key frame in five; odd videos store some out of order."""
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(
            "libx264",
            rate=25,
            options={"g": "5", "crf": "10", "bf": str(2 * (number % 2)), "sc_threshold": "0"},
        )
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for frame in range(num_frames):
            picture = av.VideoFrame.from_ndarray(draw_number(frame), format="rgb24")
            picture.pts, picture.time_base = frame, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


class Prepared(NamedTuple):
    """A folder, and its clips by number."""

    path: Path
    clips: dict[int, PreparedClip]


# Longer than two segments of 40, shorter than a window of 8, and in between.
TRAIN = {0: (90, "ann"), 1: (33, "ann"), 2: (5, "bob"), 3: (61, "bob"), 4: (40, "cid")}
VAL = {5: (19, "dot"), 6: (8, "dot")}


def make_prepared(path: Path) -> dict[int, PreparedClip]:
    """Write the folder and return its clips by number."""
    (path / "clips").mkdir(parents=True)
    rows: list[ClipRow] = []
    clips: dict[int, PreparedClip] = {}
    splits: dict[Split, dict[int, tuple[int, str]]] = {"train": TRAIN, "val": VAL}
    for split, chosen in splits.items():
        for number, (num_frames, speaker) in chosen.items():
            clip = clips[number] = make_clip(number, num_frames, speaker)
            write_clip(path / "clips" / f"{clip.clip_id}.safetensors", clip)
            write_video(path / "clips" / f"{clip.clip_id}.mp4", number, num_frames)
            rows.append(
                ClipRow(
                    clip_id=clip.clip_id,
                    source=f"{number}.mp4",
                    status="kept",
                    speaker=speaker,
                    split=split,
                    num_frames=num_frames,
                    crop_cx=clip.crop.cx,
                    crop_cy=clip.crop.cy,
                    crop_side=clip.crop.side,
                    crop_angle=clip.crop.angle,
                    size=SIZE,
                    has_audio=True,
                    face_model=FACE_MODEL,
                )
            )
    rows.append(ClipRow(source="9.mp4", status="rejected", reasons=("no_face",), num_frames=7))
    write_manifest(path / "manifest.parquet", rows)
    facts = {
        "format": 1,
        "settings": {},
        "face_model": FACE_MODEL,
        "audio": {"logmel": to_plain(LogMelConfig())},
    }
    (path / "dataset.json").write_text(json.dumps(facts))
    return clips
