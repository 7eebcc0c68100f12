"""Sound as AAC in an MP4 file: its stream, and the frames that go into it."""

from fractions import Fraction
from typing import Any

import av
import numpy as np

AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Sample rates that AAC knows."""

_LAYOUTS = {1: "mono", 2: "stereo"}
_BITS_PER_SAMPLE = 4
# Of a voice nobody hears the difference beyond these.
_MAX_BIT_RATES = {1: 128_000, 2: 192_000}


def check_sound(rate_hz: int, channels: int) -> None:
    """Refuse sound that AAC, or this writer, does not know.

    Raises:
        ValueError: If it is such.
    """
    if rate_hz not in AAC_RATES_HZ:
        raise ValueError(
            f"VideoWriter.audio must be a sample rate of AAC, {AAC_RATES_HZ}, got {rate_hz}; "
            f"resample the sound first"
        )
    if channels not in _LAYOUTS:
        raise ValueError(f"VideoWriter.channels must be 1 or 2, got {channels}; mix the sound down")


def add_aac(container: Any, rate_hz: int, channels: int, *, hasty: bool) -> Any:
    """Return a new stream of sound in a container.

    Args:
        container: PyAV's, open for writing.
        rate_hz: One of AAC_RATES_HZ.
        channels: 1 or 2.
        hasty: A third of the work, three decibels more noise.
    """
    options = {"aac_coder": "fast"} if hasty else {}
    stream = container.add_stream("aac", rate=rate_hz, layout=_LAYOUTS[channels], options=options)
    stream.bit_rate = min(_BITS_PER_SAMPLE * rate_hz * channels, _MAX_BIT_RATES[channels])
    stream.time_base = Fraction(1, rate_hz)
    return stream


def sound_frame(samples_CS: np.ndarray, rate_hz: int, start: int) -> Any:
    """Return PyAV's frame of some samples.

    Args:
        samples_CS: Floating point in [-1, 1], one or two channels.
        rate_hz: Their rate.
        start: Number of the first of them in the film.
    """
    planes = np.ascontiguousarray(samples_CS, np.float32)
    frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=_LAYOUTS[len(planes)])
    frame.sample_rate = rate_hz
    frame.pts, frame.time_base = start, Fraction(1, rate_hz)
    return frame


def planes_of(samples: np.ndarray, channels: int) -> np.ndarray:
    """Return sound as (channels, S); one channel may come as (S,).

    Raises:
        ValueError: If it is something else, or holds NaN or infinity.
    """
    planes = samples[None] if samples.ndim == 1 and channels == 1 else samples
    if planes.ndim != 2 or len(planes) != channels or not np.issubdtype(planes.dtype, np.floating):
        shape = "(samples,)" if channels == 1 else f"({channels}, samples)"
        raise ValueError(
            f"VideoWriter.write_audio expects floating point of shape {shape}, got "
            f"{samples.dtype} of shape {samples.shape}"
        )
    if not np.isfinite(planes).all():
        raise ValueError("VideoWriter.write_audio got NaN or infinity; repair the sound first")
    return planes
