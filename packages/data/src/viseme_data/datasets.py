"""Data sets of windows, one for every kind of batch.

    source = ClipFolder("prepared", "train")             # or Shards("s3://bucket/shards", "train")
    sample = MotionDataset(source, frames=25)[Visit(7, epoch=3)]

A sample is a function of the seed, the epoch and the index, and of nothing else: not of the order
of calls, the process or whether clips or shards are read. Training visits every segment once an
epoch and begins a window anywhere in it; evaluation goes through all clips window by window.
"""

from viseme_data.face_datasets import (
    JointDataset,
    LandmarkDataset,
    RenderDataset,
    with_float_pictures,
)
from viseme_data.motion_datasets import MotionDataset, PairDataset
from viseme_data.window_dataset import WindowDataset

__all__ = [
    "JointDataset",
    "LandmarkDataset",
    "MotionDataset",
    "PairDataset",
    "RenderDataset",
    "WindowDataset",
    "with_float_pictures",
]
