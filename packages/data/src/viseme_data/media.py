"""Media in: one door to the frames, the sound and the portraits of any file.

    for frame in read_frames("clip.mov"): ...     # uint8 (H, W, 3), exactly 25 per second
    clip = read_audio("clip.mov")                 # mono, 16 kHz, in time with the first frame

Everything but `read_audio` is streamed: memory does not grow with the length of the file.
"""

from dataclasses import dataclass
from pathlib import Path

from viseme_data.container import (
    MediaError,
    Reason,
    find_stream,
    first_picture,
    open_media,
    seconds_of,
)
from viseme_data.frames import read_frames
from viseme_data.sound import read_audio, stream_audio
from viseme_data.stills import read_image
from viseme_data.upright import Upright

__all__ = [
    "MediaError",
    "MediaInfo",
    "Reason",
    "probe",
    "read_audio",
    "read_frames",
    "read_image",
    "stream_audio",
]


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """What a file says of itself; only its first picture is decoded."""

    width: int
    """Width as shown: upright and with square pixels; 0 without video."""
    height: int
    """Height as shown."""
    fps: float
    """Average frames per second, 0 where the file does not say."""
    seconds: float
    """Length of the video, or of the sound where there is none; 0 where the file does not say."""
    audio_rate_hz: int
    """0 without an audio stream."""
    audio_channels: int
    """0 without an audio stream."""


def probe(path: str | Path) -> MediaInfo:
    """Return what a media file says of itself.

    Raises:
        MediaError: If there is no such file, it is no media file, it has neither video nor sound
            that can be decoded, or its first picture cannot be.
    """
    with open_media(path) as container:
        video, audio = find_stream(container, "video"), find_stream(container, "audio")
        if video is None and audio is None:
            raise MediaError(
                "unreadable",
                f"{str(path)!r} has neither video nor sound that can be decoded; convert it",
            )
        width = height = 0
        if video is not None:
            width, height = Upright(video, first_picture(path), path).size
        return MediaInfo(
            width=width,
            height=height,
            fps=float(video.average_rate or 0) if video is not None else 0.0,
            seconds=seconds_of(video or audio),
            audio_rate_hz=audio.rate if audio is not None else 0,
            audio_channels=audio.channels if audio is not None else 0,
        )
