from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from tests.pipeline.faces import voice_file
from viseme_core.types import AudioClip
from viseme_data.film_sound import FILM_RATE_HZ
from viseme_data.frames import read_frames
from viseme_data.media import probe, read_audio
from viseme_pipeline.film import check_target, replaced, write_film
from viseme_pipeline.voice import open_voice


def test_picture_and_sound_are_written_in_step_and_in_full(tmp_path):
    voice = open_voice(voice_file(tmp_path / "v.flac", 1.1))
    chunks = np.full((28, 48, 64, 3), 90, np.uint8)
    counts = list(
        write_film(tmp_path / "f.mp4", iter([chunks[:7], chunks[7:]]), voice, (64, 48), crf=20)
    )
    assert counts == [7, 28]
    assert len(list(read_frames(tmp_path / "f.mp4"))) == 28 == voice.num_frames
    facts = probe(tmp_path / "f.mp4")
    assert (facts.width, facts.height, facts.fps) == (64, 48, 25)
    heard = read_audio(tmp_path / "f.mp4").samples_S.numpy()
    told = np.concatenate(list(voice.pieces()))
    # AAC has frames of 1024 samples.
    assert 0 <= len(heard) - len(told) <= 1024 / 3 + 1
    lags = [
        float(np.dot(heard[500 + lag : 15_500 + lag], told[500:15_500]))
        for lag in range(-400, 401, 16)
    ]
    assert np.argmax(lags) == 25  # no lag


def stereo_file(path: Path, seconds: float) -> Path:
    """Two tones at 44.1 kHz: 12 kHz on the left, which no model hears, and 500 Hz on the right."""
    time_S = np.arange(round(seconds * 44_100)) / 44_100
    pair_2S = 0.4 * np.sin(2 * np.pi * np.array([[12_000], [500]]) * time_S)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=44_100, layout="stereo")
        ints = np.ascontiguousarray((pair_2S * 32_767).astype(np.int16).T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(ints, format="s16", layout="stereo")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def spectrum_peak(samples_S: np.ndarray, rate_hz: int) -> float:
    part_S = samples_S[rate_hz // 10 : rate_hz // 2] * np.hanning(rate_hz // 2 - rate_hz // 10)
    return float(np.argmax(np.abs(np.fft.rfft(part_S)))) * rate_hz / len(part_S)


def test_a_film_has_the_sound_that_was_given_and_not_what_the_model_hears(tmp_path):
    voice = open_voice(stereo_file(tmp_path / "v.wav", 0.9))
    chunks = np.full((voice.num_frames, 48, 64, 3), 90, np.uint8)
    list(write_film(tmp_path / "f.mp4", iter([chunks]), voice, (64, 48), crf=20))
    with av.open(str(tmp_path / "f.mp4")) as container:
        decoded = [frame.to_ndarray() for frame in container.decode(audio=0)]
        assert container.streams.audio[0].rate == FILM_RATE_HZ == 48_000
    left_S, right_S = np.concatenate(decoded, 1)
    assert spectrum_peak(left_S, 48_000) == pytest.approx(12_000, abs=5)
    assert spectrum_peak(right_S, 48_000) == pytest.approx(500, abs=5)


@pytest.mark.parametrize("seconds", [0.01, 0.62, 1.019, 1.021])
def test_sound_and_picture_are_of_equal_length_within_a_frame(tmp_path, seconds):
    voice = open_voice(voice_file(tmp_path / "v.flac", seconds))
    chunks = np.full((voice.num_frames, 48, 64, 3), 90, np.uint8)
    list(write_film(tmp_path / "f.mp4", iter([chunks]), voice, (64, 48), crf=20))
    with av.open(str(tmp_path / "f.mp4")) as container:
        streams: tuple[Any, Any] = (container.streams.audio[0], container.streams.video[0])
        lengths = [float(stream.duration * stream.time_base) for stream in streams]
    assert lengths[0] == pytest.approx(seconds, abs=1e-4)
    assert lengths[1] == pytest.approx(voice.num_frames / 25)
    assert abs(lengths[0] - lengths[1]) < 0.04


def test_samples_in_memory_keep_their_rate_in_the_film():
    time_S = torch.arange(24_000) / 48_000
    voice = open_voice(AudioClip(0.4 * torch.sin(2 * torch.pi * 12_000 * time_S), 48_000))
    (samples_1S,) = [np.concatenate(list(voice.film_pieces()), 1)]
    assert samples_1S.shape == (1, 24_000)
    assert spectrum_peak(samples_1S[0], 48_000) == pytest.approx(12_000, abs=5)
    assert np.abs(np.concatenate(list(voice.pieces()))[800:-800]).max() < 0.01


def test_a_file_takes_its_name_only_if_all_went_well(tmp_path):
    target = tmp_path / "film.mp4"
    target.write_text("before")
    with suppress(RuntimeError), replaced(target) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
    with replaced(target) as draft:
        draft.write_text("whole")
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("film.avi", r"must end in \.mp4"),
        ("there/film.mp4", "no folder"),
        ("folder.mp4", "is a folder"),
        ("old.mp4", "there already.*--overwrite"),
    ],
)
def test_a_target_that_cannot_be_is_refused_at_once(tmp_path, name, message):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "old.mp4").touch()
    with pytest.raises(ValueError, match=message):
        check_target(tmp_path / name, overwrite=False)


def test_an_old_film_may_be_replaced_if_that_is_said(tmp_path):
    (tmp_path / "old.mp4").touch()
    assert check_target(tmp_path / "old.mp4", overwrite=True) == Path(tmp_path / "old.mp4")
