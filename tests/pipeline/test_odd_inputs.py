"""What is unusual and works all the same."""

import logging
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.pipeline.faces import portrait, portrait_file, voice, voice_file
from viseme_data.write import VideoWriter
from viseme_pipeline.build_demo import write_flac
from viseme_pipeline.still import open_still
from viseme_pipeline.wishes import Wishes

SMALL = Wishes(size=64)


def film_of(chain, audio, image, wishes=SMALL) -> np.ndarray:
    return np.stack(list(chain.stream(audio, image, wishes=wishes)))


def save_cmyk(path):
    Image.fromarray(portrait()).convert("CMYK").save(path)


def save_gif(path):
    frames = [Image.fromarray(portrait()), Image.new("RGB", (192, 192))]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def save_alpha(path):
    rgba = np.dstack([portrait(), np.full((192, 192), 255, np.uint8)])
    rgba[:, :20, 3] = 0
    Image.fromarray(rgba).save(path)


def save_turned(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    # Held upright it was taken lying on its side.
    Image.fromarray(np.rot90(portrait(), 1)).save(path, exif=exif)


def save_phone(path):
    """As phones do: turned, and with a second picture, a gain map, behind the portrait."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.rot90(portrait(), 1))
    gain = Image.new("RGB", (48, 48))
    image.save(path, format="MPO", save_all=True, append_images=[gain], exif=exif, quality=95)
    with Image.open(path) as found:
        assert (found.format, getattr(found, "n_frames", 1)) == ("MPO", 2)


def save_animation(path):
    frames = [Image.fromarray(portrait()), Image.new("RGB", (192, 192))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)


@pytest.mark.parametrize(
    ("name", "save", "is_animation"),
    [
        ("p.jpg", save_phone, False),
        ("a.gif", save_animation, True),
        ("a.png", save_animation, True),
        ("a.webp", save_animation, True),
    ],
)
def test_only_what_moves_is_called_an_animation(tmp_path, caplog, name, save, is_animation):
    caplog.set_level(logging.INFO)
    save(tmp_path / name)
    scene = open_still(tmp_path / name, SMALL)
    assert ("an animation of 2 pictures; the first one is used" in caplog.text) == is_animation
    assert scene.size == (192, 192)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("m.jpg", save_phone),
        ("c.jpg", save_cmyk),
        ("g.gif", save_gif),
        ("a.png", save_alpha),
        ("t.jpg", save_turned),
    ],
)
def test_pictures_of_unusual_kinds_talk(name, save, tmp_path, marks, chain):
    save(tmp_path / name)
    frames = film_of(chain, voice_file(tmp_path / "v.flac", 0.1), tmp_path / name)
    assert frames.shape == (3, 192, 192, 3)
    # CMYK and GIF keep fewer colours; a turned or lost picture would be off by far more.
    assert np.abs(frames[0, 8:, 24:].astype(int) - portrait()[8:, 24:]).mean() < 20


def test_transparent_parts_are_white(tmp_path, marks, chain):
    save_alpha(tmp_path / "a.png")
    frames = film_of(chain, voice_file(tmp_path / "v.flac", 0.1), tmp_path / "a.png")
    assert (frames[:, 150:, :15] > 250).all()


def test_the_wanted_one_of_two_faces_talks(tmp_path, marks, chain):
    pair = np.concatenate([portrait(None), portrait(None)], 1)
    for face, moving, still in (
        (1, slice(0, 256), slice(256, 512)),
        (2, slice(256, 512), slice(0, 256)),
    ):
        wishes = Wishes(size=128, face=face, lip=2.0)
        frames = film_of(chain, voice_file(tmp_path / "v.flac", 0.6), pair, wishes).astype(int)
        change = np.abs(frames - frames[0]).max(0)[60:200]
        assert change[:, moving].max() > 20
        assert np.sort(change[:, still].ravel())[-2000] <= 2


def save_mp3(path):
    save_with_av(path, "mp3", 44_100, "stereo")


def save_stereo_48k(path):
    save_with_av(path, "pcm_s16le", 48_000, "stereo")


def save_with_av(path, codec: str, rate: int, layout: str):
    samples = np.interp(np.arange(0, 0.4, 1 / rate), np.arange(0, 0.4, 1 / 16_000), voice(0.4))
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        ints = np.repeat((samples * 32_767).astype(np.int16), 2)[None]
        frame = av.AudioFrame.from_ndarray(ints, format="s16", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def save_film(path):
    with VideoWriter(path, (64, 64), audio=16_000) as writer:
        for _ in range(10):
            writer.write(np.zeros((64, 64, 3), np.uint8))
        writer.write_audio(voice(0.4))


@pytest.mark.parametrize(
    ("name", "save"), [("a.mp3", save_mp3), ("s.wav", save_stereo_48k), ("f.mp4", save_film)]
)
def test_voices_in_files_of_any_kind_are_heard(name, save, tmp_path, marks, chain):
    save(tmp_path / name)
    # Lossy codecs pad their sound by a part of a frame.
    assert 10 <= len(film_of(chain, tmp_path / name, portrait())) <= 12


def test_silence_keeps_the_mouth_shut(tmp_path, marks, chain):
    write_flac(tmp_path / "s.flac", np.zeros(16_000))
    frames = film_of(chain, tmp_path / "s.flac", portrait_file(tmp_path / "p.png")).astype(int)
    assert len(frames) == 25
    # After the start the mouth stays as it is; a head that moves a little changes edges only.
    assert np.abs(frames[24] - frames[18]).mean() < 3
