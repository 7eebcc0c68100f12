"""Small folders of videos for the tests of preparation: a portrait that moves, and what goes wrong.

A kind says what must come out of it: how many frames each of its clips has, or why there is none.
"""

import os
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.data.damage import patched
from tests.data.faces import scene
from tests.data.make_media import Pictures, Sound, tone, write_media

RATE = 16_000
NUM = 30
"""Frames of most videos: few, but more than the 25 that a clip needs."""


@cache
def drawn(number: int, zoom: float = 1.0, cut: int = 10_000, phase: int = 0) -> np.ndarray:
    """The portrait on a wall, swaying; from frame `cut` on in another place and light."""
    at = (8 * np.sin(number / 5 + phase), 6 * np.cos(number / 7 + phase))
    if number < cut:
        return scene(at=at, zoom=zoom, turn=0.05 * np.sin(number / 9))
    return 255 - scene(at=(at[0] + 60, at[1]), zoom=0.8)[:, ::-1].copy() // 2


def moving(number: int) -> np.ndarray:
    return drawn(number)


def hidden(start: int, stop: int) -> Callable[[int], np.ndarray]:
    """The portrait in a wide room, with a card before its face in between: too little for a cut."""

    def draw(number: int) -> np.ndarray:
        picture = scene(width=640, height=480, at=(6 * np.sin(number / 5), 0))
        if start <= number < stop:
            picture[50:210, 75:235] = 120
        return picture

    return draw


def swaying(phase: int) -> Callable[[int], np.ndarray]:
    """The portrait from another moment on: other bytes."""
    return lambda k: drawn(k, phase=phase)


def absent(start: int, stop: int) -> Callable[[int], np.ndarray]:
    """The portrait, gone in between."""
    return lambda k: scene(face=False) if start <= k < stop else drawn(k)


def speech(seconds: float, rate_hz: int = RATE, level: float = 0.4) -> np.ndarray:
    """A tone that comes and goes four times a second."""
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(round(seconds * rate_hz)) / rate_hz)
    return (tone(seconds, rate_hz, level) * swell).astype(np.float32)


def film(path: Path, **pictures: object) -> Path:
    """A video of the portrait with sound."""
    options = {"number": NUM, "draw": moving, **pictures}
    seconds = options["number"] / 25 if isinstance(options["number"], int) else 1.2
    sound = Sound(samples=speech(seconds), codec="aac", kind="fltp")
    fast = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    return write_media(
        path,
        Pictures(**{"options": {"preset": "ultrafast", "g": "10"}, **options}),  # type: ignore[arg-type]
        sound,
        options=fast,
    )


def silent(path: Path, **pictures: object) -> Path:
    """A video of the portrait without sound."""
    return write_media(path, Pictures(**{"number": NUM, "draw": moving, **pictures}))  # type: ignore[arg-type]


def with_sound(path: Path, sound: Sound) -> Path:
    return write_media(path, Pictures(number=NUM, draw=moving), sound)


def two_faces(number: int) -> np.ndarray:
    small = scene(width=640, at=(330, 40), zoom=0.7)
    return scene(width=640, at=(8 * np.sin(number / 5), 0), under=small)


def translucent(number: int) -> np.ndarray:
    picture = drawn(number)
    return np.dstack([picture, np.full(picture.shape[:2], 200, np.uint8)])


def torn(path: Path) -> None:
    """A video with some thousand bytes of its pictures lost."""

    def tear(content: bytearray) -> None:
        start = content.index(b"mdat")
        hole = start + (len(content) - start) // 2
        content[hole : hole + 5000] = b"\xff" * 5000

    patched(film(path), tear)


def cut_to(path: Path, share: float) -> None:
    """A video that breaks off after a share of its pictures' bytes; below 0 in its header."""
    content = film(path).read_bytes()
    start = content.index(b"mdat")
    end = 10 if share < 0 else start + int(share * (len(content) - start))
    path.write_bytes(content[:end])


def in_unknown_codec(path: Path) -> None:
    def rename(content: bytearray) -> None:
        at = content.index(b"avc1", content.index(b"stsd"))
        content[at : at + 4] = b"zzz1"

    patched(film(path), rename)


class Kind(NamedTuple):
    """One video and what must come of it."""

    name: str
    make: Callable[[Path], object]
    expected: list[int] | str
    """Frames of each kept clip, or the reason why there is none."""
    has_audio: bool = True
    detail: str = ""
    """What a row's sentence must say."""


