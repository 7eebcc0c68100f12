"""A portrait and a voice in a few lines: the demo's, cut short."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from viseme_core.types import SAMPLE_RATE_HZ
from viseme_data.sound import read_audio
from viseme_data.stills import read_image
from viseme_pipeline.build_demo import write_flac
from viseme_pipeline.demo import PORTRAIT, VOICE


def portrait(size: int | None = 192) -> np.ndarray:
    """The demo's portrait, uint8 (size, size, 3): head and shoulders."""
    head_HW3 = read_image(PORTRAIT)[0:256, 96:352]
    if size is None:
        return head_HW3
    return np.asarray(Image.fromarray(head_HW3).resize((size, size), Image.Resampling.LANCZOS))


def portrait_file(path: Path, size: int | None = 192, **kwargs: Any) -> Path:
    Image.fromarray(portrait(size)).save(path, **kwargs)
    return path


def voice(seconds: float) -> np.ndarray:
    """The beginning of the demo's voice, repeated if need be."""
    samples_S = read_audio(VOICE).samples_S.numpy()
    num = round(seconds * SAMPLE_RATE_HZ)
    return np.resize(samples_S, num)


def voice_file(path: Path, seconds: float = 0.5) -> Path:
    write_flac(path, voice(seconds))
    return path
