from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.data.make_media import click, coded, corner_names, corners, number_of, tone
from viseme_data.container import time_of
from viseme_data.media import probe, read_audio, read_frames
from viseme_data.write import AAC_RATES_HZ, VideoWriter

RATE = 16_000
PER_FRAME = RATE // 25
AAC_FRAME = 1024


def smooth(number: int, width: int = 128, height: int = 96) -> np.ndarray:
    """A soft pattern that moves, as faces do."""
    y, x = np.mgrid[:height, :width]
    shades = [np.sin(x / 19 + number / 9), np.cos(y / 17 - number / 11), np.sin((x + y) / 31)]
    return np.stack([127 + 90 * shade for shade in shades], -1).astype(np.uint8)


def write_all(path: Path, frames=(), sounds=(), audio: int | None = RATE) -> None:
    with VideoWriter(path, (64, 48), audio=audio) as writer:
        for frame in frames:
            writer.write(frame)
        for sound in sounds:
            writer.write_audio(sound)


def write_film(path: Path, number: int = 50, **options) -> Path:
    sound = tone(number / 25, RATE)
    with VideoWriter(path, (64, 48), audio=RATE, **options) as writer:
        for k in range(number):
            writer.write(coded(k))
            writer.write_audio(sound[k * PER_FRAME : (k + 1) * PER_FRAME])
    return path


@pytest.mark.parametrize("number", [1, 2, 25, 133])
def test_frames_come_back_in_number_and_order(tmp_path, number):
    path = write_film(tmp_path / "film.mp4", number)
    assert [number_of(frame) for frame in read_frames(path)] == list(range(number))


@pytest.mark.parametrize("fps", [25, 30, Fraction(30_000, 1001), 29.97, 12.5])
def test_frame_times_are_exact(tmp_path, fps):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, (64, 48), fps=fps) as writer:
        for k in range(60):
            writer.write(coded(k))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [time_of(frame) for frame in container.decode(stream)]
        assert stream.average_rate == Fraction(fps).limit_denominator(1001)
    assert times == [k / Fraction(fps).limit_denominator(1001) for k in range(60)]


@pytest.mark.parametrize("num_samples", [1, 1023, 1024, 16_000, 51_234])
def test_sound_comes_back_within_one_aac_frame(tmp_path, num_samples):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, (64, 48), audio=RATE) as writer:
        writer.write(coded(0))
        writer.write_audio(tone(4, RATE)[:num_samples])
    assert 0 <= read_audio(path).samples_S.shape[0] - num_samples < AAC_FRAME


@pytest.mark.parametrize("rate_hz", AAC_RATES_HZ)
def test_every_rate_of_aac_keeps_the_sound(tmp_path, rate_hz):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, (64, 48), audio=rate_hz) as writer:
        writer.write(coded(0))
        writer.write_audio(tone(1, rate_hz).astype(np.float64))
    assert probe(path).audio_rate_hz == rate_hz
    heard = read_audio(path).samples_S[:RATE].numpy()
    wanted = tone(1, RATE)
    # The encoder needs a moment to begin.
    inside = slice(6000, 14_000)
    error = heard[inside] - wanted[inside]
    assert np.square(error).mean() < 1e-3 * np.square(wanted[inside]).mean()


@pytest.mark.parametrize("rate_hz", [RATE, 44_100, 48_000])
@pytest.mark.parametrize("num_samples", [1, 1023, 1025, 51_234])
def test_sound_is_as_long_as_it_was_by_the_length_of_its_stream(tmp_path, num_samples, rate_hz):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, (64, 48), audio=rate_hz) as writer:
        writer.write(coded(0))
        writer.write_audio(tone(4, rate_hz)[:num_samples])
    with av.open(str(path)) as container:
        streams: tuple[Any, Any] = (container.streams.audio[0], container.streams.video[0])
        sound_sec, picture_sec = (stream.duration * stream.time_base for stream in streams)
    # To the sample: neither the coder's priming nor the rest of its last block is counted.
    assert sound_sec == Fraction(num_samples, rate_hz)
    assert picture_sec == Fraction(1, 25)


def test_two_channels_stay_two(tmp_path):
    path = tmp_path / "film.mp4"
    pair = np.stack([tone(1, RATE), np.zeros(RATE)])
    with VideoWriter(path, (64, 48), audio=RATE, channels=2) as writer:
        writer.write(coded(0))
        writer.write_audio(pair)
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray() for frame in container.decode(audio=0)]
    left, right = np.concatenate(decoded, 1)[:, 4000:12_000]
    assert np.abs(left).max() > 0.2
    assert np.abs(right).max() < 0.01
    assert probe(path).audio_channels == 2


def test_more_than_two_channels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="channels must be 1 or 2, got 6"):
        VideoWriter(tmp_path / "film.mp4", (64, 48), audio=RATE, channels=6)


def test_the_sound_may_come_in_pieces_of_any_size(tmp_path):
    sound = click(2, 1.0, RATE) + tone(2, RATE, level=0.1)
    written = []
    for name, cuts in (("one", []), ("many", [1, 2, 700, 5000, 5001, 31_999])):
        path = tmp_path / f"{name}.mp4"
        with VideoWriter(path, (64, 48), audio=RATE) as writer:
            writer.write(coded(0))
            for piece in np.split(sound, cuts):
                writer.write_audio(piece)
        written.append(read_audio(path).samples_S.numpy())
    np.testing.assert_array_equal(*written)


