import logging
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from tests.pipeline.clips import SIDE, clip, grey_clip, number_of
from tests.pipeline.dubbing_small import save_pair
from tests.pipeline.faces import portrait, voice, voice_file
from viseme_core.diffusion import SamplerConfig
from viseme_core.types import AudioClip, Landmarks
from viseme_data.crop import to_crop
from viseme_data.frames import read_frames
from viseme_data.media import probe, read_audio
from viseme_data.track import FaceTracker
from viseme_face.layouts import POSE_SLICE, select
from viseme_motion import mirror_loop
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.dubbed import open_dubbed
from viseme_pipeline.folder import StageFiles
from viseme_pipeline.landmark_drive import LandmarkDrive
from viseme_pipeline.scene import cut_out
from viseme_pipeline.wishes import Wishes
from viseme_render.talkformer.references import spread
from viseme_render.talkformer.renderer import Redrawn

SMALL = Wishes(size=96)


def sound(seconds: float, gain: float = 1.0) -> AudioClip:
    return AudioClip(gain * torch.from_numpy(voice(seconds)))


def film_of(chain: TalkingFace, audio: AudioClip, path: Path, wishes: Wishes = SMALL) -> np.ndarray:
    return np.stack(list(chain.stream(audio, video=path, wishes=wishes)))


class Place(NamedTuple):
    """Where a clip's face lies."""

    middle: int
    """Row of the middle of the crop; below it the network draws."""
    left: int
    right: int


@pytest.fixture
def filmed(tmp_path) -> Path:
    return clip(tmp_path / "c.mp4", 8)


@pytest.fixture
def place(filmed) -> Place:
    with open_dubbed(filmed, SMALL, num_frames=1) as scene:
        crop = scene._crop
        return Place(
            int(crop.cy), int(crop.cx - crop.side / 2 / 1.25), int(crop.cx + crop.side / 2 / 1.25)
        )


@pytest.mark.parametrize(("seconds", "frames"), [(0.01, 1), (0.07, 2), (0.62, 16)])
def test_a_dubbed_film_is_as_long_as_its_voice(tmp_path, marks, dubber, filmed, seconds, frames):
    film = dubber.generate(
        voice_file(tmp_path / "v.flac", seconds),
        video=filmed,
        out=tmp_path / "f.mp4",
        wishes=SMALL,
    )
    assert film.num_frames == frames == len(list(read_frames(film.path)))
    assert film.size == (SIDE, SIDE)
    assert probe(film.path).fps == 25
    # The sound is as long as it was, but for AAC's frames of 1024 samples at 48 kHz.
    assert 0 <= len(read_audio(film.path).samples_S) / 16_000 - seconds < 1024 / 48_000 + 1e-3
    assert sum(map(len, marks.frames)) == frames
    facts = {"landmarks": "LandmarkCompleter", "renderer": "TalkFormerRenderer", "preset": "fast"}
    assert marks.facts == [{**facts, "seed": "0"}]


def test_all_but_the_lower_face_is_the_clips_own_bit_by_bit(marks, dubber, filmed, place):
    frames = film_of(dubber, sound(0.3), filmed)
    pictures = np.stack([picture for _, picture in zip(frames, read_frames(filmed), strict=False)])
    # Of the middle a Gaussian of 2 % of what is drawn goes up, cut at three deviations.
    above = place.middle - 8
    assert (frames[:, :above] == pictures[:, :above]).all()
    for side in (slice(0, place.left - 2), slice(place.right + 2, SIDE)):
        assert (frames[:, :, side] == pictures[:, :, side]).all()
    change = np.abs(frames.astype(int) - pictures)[:, place.middle + 10 : place.middle + 40]
    assert change[:, :, 60:130].mean() > 5


def test_the_same_voice_and_seed_are_the_same_film_and_another_seed_another(marks, dubber, filmed):
    one, same = (film_of(dubber, sound(0.2), filmed) for _ in range(2))
    assert (one == same).all()
    assert (one != film_of(dubber, sound(0.2), filmed, Wishes(size=96, seed=1))).any()


