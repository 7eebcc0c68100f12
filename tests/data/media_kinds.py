"""Every kind of media file that people have, and what must come out of it."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tests.data.damage import (
    cut_by_edit_list,
    cut_film,
    film,
    in_unknown_codec,
    joined,
    patched,
    with_hole,
)
from tests.data.make_media import HEIGHT, WIDTH, Pictures, Sound, coded, tone, write_media

SHAPE = (HEIGHT, WIDTH, 3)
RATE = 16_000


def text(path: Path) -> Path:
    path.write_text("The rain in Spain\n" * 100)
    return path


def playlist(path: Path) -> None:
    whole = film(path.with_name("whole.mp4"))
    path.write_text(f"ffconcat version 1.0\nfile '{whole.name}'\n")


def half_transparent(number: int) -> np.ndarray:
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[:, WIDTH // 2 :] = 255
    return np.dstack([coded(number), alpha])


def of(*streams: Pictures | Sound, **options: Any) -> Callable[[Path], object]:
    """What makes a file of these streams."""
    return lambda path: write_media(path, *streams, **options)


class Kind(NamedTuple):
    """One kind of file and what must come out of it."""

    name: str
    make: Callable[[Path], object]
    frames: int | str = 50
    """Number of frames, or the reason of the refusal."""
    seconds: float | str = "no_audio"
    """Length of the sound, or the reason of the refusal."""
    shape: tuple[int, int, int] = SHAPE
    warns: str = ""


S2 = Sound(samples=tone(2, RATE), codec="aac", kind="fltp")

KINDS = [
    # Rates: 23.976 and 29.97 last 2.002 s, which is still 50 frames.
    Kind("25.mp4", of(Pictures(), S2), 50, 2.048),
    Kind("b_frames.mp4", of(Pictures(options={"bf": "3"}))),
    *[
        Kind(
            f"{name}.mp4",
            of(Pictures(number=number, fps=fps)),
        )
        for name, number, fps in (
            ("15", 30, Fraction(15)),
            ("23.976", 48, Fraction(24_000, 1001)),
            ("29.97", 60, Fraction(30_000, 1001)),
            ("30", 60, Fraction(30)),
            ("50", 100, Fraction(50)),
            ("60", 120, Fraction(60)),
            ("119.88", 239, Fraction(120_000, 1001)),
        )
    ],
    Kind("variable.mp4", of(Pictures(times=[0, 0.04, 0.09, 0.51, 0.55, 0.98])), 26),
    Kind("no_timestamps.h264", of(Pictures(), container="h264")),
    Kind("starts_at_5_s.ts", of(Pictures(start=5))),
    Kind(
        "edit_list.mp4",
        lambda p: patched(write_media(p, Pictures()), lambda c: cut_by_edit_list(c, 36_000)),
        40,
    ),
    Kind("one_frame.mp4", of(Pictures(number=1)), 1),
    Kind("two_frames.mp4", of(Pictures(number=2)), 2),
    # Pictures.
    Kind("turned.mp4", of(Pictures(rotation=(90, False))), shape=(64, 48, 3)),
    Kind("wide_pixels.mp4", of(Pictures(pixel_aspect=Fraction(12, 11))), shape=(HEIGHT, 70, 3)),
    Kind("grey.mkv", of(Pictures(codec="ffv1", pixels="gray"))),
    Kind("alpha.mkv", of(Pictures(codec="ffv1", pixels="bgra", draw=half_transparent))),
    Kind("10_bit.mp4", of(Pictures(pixels="yuv420p10le"))),
    Kind(
        "odd_size.mkv",
        of(Pictures(codec="ffv1", draw=lambda k: coded(k, 63, 47))),
        shape=(47, 63, 3),
    ),
    Kind("interlaced.mkv", of(Pictures(codec="mpeg2video", options={"flags": "+ilme+ildct"}))),
    Kind("programme.mpg", of(Pictures(codec="mpeg2video"))),
    Kind("motion_jpeg.avi", of(Pictures(codec="mjpeg", pixels="yuvj420p"))),
    Kind(
        "vp9_opus.webm",
        of(
            Pictures(
                codec="libvpx-vp9", number=10, options={"deadline": "realtime", "cpu-used": "8"}
            ),
            Sound(samples=tone(0.4, 48_000), rate_hz=48_000, codec="libopus", kind="flt"),
        ),
        10,
        0.4,
    ),
    Kind("growing.h264", lambda p: joined(p, "h264", lambda k: coded(k + 25, 96, 72))),
    Kind("still.png", lambda p: Image.fromarray(coded(0)).save(p), 1),
    Kind(
        "moving.gif",
        lambda p: Image.fromarray(coded(0)).save(
            p, save_all=True, append_images=[Image.fromarray(coded(k)) for k in (1, 2)], duration=80
        ),
        6,
    ),
    # Streams.
    Kind(
        "several.mkv",
        of(
            Pictures(),
            Pictures(number=30, draw=lambda k: coded(k, 32, 32)),
            Sound(samples=tone(1.5, RATE)),
            Sound(samples=tone(1, 8000), rate_hz=8000),
        ),
        50,
        1.5,
    ),
    Kind(
        "cover.mp3",
        of(
            Sound(samples=tone(2, RATE), codec="libmp3lame", kind="fltp"),
            Pictures(codec="mjpeg", pixels="yuvj420p", number=1, is_cover=True),
        ),
        "no_video",
        2.0,
    ),
    Kind("sound_later.mov", of(Pictures(), Sound(samples=tone(1, RATE), start=0.5)), 50, 1.5),
    Kind("sound_earlier.mov", of(Pictures(start=0.5), Sound(samples=tone(1, RATE))), 50, 0.5),
    Kind("sound_over_before.mov", of(Pictures(start=2), Sound(samples=tone(1, RATE)))),
    Kind("sound_shorter.mov", of(Pictures(), Sound(samples=tone(0.7, RATE))), 50, 0.7),
    Kind("sound_longer.mov", of(Pictures(), Sound(samples=tone(3.3, RATE))), 50, 3.3),
    Kind(
        "sound_with_gap.mkv",
        of(Pictures(), Sound(samples=tone(1, RATE), gaps={0.512: 0.3})),
        50,
        1.3,
    ),
    Kind(
        "sound_with_overlap.mkv",
        of(Pictures(), Sound(samples=tone(1, RATE), gaps={0.512: -0.05})),
        50,
        0.95,
    ),
    # Sound alone.
    Kind("silence.wav", of(Sound(samples=np.zeros(RATE, np.float32))), "no_video", 1.0),
    Kind(
        "8_khz.wav",
        of(Sound(samples=tone(1, 8000), rate_hz=8000, codec="pcm_u8", kind="u8")),
        "no_video",
        1.0,
    ),
    Kind(
        "96_khz.flac",
        of(
            Sound(
                samples=np.stack([tone(1, 96_000)] * 2),
                rate_hz=96_000,
                codec="flac",
                kind="s32",
                layout="stereo",
            )
        ),
        "no_video",
        1.0,
    ),
    Kind(
        "5.1.wav",
        of(Sound(samples=np.stack([tone(1, 48_000)] * 6), rate_hz=48_000, layout="5.1")),
        "no_video",
        1.0,
    ),
    Kind(
        "clipped.wav",
        of(Sound(samples=tone(1, RATE, level=1.5), codec="pcm_f32le", kind="flt")),
        "no_video",
        1.0,
    ),
    Kind(
        "nan.wav",
        of(Sound(samples=np.full(RATE, np.nan), codec="pcm_f32le", kind="flt")),
        "no_video",
        "damaged",
    ),
    Kind(
        "44099_hz.wav",
        of(Sound(samples=tone(1, 44_099), rate_hz=44_099)),
        "no_video",
        "unsupported",
    ),
    # Names.
    Kind("wrong_extension.wav", of(Pictures(), container="mp4")),
    Kind("none", of(Pictures(), container="mp4")),
    Kind("with space, \u00fc\u00f1\u00ef \u5634 #1 %d.mp4", film, 50, 2.048),
    Kind("file:colon.mp4", film, 50, 2.048),
    # No media.
    Kind("missing.mp4", lambda p: None, "missing", "missing"),
    Kind("folder.mp4", lambda p: p.mkdir(), "folder", "folder"),
    Kind("empty.mp4", lambda p: p.touch(), "empty", "empty"),
    Kind("text.mp4", text, "unreadable", "unreadable"),
    Kind("text.txt", text, "unreadable", "unreadable"),
    Kind(
        "list.ffconcat",
        playlist,
        "unreadable",
        "unreadable",
    ),
    # Damage. The index stands before the pictures; `at` is where they begin, `n` the whole length.
    Kind("cut_in_header.mp4", lambda p: cut_film(p, lambda at, n: 10), "unreadable", "unreadable"),
    Kind(
        "cut_in_index.mp4", lambda p: cut_film(p, lambda at, n: at // 2), "unreadable", "unreadable"
    ),
    Kind(
        "cut_before_pictures.mp4", lambda p: cut_film(p, lambda at, n: at + 4), "damaged", "damaged"
    ),
    Kind(
        "cut_in_middle.mp4",
        lambda p: cut_film(p, lambda at, n: (at + n) // 2),
        25,
        0.896,
        warns="cut off",
    ),
    Kind(
        "cut_at_end.mp4",
        lambda p: cut_film(p, lambda at, n: n - 10),
        50,
        1.92,
        warns="audio frames cannot be decoded",
    ),
    Kind(
        "cut_in_middle.mkv", lambda p: cut_film(p, lambda at, n: n // 2), 24, 0.896, warns="cut off"
    ),
    Kind("hole.mp4", with_hole, 50, 2.048, warns="video frames cannot be decoded"),
    Kind("unknown_codec.mp4", in_unknown_codec, "unsupported", 2.048),
    Kind("leap.mov", of(Pictures(times=[0, 0.04, 5000])), "damaged"),
    Kind(
        "two_recordings.ts",
        lambda p: joined(p, "mpegts", lambda k: coded(k + 25)),
        25,
        warns="25 pictures have times",
    ),
]
