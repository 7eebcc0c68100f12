from pathlib import Path

import numpy as np
import pytest
import torch

from tests.pipeline.clips import STRIPES, clip, grey_clip, number_of, picture
from tests.pipeline.faces import voice
from viseme_core.types import AudioClip
from viseme_motion import mirror_loop
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.wishes import Wishes

SMALL = Wishes(size=96)


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
    with pytest.raises(ValueError, match=r"no face is found in .*c\.mp4"):
        frames_of(chain, 0.2, grey_clip(tmp_path / "c.mp4"))
