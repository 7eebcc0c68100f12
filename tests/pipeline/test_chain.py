import threading

import numpy as np
import pytest
import torch

from tests.pipeline.faces import portrait, portrait_file, voice, voice_file
from viseme_core.types import AudioClip
from viseme_data.frames import read_frames
from viseme_data.track import FaceTracker
from viseme_face.layouts import lip_opening
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.device import checked_device
from viseme_pipeline.marks import detect, read_provenance
from viseme_pipeline.wishes import Wishes
from viseme_render import MeshRenderer

SMALL = Wishes(size=128)


def sound(seconds: float) -> AudioClip:
    return AudioClip(torch.from_numpy(voice(seconds)))


def openings(frames: list[np.ndarray]) -> np.ndarray:
    """Distance of the lips in every frame, found anew."""
    with FaceTracker() as tracker:
        points = [tracker.track(np.ascontiguousarray(frame))[0] for frame in frames]
    return lip_opening(torch.from_numpy(np.stack(points))).numpy()


@pytest.mark.parametrize(("seconds", "frames"), [(0.01, 1), (0.5, 13), (0.62, 16)])
def test_a_film_has_as_many_frames_as_its_sound_asks_for(tmp_path, marks, chain, seconds, frames):
    film = chain.generate(
        voice_file(tmp_path / "v.flac", seconds),
        portrait_file(tmp_path / "p.png"),
        out=tmp_path / "f.mp4",
        wishes=SMALL,
    )
    assert film.num_frames == frames
    assert len(list(read_frames(film.path))) == frames
    assert film.size == (192, 192)


def test_every_frame_goes_through_the_marks_once_and_in_order(tmp_path, marks, chain):
    seen: list[tuple[int, int]] = []
    chain.generate(
        sound(1.0),
        portrait(),
        out=tmp_path / "f.mp4",
        wishes=Wishes(size=128, label="made up"),
        on_frames=lambda *done: seen.append(done),
    )
    lengths = [len(frames) for frames in marks.frames]
    assert sum(lengths) == 25
    assert marks.starts == [0, *np.cumsum(lengths)[:-1]]
    assert marks.labels == ["made up"] * len(lengths)
    assert marks.facts[0]["motion"] == "disenttalk"
    assert seen[0] == (0, 25)
    assert seen[-1] == (25, 25)
    assert list(tmp_path.iterdir()) == [tmp_path / "f.mp4"]


def test_a_stream_gives_the_frames_that_are_written(tmp_path, marks, chain):
    chain.generate(sound(0.6), portrait(), out=tmp_path / "f.mp4", wishes=SMALL)
    written = np.concatenate(marks.frames)
    streamed = np.stack(list(chain.stream(sound(0.6), portrait(), wishes=SMALL)))
    assert (written == streamed).all()


def test_the_first_frame_is_the_portrait_and_around_the_face_it_stays(marks, chain):
    shown = portrait(None)
    frames = list(chain.stream(sound(0.6), shown, wishes=Wishes(size=256)))
    assert np.abs(frames[0].astype(int) - shown).mean() < 2
    # The face's crop is 1.8 times as wide as the face: the lower corners lie beyond it.
    assert all((frame[-8:] == shown[-8:]).all() for frame in frames)
    assert any((frame != frames[0]).any() for frame in frames)


def test_another_seed_is_another_film_and_the_same_seed_the_same(marks, chain):
    one, same, other = (
        np.stack(list(chain.stream(sound(0.5), portrait(), wishes=Wishes(size=128, seed=seed))))
        for seed in (3, 3, 4)
    )
    assert (one == same).all()
    assert (one != other).any()


def test_lips_that_are_told_to_go_farther_do(marks, chain):
    spreads = []
    for gain in (0.0, 1.5):
        # Silence would close the mouth whatever the gain.
        wishes = Wishes(size=192, lip=gain, pose=0, close_in_silence=False)
        spreads.append(
            openings(list(chain.stream(sound(0.8), portrait(None), wishes=wishes))).std()
        )
    assert spreads[0] < 0.5 * spreads[1]


def test_odd_and_large_pictures_come_out_even_and_small_enough(marks, chain):
    odd = portrait()[:191, :189]
    assert next(iter(chain.stream(sound(0.1), odd, wishes=SMALL))).shape == (190, 188, 3)
    wishes = Wishes(size=128, max_side=160)
    assert next(iter(chain.stream(sound(0.1), portrait(), wishes=wishes))).shape == (160, 160, 3)


def test_a_film_that_is_not_wanted_any_more_lets_its_threads_go(marks, chain):
    before = threading.active_count()
    frames = chain.stream(sound(8), portrait(), wishes=SMALL)
    next(frames)
    assert threading.active_count() > before
    frames.close()
    assert threading.active_count() == before


def test_marks_that_are_missing_leave_no_film(tmp_path, monkeypatch, chain):
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("viseme_pipeline.marking.import_module", missing)
    with pytest.raises(ImportError, match="no film is made without them"):
        chain.generate(sound(0.1), portrait(), out=tmp_path / "f.mp4", wishes=SMALL)
    assert not list(tmp_path.iterdir())


def test_a_key_that_cannot_sign_is_refused_before_the_first_frame(tmp_path, monkeypatch, chain):
    (tmp_path / "key.pem").write_text("no key")
    monkeypatch.setenv("VISEME_SIGNING_KEY", str(tmp_path / "key.pem"))
    seen = []
    with pytest.raises((ValueError, OSError)):
        chain.generate(
            sound(0.2),
            portrait(),
            out=tmp_path / "a.mp4",
            on_frames=lambda done, total: seen.append(done),
        )
    assert not seen


def test_a_film_carries_both_marks_and_its_own_name(tmp_path, monkeypatch, chain):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    film = chain.generate(sound(1.2), portrait(), out=tmp_path / "a.mp4", wishes=Wishes(size=64))
    assert detect(film.path).found
    found = read_provenance(film.path)
    assert found is not None
    assert found.intact
    assert found.facts["motion"] == "disenttalk"
    assert found.source_type.endswith("/compositeWithTrainedAlgorithmicMedia")
    assert "marks_left_out" not in found.facts
    assert b"a.mp4" in film.path.read_bytes()


def test_motion_of_a_face_model_that_portraits_do_not_have_is_refused(chain, monkeypatch):
    monkeypatch.setattr(chain.motion, "face_model", "bfm09@01234567")
    with pytest.raises(ValueError, match="bfm09@01234567"):
        TalkingFace(chain.motion, chain.renderer)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="cannot be used here"):
        checked_device("cuda:99")


def test_a_renderer_of_another_face_model_is_refused_before_anything_is_made(chain):
    class Basel(MeshRenderer):
        def __init__(self) -> None:
            super().__init__(device="cpu")
            self.face_model = "bfm09@89abcdef"

    with pytest.raises(ValueError, match="the renderer draws the face model 'bfm09@89abcdef'"):
        TalkingFace(chain.motion, Basel())
