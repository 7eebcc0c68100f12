"""Pictures, short videos and sound for TensorBoard, where people would rather look than read."""

import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from tensorboard.compat.proto import summary_pb2
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import FPS, AudioClip


def log_samples(writer: Any, samples: dict[str, Any], step: int) -> None:
    """Write named samples to a TensorBoard writer by what they are.

    Args:
        writer: `SummaryWriter`, which is `TensorBoardLogger.experiment`.
        samples: matplotlib figures, frames (T, 3, H, W) or a picture (3, H, W) in [-1, 1],
            `AudioClip`s, or text.
        step: Global step.
    """
    for name, sample in samples.items():
        if isinstance(sample, AudioClip):
            writer.add_audio(name, sample.samples_S[None], step, sample_rate=sample.rate_hz)
        elif isinstance(sample, str):
            writer.add_text(name, sample, step)
        elif isinstance(sample, Tensor) and sample.ndim == 4:
            writer._get_file_writer().add_summary(_gif_summary(name, sample), step)
        elif isinstance(sample, Tensor):
            writer.add_image(name, _to_bytes(sample[None])[0], step, dataformats="HWC")
        else:
            writer.add_figure(name, sample, step)


def encode_gif(frames_T3HW: Tensor, fps: float = FPS) -> bytes:
    """Return frames in [-1, 1] as an endlessly repeating GIF.

    GIF counts in hundredths of a second: 25 frames a second are exact.
    """
    check_shape(frames_T3HW, "T 3 H W", name="frames_T3HW")
    pictures = [Image.fromarray(frame) for frame in _to_bytes(frames_T3HW)]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / fps),
        loop=0,
    )
    return buffer.getvalue()


def _gif_summary(name: str, frames_T3HW: Tensor) -> Any:
    # SummaryWriter.add_video does the same through moviepy, which needs a system ffmpeg.
    height, width = frames_T3HW.shape[-2:]
    # The generated protobuf module has no types.
    proto: Any = summary_pb2
    image = proto.Summary.Image(
        height=height, width=width, colorspace=3, encoded_image_string=encode_gif(frames_T3HW)
    )
    return proto.Summary(value=[proto.Summary.Value(tag=name, image=image)])


def _to_bytes(frames_T3HW: Tensor) -> np.ndarray:
    scaled = ((frames_T3HW.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).movedim(1, -1).contiguous().numpy()