KINDS = [
    Kind("plain.mp4", film, [NUM]),
    Kind("rate 23.976.mp4", lambda p: film(p, fps=Fraction(24_000, 1001), number=29), [NUM]),
    Kind("rate 29.97.mp4", lambda p: film(p, fps=Fraction(30_000, 1001), number=36), [NUM]),
    Kind("rate 60.mp4", lambda p: film(p, fps=Fraction(60), number=72), [NUM]),
    Kind(
        "variable.mp4",
        lambda p: film(p, times=[0, 0.03, 0.1, *np.arange(0.15, 1.2, 0.05).tolist()]),
        [NUM],
    ),
    Kind("no_sound.mp4", silent, [NUM], False),
    Kind(
        "phone.mp4",
        lambda p: film(
            p, draw=lambda k: np.rot90(drawn(k)[:, 20:300]).copy(), rotation=(-90, False)
        ),
        [NUM],
    ),
    Kind("grey.mp4", lambda p: film(p, pixels="gray"), [NUM]),
    Kind(
        "alpha.mov",
        lambda p: film(p, draw=translucent, codec="png", pixels="rgba", options={}),
        [NUM],
    ),
    Kind(
        "odd size.mp4",
        lambda p: film(p, draw=lambda k: drawn(k)[:319, :317], pixels="yuv444p"),
        [NUM],
    ),
    Kind(
        "interlaced.mkv",
        lambda p: film(p, codec="mpeg2video", options={"flags": "+ilme+ildct"}),
        [NUM],
    ),
    Kind("full range.avi", lambda p: silent(p, codec="mjpeg", pixels="yuvj420p"), [NUM], False),
    Kind("two_faces.mp4", lambda p: film(p, draw=two_faces), [NUM]),
    Kind("leaves.mp4", lambda p: film(p, number=60, draw=absent(27, 34)), [27, 26]),
    Kind("blink.mp4", lambda p: film(p, number=40, draw=hidden(20, 23)), [40]),
    Kind("cut.mp4", lambda p: film(p, number=56, draw=lambda k: drawn(k, cut=29)), [29, 27]),
    Kind(
        "silence.mp4",
        lambda p: with_sound(
            p, Sound(samples=np.zeros(19_200, np.float32), codec="aac", kind="fltp")
        ),
        [NUM],
    ),
    Kind(
        "clipped.mkv",
        lambda p: with_sound(p, Sound(samples=speech(1.2, level=3), codec="pcm_f32le", kind="flt")),
        [NUM],
    ),
    Kind(
        "8 khz.mkv",
        lambda p: with_sound(
            p, Sound(samples=speech(1.2, 8000), rate_hz=8000, codec="pcm_u8", kind="u8")
        ),
        [NUM],
    ),
    Kind(
        "5.1.mkv",
        lambda p: with_sound(
            p, Sound(samples=np.stack([speech(1.2, 48_000)] * 6), rate_hz=48_000, layout="5.1")
        ),
        [NUM],
    ),
    Kind(
        "sound of nan.mkv",
        lambda p: with_sound(
            p, Sound(samples=np.full(19_200, np.nan), codec="pcm_f32le", kind="flt")
        ),
        [NUM],
        False,
        "holds NaN",
    ),
    Kind(
        "wrong extension.avi",
        lambda p: film(p.with_suffix(".mp4"), draw=swaying(1)).rename(p),
        [NUM],
    ),
    Kind("no extension", lambda p: film(p.with_suffix(".mp4"), draw=swaying(2)).rename(p), [NUM]),
    Kind("space, \u00fc\u00f1\u00ef \u5634 #1 %d.mp4", lambda p: film(p, draw=swaying(3)), [NUM]),
    Kind("torn.mp4", torn, [NUM], True, "cannot be decoded"),
    Kind("cut at the end.mp4", lambda p: cut_to(p, 0.98), [NUM - 1]),
    Kind("cut in the middle.mp4", lambda p: cut_to(p, 0.3), "too_short"),
    Kind("cut in the header.mp4", lambda p: cut_to(p, -1), "unreadable"),
    Kind("one_frame.mp4", lambda p: film(p, number=1), "no_face"),
    Kind("short.mp4", lambda p: film(p, number=12), "too_short"),
    Kind("nobody.mp4", lambda p: film(p, draw=lambda k: scene(face=False)), "no_face"),
    Kind("black.mp4", lambda p: film(p, draw=lambda k: np.zeros((64, 64, 3), np.uint8)), "no_face"),
    Kind("far.mp4", lambda p: film(p, draw=lambda k: drawn(k, zoom=0.4)), "face_too_small"),
    Kind("frozen.mp4", lambda p: film(p, draw=lambda k: drawn(0), options={}), "frozen_picture"),
    Kind(
        "second copy.mp4",
        lambda p: p.write_bytes(p.with_name("plain.mp4").read_bytes()),
        "duplicate",
    ),
    Kind(
        "sound alone.mp4",
        lambda p: write_media(p, Sound(samples=speech(1.2), codec="aac", kind="fltp")),
        "no_video",
    ),
    Kind("text.mp4", lambda p: p.write_text("The rain in Spain\n" * 100), "unreadable"),
    Kind("empty.mp4", lambda p: p.touch(), "empty"),
    Kind("link to nothing.mp4", lambda p: p.symlink_to("nothing.mp4"), "missing"),
    Kind("unknown codec.mp4", in_unknown_codec, "unsupported"),
    Kind("leap.mov", lambda p: silent(p, times=[0, 0.04, 5000]), "damaged"),
]


def make_corpus(folder: Path, names: list[str] | None = None) -> Path:
    """Make the videos of some kinds, by default of all, and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # A copy needs its original.
    for kind in sorted(KINDS, key=lambda kind: kind.expected == "duplicate"):
        if names is None or kind.name in names:
            kind.make(folder / kind.name)
    return folder


def content_of(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their relative names, the lock aside."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and not os.path.islink(path)
    }
