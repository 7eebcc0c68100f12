"""Media out: frames and sound into an MP4 file that is either whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, get_args

import av
import av.error
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter

from viseme_core.types import FPS
from viseme_data.aac import AAC_RATES_HZ, add_aac, check_sound, planes_of, sound_frame
from viseme_data.upright import Matrix

__all__ = ["AAC_RATES_HZ", "Preset", "VideoWriter"]

Preset = Literal[
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
]


class _Colors(NamedTuple):
    matrix: Colorspace
    code: int
    """The matrix's number in H.264."""
    primaries: ColorPrimaries
    transfer: ColorTrc


# BT.709 is what players assume for HD, BT.601 for anything smaller or unmarked.
_COLORS: dict[Matrix, _Colors] = {
    "bt709": _Colors(Colorspace.ITU709, 1, ColorPrimaries.BT709, ColorTrc.BT709),
    "bt601": _Colors(Colorspace.ITU601, 6, ColorPrimaries.SMPTE170M, ColorTrc.SMPTE170M),
}
# Presets with which AAC may be hasty, too.
_HASTY = ("ultrafast", "superfast")


class VideoWriter:
    """Writes H.264 (yuv420p, BT.709) and AAC into an MP4 file, as a context manager.

        with VideoWriter("out.mp4", (256, 256), audio=16000) as writer:
            writer.write(frame)            # uint8 RGB (256, 256, 3); frame k is shown at k / fps
            writer.write_audio(samples)    # float32; sample 0 sounds with frame 0

    Everything goes to `out.mp4.partial` beside the target, which takes the name `out.mp4` when the
    block ends well and is removed when it does not. The same input gives the same bytes. Memory
    stays flat if picture and sound are written in step.

    Args:
        path: Target, ending in .mp4; its folder must exist. An older file is replaced.
        size: Width and height of the frames, both even.
        fps: Frames per second.
        crf: Quality of x264: 0 is lossless, 18 looks it, 23 is smaller.
        preset: Effort of x264, and with the two fastest of AAC: slower is smaller.
        key_every: Frames from one key frame to the next at most, for films that are read in
            windows; None is 250.
        matrix: How RGB is turned into luma and chroma; `write_planes` takes planes of this one.
        threads: Threads of x264. Its result depends on their number, so not on the machine.
        audio: Sample rate of the sound, one of AAC_RATES_HZ, or None for no sound.
        channels: Of the sound: 1 or 2.

    Raises:
        ValueError: If an argument or what is written does not fit, naming what would.
        OSError: If the file cannot be written, for example because the disk is full.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        *,
        fps: float | Fraction = FPS,
        crf: float = 18,
        preset: Preset = "veryfast",
        key_every: int | None = None,
        matrix: Matrix = "bt709",
        threads: int = 4,
        audio: int | None = None,
        channels: int = 1,
    ) -> None:
        self.path = Path(path)
        self.size = (int(size[0]), int(size[1]))
        if self.path.suffix.lower() != ".mp4":
            raise ValueError(f"VideoWriter.path must end in .mp4, got {str(path)!r}")
        width, height = self.size
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise ValueError(
                f"VideoWriter.size must be even and at least 2 x 2, got {width} x {height}; crop "
                f"the frames to {max(2, width // 2 * 2)} x {max(2, height // 2 * 2)} or pad them"
            )
        if not 0 < fps <= 1000:
            raise ValueError(f"VideoWriter.fps must be above 0 and at most 1000, got {fps}")
        if not 0 <= crf <= 51:
            raise ValueError(f"VideoWriter.crf must be 0 to 51, got {crf}")
        if preset not in get_args(Preset):
            raise ValueError(
                f"VideoWriter.preset must be one of {get_args(Preset)}, got {preset!r}"
            )
        if audio is not None:
            check_sound(audio, channels)
        self._fps = Fraction(fps).limit_denominator(1001)
        self._x264 = {"crf": str(crf), "preset": preset}
        if key_every is not None:
            self._x264["g"] = str(key_every)
        self._is_hasty = preset in _HASTY
        self._colors = _COLORS[matrix]
        self._threads = threads
        self._audio_rate_hz = audio
        self._channels = channels
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._container: Any = None
        self._video: Any = None
        self._audio: Any = None
        self._reformatter = VideoReformatter()
        self.num_frames = 0
        """Frames written so far."""
        self.num_samples = 0
        """Samples written so far."""

    def __enter__(self) -> "VideoWriter":
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"there is no folder {str(self.path.parent)!r} to write {self.path.name!r} into; "
                f"create it first"
            )
        if self.path.is_dir():
            raise IsADirectoryError(f"{str(self.path)!r} is a folder; give the name of a file")
        self.num_frames = self.num_samples = 0
        try:
            with _explained(self.path):
                self._open()
        except BaseException:
            self._discard()
            raise
        return self

    def write(self, frame_HW3: np.ndarray) -> None:
        """Add one frame, uint8 RGB of shape (H, W, 3)."""
        width, height = self.size
        if frame_HW3.shape != (height, width, 3) or frame_HW3.dtype != np.uint8:
            raise ValueError(
                f"VideoWriter.write expects uint8 of shape {(height, width, 3)}, got "
                f"{frame_HW3.dtype} of shape {frame_HW3.shape}"
            )
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HW3), format="rgb24")
        frame = self._reformatter.reformat(
            picture,
            format="yuv420p",
            dst_colorspace=self._colors.matrix,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        self._write(frame)

    def write_planes(self, y_HW: np.ndarray, u_hw: np.ndarray, v_hw: np.ndarray) -> None:
        """Add one frame as it will be coded: luma and both chromas at half its size, uint8."""
        width, height = self.size
        planes = y_HW, u_hw, v_hw
        shapes = [plane.shape for plane in planes]
        half = (height // 2, width // 2)
        if shapes != [(height, width), half, half] or {p.dtype.name for p in planes} != {"uint8"}:
            raise ValueError(
                f"VideoWriter.write_planes expects uint8 of {(height, width)} and twice {half}, "
                f"got {[plane.dtype.name for plane in planes]} of {shapes}"
            )
        # A frame of its own each time: x264 keeps the last ones by reference.
        frame: Any = av.VideoFrame(width, height, "yuv420p")
        for plane, rows in zip(frame.planes, planes, strict=True):
            held = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            held[: plane.height, : plane.width] = rows
        self._write(frame)

    def _write(self, frame: Any) -> None:
        frame.pts, frame.time_base = self.num_frames, 1 / self._fps
        self._encode(self._video, frame)
        self.num_frames += 1

    def write_audio(self, samples_CS: np.ndarray) -> None:
        """Add sound, floating point in [-1, 1], (channels, S), of one channel also (S,)."""
        if self._audio_rate_hz is None:
            raise ValueError("VideoWriter.write_audio needs VideoWriter(audio=sample rate)")
        planes = planes_of(samples_CS, self._channels)
        count = planes.shape[1]
        if count:
            frame = sound_frame(planes, self._audio_rate_hz, self.num_samples)
            self._encode(self._audio, frame)
            self.num_samples += count

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._finish()
        except BaseException:
            self._discard()
            raise

    def _open(self) -> None:
        # Bit-exact: no version of the muxer in the file. Absolute: `name:` is no protocol.
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        if self._audio_rate_hz is not None:
            # Counted in thousandths, as is usual, sound would end up to one of them too early.
            options["movie_timescale"] = str(self._audio_rate_hz)
        self._container = av.open(
            str(self._partial.absolute()),
            "w",
            format="mp4",
            options=options,
        )
        video = self._container.add_stream("libx264", rate=self._fps, options=self._x264)
        video.width, video.height = self.size
        video.pix_fmt = "yuv420p"
        video.time_base = 1 / self._fps
        video.thread_count = self._threads
        video.codec_context.colorspace = self._colors.code
        video.codec_context.color_range = ColorRange.MPEG
        video.codec_context.color_primaries = self._colors.primaries
        video.codec_context.color_trc = self._colors.transfer
        self._video = video
        if self._audio_rate_hz is not None:
            self._audio = add_aac(
                self._container, self._audio_rate_hz, self._channels, hasty=self._is_hasty
            )
        self._container.start_encoding()

    def _encode(self, stream: Any, frame: Any) -> None:
        if stream is None:
            raise ValueError("VideoWriter is not open: write inside its `with` block")
        with _explained(self.path):
            self._container.mux(stream.encode(frame))

    def _finish(self) -> None:
        if not self.num_frames:
            raise ValueError(f"no frame was written to {str(self.path)!r}; write at least one")
        if self._audio is not None and not self.num_samples:
            raise ValueError(
                f"no sound was written to {str(self.path)!r}; use audio=None for a silent film"
            )
        for stream in (self._video, self._audio):
            if stream is not None:
                self._encode(stream, None)
        with _explained(self.path):
            self._close()
        os.replace(self._partial, self.path)

    def _close(self) -> None:
        container, self._container = self._container, None
        self._video = self._audio = None
        if container is not None:
            container.close()

    def _discard(self) -> None:
        # Closing writes the rest, which fails again where writing failed.
        with suppress(av.error.FFmpegError):
            self._close()
        self._partial.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn ffmpeg's errors into the one sentence that a user needs."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise OSError(
            error.errno,
            f"{str(path)!r} cannot be written ({error.strerror}); nothing of it is kept",
        ) from error
