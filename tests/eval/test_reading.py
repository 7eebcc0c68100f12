"""Two videos as one stream: faces, crops, gaps, and sound in step."""

import tracemalloc

import numpy as np
import pytest
import torch

from tests.eval.pairs import film, frames, voice
from viseme_data.crop import crop_box
from viseme_data.media import read_audio, read_frames
from viseme_data.track import FaceTracker
from viseme_eval.run import reading
from viseme_eval.run.faces import film_face
from viseme_eval.run.pairing import Pair
from viseme_eval.run.reading import read_chunks, survey


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed):
    torch.set_num_threads(1)


def test_the_stable_box_is_that_of_preparation(tmp_path):
    spoken = film(tmp_path / "real.mp4", frames())
    with FaceTracker() as tracker:
        found = film_face(read_frames(spoken), tracker, tmp_path / "points")
    assert found.seen_T.all()
    points_TK3 = found.points(0, 30)
    expected, box = crop_box(points_TK3), found.box()
    assert (box.cx, box.cy, box.side) == pytest.approx((expected.cx, expected.cy, expected.side))
    torch.testing.assert_close(found.points(7, 9), points_TK3[7:9])


class FakeTracker:
    """Gives the faces of a list, frame by frame."""

    def __init__(self, faces):
        self.faces = faces

    def reset(self):
        self.now = iter(self.faces)

    def track(self, _):
        return next(self.now)


def test_gaps_are_filled_along_straight_lines_and_ends_stand_still(tmp_path):
    one, two = np.zeros((478, 3), np.float32), np.full((478, 3), 4, np.float32)
    one[0] = (10, 10, 0)
    two[0] = (14, 14, 4)
    other = two + 100
    tracker = FakeTracker([[], [one], [], [], [], [other, two], []])
    blank = [np.zeros((8, 8, 3), np.uint8)] * 7
    found = film_face(blank, tracker, tmp_path / "points")  # type: ignore[arg-type]
    assert found.seen_T.tolist() == [False, True, False, False, False, True, False]
    assert found.points(0, 7)[:, 0, 0].tolist() == [10, 10, 11, 12, 13, 14, 14]
    assert found.size == (8, 8)


def test_landmarks_of_a_long_video_wait_on_disk(tmp_path):
    face = np.random.default_rng(0).normal(100, 10, (478, 3)).astype(np.float32)
    blank = np.zeros((8, 8, 3), np.uint8)
    peaks = []
    for count in (200, 2000):
        tracker = FakeTracker([face.copy()] for _ in range(count))
        tracemalloc.start()
        found = film_face((blank for _ in range(count)), tracker, tmp_path / "points")  # type: ignore[arg-type]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found.num_frames == count
    # Boxes and flags of 1800 frames more; their landmarks would be 10 MB.
    assert peaks[1] - peaks[0] < 2e6


def test_sound_comes_in_step_with_frames_and_is_silent_after_its_end(tmp_path):
    made = film(tmp_path / "long.mp4", frames(40))
    spoken = film(tmp_path / "real.mp4", frames(30), sound=voice(30))
    pair = Pair(name="long", generated=made, reference=made, audio=spoken)
    clip = survey(pair, None, tmp_path, crop="none", size=64)
    assert clip.audio_from == "--audio"
    chunks = [*read_chunks(pair, clip, batch=7, with_pose=False, on_frames=lambda _: None)]
    assert [chunk.generated.num_frames for chunk in chunks] == [7, 7, 7, 7, 7, 5]
    heard_S = torch.cat([x.generated.audio_S for x in chunks if x.generated.audio_S is not None])
    expected_S = read_audio(spoken).samples_S[: 40 * 640]
    assert len(heard_S) == 40 * 640
    torch.testing.assert_close(heard_S[: len(expected_S)], expected_S)
    assert not heard_S[len(expected_S) :].any()


@pytest.mark.parametrize(("batch", "sizes"), [(4, [4, 4, 2]), (100, [6, 4])])
def test_chunks_of_large_frames_are_short(tmp_path, monkeypatch, batch, sizes):
    monkeypatch.setattr(reading, "_MOST_PIXELS", 6 * 64 * 48)
    path = film(tmp_path / "a.mp4", [np.zeros((48, 64, 3), np.uint8)] * 10)
    pair = Pair(name="a", generated=path, reference=path)
    clip = survey(pair, None, tmp_path, crop="none", size=32)
    chunks = read_chunks(pair, clip, batch=batch, with_pose=False, on_frames=lambda count: None)
    assert [chunk.generated.num_frames for chunk in chunks] == sizes
