"""The pictures of a video, twice: once to find faces, once to film the crops that were found."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from viseme_core.types import FPS
from viseme_data.container import time_of
from viseme_data.frames import read_pictures
from viseme_data.sound import FirstPicture
from viseme_data.upright import Picture

MEMORY_BYTES = 256 * 2**20
"""Decoded pictures up to this size are kept for the second time; a longer video is decoded again.
"""


class PicturesTwice:
    """One video's pictures in order, and stretches of them in order.

    Args:
        path: The video.
        threads: Threads of the decoder, 0 for one per core.
        memory_bytes: Up to this size pictures are kept rather than decoded twice.
    """

    def __init__(self, path: Path, *, threads: int = 1, memory_bytes: int = MEMORY_BYTES) -> None:
        self._path = path
        self._threads = threads
        self._memory_bytes = memory_bytes
        self.first: FirstPicture | None = None
        """The first one, once it was decoded."""
        self._kept: list[Picture] | None = None
        self._is_wanted = True
        self._again: Iterator[Picture] | None = None
        self._position = 0

    def first_time(self) -> Iterator[Picture]:
        """Yield all pictures at 25 per second, as `read_pictures`; to be called once.

        Raises:
            MediaError: As `read_pictures`.
        """
        kept: list[Picture] = []
        room = self._memory_bytes
        for picture in read_pictures(self._path, threads=self._threads):
            if self.first is None:
                self.first = FirstPicture(time_of(picture.frame))
                # Even pictures that are given up stay with a decoder that is still at work.
                if picture.upright.stated_sec * FPS * _num_bytes(picture) > room:
                    room = -1
            if room >= 0 and self._is_wanted:
                if not kept or picture is not kept[-1]:
                    room -= _num_bytes(picture)
                kept.append(picture)
            else:
                kept.clear()
            yield picture
        if room >= 0 and self._is_wanted:
            self._kept = kept

    def between(self, start: int, stop: int) -> Iterator[Picture]:
        """Yield the pictures from `start` to before `stop`; `start` must not go back.

        May be called while the first time is still going on, in another thread.
        """
        if self._again is None:
            # Pictures that are kept only in part are of no use.
            self._is_wanted = False
            kept = self._kept
            self._again = (
                iter(kept) if kept is not None else read_pictures(self._path, threads=self._threads)
            )
        skipped = start - self._position
        self._position = stop
        yield from islice(self._again, skipped, stop - start + skipped)


def _num_bytes(picture: Picture) -> int:
    return sum(plane.buffer_size for plane in picture.frame.planes)
