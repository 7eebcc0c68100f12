from pathlib import Path

import numpy as np
import pytest
import torch

from tests.pipeline.faces import portrait, voice
from viseme_core.types import AudioClip
from viseme_data.write import VideoWriter
from viseme_motion import mirror_loop
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.wishes import Wishes

SMALL = Wishes(size=96)
STRIPES = 12


def picture(number: int) -> np.ndarray:
    """A portrait with stripes above it, both moved aside by as many pixels as its number."""
    still = portrait(192).copy()
    columns = np.arange(192)[:, None]
    still[:STRIPES] = 40 + 170 * (columns // 24 % 2)
    return np.roll(still, number, 1)


def clip(path: Path, num_frames: int) -> Path:
    with VideoWriter(path, (192, 192), crf=8) as writer:
        for number in range(num_frames):
            writer.write(picture(number))
    return path


def number_of(frame: np.ndarray) -> int:
    """Which picture of the clip a frame was made of."""
    stripes = frame[:STRIPES].astype(int)
    return int(np.argmin([np.abs(stripes - picture(n)[:STRIPES]).mean() for n in range(12)]))


def frames_of(chain: TalkingFace, seconds: float, path: Path) -> list[np.ndarray]:
    sound = AudioClip(torch.from_numpy(voice(seconds)))
    return list(chain.stream(sound, video=path, wishes=SMALL))


def test_a_clip_keeps_its_own_pictures_around_new_lips(tmp_path, marks, chain):
    frames = frames_of(chain, 0.24, clip(tmp_path / "c.mp4", 8))
    assert [number_of(frame) for frame in frames] == [0, 1, 2, 3, 4, 5]
    for number, frame in enumerate(frames):
        change = np.abs(frame[:, 8:].astype(int) - picture(number)[:, 8:])
        # Beyond the crop there is only the codec.
        assert change[:STRIPES].mean() < 4
        # Within it the picture is coarser, and lips move.
        assert change.mean() < 12


def test_a_short_clip_runs_back_and_forth_as_long_as_the_voice(tmp_path, marks, chain):
    frames = frames_of(chain, 0.48, clip(tmp_path / "c.mp4", 5))
    assert [number_of(frame) for frame in frames] == mirror_loop(5, 0, 12).tolist()


def test_a_clip_without_a_face_is_refused(tmp_path, chain):
    with VideoWriter(tmp_path / "c.mp4", (64, 64)) as writer:
        for _ in range(8):
            writer.write(np.full((64, 64, 3), 128, np.uint8))
    with pytest.raises(ValueError, match=r"no face is found in .*c\.mp4"):
        frames_of(chain, 0.2, tmp_path / "c.mp4")