def crops_of(chain: TalkingFace, audio: AudioClip, path: Path) -> np.ndarray:
    """What is drawn, before masks, which are of the landmarks too, cut it out."""
    drive = chain.drive
    assert isinstance(drive, LandmarkDrive)
    with open_dubbed(path, SMALL, num_frames=8) as scene:
        faces = drive.completer.stream([audio], scene.landmarks)
        return np.concatenate([part.crops for part in scene.draw(drive.renderer, faces, 0)])


def test_the_voice_reaches_the_picture_once_what_begins_at_zero_has_moved(tmp_path, dubber, filmed):
    noise = torch.randn(4800, generator=torch.Generator().manual_seed(0))
    voices = sound(0.3), AudioClip(0.3 * noise)
    one, other = (crops_of(dubber, audio, filmed) for audio in voices)
    assert np.abs(one.astype(int) - other).max() > 5
    unmoved = save_pair(tmp_path / "pair", is_moved=False, landmarks_beside=False)
    deaf = TalkingFace.from_stages(StageFiles(landmarks=unmoved, renderer=unmoved), device="cpu")
    one, other = (crops_of(deaf, audio, filmed) for audio in voices)
    assert (one == other).all()


class Recorder:
    """Stands where a renderer would, gives templates back and remembers what it was told."""

    def __init__(self, window: int, *, share: float = 0.0) -> None:
        self.window = window
        self.share = share
        self.told: list[torch.Tensor] = []

    def stream(self, template, faces, *, references=None, seed=0):
        for part in faces:
            points_TKD = select(part, "talk131").points_TKD
            for some in points_TKD.split(self.window):
                self.told.append(some)
                crops = torch.cat([next(template).frames_T3HW for _ in some])
                yield Redrawn(crops, torch.full((len(some), 8, 8), self.share))


@pytest.mark.parametrize("window", [3, 25])
def test_a_short_clip_runs_back_and_forth_and_its_landmarks_with_it(
    tmp_path, marks, dubber, monkeypatch, window
):
    path = clip(tmp_path / "short.mp4", 5)
    recorder = Recorder(window)
    monkeypatch.setattr(dubber.drive, "renderer", recorder)
    frames = film_of(dubber, sound(0.48), path)
    expected = mirror_loop(5, 0, 12)
    assert [number_of(frame) for frame in frames] == expected.tolist()
    with open_dubbed(path, SMALL, num_frames=5) as scene:
        own = select(scene.landmarks, "talk131").points_TKD[expected, :, :2]
    told = torch.cat(recorder.told)
    # Eyes and brows are those of the very picture; lips and jaw are completed.
    assert torch.equal(told[:, POSE_SLICE], own[:, POSE_SLICE])
    assert not torch.equal(told, own)


def test_what_is_drawn_lies_where_it_was_cut_out_and_in_its_colours(
    marks, dubber, filmed, monkeypatch
):
    monkeypatch.setattr(dubber.drive, "renderer", Recorder(3, share=1.0))
    # Crops twice as fine as the clip: all that is lost is lost by two changes of size.
    frames = film_of(dubber, sound(0.3), filmed, Wishes(size=256))
    pictures = np.stack([picture for _, picture in zip(frames, read_frames(filmed), strict=False)])
    assert not np.array_equal(frames, pictures)
    assert np.abs(frames.astype(int) - pictures).mean() < 1


def test_landmarks_are_those_of_the_very_picture(filmed):
    found, wanted = [], []
    with open_dubbed(filmed, SMALL, num_frames=8) as scene, FaceTracker() as tracker:
        for number, picture in scene._pictures:
            (face,) = tracker.track(picture)
            in_crop = to_crop(torch.from_numpy(face)[None], scene._crop).points_TKD
            wanted.append(in_crop[0, :, :2].mean(0))
            found.append(scene.landmarks.points_TKD[number, :, :2].mean(0))
        moved = 1 / scene._crop.side
    # The face moves aside by a pixel a picture: less than half of one is too little to be late.
    assert (torch.stack(found) - torch.stack(wanted)).abs().max() < moved / 2


