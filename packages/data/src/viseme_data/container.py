"""Opening media files and decoding them, with one kind of error for all that can be wrong."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import av.error

Reason = Literal[
    "missing",
    "folder",
    "forbidden",
    "empty",
    "unreadable",
    "unsupported",
    "no_video",
    "no_audio",
    "damaged",
]
"""Words for what is wrong with a file, for counting.

`missing`, `folder`, `forbidden` and `empty`: no file, not a file, no permission, zero bytes;
`unreadable`: nothing that ffmpeg knows; `unsupported`: known, but no decoder or beyond our limits;
`no_video`, `no_audio`: no such stream; `damaged`: the stream is there and cannot be used.
"""

MAX_JUMP_SEC = 600
"""Timestamps that jump further than this are broken: no recording pauses so long."""
MAX_STEP_BACK_SEC = 1
"""Timestamps may waver a little; one that returns further starts another recording."""
MAX_SIDE_PX = 16_384

# ffmpeg renders text files as pictures of text, and follows playlists to other files.
_NOT_MEDIA = {"tty", "bin", "xbin", "adf", "idf", "concat", "hls", "dash", "sdp", "rtsp", "imf"}
_OUR_WORDS = {"video": "pictures", "audio": "sound"}

logger = logging.getLogger(__name__)


class MediaError(ValueError):
    """A file that cannot be used, with a reason that a manifest can count.

    Args:
        reason: One word for it.
        message: One sentence for people.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers send their errors home pickled.
        return MediaError, (self.reason, str(self))


def check_file(path: str | Path) -> Path:
    """Return the path if it leads to a file with something in it.

    Raises:
        MediaError: `missing`, `folder`, `forbidden` or `empty`.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise MediaError("folder", f"{str(path)!r} is a folder; give one file")
        if not path.is_file():
            raise MediaError("missing", f"there is no file {str(path)!r}; check the path")
        with path.open("rb") as file:
            if not file.read(1):
                raise MediaError(
                    "empty", f"{str(path)!r} is empty (0 bytes); copy or download it again"
                )
    except PermissionError as error:
        raise MediaError(
            "forbidden", f"{str(path)!r} may not be read; change its permissions"
        ) from error
    except OSError as error:
        raise MediaError(
            "unreadable", f"{str(path)!r} cannot be opened: {error.strerror}"
        ) from error
    return path


def open_media(path: str | Path) -> Any:
    """Return PyAV's container of a media file, to be used in a `with` statement.

    Raises:
        MediaError: If there is no such file, or it is no media file.
    """
    path = check_file(path)
    unreadable = f"{str(path)!r} is no media file that ffmpeg can read"
    try:
        # Absolute: ffmpeg takes `name:` at the start of a relative path for a protocol.
        container = av.open(str(path.absolute()), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        detail = getattr(error, "strerror", None) or error
        raise MediaError(
            "unreadable", f"{unreadable} ({detail}); convert it or copy it again"
        ) from error
    if _NOT_MEDIA & set(container.format.name.split(",")):
        name = container.format.name
        container.close()
        raise MediaError("unreadable", f"{unreadable} ({name}: text or a playlist); give the video")
    return container


def find_stream(container: Any, kind: Literal["video", "audio"]) -> Any | None:
    """Return the first stream of a kind that can be decoded and is no cover picture, or None."""
    for stream in getattr(container.streams, kind):
        # A cover is a video stream of one picture. An unknown codec has no context.
        if not stream.disposition & stream.disposition.attached_pic and stream.codec_context:
            return stream
    return None


def need_stream(container: Any, kind: Literal["video", "audio"], path: str | Path) -> Any:
    """Return what `find_stream` finds.

    Raises:
        MediaError: If there is none, or none that can be decoded.
    """
    stream = find_stream(container, kind)
    if stream is not None:
        return stream
    if any(stream.codec_context is None for stream in getattr(container.streams, kind)):
        raise MediaError(
            "unsupported",
            f"the {kind} of {str(path)!r} is in a codec that this ffmpeg cannot decode; convert it",
        )
    raise MediaError(
        "no_video" if kind == "video" else "no_audio",
        f"{str(path)!r} has no {kind} stream; give a file with {_OUR_WORDS[kind]}",
    )


def decode(container: Any, stream: Any, path: str | Path) -> Iterator[Any]:
    """Yield the stream's frames; what cannot be decoded is left out, with one warning at the end.

    Raises:
        MediaError: If not one frame can be decoded.
    """
    packets = container.demux(stream)
    decoded = failed = 0
    error: Exception | None = None
    while True:
        frames: list[Any] = []
        try:
            packet = next(packets, None)
            if packet is None:
                break
            frames = packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError as caught:
            # After a failed packet the next may be whole; after a failed read there is no next.
            error = caught
            failed += 1
        decoded += len(frames)
        yield from frames
    if not decoded:
        _refuse(stream, path, failed, error)
    if failed:
        logger.warning(
            "%s: %d of %d %s frames cannot be decoded and are left out",
            path,
            failed,
            failed + decoded,
            stream.type,
        )


def _refuse(stream: Any, path: str | Path, failed: int, error: Exception | None) -> None:
    if failed or stream.frames:
        detail = f" ({getattr(error, 'strerror', error)})" if error else ""
        raise MediaError(
            "damaged",
            f"the {stream.type} of {str(path)!r} cannot be decoded{detail}; "
            f"copy or download it again",
        ) from error
    raise MediaError(
        "no_video" if stream.type == "video" else "no_audio",
        f"the {stream.type} stream of {str(path)!r} is empty; give a file with "
        f"{_OUR_WORDS[stream.type]}",
    )


def time_of(frame: Any) -> Fraction | None:
    """Return a frame's timestamp in seconds, exact, or None where the file has none."""
    if frame.pts is None or not frame.time_base:
        return None
    return frame.pts * frame.time_base


def seconds_of(stream: Any) -> float:
    """Return how long a stream is as the file says, 0 where it does not."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    # The container's length is that of the longest stream, from zero on.
    return stream.container.duration / av.time_base if stream.container.duration else 0.0


def check_jump(before: Fraction, after: Fraction, path: str | Path) -> None:
    """Refuse timestamps that leap.

    Raises:
        MediaError: If time goes on by more than MAX_JUMP_SEC or back by MAX_STEP_BACK_SEC.
    """
    if not -MAX_STEP_BACK_SEC <= after - before <= MAX_JUMP_SEC:
        raise MediaError(
            "damaged",
            f"the timestamps of {str(path)!r} jump from {float(before):.2f} s to "
            f"{float(after):.2f} s; cut it there, or let ffmpeg write new ones",
        )


def first_picture(path: str | Path) -> Any | None:
    """Return the first frame that can be decoded, or None if there is no video stream.

    Raises:
        MediaError: If the file cannot be opened, or its video not be decoded.
    """
    with open_media(path) as container:
        stream = find_stream(container, "video")
        return next(decode(container, stream, path)) if stream is not None else None
