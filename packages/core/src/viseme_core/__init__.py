"""Shared ground of viseme: what stages exchange, and what every stage is built on.

Types and batches: `types`, `batches`, `shapes`. Sound: `audio`. Diffusion: `diffusion`. Stage
files: `checkpoint`. Audio-motion experts: `contrastive`. Training (needs the `train` extra):
`train`.
"""

from viseme_core.draws import Draws
from viseme_core.types import (
    AudioClip,
    CropBox,
    Landmarks,
    Motion,
    ReferenceFace,
    VideoClip,
    count_frames,
)

__all__ = [
    "AudioClip",
    "CropBox",
    "Draws",
    "Landmarks",
    "Motion",
    "ReferenceFace",
    "VideoClip",
    "count_frames",
]