@pytest.mark.parametrize(("preset", "steps"), [("fast", 10), ("balanced", 50), ("paper", 200)])
def test_the_preset_says_how_many_steps_are_taken(tmp_path, preset, steps):
    pair = save_pair(tmp_path, sampler=SamplerConfig(num_steps=200))
    files = StageFiles(landmarks=pair, renderer=pair)
    drive = TalkingFace.from_stages(files, preset=preset, device="cpu").drive
    assert isinstance(drive, LandmarkDrive)
    assert drive.renderer.sampler.num_steps == steps
    assert drive.facts()["preset"] == preset


def test_large_pictures_are_pasted_in_small_parts(marks, dubber, filmed, monkeypatch):
    whole = film_of(dubber, sound(0.3), filmed)
    monkeypatch.setattr("viseme_pipeline.scene._CHUNK_BYTES", 3 * SIDE * SIDE * 2)
    marks.frames.clear()
    assert (film_of(dubber, sound(0.3), filmed) == whole).all()
    assert max(map(len, marks.frames)) == 2


def test_pictures_are_read_only_as_frames_are_asked_for(dubber, filmed):
    taken = []
    with open_dubbed(filmed, SMALL, num_frames=8) as scene:
        inner = scene._pictures
        scene._pictures = (taken.append(pair[0]) or pair for pair in inner)
        points = scene.landmarks.points_TKD
        drawn = scene.draw(dubber.drive.renderer, iter([Landmarks(points, "mp478")]), 0)  # type: ignore[attr-defined]
        assert len(next(drawn).crops) == len(taken) == 3


class Tired(Recorder):
    """A renderer that fails in its second window."""

    def stream(self, template, faces, *, references=None, seed=0):
        redrawn = super().stream(template, faces, seed=seed)
        yield next(redrawn)
        raise RuntimeError("out of memory")


def test_a_renderer_that_fails_in_the_middle_ends_its_threads_and_leaves_nothing(
    tmp_path, marks, dubber, filmed, monkeypatch
):
    monkeypatch.setattr(dubber.drive, "renderer", Tired(3))
    before = threading.active_count()
    out = tmp_path / "films" / "f.mp4"
    out.parent.mkdir()
    with pytest.raises(RuntimeError, match="out of memory"):
        dubber.generate(sound(0.6), video=filmed, out=out, wishes=SMALL)
    assert not list(out.parent.iterdir())
    assert threading.active_count() == before


def test_a_portrait_is_a_clip_that_stands_still(marks, dubber, caplog):
    caplog.set_level(logging.INFO)
    shown = portrait(SIDE)
    frames = np.stack(list(dubber.stream(sound(0.3), shown, wishes=SMALL)))
    assert len(frames) == 8
    assert (frames[:, :80] == shown[:80]).all()
    assert (frames[:, 80:] != shown[80:]).any(axis=(1, 2, 3)).all()
    assert "stands still" in caplog.text


def test_a_clip_without_a_face_cannot_be_dubbed(tmp_path, marks, dubber):
    with pytest.raises(ValueError, match=r"no face is found in .*c\.mp4"):
        film_of(dubber, sound(0.2), grey_clip(tmp_path / "c.mp4"))


def test_references_are_pictures_of_the_clip_where_its_landmarks_say(filmed):
    with open_dubbed(filmed, SMALL, num_frames=8, references=3) as scene:
        references = scene._references
        assert references is not None
        pictures = [cut_out(p, scene._crop, scene._side) for p in read_frames(filmed)]
        faces = scene.landmarks
    numbers = sorted(spread(faces, 3))
    assert len(numbers) == 3
    assert torch.equal(references.pictures_R3HW, torch.stack([pictures[n] for n in numbers]))
    for place, number in enumerate(numbers):
        assert references.nearest(Landmarks(faces.points_TKD[number, None], "mp478")) == place


def test_a_film_of_one_frame_and_one_that_is_told_to_have_one_reference(filmed):
    for frames, count in ((1, 8), (8, 1)):
        with open_dubbed(filmed, SMALL, num_frames=frames, references=count) as scene:
            assert scene._references is None
