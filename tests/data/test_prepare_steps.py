"""The steps of preparation, one by one."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest
import torch

from tests.data.corpora import drawn, film, speech, with_sound
from tests.data.faces import scene
from tests.data.make_media import Pictures as Stream
from tests.data.make_media import Sound, coded, number_of, write_media
from viseme_core.types import CropBox
from viseme_data.clips import read_clip
from viseme_data.container import MediaError
from viseme_data.crop import warp
from viseme_data.follow import FollowConfig
from viseme_data.manifest import kept
from viseme_data.media import read_audio, read_frames
from viseme_data.prepare.ahead import ahead
from viseme_data.prepare.config import PrepareConfig
from viseme_data.prepare.run import prepare
from viseme_data.prepare.sound import SoundReader, sound_or_none, voiced_share
from viseme_data.prepare.sources import find_videos
from viseme_data.prepare.twice import PicturesTwice
from viseme_data.sync import SyncEstimate, shift_audio


def test_items_come_in_order_and_in_another_thread():
    threads = []

    def items():
        for k in range(100):
            threads.append(threading.current_thread())
            yield k

    with ahead(items(), depth=3) as numbers:
        assert list(numbers) == list(range(100))
    assert threading.current_thread() not in threads


def test_nothing_is_ahead_and_no_thread_starts_at_depth_0():
    before = threading.active_count()
    made = []
    with ahead((made.append(k) or k for k in range(3)), depth=0) as numbers:
        assert next(numbers) == 0
        assert made == [0]
        assert threading.active_count() == before
        assert list(numbers) == [1, 2]


def test_an_error_comes_where_its_item_would_have():
    def items():
        yield 1
        raise MediaError("damaged", "broken")

    with ahead(items()) as numbers:
        assert next(numbers) == 1
        with pytest.raises(MediaError, match="broken"):
            next(numbers)


def test_a_reader_that_stops_early_stops_the_thread():
    before = threading.active_count()
    with ahead(iter(int, 1), depth=2) as numbers:
        assert next(numbers) == 0
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


@pytest.mark.parametrize("memory_bytes", [0, 40_000, 10**9])
def test_pictures_come_a_second_time_from_memory_or_from_the_file(tmp_path, memory_bytes):
    path = write_media(tmp_path / "a.mp4", Stream(number=60))
    pictures = PicturesTwice(path, memory_bytes=memory_bytes)
    assert [number_of(p.rgb()) for p in pictures.first_time()] == list(range(60))
    for start, stop in ((3, 10), (10, 11), (40, 60)):
        again = [number_of(picture.rgb()) for picture in pictures.between(start, stop)]
        assert again == list(range(start, stop))


def test_pictures_that_will_be_too_many_are_not_kept_even_at_first(tmp_path):
    path = write_media(tmp_path / "film.mp4", Stream(number=40))
    one = next(iter(PicturesTwice(path).first_time()))
    num_bytes = sum(plane.buffer_size for plane in one.frame.planes)
    for room, is_kept in ((20, False), (60, True)):
        pictures = PicturesTwice(path, memory_bytes=room * num_bytes).first_time()
        first = weakref.ref(next(pictures))
        for _ in range(8):
            next(pictures)
        assert (first() is not None) == is_kept


def test_the_second_time_may_begin_before_the_first_is_over(tmp_path):
    path = write_media(tmp_path / "a.mp4", Stream(number=60))
    pictures = PicturesTwice(path)
    first = pictures.first_time()
    for _ in range(30):
        next(first)
    assert [number_of(p.rgb()) for p in pictures.between(20, 25)] == list(range(20, 25))
    assert [number_of(p.rgb()) for p in first] == list(range(30, 60))
    assert [number_of(p.rgb()) for p in pictures.between(50, 60)] == list(range(50, 60))


def test_long_videos_give_the_same_pictures_from_the_file_as_from_memory(tmp_path, monkeypatch):
    film(tmp_path / "a.mp4", number=117)
    # Clips of at most 30 frames, chapters of 60.
    config = PrepareConfig(follow=FollowConfig(max_frames=30))
    prepare(tmp_path / "a.mp4", config, out=tmp_path / "one", workers=0)
    few = {"threads": 1, "memory_bytes": 0}
    monkeypatch.setattr(PicturesTwice.__init__, "__kwdefaults__", few)
    rows = kept(prepare(tmp_path / "a.mp4", config, out=tmp_path / "two", workers=0).rows)
    assert [(row.start_frame, row.num_frames) for row in rows] == [
        (0, 30),
        (30, 30),
        (60, 28),
        (88, 29),
    ]
    for path in (tmp_path / "one" / "clips").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / "clips" / path.name).read_bytes()
    source = list(read_frames(tmp_path / "a.mp4"))
    for row in rows:
        shown = list(read_frames(tmp_path / "two" / "clips" / f"{row.clip_id}.mp4"))
        box = CropBox(row.crop_cx, row.crop_cy, row.crop_side)
        for k in (0, row.num_frames - 1):
            right, wrong = (
                np.abs(shown[k].astype(float) - warp(source[i], box, 256)).mean()
                for i in (row.start_frame + k, row.start_frame + k + (3 if k == 0 else -3))
            )
            # The right frame, not one nearby.
            assert right < 3 < wrong


def test_sound_is_read_stretch_by_stretch_as_in_one(tmp_path):
    path = with_sound(tmp_path / "a.mkv", Sound(samples=speech(6)))
    whole_S = read_audio(path).samples_S.numpy()
    reader = SoundReader(path)
    for start, stop in ((-300, 640), (640, 20_000), (19_000, 52_000), (90_000, 97_000)):
        wanted = np.zeros(stop - start, np.float32)
        inside = whole_S[max(start, 0) : stop]
        wanted[max(-start, 0) : max(-start, 0) + len(inside)] = inside
        samples_S = reader.between(start, stop)
        assert samples_S is not None
        np.testing.assert_array_equal(samples_S, wanted)
    assert reader.between(200_000, 201_000) is None


def test_a_first_picture_that_is_known_is_not_decoded_again(tmp_path, monkeypatch):
    late = Sound(samples=speech(2.0), start=0.5, codec="pcm_s16le", kind="s16")
    path = write_media(tmp_path / "film.mov", Stream(start=0.2), late)
    pictures = PicturesTwice(path)
    assert pictures.first is None
    list(pictures.first_time())
    whole_S = SoundReader(path).between(0, 40_000)
    assert whole_S is not None
    assert whole_S[:4800].max() == 0 < whole_S[4800:4900].max()
    monkeypatch.setattr("viseme_data.sound.first_picture", lambda path: pytest.fail("decoded"))
    known_S = SoundReader(path, picture=pictures.first).between(0, 40_000)
    assert known_S is not None
    np.testing.assert_array_equal(known_S, whole_S)


@pytest.mark.parametrize(("offset", "confidence", "removed"), [(3.2, 0.9, 3.2), (-2, 0.4, 0)])
def test_an_offset_is_removed_where_it_is_sure(tmp_path, monkeypatch, offset, confidence, removed):
    path = film(tmp_path / "a.mp4")
    found = SyncEstimate(offset_frames=offset, confidence=confidence)
    monkeypatch.setattr("viseme_data.prepare.clip.estimate_offset", lambda *_: found)
    row = prepare(path, out=tmp_path / "out", workers=0).rows[0]
    assert (row.offset_frames, row.offset_confidence) == (removed, confidence)
    clip = read_clip(tmp_path / "out" / "clips" / f"{row.clip_id}.safetensors")
    heard_S = read_audio(path).samples_S[: len(clip.audio_S)]
    # A mouth that comes late needs its sound later.
    shifted_S = shift_audio(heard_S, removed)
    assert torch.equal(clip.audio_S, shifted_S)


def test_missing_sound_is_silence_and_broken_sound_says_so(tmp_path):
    silent = write_media(tmp_path / "a.mp4", Stream(number=3))
    samples_S, has_audio, note = sound_or_none(SoundReader(silent), 0, 640)
    assert (samples_S.abs().sum(), has_audio, note) == (0, False, "")
    nan = Sound(samples=np.full(32_000, np.nan), codec="pcm_f32le", kind="flt")
    reader = SoundReader(with_sound(tmp_path / "b.mkv", nan))
    for start in (0, 6400):
        samples_S, has_audio, note = sound_or_none(reader, start, start + 640)
        assert not has_audio
        assert "holds NaN" in note


def test_missing_sound_holds_nothing_of_those_who_asked_for_it(tmp_path):
    class Held:
        pass

    def ask(reader):
        held = Held()
        assert sound_or_none(reader, 0, 640)[1] is False
        return weakref.ref(held)

    reader = SoundReader(write_media(tmp_path / "a.mp4", Stream(number=3)))
    gc.disable()
    try:
        assert [ask(reader)() for _ in range(3)] == [None] * 3
    finally:
        gc.enable()


def test_voiced_frames_are_those_as_loud_as_speech():
    audio_S = torch.zeros(640 * 10)
    audio_S[640 * 2 : 640 * 6] = 0.1 * torch.sin(torch.arange(640 * 4) * 0.3)
    assert voiced_share(audio_S) == pytest.approx(0.4)
    # Far below the loud frames, and below anything audible.
    audio_S[640 * 8 :] = 0.002 * torch.sin(torch.arange(640 * 2) * 0.3)
    assert voiced_share(audio_S) == pytest.approx(0.4)
    assert voiced_share(audio_S * 1e-3) == 0


def test_videos_are_found_in_folders_and_behind_links_once(tmp_path):
    videos, elsewhere = tmp_path / "videos", tmp_path / "elsewhere"
    for path in (
        "a.mp4",
        "b/c.MOV",
        "b/notes.txt",
        "b/.hidden.mp4",
        ".git/d.mp4",
        "b/e",
        "b/s.wav",
    ):
        (videos / path).parent.mkdir(parents=True, exist_ok=True)
        (videos / path).touch()
    elsewhere.mkdir()
    (elsewhere / "f.avi").touch()
    (videos / "link").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(videos)
    found = find_videos(videos, besides=tmp_path / "out")
    names = [path.relative_to(videos).as_posix() for path in found]
    assert names == ["a.mp4", "b/c.MOV", "b/e", "link/f.avi"]


@pytest.mark.parametrize("name", ["videos/out", "link/out", "videos/../videos/out"])
def test_what_was_written_among_the_videos_is_left_aside_by_any_name(tmp_path, name):
    videos = tmp_path / "videos"
    (videos / "out" / "clips").mkdir(parents=True)
    (tmp_path / "link").symlink_to(videos)
    (videos / "a.mp4").touch()
    (videos / "out" / "clips" / "0123456789abcdef.mp4").touch()
    for given in (videos, tmp_path / "link", tmp_path / "elsewhere" / ".." / "videos"):
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        assert find_videos(given, besides=tmp_path / name) == [given / "a.mp4"]


def test_a_clip_ends_where_the_face_leaves_the_picture(tmp_path):
    # To the left until half the face is gone, for 14 frames, and back.
    away = [0.0] * 30 + [*np.linspace(0, 150, 10)] + [150.0] * 12 + [*np.linspace(150, 0, 10)]

    def draw(number: int) -> np.ndarray:
        left = away[number] if number < len(away) else 0.0
        return scene(at=(4 * np.sin(number / 5) - left, 3 * np.cos(number / 7)))

    film(tmp_path / "a.mp4", number=92, draw=draw)
    rows = prepare(tmp_path / "a.mp4", out=tmp_path / "out", workers=0).rows
    before, gone, after = sorted(rows, key=lambda row: row.start_frame)
    assert gone.reasons == ("face_outside_frame",)
    assert gone.outside > 0.3
    assert "of the face lie outside the picture" in gone.detail
    assert (before.status, after.status) == ("kept", "kept")
    assert before.start_frame == 0
    assert before.start_frame + before.num_frames == gone.start_frame
    assert gone.start_frame + gone.num_frames == after.start_frame
    assert after.start_frame + after.num_frames == 92
    # It is half gone from about frame 39 to about 53.
    assert abs(gone.start_frame - 39) <= 2
    assert abs(after.start_frame - 54) <= 2
    for row in (before, after):
        clip = read_clip(tmp_path / "out" / "clips" / f"{row.clip_id}.safetensors")
        points = clip.crop.to_source(clip.landmarks_TK3[..., :2])
        assert float((points[..., 0] < 0).float().mean(-1).max()) < 0.2


def test_other_sizes_of_crop_are_measured_alike(tmp_path):
    film(tmp_path / "a.mp4", number=26, draw=lambda k: drawn(k).repeat(3, 0).repeat(3, 1))
    rows = {
        size: prepare(
            tmp_path / "a.mp4", PrepareConfig(size=size), out=tmp_path / f"{size}", workers=0
        ).rows[0]
        for size in (256, 512)
    }
    assert rows[512].sharpness == pytest.approx(rows[256].sharpness, rel=0.3)
    assert next(read_frames(tmp_path / "512/clips" / f"{rows[512].clip_id}.mp4")).shape[0] == 512


def test_a_coded_number_survives():
    # The tests above rely on it.
    assert [number_of(coded(k)) for k in (0, 59, 255)] == [0, 59, 255]