@pytest.mark.parametrize("sec", [0.2, 1.0, 3.48])
def test_a_flash_and_a_click_stay_together(tmp_path, sec):
    path = tmp_path / "clap.mp4"
    dark, bright = np.full((48, 64, 3), 20, np.uint8), np.full((48, 64, 3), 235, np.uint8)
    sound = click(4, sec, RATE)
    with VideoWriter(path, (64, 48), audio=RATE) as writer:
        for k in range(100):
            writer.write(bright if k == round(sec * 25) else dark)
            writer.write_audio(sound[k * PER_FRAME : (k + 1) * PER_FRAME])
    flash = int(np.argmax([frame.mean() for frame in read_frames(path)])) / 25
    heard = int(np.argmax(read_audio(path).samples_S.abs())) / RATE
    assert flash == pytest.approx(sec)
    # A click lasts two milliseconds; a frame would be forty.
    assert heard == pytest.approx(sec, abs=0.004)


@pytest.mark.parametrize(("crf", "decibels"), [(0, 40), (18, 38), (28, 32)])
def test_pictures_are_kept_well(tmp_path, crf, decibels):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, (128, 96), crf=crf) as writer:
        for k in range(10):
            writer.write(smooth(k))
    squares = [
        np.square(frame.astype(float) - smooth(k)).mean()
        for k, frame in enumerate(read_frames(path))
    ]
    assert 10 * np.log10(255**2 / np.mean(squares)) > decibels


def test_colours_come_back_and_are_named(tmp_path):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, (64, 48), crf=1) as writer:
        writer.write(corners())
    frame = next(read_frames(path))
    assert corner_names(frame) == "rgbw"
    assert np.abs(frame[12, 16].astype(int) - [255, 0, 0]).max() <= 3
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        # BT.709 throughout, limited range.
        tags = (stream.colorspace, stream.color_primaries, stream.color_trc, stream.color_range)
        assert tags == (1, 1, 1, 1)


def test_the_index_stands_before_the_pictures(tmp_path):
    content = write_film(tmp_path / "film.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_the_same_input_gives_the_same_bytes(tmp_path):
    one, two = (write_film(tmp_path / name).read_bytes() for name in ("1.mp4", "2.mp4"))
    assert one == two


def test_the_bytes_do_not_depend_on_the_machine_or_the_muxer(tmp_path):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, (256, 256)) as writer:
        writer.write(smooth(0, 256, 256))
    content = path.read_bytes()
    # x264 notes its settings in the stream; left alone it takes a thread and a half per core.
    assert b" threads=4 " in content
    assert b"Lavf" not in content


def test_a_view_of_a_larger_picture_can_be_written(tmp_path):
    path = tmp_path / "film.mp4"
    large = np.zeros((96, 128, 3), np.uint8)
    large[10:58, 20:84] = coded(77)
    with VideoWriter(path, (64, 48)) as writer:
        writer.write(large[10:58, 20:84])
    assert number_of(next(read_frames(path))) == 77


@pytest.mark.parametrize(
    ("size", "hint"),
    [((63, 48), "62 x 48"), ((64, 47), "64 x 46"), ((1, 1), "2 x 2"), ((0, 48), "2 x 48")],
)
def test_an_odd_size_is_refused_with_the_size_that_fits(tmp_path, size, hint):
    with pytest.raises(ValueError, match=f"must be even.*{hint}"):
        VideoWriter(tmp_path / "film.mp4", size)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("film.avi", {}, r"must end in \.mp4"),
        ("film.mp4", {"fps": 0}, "fps must be above 0"),
        ("film.mp4", {"crf": 60}, "crf must be 0 to 51"),
        ("film.mp4", {"audio": 17_000}, "sample rate of AAC"),
        ("film.mp4", {"preset": "instant"}, "preset must be one of"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_at_once(tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        VideoWriter(tmp_path / name, (64, 48), **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("frame", "sound"),
    [
        (np.zeros((48, 64, 3), np.float32), None),
        (np.zeros((64, 48, 3), np.uint8), None),
        (np.zeros((48, 64, 4), np.uint8), None),
        (None, np.zeros((2, 160), np.float32)),
        (None, np.zeros(160, np.int16)),
        (None, np.full(160, np.nan, np.float32)),
    ],
)
def test_what_is_no_picture_or_sound_is_refused(tmp_path, frame, sound):
    frames = [coded(0)] + ([frame] if frame is not None else [])
    with pytest.raises(ValueError, match=r"VideoWriter\.write"):
        write_all(tmp_path / "film.mp4", frames, [sound] if sound is not None else [])
    assert not list(tmp_path.iterdir())


def test_sound_without_a_rate_is_refused(tmp_path):
    with pytest.raises(ValueError, match="audio=sample rate"):
        write_all(tmp_path / "film.mp4", [coded(0)], [np.zeros(160, np.float32)], audio=None)


def test_a_film_without_content_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no frame"):
        write_all(tmp_path / "film.mp4", sounds=[tone(1, RATE)])
    with pytest.raises(ValueError, match="no sound"):
        write_all(tmp_path / "film.mp4", [coded(0)])
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_and_a_folder_as_target_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="create it first"):
        write_all(tmp_path / "none" / "film.mp4")
    (tmp_path / "film.mp4").mkdir()
    with pytest.raises(IsADirectoryError, match="name of a file"):
        write_all(tmp_path / "film.mp4")


def test_writing_outside_the_block_is_refused(tmp_path):
    writer = VideoWriter(tmp_path / "film.mp4", (64, 48), audio=RATE)
    with pytest.raises(ValueError, match="inside its `with` block"):
        writer.write(coded(0))
    with pytest.raises(ValueError, match="inside its `with` block"):
        writer.write_audio(np.zeros(160, np.float32))
