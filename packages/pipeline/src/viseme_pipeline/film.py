"""A film on the disk: whole under its name, or not there at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from viseme_core.types import FPS
from viseme_data.film_sound import FILM_RATE_HZ
from viseme_data.write import VideoWriter
from viseme_pipeline.voice import Voice

# x264's result depends on their number, so that it is the same on every machine.
_X264_THREADS = 2
_SAMPLES_PER_FRAME = FILM_RATE_HZ // FPS


@dataclass(frozen=True, kw_only=True)
class Film:
    """What was made."""

    path: Path
    """The file."""
    num_frames: int
    """Frames, 25 a second."""
    size: tuple[int, int]
    """Width and height."""
    took_sec: float
    """Wall time from the first step to the finished file."""

    @property
    def seconds(self) -> float:
        """Length of the picture."""
        return self.num_frames / FPS

    @property
    def frames_per_sec(self) -> float:
        """How fast it was made."""
        return self.num_frames / max(self.took_sec, 1e-9)


def check_target(out: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Return where a film is to stand.

    Raises:
        ValueError: If it cannot stand there, or something does that may not be replaced.
    """
    path = Path(out)
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"--out must end in .mp4, got {str(out)!r}")
    if path.is_dir():
        raise ValueError(f"--out {str(out)!r} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {str(path.parent)!r} for --out; create it first")
    if path.exists() and not overwrite:
        raise ValueError(f"{str(out)!r} is there already; choose another name or give --overwrite")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"the folder {str(path.parent)!r} of --out may not be written to")
    return path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a file beside the target that takes its name if the block ends well, or disappears."""
    draft = path.with_name(f".viseme-{secrets.token_hex(4)}.mp4")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_film(
    path: Path,
    chunks: Iterator[np.ndarray],
    voice: Voice,
    size: tuple[int, int],
    *,
    crf: float,
) -> Iterator[int]:
    """Write frames and their sound in step; yields how many frames stand after each chunk.

    Args:
        path: File to write.
        chunks: Frames, uint8 RGB (T, H, W, 3).
        voice: Their sound.
        size: Width and height.
        crf: Quality of x264.
    """
    writer = VideoWriter(
        path,
        size,
        crf=crf,
        threads=_X264_THREADS,
        audio=FILM_RATE_HZ,
        channels=voice.num_channels,
    )
    with closing(voice.film_pieces()) as sound, writer:
        for frames_THW3 in chunks:
            for frame_HW3 in frames_THW3:
                writer.write(frame_HW3)
            while writer.num_samples < writer.num_frames * _SAMPLES_PER_FRAME:
                piece_CS = next(sound, None)
                if piece_CS is None:
                    break
                writer.write_audio(piece_CS)
            yield writer.num_frames
        for piece_CS in sound:
            writer.write_audio(piece_CS)
    assert writer.num_frames == voice.num_frames, (writer.num_frames, voice.num_frames)
