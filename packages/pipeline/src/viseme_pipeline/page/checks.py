"""Uploads are judged by what is in them, never by their names."""

import numbers
from pathlib import Path

from viseme_core.types import SAMPLE_RATE_HZ
from viseme_data.container import MediaError
from viseme_data.sound import stream_audio
from viseme_data.stills import read_image
from viseme_pipeline.page.config import ServeConfig

MAX_GAIN = 2.0
MAX_BLINK_RATE = 1.0
MAX_SEED = 2**31 - 1


def check_picture(path: str | None, config: ServeConfig) -> Path:
    """Return an uploaded picture that can be decoded.

    Raises:
        ValueError: If there is none, it is too large, or no picture.
    """
    if not path:
        raise ValueError("There is no face yet: give a picture, or take the demo's portrait.")
    file = _small_enough(path, config)
    read_image(file)
    return file


def check_voice(path: str | None, config: ServeConfig) -> Path:
    """Return an uploaded voice that can be decoded and is short enough.

    It is decoded no further than to its limit: an hour of sound is refused as fast as a minute.

    Raises:
        ValueError: If there is none, it is too large or long, or holds no sound.
    """
    if not path:
        raise ValueError("There is no voice yet: record one, upload one, or take the demo's.")
    file = _small_enough(path, config)
    num_samples = 0
    for piece_S in stream_audio(file):
        num_samples += len(piece_S)
        if num_samples > config.max_seconds * SAMPLE_RATE_HZ:
            raise ValueError(
                f"The voice is longer than the {config.max_seconds:g} seconds that this page "
                f"takes; cut it, or start the page with a larger --max-seconds."
            )
    if not num_samples:
        raise MediaError("no_audio", f"{str(file)!r} holds no sound; give a recording of a voice")
    return file


def check_number(value: object, name: str, low: float, high: float) -> float:
    """Return a number of the page that lies within its bounds.

    The page's own controls keep to them; what else talks to the server may not.

    Raises:
        ValueError: If it does not.
    """
    # Written so that NaN fails too.
    if not isinstance(value, numbers.Real) or not low <= float(value) <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}.")
    return float(value)


def sentence(error: BaseException) -> str:
    """Return an error for the page: one sentence, with files' names instead of their places."""
    text = " ".join(str(error).split()) or type(error).__name__
    words = [_without_folder(word) for word in text.split(" ")]
    text = " ".join(words)
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _without_folder(word: str) -> str:
    opening = "'" if word.startswith("'") else ""
    rest = word.removeprefix(opening)
    return opening + rest.rpartition("/")[2] if rest.startswith("/") else word


def _small_enough(path: str, config: ServeConfig) -> Path:
    file = Path(path)
    size = file.stat().st_size
    if size > config.max_upload_bytes:
        raise ValueError(
            f"{file.name!r} has {size / 1e6:.1f} MB; this page takes {config.max_upload_mb:g} MB "
            f"at most. Give a smaller file, or start the page with a larger --max-upload-mb."
        )
    return file
