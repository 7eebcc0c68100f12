import logging
import os
import pickle
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import pytest

from tests.data.damage import film
from tests.data.make_media import Pictures, Sound, tone, write_media
from tests.data.media_kinds import KINDS, RATE, Kind
from viseme_data.media import MediaError, probe, read_audio, read_frames, stream_audio

# A message names the file, says what is wrong, and then what to do.
ADVICE = r"'.*'.*; \w+"


@pytest.fixture
def made(request, tmp_path) -> tuple[Kind, Path]:
    kind: Kind = request.param
    path = tmp_path / kind.name
    kind.make(path)
    return kind, path


each_kind = pytest.mark.parametrize("made", KINDS, indirect=True, ids=lambda kind: kind.name)


@each_kind
def test_every_kind_of_file_gives_the_right_result_or_a_reason(made, caplog):
    kind, path = made
    if isinstance(kind.frames, str):
        with pytest.raises(MediaError, match=ADVICE) as caught:
            list(read_frames(path))
        assert caught.value.reason == kind.frames
    else:
        frames = list(read_frames(path))
        assert len(frames) == kind.frames
        assert {frame.shape for frame in frames} == {kind.shape}
        assert {frame.dtype for frame in frames} == {np.dtype(np.uint8)}
    if isinstance(kind.seconds, str):
        with pytest.raises(MediaError, match=ADVICE) as caught:
            read_audio(path)
        assert caught.value.reason == kind.seconds
    else:
        clip = read_audio(path)
        assert clip.rate_hz == RATE
        assert clip.seconds == pytest.approx(kind.seconds, abs=2e-3)
        assert float(clip.samples_S.abs().max()) <= 1
    said = " ".join(r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)
    assert kind.warns in said if kind.warns else not said


@each_kind
def test_probing_agrees_with_reading(made):
    kind, path = made
    # What is wrong with the whole file, and not with one stream only.
    if kind.frames == kind.seconds:
        with pytest.raises(MediaError, match=ADVICE) as caught:
            probe(path)
        assert caught.value.reason == kind.frames
        return
    info = probe(path)
    has_picture = kind.frames not in {"no_video", "unsupported"}
    assert (info.height, info.width) == (kind.shape[:2] if has_picture else (0, 0))
    assert bool(info.audio_rate_hz) == (kind.seconds != "no_audio" or "over_before" in kind.name)


def test_a_probe_tells_rate_length_and_channels(tmp_path):
    stereo = Sound(
        samples=np.stack([tone(1, 48_000)] * 2), rate_hz=48_000, start=5, layout="stereo"
    )
    path = write_media(tmp_path / "late.mov", Pictures(number=60, start=5), stereo)
    info = probe(path)
    assert (info.fps, info.audio_rate_hz, info.audio_channels) == (25, 48_000, 2)
    assert info.seconds == pytest.approx(2.4)


def test_a_relative_name_with_a_colon_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "http:clip.mp4")
    assert len(list(read_frames("http:clip.mp4"))) == 50
    assert read_audio("http:clip.mp4").seconds > 2


def test_there_are_at_least_25_kinds_of_input():
    assert len({kind.name for kind in KINDS}) >= 25


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_told_apart(tmp_path):
    path = film(tmp_path / "secret.mp4")
    path.chmod(0)
    with pytest.raises(MediaError, match=ADVICE) as caught:
        probe(path)
    assert caught.value.reason == "forbidden"


def test_a_refused_open_is_told_apart_for_root_too(tmp_path, monkeypatch):
    path = film(tmp_path / "secret.mp4")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MediaError, match=ADVICE) as caught:
        probe(path)
    assert caught.value.reason == "forbidden"


def test_an_error_survives_the_way_home_from_a_worker():
    error = pickle.loads(pickle.dumps(MediaError("damaged", "'x.mp4' is broken; mend it")))
    assert isinstance(error, MediaError)
    assert (error.reason, str(error)) == ("damaged", "'x.mp4' is broken; mend it")


def test_few_pictures_are_alive_at_once(tmp_path):
    path = write_media(tmp_path / "long.mp4", Pictures(number=300, options={"preset": "ultrafast"}))
    alive, most = [], 0
    for frame in read_frames(path):
        alive = [ref for ref in alive if ref() is not None]
        alive.append(weakref.ref(frame))
        most = max(most, len(alive))
    assert most <= 2


def test_sound_comes_in_small_pieces(tmp_path):
    path = write_media(tmp_path / "long.mov", Sound(samples=tone(6, 48_000), rate_hz=48_000))
    pieces = [len(piece) for piece in stream_audio(path)]
    assert sum(pieces) == 6 * RATE
    assert max(pieces) <= RATE


def test_a_long_gap_comes_in_small_pieces(tmp_path):
    path = write_media(
        tmp_path / "gap.mov", Pictures(number=1), Sound(samples=tone(1, RATE), start=300)
    )
    pieces = [len(piece) for piece in stream_audio(path)]
    assert sum(pieces) == 301 * RATE
    assert max(pieces) <= 2 * RATE


def test_a_reader_that_is_left_early_closes_its_file(tmp_path):
    path = film(tmp_path / "film.mp4")
    for reader in (read_frames(path), stream_audio(path)):
        next(reader)
        assert str(path) in {file.path for file in psutil.Process().open_files()}
        cast(Generator, reader).close()
        assert str(path) not in {file.path for file in psutil.Process().open_files()}


@pytest.mark.slow
@pytest.mark.parametrize("reader", [read_frames, stream_audio])
def test_memory_does_not_grow_with_the_length_of_the_file(tmp_path, reader):
    minutes = 10
    path = write_media(
        tmp_path / "long.mp4",
        Pictures(number=minutes * 1500, options={"preset": "ultrafast"}),
        Sound(samples=tone(minutes * 60, RATE), codec="aac", kind="fltp"),
    )
    process, used = psutil.Process(), []
    for number, _ in enumerate(reader(path)):
        if number % 200 == 0:
            used.append(process.memory_info().rss)
    first_minute = used[: len(used) // minutes]
    # A minute of these frames is 13 MB, of this sound 4 MB.
    assert max(used) - max(first_minute) < 2e6
