"""Media files with something wrong, made from whole ones by their bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.data.make_media import Pictures, Sound, coded, tone, write_media


def film(path: Path) -> Path:
    """Two seconds of picture and sound; in an MP4 the index stands before them."""
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    pictures = Pictures(options={"g": "10"})
    sound = Sound(samples=tone(2, 16_000), codec="aac", kind="fltp")
    return write_media(path, pictures, sound, options=options)


def cut_film(path: Path, keep: Callable[[int, int], int]) -> Path:
    """A film cut off: `keep` says where, from where its pictures begin and its length in bytes."""
    content = film(path).read_bytes()
    path.write_bytes(content[: keep(content.find(b"mdat"), len(content))])
    return path


def with_hole(path: Path) -> Path:
    """A film with two hundred bytes lost in its pictures."""

    def tear(content: bytearray) -> None:
        start = content.index(b"mdat")
        hole = start + (len(content) - start) // 3
        content[hole : hole + 200] = bytes(200)

    return patched(film(path), tear)


def in_unknown_codec(path: Path) -> Path:
    """A film whose video calls itself something that nobody knows."""

    def rename(content: bytearray) -> None:
        at = content.index(b"avc1", content.index(b"stsd"))
        content[at : at + 4] = b"zzz1"

    return patched(film(path), rename)


def joined(path: Path, container: str, second: Callable[[int], np.ndarray]) -> Path:
    """Two recordings of one second each, one after the other in one file."""
    parts = [
        write_media(
            path.with_suffix(f".{k}"),
            Pictures(number=25, draw=draw, options={"bf": "0"}),
            container=container,
        )
        for k, draw in enumerate((coded, second))
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def patched(path: Path, change: Callable[[bytearray], None]) -> Path:
    """Change the bytes of a file in place."""
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return path


def cut_by_edit_list(content: bytearray, ticks: int) -> None:
    """Let the first edit list of an MP4 begin `ticks` later in its media."""
    at = content.index(b"elst") + 16
    before = int.from_bytes(content[at : at + 4], "big")
    content[at : at + 4] = (before + ticks).to_bytes(4, "big")
