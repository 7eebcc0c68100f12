"""Second pass: the pictures of each clip's crop, filmed and measured while they pass by."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from viseme_core.types import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, CropBox
from viseme_data.crop import warp
from viseme_data.prepare.ahead import ahead
from viseme_data.prepare.clip import ClipDraft
from viseme_data.quality import PictureMeasures
from viseme_data.upright import Matrix, Picture, Planes
from viseme_data.write import VideoWriter

KEY_EVERY = 10
"""Frames from one key frame to the next: a window that starts anywhere decodes nine more at most.
"""
_MEASURED_PX = 256


class OutputError(OSError):
    """What is prepared cannot be written, in a sentence: the disk is full, or read-only."""


@contextmanager
def writing() -> Iterator[None]:
    """Turn errors of writing into `OutputError`, which ends a run; those of reading do not."""
    try:
        yield
    except OSError as error:
        raise OutputError(str(error)) from error


def film_crops(
    pictures: Iterable[Picture],
    first_frame: int,
    drafts: list[ClipDraft],
    folder: Path,
    size: int,
    *,
    depth: int = 0,
) -> list[PictureMeasures]:
    """Write `<id>.mp4` of every draft into a folder and return the measures of its crops.

    Args:
        pictures: Pictures from `first_frame` on, until all drafts are over.
        first_frame: Frame of the video that they start at.
        drafts: Clips.
        folder: Where to.
        size: Side of the crop in pixels.
        depth: Crops that a thread of its own may cut ahead.

    Raises:
        OutputError: If they cannot be written; no file is half-written.
    """
    films = [_Film(draft, folder / f"{draft.clip_id}.mp4", size) for draft in drafts]
    with ExitStack() as stack:
        for film in films:
            stack.enter_context(film)
        cuts = stack.enter_context(ahead(_cut_out(pictures, first_frame, films), depth))
        for film, number, cut in cuts:
            film.add(number, cut)
    return [film.measures for film in films]


def _cut_out(
    pictures: Iterable[Picture], first_frame: int, films: list["_Film"]
) -> Iterator[tuple["_Film", int, np.ndarray | Planes]]:
    """Yield each film's crop of each picture, measured."""
    for number, picture in enumerate(pictures, first_frame):
        for film in films:
            if film.draft.track.start_frame <= number < film.draft.track.end_frame:
                yield film, number, film.crop(picture)


class _Film:
    """One clip's film while it is made."""

    def __init__(self, draft: ClipDraft, path: Path, size: int) -> None:
        self.draft = draft
        self.measures = PictureMeasures()
        self._half = CropBox(draft.box.cx / 2, draft.box.cy / 2, draft.box.side / 2)
        self._sound_TS = draft.audio_S.reshape(-1, SAMPLES_PER_FRAME).numpy()
        self._path = path
        self._size = size
        self._matrix: Matrix | None = None
        self._shown: Picture | None = None
        self._cut: np.ndarray | Planes = np.empty(0)
        self._writer: VideoWriter | None = None

    def crop(self, picture: Picture) -> np.ndarray | Planes:
        """Return the crop of the next picture and measure it."""
        if picture is not self._shown:
            self._cut, self._shown = self._warped(picture), picture
        if self._matrix is None:
            self._matrix = self._cut.matrix if isinstance(self._cut, Planes) else "bt709"
        self.measures.push(_shade(self._cut), is_luma=isinstance(self._cut, Planes))
        return self._cut

    def add(self, number: int, cut: np.ndarray | Planes) -> None:
        """Write a crop, that of frame `number` of the video."""
        track = self.draft.track
        done, is_last = number + 1 - track.start_frame, number + 1 == track.end_frame
        with writing():
            if self._writer is None:
                self._writer = self._opened()
            if isinstance(cut, Planes):
                self._writer.write_planes(cut.y_HW, cut.u_hw, cut.v_hw)
            else:
                self._writer.write(cut)
            if self.draft.has_audio and (done % KEY_EVERY == 0 or is_last):
                first = (done - 1) // KEY_EVERY * KEY_EVERY
                self._writer.write_audio(self._sound_TS[first:done].ravel())
            if is_last:
                self._writer.__exit__(None, None, None)
                self._writer = None

    def _warped(self, picture: Picture) -> np.ndarray | Planes:
        # As they are coded, pictures have half the samples and need not become RGB and back.
        planes, box, size = picture.planes(), self.draft.box, self._size
        if planes is None or self._matrix not in (None, planes.matrix):
            return warp(picture.rgb(), box, size)
        return Planes(
            y_HW=warp(planes.y_HW, box, size),
            u_hw=warp(planes.u_hw, self._half, size // 2),
            v_hw=warp(planes.v_hw, self._half, size // 2),
            matrix=planes.matrix,
        )

    def _opened(self) -> VideoWriter:
        return VideoWriter(
            self._path,
            (self._size, self._size),
            # Twice the bytes of slower presets, but half the work, and half that of reading.
            preset="ultrafast",
            key_every=KEY_EVERY,
            matrix=self._matrix or "bt709",
            # Many clips are made at a time; one thread takes a fifth less work than four.
            threads=1,
            audio=SAMPLE_RATE_HZ if self.draft.has_audio else None,
        ).__enter__()

    def __enter__(self) -> "_Film":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            # Without an error too, a film that is still open is not whole.
            writer.__exit__(kind or RuntimeError, error, trace)
            if kind is None:
                raise RuntimeError(f"the pictures of {self._path.name} ended before its clip")


def _shade(cut: np.ndarray | Planes) -> np.ndarray:
    """Return what is measured of a crop: luma or green, at one size, for which thresholds are."""
    shade_HW = cut.y_HW if isinstance(cut, Planes) else cut[..., 1]
    factor = len(shade_HW) // _MEASURED_PX
    if factor == 1:
        return shade_HW
    cells = shade_HW.reshape(_MEASURED_PX, factor, _MEASURED_PX, factor)
    return cells.mean((1, 3), dtype=np.float32)
