"""Pictures of a crop's video in any order: a decoder that stays open, and pieces cut without loss.

A crop's video is H.264 with dense key frames, one picture per 1/25 s. Reading starts at the key
frame before a wanted picture and goes on while the next one is near.
"""

import io
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import torch
from av.video.reformatter import VideoReformatter
from torch import Tensor

from viseme_core.types import FPS

# Decoding so many pictures that nobody asked for takes as long as looking for a nearer key frame.
_READ_ON = 12


class CropVideo:
    """An open crop video that gives pictures by their numbers.

    Args:
        source: File, or the bytes of one.
        name: What errors call it; the path by default.

    Raises:
        ValueError: If it is no video that can be read.
    """

    def __init__(self, source: Path | bytes, *, name: str | None = None) -> None:
        self.name = name or (str(source) if isinstance(source, Path) else "these bytes")
        if isinstance(source, Path) and not source.is_file():
            raise ValueError(
                f"there is no video {self.name!r}: `viseme-data vary`, and `synthesize` without "
                f"--frames, make clips without pictures; take others, or prepare the data again"
            )
        try:
            # Absolute: ffmpeg takes `name:` at the start of a relative path for a protocol.
            file = str(source.absolute()) if isinstance(source, Path) else io.BytesIO(source)
            self._container: Any = av.open(file)
            self._stream: Any = self._container.streams.video[0]
        except (av.error.FFmpegError, IndexError, ValueError) as error:
            raise self._damaged(error) from error
        # Loader processes are the threads.
        self._stream.thread_type = "NONE"
        self._stream.thread_count = 1
        self._ticks = round(1 / (FPS * self._stream.time_base))
        # One for all frames: each keeps tables that take longer to make than a small picture.
        self._reformatter = VideoReformatter()
        self._frames: Iterator[Any] = iter(())
        self._frame: Any = None
        self._at = -math.inf

    @property
    def num_frames(self) -> int:
        """Number of pictures, as the file says."""
        return self._stream.frames

    def read(self, numbers: Iterable[int]) -> Tensor:
        """Return the pictures with these numbers in their order, uint8 (n, 3, H, W).

        Raises:
            ValueError: If there is no such picture, or it cannot be decoded.
        """
        numbers = list(numbers)
        pictures = {number: self._picture(number) for number in sorted(set(numbers))}
        return torch.stack([pictures[number] for number in numbers])

    def cut(self, wanted: range) -> tuple[bytes, int]:
        """Return an MP4 file with successive pictures as they were encoded, and its first number.

        Nothing is decoded: the file begins at the key frame before the first picture and ends with
        the group of the last. The same input gives the same bytes.

        Raises:
            ValueError: If the video lacks pictures.
        """
        self._frame, self._at = None, -math.inf
        try:
            self._container.seek(wanted.start * self._ticks, stream=self._stream)
            first, packets = self._groups(wanted)
        except av.error.FFmpegError as error:
            raise self._damaged(error) from error
        if first > wanted.start or first + len(packets) < wanted.stop:
            raise self._damaged(f"pictures {wanted.start} to {wanted.stop} are not all there")
        return _remuxed(self._stream, packets, first * self._ticks), first

    def close(self) -> None:
        """Let go of the file."""
        self._frames, self._frame = iter(()), None
        self._container.close()

    def _picture(self, number: int) -> Tensor:
        if not 0 <= number - self._at <= _READ_ON:
            self._seek(number)
        while self._at < number:
            self._advance()
        if self._at != number:
            raise self._damaged(f"there is no picture {number}")
        rgb = self._reformatter.reformat(self._frame, format="rgb24", threads=1)
        return torch.from_numpy(rgb.to_ndarray()).permute(2, 0, 1).contiguous()

    def _seek(self, number: int) -> None:
        try:
            self._container.seek(number * self._ticks, stream=self._stream)
        except av.error.FFmpegError as error:
            raise self._damaged(error) from error
        self._frames = self._container.decode(self._stream)
        self._advance()

    def _groups(self, wanted: range) -> tuple[int, list[Any]]:
        """Return the packets of the groups that wanted pictures lie in, and their first number."""
        first, packets = wanted.stop, []
        for packet in self._container.demux(self._stream):
            if packet.pts is None:
                continue
            number = round(packet.pts / self._ticks)
            if packet.is_keyframe and number >= wanted.stop:
                break
            if packet.is_keyframe and number <= wanted.start:
                packets = []
            if not packets:
                first = number
            packets.append(packet)
        return first, packets

    def _advance(self) -> None:
        try:
            self._frame = next(self._frames, None)
        except av.error.FFmpegError as error:
            raise self._damaged(error) from error
        self._at = math.inf if self._frame is None else round(self._frame.pts / self._ticks)

    def _damaged(self, what: object) -> ValueError:
        detail = getattr(what, "strerror", None) or what
        return ValueError(
            f"the pictures of {self.name!r} cannot be read ({detail}): the file is cut off or "
            f"damaged; copy it again, or delete it and prepare or pack again"
        )


def _remuxed(stream: Any, packets: list[Any], shift: int) -> bytes:
    """Return an MP4 file of packets, shown earlier by `shift` ticks."""
    buffer = io.BytesIO()
    # Bit-exact: no version of the muxer in the file.
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        copy = container.add_stream_from_template(stream)
        copy.time_base = stream.time_base
        for packet in packets:
            moved = av.Packet(bytes(packet))
            moved.pts, moved.dts = packet.pts - shift, packet.dts - shift
            moved.duration, moved.time_base = packet.duration, packet.time_base
            moved.is_keyframe = packet.is_keyframe
            moved.stream = copy
            container.mux_one(moved)
    return buffer.getvalue()
